"""What the nouns of a client are made with: a storage, and a way to run calls and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from awa._client.steps import Steps
    from awa._storage.calls import Call
    from awa._storage.functions import Storage

T = TypeVar("T")


class AsyncAdministering:
    """The asynchronous client as its nouns see it."""

    _storage: Storage

    async def _run(self, call: Call[T]) -> T:
        raise NotImplementedError

    async def _follow(self, steps: Steps[T]) -> T:
        raise NotImplementedError


class Administering:
    """The synchronous client as its nouns see it."""

    _storage: Storage

    def _run(self, call: Call[T]) -> T:
        raise NotImplementedError

    def _follow(self, steps: Steps[T]) -> T:
        raise NotImplementedError
