"""One job before others that came first: they are claimed meanwhile, and given back after it.

So they keep their order and their attempts. What production would do to a job that was claimed and
given back happens to them too: their `run_lease` has grown, and a unique key to `started` is free.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

from awa._core.entries import Ask, Body, SettleItem, WorkerInfo
from awa._core.limits import CLAIM_ENTRIES_MAX
from awa._core.ranges import Ranges
from awa._storage.tokens import draw_token
from awa._version import VERSION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

    from awa.client import AsyncClient


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    token: int
    body: Body

    def item(self) -> SettleItem:
        seqs = Ranges.from_sorted([self.body.seq])
        return SettleItem(slot=self.body.slot, token=self.token, part=self.body.part, seqs=seqs)


@asynccontextmanager
async def only(
    own: AsyncClient, wanted: Collection[int], queues: Sequence[str]
) -> AsyncIterator[None]:
    """Within the block the first of these jobs is the only one that can be claimed."""
    parking = _Parking(own)
    await parking.open(queues)
    try:
        taken = await parking.take_all(queues)
        first = next((one for one in taken if one.body.job_id in wanted), None)
        if first is not None:
            await parking.give_back([first])
        yield
        await parking.give_back([one for one in taken if one is not first])
    finally:
        await parking.close()


class _Parking:
    """A worker without handlers. What it holds when it is stopped is looked for by a leader."""

    def __init__(self, own: AsyncClient) -> None:
        self._run = own._run  # noqa: SLF001  # a friend
        self._storage = own._storage  # noqa: SLF001  # a friend
        self._worker = draw_token()

    async def open(self, queues: Sequence[str]) -> None:
        # Nobody misses its liveness lock: it has none.
        info = WorkerInfo(
            name="awa.testing",
            host="",
            pid=os.getpid(),
            queues=tuple(queues),
            version=VERSION,
            poll_only=True,
            role="dispatch",
        )
        await self._run(self._storage.worker_start(self._worker, info))

    async def take_all(self, queues: Sequence[str]) -> list[_Taken]:
        """Claim what is available, in the order of its claims."""
        asks = [Ask(queue=name, limit=CLAIM_ENTRIES_MAX // len(queues)) for name in queues]
        taken: list[_Taken] = []
        for call in count(1):
            token = draw_token()
            claim = self._storage.claim(self._worker, call=call, token=token, asks=asks)
            answer = await self._run(claim)
            if not answer.rows:
                break
            places = {row.part: place for place, row in enumerate(answer.rows)}
            found = await self._run(self._storage.bodies(token))
            bodies = sorted(chain(*found), key=lambda body: (places[body.part], body.seq))
            taken += [_Taken(token=token, body=body) for body in bodies]
        return taken

    async def give_back(self, taken: Sequence[_Taken]) -> None:
        """Make them available again, one after the other."""
        for one in taken:
            release = self._storage.release(self._worker, draw_token(), [one.item()])
            await self._run(release)

    async def close(self) -> None:
        await self._run(self._storage.worker_stop(self._worker))
