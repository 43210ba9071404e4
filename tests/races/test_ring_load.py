"""The ring turns while everybody works: many small slots, and nothing is lost or done twice."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest

from tests.fix_database import NewSession, Session
from tests.fix_ring import evacuate, prune, rotate, rows_in
from tests.fix_sql import (
    WORKER,
    Answers,
    Row,
    bodies,
    claim,
    complete,
    enqueue_many,
    release,
    start_worker,
)

JOBS_MIN = 10_000
PRUNES_MIN = 17  # every slot, and the first one again
BATCH = 20


@dataclass(slots=True)
class Load:
    """What the threads tell each other, and what they did."""

    enqueued: list[int] = field(default_factory=list)
    completed: Counter[int] = field(default_factory=Counter)
    maintained: Counter[str] = field(default_factory=Counter)
    errors: list[BaseException] = field(default_factory=list)
    tokens: "count[int]" = field(default_factory=lambda: count(1))
    produced: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def thread(self, work: Callable[["Load", Session], None], session: Session) -> threading.Thread:
        """Start a thread whose error ends all of them."""

        def run() -> None:
            try:
                work(self, session)
            except BaseException as error:  # noqa: BLE001  # the test raises it
                self.errors.append(error)
                self.over.set()

        started = threading.Thread(target=run, daemon=True)
        started.start()
        return started

    def is_done(self) -> bool:
        """Whether every job was completed, or something failed."""
        done = self.produced.is_set() and len(self.completed) == len(self.enqueued)
        return done or self.over.is_set()

    def is_enough(self) -> bool:
        """Whether there were many jobs, and the ring has turned under them."""
        return len(self.enqueued) >= JOBS_MIN and self.maintained["pruned"] >= PRUNES_MIN


def produce(load: Load, session: Session) -> None:
    """Enqueue in small transactions, one in five of which rolls back, until the ring has turned."""
    chance = random.Random(1)  # noqa: S311  # a load, not a secret
    while not load.is_enough() and not load.over.is_set():
        with session.transaction(force_rollback=chance.random() < 0.2) as transaction:
            ids = enqueue_many(session, BATCH)
        if not transaction.force_rollback:
            load.enqueued += ids
    load.produced.set()


def work(load: Load, session: Session) -> None:
    """Claim, keep some for a while, release some and complete the rest."""
    chance = random.Random(threading.get_ident())  # noqa: S311  # a load, not a secret
    kept: list[Row] = []
    while not load.is_done():
        kept += claim(session, BATCH, token=next(load.tokens), call=1).rows
        while kept and (len(kept) > 8 or chance.random() < 0.5):
            settle(load, session, kept.pop(chance.randrange(len(kept))), chance)


def settle(load: Load, session: Session, row: Row, chance: random.Random) -> None:
    """Release a tenth of a claim's numbers and complete the others, until nobody is busy."""
    jobs = {
        seq: job
        for seq, job, part in session.execute(
            "select seq, job_id, part from " + bodies("%s"), [row.token]
        ).fetchall()
        if part == row.part
    }
    assert sorted(jobs) == sorted(row.seqs)
    back = [n for n in row.seqs if chance.random() < 0.1]
    forward = [n for n in row.seqs if n not in back]
    settled_by(release, load, session, row, back)
    done = settled_by(complete, load, session, row, forward)
    load.completed.update(jobs[n] for n in done)


def settled_by(
    act: Callable[..., Answers], load: Load, session: Session, row: Row, wanted: list[int]
) -> list[int]:
    """Ask until nobody is busy any more, and return what was settled."""
    done: list[int] = []
    while (left := [n for n in wanted if n not in done]) and not load.over.is_set():
        answer = act(session, row, seqs=left, settle_id=next(load.tokens))
        assert {"settled", "busy"} >= {a for _, a, _ in answer}, answer
        done += [n for _, a, settled in answer if a == "settled" for n in settled]
    return done


def maintain(load: Load, session: Session) -> None:
    """Turn the ring as often as it can be turned; prune and carry forward what is behind."""
    while not load.is_done():
        answer, current = rotate(session, max_age_s=0)
        load.maintained[f"rotate {answer}"] += 1
        for slot in range(16):
            if slot == current:
                continue
            if prune(session, slot).freed_bytes:
                load.maintained["pruned"] += 1
            elif rows_in(session, slot):
                answer, moved = evacuate(session, slot)
                load.maintained[f"evacuate {answer}"] += 1
                load.maintained["moved"] += moved


@pytest.mark.bulk
def test_the_ring_turns_under_load(session: NewSession, one: Session) -> None:
    """Guards NoJobLost, EntryClaimedOnce, OnlyOpenSettles, Reclaims and NoDeadlock."""
    start_worker(one, WORKER)
    one.execute("select awa.ensure_lane('default')")
    load = Load()
    roles = [produce, work, work, work, maintain]
    threads = [load.thread(role, session()) for role in roles]
    for thread in threads:
        thread.join(120)
    load.over.set()
    for error in load.errors:
        raise error
    assert sorted(load.enqueued) == sorted(load.completed)
    assert {1} == set(load.completed.values())
    assert load.maintained["pruned"] >= PRUNES_MIN, load.maintained
    assert load.maintained["moved"] > 0, load.maintained
