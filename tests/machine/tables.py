"""What the tables hold, in the words of the twin: one lane at a time, read in one snapshot."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from correctness.model.state import Closure, Entry, Key, Row, Seqs, State, Wait
from tests.fix_database import Session
from tests.fix_sql import row

_SPAN: Final = re.compile(r"\[(\d+),(\d+)\)")
_UNSETTLED: Final = {"lost", "expired"}
"""Ended by nobody's settle: there the id is whatever the SQL had at hand."""

READ: Final = """
    select (select jsonb_agg(jsonb_build_array(lane, seq, slot, job_id, run_lease, attempt, losses))
              from awa.ready),
           (select jsonb_agg(jsonb_build_array(lane, token, part, slot, worker, call,
                                               coalesce(no, 0), seqs::text)) from awa.claims),
           (select jsonb_agg(jsonb_build_array(lane, token, part, seqs::text, settle_id, outcome))
              from awa.closures),
           (select jsonb_agg(jsonb_build_array(lane, job_id, state, run_lease, attempt, losses))
              from awa.deferred),
           (select jsonb_agg(jsonb_build_array(lane, job_id, state, run_lease, attempt, losses))
              from awa.finals),
           (select jsonb_agg(jsonb_build_array(lane, job_id, state, run_lease, attempt, losses))
              from awa.dlq),
           (select jsonb_agg(jsonb_build_array(lane, job_id, (said ->> 'percent')::int))
              from (select r.lane, r.job_id, coalesce(e.progress, r.extra -> 'progress') as said
                      from awa.ready r
                      left join awa.leases e on (e.slot, e.lane, e.seq) = (r.slot, r.lane, r.seq)
                     where not exists (select from awa.closures x
                                        where x.lane = r.lane and x.seqs @> r.seq)
                    union all select lane, job_id, extra -> 'progress' from awa.deferred
                    union all select lane, job_id, extra -> 'progress' from awa.finals
                    union all select lane, job_id, extra -> 'progress' from awa.dlq) p
             where said is not null),
           (select jsonb_agg(jsonb_build_array(n.lane, n.no, n.next, (n.holes + n.young)::text,
                             coalesce(pg_sequence_last_value(l.seq), 0), l.floor_no, l.floor_next,
                             (l.floor_holes + l.floor_young)::text))
              from awa.lane_now n join awa.lanes l using (lane)),
           (select jsonb_agg(worker) from awa.workers),
           (select jsonb_agg(jsonb_build_array(encode(unique_key, 'hex'), job_id))
              from awa.unique_keys),
           (select last_value from awa.ring_seq)
"""


def seqs_of(text: str) -> Seqs:
    """Answer the numbers of a multirange's text."""
    return frozenset(n for low, high in _SPAN.findall(text) for n in range(int(low), int(high)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """One lane's rows. Fields are the twin's of the same name; `last` is the sequence's value."""

    entries: frozenset[Entry]
    claims: frozenset[Row]
    closures: frozenset[Closure]
    withdrawn: Seqs
    deferred: frozenset[Wait]
    finals: frozenset[Wait]
    dead: frozenset[Wait]
    progress: frozenset[tuple[int, int]]
    """Jobs that have not completed, with what is told of their progress."""
    state: State
    floor: State
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """All lanes, and what belongs to none."""

    lanes: dict[int, Tables]
    workers: frozenset[int]
    keys: frozenset[Key]
    ring: int


def read(session: Session) -> Database:
    """Read everything in one statement."""
    *by_lane, lanes, workers, keys, ring = row(session, READ)
    rows = [_by_lane(part or []) for part in by_lane]
    return Database(
        lanes={
            lane[0]: _tables(lane, [part.get(lane[0], []) for part in rows]) for lane in lanes or ()
        },
        workers=frozenset(workers or ()),
        keys=frozenset(Key(int(key, 16), job) for key, job in keys or ()),
        ring=ring,
    )


def _by_lane(rows: Iterable[list[Any]]) -> dict[int, list[list[Any]]]:
    found: dict[int, list[list[Any]]] = {}
    for lane, *rest in rows:
        found.setdefault(lane, []).append(rest)
    return found


def _tables(lane: list[Any], parts: list[list[list[Any]]]) -> Tables:
    entries, claims, closures, deferred, finals, dead, progress = parts
    _, no, following, holes, last, floor_no, floor_next, floor_holes = lane
    return Tables(
        entries=frozenset(Entry(*one) for one in entries),
        claims=frozenset(Row._make([*one, seqs_of(seqs)]) for *one, seqs in claims),
        closures=_closures(one for one in closures if one[0] is not None),
        withdrawn=frozenset(n for one in closures if one[0] is None for n in seqs_of(one[2])),
        deferred=frozenset(Wait(*one) for one in deferred),
        finals=frozenset(Wait(*one) for one in finals),
        dead=frozenset(Wait(*one) for one in dead),
        progress=frozenset((job, said) for job, said in progress),
        state=State(no, following, seqs_of(holes)),
        floor=State(floor_no, floor_next, seqs_of(floor_holes)),
        last=last,
    )


def _closures(rows: Iterable[list[Any]]) -> frozenset[Closure]:
    counted: Counter[tuple[Any, ...]] = Counter()
    found: set[Closure] = set()
    for token, part, seqs, settle, outcome in rows:
        named = (token, part, seqs_of(seqs), 0 if outcome in _UNSETTLED else settle, outcome)
        found.add(Closure(*named, copy=counted[named]))
        counted[named] += 1
    return frozenset(found)
