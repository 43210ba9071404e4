"""Everything at once, in random order: no deadlock, no job lost, no job in two places."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.fix_actions import (
    cancel_pending,
    cancel_running,
    dlq_move,
    dlq_purge,
    dlq_retry,
    fail,
    promote,
    rescue_deadline,
    rescue_worker,
    retry,
    snooze,
)
from tests.fix_database import NewSession, Session
from tests.fix_ring import EVACUATE, PRUNE, rotate
from tests.fix_sql import (
    Row,
    beat,
    bodies,
    claim,
    complete,
    enqueue_many,
    release,
    start_worker,
)

STORM_S: Final = 6.0
LONGEST_S: Final = 90.0
"""A slow machine needs longer until everything has happened often."""
OFTEN: Final = ("enqueued", "claimed", "promoted", "complete settled", "retry settled")
QUEUES: Final = ("a", "b", "c")
WORKERS: Final = 4
ENQUEUE: Final = "select id from awa.enqueue('k', '{}', %s) where answer <> 'existing'"


@dataclass(slots=True, kw_only=True)
class Storm:
    """What the threads share. Its lists are appended to and sampled, and never locked."""

    until: float = 0.0
    jobs: list[int] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    bodies: dict[tuple[int, int], int] = field(default_factory=dict)
    """The job of a lane's number."""
    gone: set[int] = field(default_factory=set)
    """Jobs that were completed or purged: they may be nowhere by now."""
    acts: dict[str, int] = field(default_factory=dict)
    trouble: list[BaseException] = field(default_factory=list)

    def lasts(self) -> bool:
        """Whether it goes on: it is early or much is yet to happen, and nobody met an error."""
        over_s = time.monotonic() - self.until
        return not self.trouble and (over_s < 0 or (over_s < LONGEST_S and not self.happened()))

    def happened(self) -> bool:
        """Whether everything has happened often enough to meet everything else."""
        return all(self.acts.get(act, 0) > 20 for act in OFTEN)

    def count(self, act: str, number: int) -> None:
        """Remember that something happened, so that the test is known not to be idle."""
        self.acts[act] = self.acts.get(act, 0) + number

    def some_jobs(self, dice: random.Random, most: int = 8) -> list[int]:
        """Return a few jobs, most of them of late."""
        recent = self.jobs[-60:]
        return dice.sample(recent, min(len(recent), dice.randint(1, most)))


Part = Callable[[Storm, Session, random.Random], None]


def produce(storm: Storm, session: Session, dice: random.Random) -> None:
    """Enqueue a few jobs, sometimes in a transaction that lasts, or is rolled back."""
    opts: dict[str, object] = {"queue": dice.choice(QUEUES), "priority": dice.randint(1, 2)}
    opts |= dice.choice([{}, {}, {"delay_s": 0.05}, {"deadline_s": 0.02}, {"max_attempts": 2}])
    if dice.random() < 0.3:
        with session.transaction(force_rollback=dice.random() < 0.3) as open_one:
            made = enqueue_many(session, 3, **opts)
            made += enqueue_many(session, 1, queue=dice.choice(QUEUES))
        if not open_one.force_rollback:
            storm.jobs += made
    elif dice.random() < 0.3:
        opts |= {"unique": {"key": f"{dice.randint(0, 3):032x}"}}
        opts |= {"on_conflict": dice.choice(["skip", "replace"])}
        storm.jobs += [n for (n,) in session.execute(ENQUEUE, [Jsonb(opts)]) if n is not None]
    else:
        storm.jobs += enqueue_many(session, dice.randint(1, 5), **opts)
    storm.count("enqueued", 1)


def take(storm: Storm, session: Session, dice: random.Random) -> None:
    """Claim for some worker; it may just have been rescued."""
    token = dice.getrandbits(62)
    queues = dice.sample(QUEUES, dice.randint(1, 3))
    try:
        found = claim(
            session, dice.randint(1, 6), token=token, worker=dice.randint(1, WORKERS), queues=queues
        )
    except psycopg.Error as error:
        if error.sqlstate != "AW003":
            raise
        return
    for lane, seq, job in session.execute(
        "select lane, seq, job_id from " + bodies("%s"), [token]
    ).fetchall():
        storm.bodies[lane, seq] = job
    storm.rows += found.rows
    storm.count("claimed", len(found.seqs))


def settle(storm: Storm, session: Session, dice: random.Random) -> None:
    """Settle parts of a few claims in any order, in one or two steps, perhaps for nothing."""
    rolls_back = dice.random() < 0.1
    completed: list[int] = []
    with session.transaction(force_rollback=rolls_back):
        for _ in range(dice.randint(1, 2)):
            recent = storm.rows[-40:]
            rows = {(r.token, r.part): r for r in dice.sample(recent, min(len(recent), 5))}
            act = dice.choice([complete, complete, complete, release, fail, cancel_running])
            settle_id = dice.getrandbits(40)
            if dice.random() < 0.5:
                answers = act(session, *rows.values(), settle_id=settle_id)
            elif dice.random() < 0.5:
                act = retry
                answers = retry(session, *rows.values(), settle_id=settle_id)
            else:
                act = snooze
                delays_s = [0.0] * len(rows)
                answers = snooze(session, *rows.values(), settle_id=settle_id, delays_s=delays_s)
            for item, answer, numbers in answers:
                storm.count(f"{act.__name__} {answer}", len(numbers))
                lane = list(rows.values())[item - 1].lane
                if act is complete and answer in {"settled", "already"}:
                    completed += [
                        storm.bodies[lane, n] for n in numbers if (lane, n) in storm.bodies
                    ]
    if not rolls_back:
        storm.gone |= set(completed)


def rescue(storm: Storm, session: Session, dice: random.Random) -> None:
    """Rescue a worker that is well, start it again, and end what is past its deadline."""
    worker = dice.randint(1, WORKERS)
    if dice.random() < 0.1:
        beat(session, dice.randint(1, 99), dice.randint(0, 3), worker=worker)
    if dice.random() < 0.1:
        session.execute("select awa.worker_stop(%s)", [worker])
        storm.count("rescued", rescue_worker(session, worker, None)[1])
        start_worker(session, worker)
    storm.count("expired", rescue_deadline(session)[0])


def promoting(storm: Storm, session: Session, dice: random.Random) -> None:
    """Promote what is due, or any jobs."""
    chosen = storm.some_jobs(dice) if dice.random() < 0.5 else []
    storm.count("promoted", promote(session, *chosen, max_jobs=dice.randint(1, 20)))


def operate(storm: Storm, session: Session, dice: random.Random) -> None:
    """Cancel, move, revive and purge a few jobs, whatever they are at."""
    act = dice.choice([cancel_pending, dlq_move, dlq_move, dlq_retry, dlq_retry, dlq_purge])
    jobs = storm.some_jobs(dice, 2 if act in {cancel_pending, dlq_purge} else 20)
    answers = act(session, *jobs, settle_id=dice.getrandbits(40))
    for job, (answer, _) in zip(jobs, answers, strict=True):
        storm.count(f"{act.__name__} {answer}", 1)
        if act is dlq_purge and answer == "settled":
            storm.gone.add(job)


def turn(storm: Storm, session: Session, dice: random.Random) -> None:
    """Turn the ring, and empty any slot that can be."""
    rotate(session, max_age_s=0.3)
    for statement, last in ((PRUNE, 0.0), (EVACUATE, 10_000)):
        answer = session.execute(statement, [dice.randint(0, 15), last]).fetchall()[0][0]
        storm.count(f"{statement.split('awa.')[1].split('(')[0]} {answer}", 1)


PARTS: Final[list[Part]] = [
    *(produce, produce, take, take, settle, settle, settle),
    *(rescue, promoting, promoting, operate, operate, turn),
]


def run(storm: Storm, session: Session, part: Part, seed: int) -> None:
    """Play one part until the end; the first error ends the storm."""
    dice = random.Random(seed)  # noqa: S311
    try:
        while storm.lasts():
            if storm.jobs:
                part(storm, session, dice)
    except BaseException as error:  # noqa: BLE001  # raised again in the test's own thread
        storm.trouble.append(error)


@pytest.fixture
def storm(session: NewSession, one: Session) -> Storm:
    """Return the end of a storm."""
    for queue, dead_letters in zip(QUEUES, (True, False, None), strict=True):
        one.execute(
            "select awa.configure_queue(%s, %s)", [queue, Jsonb({"dead_letters": dead_letters})]
        )
    for worker in range(1, WORKERS + 1):
        start_worker(one, worker)
    made = Storm(jobs=enqueue_many(one, 20, queue="a"), until=time.monotonic() + STORM_S)
    threads = [
        threading.Thread(target=run, args=(made, session(), part, seed), daemon=True)
        for seed, part in enumerate(PARTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(STORM_S + LONGEST_S + 60)
    assert not any(thread.is_alive() for thread in threads)
    return made


@pytest.mark.bulk
def test_a_storm_leaves_every_job_in_one_place(one: Session, storm: Storm) -> None:
    """Guards NoDeadlock, NoJobLost and OneLivePlacePerJob: overlapping settles, all at once."""
    for trouble in storm.trouble:
        raise trouble
    places = [
        job
        for (job,) in one.execute(
            "select id from awa.jobs union all select id from awa.dead_letters"
        )
    ]
    assert len(set(places)) == len(places)
    assert set() == set(storm.jobs) - set(places) - storm.gone
    assert set() == set(places) - set(storm.jobs)
    assert storm.happened(), storm.acts
