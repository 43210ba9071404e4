"""Retirement: failed and cancelled jobs, and dead letters, are forgotten after their retention."""

import logging
from typing import Final

from awa._core.limits import RETIRE_JOBS_MAX
from awa._runtime.limits import RETIRE_INTERVAL_S
from awa._runtime.seat import Seat
from awa._runtime.settings import Retention
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")


class Retirer:
    """Deletes in batches; other sweeps have their turn between them."""

    def __init__(self, seat: Seat, storage: Storage, retention: Retention) -> None:
        self._seat = seat
        self._storage = storage
        self._retention = retention

    async def once(self) -> float:
        """Delete one batch."""
        answer = await self._seat.ask(
            self._storage.retire(
                max_jobs=RETIRE_JOBS_MAX,
                keep_s=self._retention.finals_s,
                dlq_keep_s=self._retention.dead_letters_s,
            )
        )
        if answer.finals or answer.dead_letters:
            _log.info(
                "%d ended jobs and %d dead letters were past their retention",
                answer.finals,
                answer.dead_letters,
            )
        full = RETIRE_JOBS_MAX in {answer.finals, answer.dead_letters}
        return 0.0 if full else RETIRE_INTERVAL_S
