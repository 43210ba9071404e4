"""A flag that one task waits for and others raise; raising it twice is raising it once."""

import trio


class Signal:
    """Level-triggered: raised before anybody waits, it is still seen. One task waits."""

    __slots__ = ("_event", "_raised")

    def __init__(self) -> None:
        self._raised = False
        self._event: trio.Event | None = None

    def set(self) -> None:
        """Raise the flag."""
        self._raised = True
        if self._event is not None:
            self._event.set()

    async def wait(self, *, until_s: float | None = None) -> None:
        """Return once the flag is up, or at that time of trio's clock; take the flag down."""
        if not self._raised:
            assert self._event is None, "one task waits"
            self._event = trio.Event()
            try:
                with trio.CancelScope(deadline=float("inf") if until_s is None else until_s):
                    await self._event.wait()
            finally:
                self._event = None
        else:
            await trio.lowlevel.checkpoint()
        self._raised = False


class Signals:
    """Several flags, each with a task that waits for it, and all raised at once."""

    __slots__ = ("flags",)

    def __init__(self, count: int) -> None:
        self.flags = tuple(Signal() for _ in range(count))

    def set(self) -> None:
        """Raise all of them."""
        for flag in self.flags:
            flag.set()
