"""`python -m correctness.cron_stories`: record traces/schedules/accepted/ anew, and lie about them.

A story is a few calls by two sessions of a throw-away server, which lead by turns. What
leaders_that_come_and_go tells is told by workers: `pytest --replay-traces --keep-traces FOLDER`
over the test of that name gives it.
"""

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from awa._core.firing import plan
from awa._core.schedules import DueSchedule, timing_of
from awa._storage.executors import run_sync
from awa._storage.functions import Storage
from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from correctness.configurations import SPEC
from correctness.lies_of_schedules import LIES
from correctness.recording import Recording
from correctness.traces import write_ndjson

SCHEDULES: Final = SPEC.parent / "traces" / "schedules"
STORAGE: Final = Storage("awa")
WORKER: Final = 7

Session = psycopg.Connection[tuple[Any, ...]]
Seen = tuple[DueSchedule, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaders:
    """Two sessions that lead. A schedule is due half an hour after `began`, and each hour."""

    one: Session
    heir: Session
    began: datetime

    def put(self, *, every_s: float = 3600, later_s: int = 0, **more: object) -> None:
        """Put the schedule; its instants may be some seconds later."""
        anchor_s = round(self.began.timestamp() + every_s / 2) + later_s
        said = {"every_s": every_s, "anchor_s": anchor_s, "kind": "k", "args": {}, **more}
        run_sync(self.one, STORAGE.put_schedule("n", "s", said))

    def outage(self, hours: float) -> None:
        """Have the schedule be as if nobody had looked at it for so long."""
        self.one.execute(
            "update awa.cron_schedules set next_at = now() - interval '1 year',"
            " upto = now() - make_interval(secs => %s)",
            [hours * 3600],
        )
        self.one.execute("select awa.tell_schedule('env_older', 'n', 's')")

    def look(self, session: Session) -> Seen:
        """What a leader sees, and its clock."""
        look = run_sync(session, STORAGE.due_schedules())
        return look.due[0], look.now

    def fire(self, session: Session, seen: Seen | None = None, *, fast_h: float = 0) -> None:
        """Fire what a leader plans that saw this, or looks just now; its clock may be fast."""
        due, now = seen or self.look(session)
        wish = plan(timing_of(due), since=due.upto, now=now + timedelta(hours=fast_h))
        call = STORAGE.fire(
            "n", "s", version=due.version, upto=wish.upto, due=wish.fires, next_at=due.upto
        )
        run_sync(session, call)

    def trigger(self) -> None:
        """Ask for a job."""
        run_sync(self.one, STORAGE.trigger_schedule("n", "s"))

    def run_a_job(self, call: int) -> None:
        """Claim what is there and complete it."""
        self.one.execute("select awa.worker_start(%s, '{}')", [WORKER])
        self.one.execute(
            "select c.answer from awa.claim(%s, %s, %s, '{default}', '{9}') q, awa.complete("
            "%s, %s, array[q.slot], array[%s]::bigint[], array[q.part], array[q.seqs]) c"
            " where q.answer = 'got'",
            [WORKER, call, 100 * call, WORKER, call, 100 * call],
        )


def one_after_the_other(on: Leaders) -> None:
    """Each fires what the other left, once; a plan that comes late or early does nothing."""
    on.put()
    on.outage(1.75)
    seen = on.look(on.heir)
    on.fire(on.one)
    on.fire(on.heir, seen)
    on.fire(on.heir, fast_h=1)
    on.put(missed_fire_policy="skip")
    on.put(later_s=600, missed_fire_policy="catch_up", catch_up_max=2)
    on.outage(3.75)
    on.fire(on.heir)
    on.put(later_s=1200, missed_fire_policy="catch_up", max_lateness_s=3000)
    on.outage(2.5)
    on.fire(on.one)


def paused_and_resumed(on: Leaders) -> None:
    """What is due in a pause is never fired; whoever looked before fires nothing."""
    on.put()
    on.outage(1.75)
    seen = on.look(on.one)
    run_sync(on.one, STORAGE.pause_schedule("n", "s"))
    on.fire(on.one, seen)
    on.trigger()
    on.put(missed_fire_policy="skip")
    on.put(every_s=1800, missed_fire_policy="skip")
    run_sync(on.one, STORAGE.resume_schedule("n", "s"))
    on.fire(on.heir)
    run_sync(on.one, STORAGE.delete_schedule("n", "s"))
    on.put()
    on.fire(on.one)


def one_at_a_time(on: Leaders) -> None:
    """An older job that is not finished: it stands in the way, it is replaced, it ends."""
    on.put(overlap="skip", missed_fire_policy="catch_up")
    on.outage(2.75)
    on.fire(on.one)
    on.put(overlap="skip", later_s=600)
    on.outage(1)
    on.fire(on.heir)
    on.trigger()
    on.run_a_job(1)
    on.trigger()
    on.put(overlap="replace", later_s=1200)
    on.trigger()
    on.outage(2.5)
    on.fire(on.heir)
    on.run_a_job(2)
    on.put(overlap="replace", later_s=2400)
    on.outage(1)
    on.fire(on.heir)


STORIES: Final = (one_after_the_other, paused_and_resumed, one_at_a_time)


def main() -> None:
    """Record all stories, each on a database of its own, and write the lies about them."""
    bindir = Path(os.environ["PG_BINDIR"]) if "PG_BINDIR" in os.environ else None
    with Cluster(bindir=bindir, settings={"wal_level": "logical"}) as cluster:
        for story in STORIES:
            name = story.__name__
            with psycopg.connect(cluster.conninfo(), autocommit=True) as session:
                session.execute(f'create database "{name}"')
            migrate_sync(cluster.conninfo(name), schema="awa")
            recording = Recording(cluster.conninfo(name))
            with (
                psycopg.connect(cluster.conninfo(name), autocommit=True) as one,
                psycopg.connect(cluster.conninfo(name), autocommit=True) as heir,
            ):
                now = run_sync(one, STORAGE.due_schedules()).now
                story(Leaders(one=one, heir=heir, began=now))
            write_ndjson(SCHEDULES / "accepted" / f"{name}.ndjson", recording.finish())
    for lie in LIES:
        write_ndjson(SCHEDULES / "rejected" / f"{lie.name}.ndjson", lie.told())


if __name__ == "__main__":
    main()
