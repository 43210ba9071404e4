"""Fixtures of this folder."""

from tests.acceptance.fix_operator import do
from tests.fix_holding import properties_hold

__all__ = ["do", "properties_hold"]
