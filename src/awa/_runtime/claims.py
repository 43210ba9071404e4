"""A claim call as its worker knows it, and what its answer says of jobs and bodies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import trio

from awa._core.bodies import Bodies
from awa._core.entries import Ask, ClaimAnswer, ClaimRow
from awa._core.ranges import Ranges
from awa._runtime.clock import ServerClock
from awa._runtime.ledger import Held
from awa._storage.piping import Asked


@dataclass(slots=True, kw_only=True, eq=False)
class Claim:
    """A claim call that was sent, or is about to be."""

    call: int
    token: int
    place: int
    """Of the session that it goes over; 0 for the one that sleeps and is woken."""
    asks: Sequence[Ask]
    told: bool
    """Whether somebody announced something for it."""
    asked: Asked[ClaimAnswer]
    bodies: Asked[tuple[Bodies, ...]]
    is_with_bodies: bool
    """Whether its bodies are asked for behind it."""
    asked_s: float
    full: Collection[str] = ()
    """Queues of which it got as many jobs as it asked for."""


def missing_bodies(
    rows: Sequence[ClaimRow], bodies: Sequence[Bodies]
) -> list[tuple[ClaimRow, Ranges]]:
    """What was claimed and has no body, by claims row."""
    found: dict[int, list[int]] = {row.part: [] for row in rows}
    for some in bodies:
        found[some.part] += some.columns.seqs
    missing = [(row, row.seqs.minus(Ranges.from_sorted(sorted(found[row.part])))) for row in rows]
    return [(row, seqs) for row, seqs in missing if seqs]


def brought(rows: Sequence[ClaimRow]) -> tuple[Bodies, ...]:
    """The bodies that came with these rows."""
    return tuple(row.bodies for row in rows if row.bodies is not None)


def taken_by(rows: Sequence[ClaimRow]) -> int:
    return sum(len(row.seqs) for row in rows)


def jobs_of(bodies: Sequence[Bodies]) -> int:
    return sum(map(len, bodies))


def held_of(
    claim: Claim, rows: Sequence[ClaimRow], priorities: Mapping[int, int], clock: ServerClock
) -> dict[int, Held]:
    """What a worker holds by a claim, by claims row."""
    now_s = trio.current_time()
    return {
        row.part: Held(
            queue=row.queue,
            # Of what is given back it may not be known, nor is it asked.
            priority=priorities.get(row.lane, 0),
            call=claim.call,
            token=claim.token,
            slot=row.slot,
            part=row.part,
            deadline=row.deadline,
            deadline_s=clock.local_s(row.deadline),
            taken_s=now_s,
            jobs=len(row.seqs),
        )
        for row in rows
    }
