"""A worker in the calling thread, for the synchronous client."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from awa.errors import ConfigurationError

T = TypeVar("T")


def run_here(function: Callable[[], Awaitable[T]], what: str) -> T:
    """Run this under trio until it ends. Raises ConfigurationError where trio runs already."""
    if trio.lowlevel.in_trio_run():
        raise ConfigurationError(f"Client.{what}() blocks, and here runs trio: use AsyncClient")
    return trio.run(function)
