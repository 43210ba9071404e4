"""Fixtures of this folder."""

from tests.fix_holding import properties_hold

__all__ = ["properties_hold"]
