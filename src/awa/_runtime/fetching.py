"""The bodies of a claim: how they come, and what becomes of entries that have none."""

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from awa._core.bodies import Bodies
from awa._core.entries import ClaimAnswer, ClaimRow
from awa._runtime.claims import Claim, brought, jobs_of, missing_bodies, taken_by
from awa._runtime.ledger import Held
from awa._runtime.reconnecting import Session
from awa._runtime.settling import Settler
from awa._storage.functions import Storage

_log: Final = logging.getLogger("awa.worker")


async def bodies_of(
    claim: Claim, answer: ClaimAnswer, session: Session, storage: Storage, slots: Sequence[int]
) -> tuple[Bodies, ...]:
    """Wait for the bodies of what a claim took, likely in these slots."""
    taken = taken_by(answer.rows)
    found = brought(answer.rows)
    if claim.is_with_bodies:
        found = await session.answer(claim.bodies)
    elif jobs_of(found) < taken:
        found = await session.ask(storage.bodies(claim.token, guess=slots))
    if jobs_of(found) < taken:
        # They are in other slots than before, as the ring has turned.
        found = await session.ask(storage.bodies(claim.token))
    return found


def give_back_missing(
    rows: Sequence[ClaimRow],
    helds: Mapping[int, Held],
    bodies: Sequence[Bodies],
    settler: Settler,
) -> None:
    """Release what was claimed and has no body."""
    for row, missing in missing_bodies(rows, bodies):
        _log.error(
            "lane %d: the bodies of claimed entries %s are missing; they are released",
            row.lane,
            missing,
        )
        for seq in missing:
            settler.give_back(helds[row.part], seq)
