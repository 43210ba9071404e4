"""How many rows may be inserted, updated and deleted in each table, and how many sessions opened.

Each bound follows from what was asked for: jobs, attempts, failures, beats, instants, turns of the
ring. The server counts what was rolled back as well, so each fault may add a little. It counts from
0 again after a crash, and on another primary; what is counted then is less, and bounded all the
same.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Final

from awa._core.limits import ROTATE_AGE_S
from correctness.chaos.jobs import DOOMED, FLAKY, NOTING, SNOOZING
from correctness.chaos.stage import Stage
from correctness.chaos.ticking import instants_fired
from correctness.chaos.worker import TRANSACTIONS

SESSIONS_MAX: Final = 6 + TRANSACTIONS
"""Of a worker: three, two more to lead, one for progress, and those of handlers' own."""
NOTES_EACH_MAX: Final = 3
"""A note may be written again when its answer was lost, and counts when it was rolled back."""
ROWS_SPARE: Final = 20
ROWS_A_FAULT: Final = 5
ROWS_A_FAILURE: Final = 500
"""Where every write fails after it was counted, again and again, for as long as a fault lasts."""
LANES: Final = 4
"""One queue's, of each priority."""
SLOTS: Final = 16
POSTPONED: Final = frozenset({FLAKY, SNOOZING, DOOMED, NOTING})
"""Kinds whose first attempt puts the job off."""

CHANGES: Final = """\
select c.relname, coalesce(s.n_tup_ins, 0), coalesce(s.n_tup_upd, 0), coalesce(s.n_tup_del, 0)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_stat_user_tables s on s.relid = c.oid
where n.nspname = 'awa' and c.relkind = 'r'"""
LOSSES: Final = "select count(*) from chaos.losses"
FINALS: Final = "select count(distinct n) from chaos.ends where state <> 'completed'"
RING: Final = ("ready_", "claims_", "closures_", "results_")
LEASES: Final = "leases_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What may be done to a table at most, in rows."""

    inserted: float = 0
    updated: float = 0
    deleted: float = 0


def unbounded(stage: Stage, *, counts_hold: bool) -> Iterator[str]:
    """Say which tables were changed more than they may be, and who had too many sessions."""
    stage.query("select pg_stat_force_next_flush()")  # of this session; the others have ended
    changes: dict[str, list[int]] = {name: counts for name, *counts in stage.query(CHANGES)}
    yield from unbounded_ring(changes)
    yield from unbounded_notes(stage, changes)
    spare = ROWS_SPARE + (ROWS_A_FAULT if counts_hold else ROWS_A_FAILURE) * len(stage.faults)
    yield from unbounded_tables(changes, bounds(stage, spare))
    yield from unbounded_sessions(stage)
    stage.figures["updated"] = sum(updated for _, updated, _ in changes.values())
    stage.figures["deleted"] = sum(deleted for *_, deleted in changes.values())


def unbounded_ring(changes: dict[str, list[int]]) -> Iterator[str]:
    """Say which of the logs were not only appended to."""
    for name, (_, updated, deleted) in sorted(changes.items()):
        if name.startswith(RING) and (updated or deleted):
            yield f"{name}: {updated} rows updated and {deleted} deleted, in a log"


def unbounded_notes(stage: Stage, changes: dict[str, list[int]]) -> Iterator[str]:
    """Say when more notes of progress were written than handlers have set."""
    leases = [counts for name, counts in changes.items() if name.startswith(LEASES)]
    written = sum(inserted + updated for inserted, updated, _ in leases)
    notes = [note for found in stage.effects.notes.values() for note in found if note.what == "set"]
    if written > NOTES_EACH_MAX * len(notes):
        yield f"leases: {written} rows written, of {len(notes)} notes"
    if deleted := sum(deleted for *_, deleted in leases):
        yield f"leases: {deleted} rows deleted, and they are a log"


def unbounded_tables(changes: dict[str, list[int]], most: dict[str, Bound]) -> Iterator[str]:
    """Say of which other tables more rows were touched than there is a reason for."""
    for name, counts in sorted(changes.items()):
        if name.startswith((*RING, LEASES)):
            continue
        if name not in most:
            yield f"{name}: nobody says how much of it may change"
            continue
        bound = most[name]
        for what, count, limit in zip(
            ("inserted", "updated", "deleted"),
            counts,
            (bound.inserted, bound.updated, bound.deleted),
            strict=True,
        ):
            if count > limit:
                yield f"{name}: {count} rows {what}, and {limit:.0f} at most"


def bounds(stage: Stage, spare: float) -> dict[str, Bound]:
    """Return what this scenario has a reason for, with so much to spare where jobs are written."""
    deferred = spare + deferrals(stage)
    finals = spare + stage.query(FINALS)[0][0]
    starts = spare + len(stage.workers)
    beats = sum(beats_at_most(stage, each.heartbeat_s) for each in stage.workers)
    turns = ROWS_SPARE + turns_at_most(stage)
    return {
        # Nobody has keys, letters or operators here.
        **dict.fromkeys(("unique_keys", "dlq", "acts"), Bound()),
        # Written by the installation, and by nobody after it.
        **dict.fromkeys(("meta", "lock_classes"), Bound(inserted=inf)),
        "queue_settings": Bound(inserted=1),
        "deferred": Bound(inserted=deferred, deleted=deferred),
        "finals": Bound(inserted=finals, deleted=finals),
        "workers": Bound(inserted=starts, updated=beats, deleted=starts),
        # A turn leaves a slot behind; emptying it moves the floor of each lane.
        "lanes": Bound(inserted=LANES, updated=2 * LANES * turns),
        "ring_slots": Bound(inserted=SLOTS, updated=turns),
        "cron_schedules": Bound(inserted=1, updated=spare + instants_fired(stage)),
    }


def deferrals(stage: Stage) -> int:
    """Return how often a job may have waited: for its time, for its next attempt, after a loss."""
    wishes = stage.books.wishes.values()
    of_wishes = sum((wish.delay_s is not None) + (wish.kind in POSTPONED) for wish in wishes)
    return int(of_wishes + stage.query(LOSSES)[0][0])


def turns_at_most(stage: Stage) -> float:
    """Return how often the ring may have turned: by age."""
    slot_s = stage.worker_options.get("retention", {}).get("slot_s", ROTATE_AGE_S)
    return 1 + (time.monotonic() - stage.began_s) / float(slot_s)


def beats_at_most(stage: Stage, heartbeat_s: float) -> float:
    """Return how many beats a worker may have sent: some come early, when something ended."""
    return 20 + 2 * (time.monotonic() - stage.began_s) / heartbeat_s


def unbounded_sessions(stage: Stage) -> Iterator[str]:
    """Say who had more sessions than it may have, look after look."""
    most = Counter(stage.audience.sessions_max)
    stage.figures["sessions of a worker"] = max(most.values(), default=0)
    stage.figures["sessions of producers"] = stage.audience.others_max
    if not most:
        yield "sessions: nobody's were ever counted"
    allowed = SESSIONS_MAX + stage.worker_options.get("claimers", 1) - 1
    for name, count in most.items():
        if count > allowed:
            yield f"{name}: {count} sessions at a time, and {allowed} at most"
    allowed = len(stage.producers) + stage.clients_max
    if stage.audience.others_max > allowed:
        yield f"producers: {stage.audience.others_max} sessions at a time, and {allowed} at most"
