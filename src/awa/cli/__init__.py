"""The command `awa`: one file per noun, and nothing decided here that a library user could not."""

from awa.cli.main import main

__all__ = ["main"]
