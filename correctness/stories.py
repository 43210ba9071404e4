"""`python -m correctness.stories [NAME ...]`: record stories of traces/accepted/ from the real SQL.

A story is a few calls on plain sessions of a throw-away server. Its trace is committed, so that the
replay is tested without a database, and a change of the events shows in review.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import psycopg

from awa._storage.install import migrate_sync
from awa.embedded import Cluster
from correctness.configurations import SPEC
from correctness.stories_of_answers import OF_ANSWERS
from correctness.story_stage import WORKER, Stage, record

ACCEPTED: Final = SPEC.parent / "traces" / "accepted"


def one_job(on: Stage) -> None:
    """The life of a job that goes well."""
    on.enqueue()
    on.claim(1)
    on.settle("complete", 1, 100, "{[1,2)}")
    on.run("select awa.worker_stop(%s)", WORKER)


def late_commit(on: Stage) -> None:
    """A number is passed while its transaction is open; it commits, and the next claim takes it."""
    on.enqueue_late()
    on.enqueue(2)
    on.claim(1)
    on.late.commit()
    on.claim(2)
    on.settle("complete", 1, 100, "{[2,4)}")
    on.settle("complete", 2, 200, "{[1,2)}")


def looked_before(on: Stage) -> None:
    """Entries commit between the look of a claim and its commit, which passes them over."""
    on.enqueue_late()
    with psycopg.connect(on.conninfo) as other, psycopg.connect(on.conninfo) as claimer:
        other.execute("select * from awa.enqueue('story', '{}')")
        on.enqueue()
        claimer.execute("select * from awa.claim(%s, 1, 100, '{default}', '{10}')", [WORKER])
        on.late.commit()
        other.commit()
        claimer.commit()
    on.claim(2)
    on.enqueue(2)
    on.run("select * from awa.cancel_pending(1, '{4}')")
    on.run("select * from awa.cancel_pending(2, '{5}')")


def rolled_back_number(on: Stage) -> None:
    """A number is passed while its transaction is open; it rolls back, and is forgotten."""
    on.enqueue_late()
    on.enqueue()
    on.claim(1)
    on.late.rollback()
    on.enqueue()
    on.claim(2)


def two_generations_of_holes(on: Stage) -> None:
    """Holes noted by several claims, with a limit smaller than what is there."""
    on.enqueue_late()
    on.enqueue(2)
    on.claim(1, 1)
    on.enqueue_late()
    on.enqueue(2)
    on.claim(2, 1)
    on.claim(3, 1)
    on.claim(4, 1)
    on.late.commit()
    on.claim(5, 1)
    on.claim(6, 1)


def lost_claim_reply(on: Stage) -> None:
    """A claim is repeated by its token: before and after a part of it has ended."""
    on.enqueue(3)
    on.claim(1, 2)
    on.claim(1, 2)
    on.settle("complete", 1, 100, "{[1,2)}")
    on.claim(1, 2)
    on.claim(2)


def lost_settle_reply(on: Stage) -> None:
    """A settle is repeated by its id, then tried under another one: already, and stale."""
    on.enqueue(2)
    on.claim(1)
    on.settle("complete", 1, 100, "{[1,2)}")
    on.settle("complete", 1, 100, "{[1,2)}")
    on.settle("complete", 2, 100, "{[1,3)}")


def released(on: Stage) -> None:
    """A job is given back and runs again; the first attempt's completion comes late: stale."""
    on.enqueue(2)
    on.claim(1)
    on.settle("release", 1, 100, "{[1,2)}")
    on.claim(2)
    on.settle("complete", 2, 100, "{[1,3)}")
    on.settle("complete", 3, 200, "{[3,4)}")


def forgotten_call(on: Stage) -> None:
    """A worker no longer knows a claim call: the heartbeat releases it, and not the later one."""
    on.enqueue(2)
    on.claim(1, 1)
    on.claim(2, 1)
    on.beat(1, "{}")
    on.beat(2, "{[2,3)}")
    on.claim(3)


def lost_too_often(on: Stage) -> None:
    """A job is lost by one heartbeat after another, until it ends; from the second on it waits."""
    on.enqueue()
    for call in range(1, 7):
        on.claim(call)
        on.beat(call, "{}")
        on.promote(1)


def batches_of_two_queues(on: Stage) -> None:
    """Batches fill two lanes, and one claim call takes from both."""
    jobs = '[{"kind":"s","args":1},{"kind":"s","args":2,"opts":{"queue":"other"}}]'
    on.run("select awa.ensure_lane('other')")
    on.run("select * from awa.enqueue_many(%s::jsonb)", jobs)
    on.run("select * from awa.enqueue_many(%s::jsonb)", jobs)
    on.run("select * from awa.claim(%s, 1, 100, '{default,other}', '{1,2}')", WORKER)
    on.run("select * from awa.claim(%s, 1, 100, '{default,other}', '{1,2}')", WORKER)


def waits_and_returns(on: Stage) -> None:
    """A scheduled job, a snooze, a retry whose reply is lost, and the end of all attempts."""
    on.job('{"delay_s": 3600, "max_attempts": 2}')
    on.promote(1)
    on.claim(1)
    on.snooze(1, 100, "{[1,2)}")
    on.promote(1)
    on.claim(2)
    on.settle("retry", 2, 200, "{[2,3)}")
    on.settle("retry", 2, 200, "{[2,3)}")
    on.promote(1)
    on.claim(3)
    on.settle("retry", 3, 300, "{[3,4)}")


def cancelled(on: Stage) -> None:
    """Jobs end while they are pending, wait or run; a claim finds nothing but withdrawn numbers."""
    on.enqueue(2)
    on.job('{"delay_s": 3600}')
    on.run("select * from awa.cancel_pending(1, '{1,2,3}', 'no more')")
    on.claim(1)
    on.enqueue()
    on.claim(2)
    on.settle("cancel_running", 2, 200, "{[3,4)}")
    on.settle("complete", 3, 200, "{[3,4)}")


def dead_letters(on: Stage) -> None:
    """Failures and a cancelled job become dead letters; they return, leave, are purged, retired."""
    on.run("update awa.queue_settings set dead_letters = true returning 1")
    on.run("select awa.ensure_lane('other')")
    on.enqueue(4)
    on.claim(1)
    on.settle("fail", 1, 100, "{[1,5)}")
    on.run("select * from awa.dlq_retry(2, '{1}')")
    on.run("""select * from awa.dlq_retry(3, '{2}', '{"queue": "other"}')""")
    on.run("""select * from awa.dlq_retry(4, '{3}', '{"delay_s": 60}')""")
    on.run("select * from awa.dlq_purge(5, '{4}')")
    on.run("select * from awa.cancel_pending(6, '{1,3}')")
    on.run("select * from awa.dlq_move(7, '{1}')")
    on.run("select * from awa.retire(keep_s => 0, dlq_keep_s => 0)")


def worker_given_up(on: Stage) -> None:
    """A worker is lost twice, the second time with an attempt past its deadline."""
    on.job('{"deadline_s": 0.001}')
    on.enqueue()
    on.claim(1)
    on.run("select * from awa.rescue_worker(%s, 0)", WORKER)
    on.run("select awa.worker_start(%s, '{}')", WORKER)
    on.claim(2)
    on.run("select * from awa.rescue_deadline()")
    on.run("select * from awa.rescue_worker(%s, 0)", WORKER)
    on.promote(1, 2)


def two_workers(on: Stage) -> None:
    """A worker stops, and is given up, while a claim of it is under way; others come and go."""
    on.run("select awa.worker_start(8, '{}')")
    on.run("select awa.worker_start(9, '{}')")
    on.enqueue(6)
    on.claim(1, 2)
    on.beat(1, "{}")
    on.run("select * from awa.claim(9, 1, 901, '{default}', '{1}')")
    on.claim_late(8, 1, 801)
    on.run("select awa.worker_stop(8)")
    on.run("select awa.worker_stop(9)")
    on.run("select awa.worker_start(9, '{}')")
    on.late.commit()
    on.run("select * from awa.rescue_worker(8, null)")
    on.run("select awa.worker_start(8, '{}')")
    on.claim_late(8, 2, 802)
    on.run("select * from awa.rescue_worker(8, 0)")
    on.run("select * from awa.rescue_worker(9, 0)")
    on.late.commit()
    on.claim(2, 2)
    on.run("select * from awa.rescue_worker(%s, 1)", WORKER)


def two_keys(on: Stage) -> None:
    """Jobs of one key end, and are purged, retired and pruned, beside a job that keeps another."""
    kept, given = (f'"unique": {{"key": "{byte * 16}"}}' for byte in ("0a", "0b"))
    on.run("update awa.queue_settings set dead_letters = true returning 1")
    on.job('{"delay_s": 3600, ' + kept + "}")
    on.job("{" + given + "}")
    on.claim(1)
    on.settle("fail", 1, 100, "{[1,2)}")
    on.run("select * from awa.dlq_purge(2, '{2}')")
    on.job("{" + given + "}")
    on.run("select * from awa.cancel_pending(3, '{3}')")
    on.run("select * from awa.retire(keep_s => 0, dlq_keep_s => 0)")
    on.job("{" + given + "}")
    on.claim(2)
    on.settle("complete", 4, 200, "{[3,4)}")
    on.turn()
    on.prune(0)
    on.job("{" + given + "}")
    on.job("{" + kept + ', "on_conflict": "replace"}')


def progress(on: Stage) -> None:
    """Attempts say how far they are, also late and twice, and what they said stays with their jobs.

    One is given back, retried, dies, returns in another queue, and then in its own; one completes.
    """
    on.run("select awa.ensure_lane('other')")
    on.run("update awa.queue_settings set dead_letters = true returning 1")
    on.enqueue(3)
    on.claim(1)
    for seq, number in ((1, 2), (2, 6), (3, 5), (3, 4)):
        on.note(100, seq, number)
    on.settle("release", 1, 100, "{[1,2)}")
    on.note(100, 1, 7)
    on.claim(2)
    on.settle("retry", 2, 200, "{[4,5)}")
    on.promote(1)
    on.claim(3)
    on.note(300, 5, 1)
    on.settle("complete", 3, 100, "{[2,3)}")
    on.settle("fail", 4, 300, "{[5,6)}")
    on.run("""select * from awa.dlq_retry(5, '{1}', '{"queue": "other"}')""")
    on.run("select * from awa.claim(%s, 4, 400, '{other}', '{1}')", WORKER)
    on.receipts[400] = on.receipts[300]
    on.note(400, 1, 9)
    on.settle("fail", 6, 400, "{[1,2)}")
    on.run("""select * from awa.dlq_retry(7, '{1}', '{"queue": "default"}')""")


def ring_turns(on: Stage) -> None:
    """Slots turn, are evacuated and pruned, with an open attempt, a pending entry and a hole."""
    on.enqueue_late()
    on.enqueue(4)
    on.claim(1, 2)
    on.settle("complete", 1, 100, "{[2,3)}")
    on.turn()
    on.run("select * from awa.evacuate(0::smallint)")
    on.late.commit()
    on.run("select * from awa.evacuate(0::smallint)")
    on.prune(0)
    on.settle("complete", 2, 100, "{[2,4)}")
    on.claim(2)
    on.settle("complete", 3, 200, "{[1,2),[4,6)}")
    on.turn()
    on.prune(1)
    on.enqueue()
    on.claim(3)


def replaced(on: Stage) -> None:
    """A unique job takes the place of one that is pending, then of one that waits."""
    unique = '"unique": {"key": "000102030405060708090a0b0c0d0e0f"}, "on_conflict": "replace"'
    on.job("{" + unique + "}")
    on.job('{"delay_s": 60, ' + unique + "}")
    on.job("{" + unique + "}")
    on.claim(1)
    on.job("{" + unique + "}")
    on.settle("complete", 1, 100, "{[2,3)}")
    on.job("{" + unique + "}")


STORIES: Final[Sequence[Callable[[Stage], None]]] = (
    one_job,
    late_commit,
    looked_before,
    rolled_back_number,
    two_generations_of_holes,
    lost_claim_reply,
    lost_settle_reply,
    released,
    forgotten_call,
    lost_too_often,
    batches_of_two_queues,
    waits_and_returns,
    cancelled,
    dead_letters,
    worker_given_up,
    two_workers,
    ring_turns,
    replaced,
    two_keys,
    progress,
    *OF_ANSWERS,
)


def main(names: Sequence[str]) -> None:
    """Record stories anew, each on a database of its own; without names all of them."""
    bindir = Path(os.environ["PG_BINDIR"]) if "PG_BINDIR" in os.environ else None
    with Cluster(bindir=bindir, settings={"wal_level": "logical"}) as cluster:
        for story in STORIES:
            if names and story.__name__ not in names:
                continue
            with psycopg.connect(cluster.conninfo(), autocommit=True) as session:
                session.execute(f'create database "{story.__name__}"')
            conninfo = cluster.conninfo(story.__name__)
            migrate_sync(conninfo, schema="awa")
            record(conninfo, story, ACCEPTED / f"{story.__name__}.ndjson")
            print(f"recorded {story.__name__}")


if __name__ == "__main__":
    main(sys.argv[1:])
