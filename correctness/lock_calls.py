"""The calls whose locks are looked at, and the database they are made in.

The scene has two lanes (numbers 1 and 2), a finished slot 0, a slot 1 with open claims (tokens 1
and 2) and pending entries, a current slot 2, deferred jobs, ended ones, dead letters and unique
keys: so that each call gets as far as it can.
"""

from typing import Any, Final, LiteralString

import psycopg

Session = psycopg.Connection[tuple[Any, ...]]

_FILL: Final[LiteralString] = """
    select awa.enqueue('k', '{}', jsonb_build_object('queue', 'q', 'priority', p))
    from generate_series(1, 2) p, generate_series(1, 6)
"""

SCENE: Final[tuple[LiteralString, ...]] = (
    "select awa.worker_start(1, '{}')",
    "select awa.worker_start(2, '{}')",
    "select awa.ensure_lane('q', 1)",
    "select awa.ensure_lane('q', 2)",
    # slot 0: finished, in both lanes
    _FILL,
    "select awa.claim(1, 1, 3, '{q}', '{12}')",
    """
    select awa.complete(1, 1, slots, '{3,3}', parts, seqs)
    from (select array_agg(slot) as slots, array_agg(part) as parts, array_agg(seqs) as seqs
          from awa.claims where token = 3) c
    """,
    "select awa.rotate(max_age_s => 0)",
    # a schedule for each overlap; of the last one a job runs
    """
    select awa.put_schedule('n', o, jsonb_build_object('cron', '* * * * *', 'overlap', o,
        'kind', 'k', 'args', jsonb '{}', 'opts', jsonb '{"queue": "q", "priority": 1}'))
    from unnest('{allow,skip,replace}'::text[]) o
    """,
    "select awa.trigger_schedule('n', 'replace')",
    # slot 1: an open claim in each lane, and more that waits
    _FILL,
    "select awa.claim(1, 2, 1, '{q}', '{4}')",
    "select awa.claim(2, 1, 2, '{q}', '{4}')",
    "update awa.claims set deadline = 'epoch'",
    # rows outside the ring
    """
    select awa.enqueue('k', '{}', jsonb_build_object('queue', 'q', 'priority', p, 'delay_s', 9))
    from generate_series(1, 2) p
    """,
    """
    select awa.enqueue('k', '{}', '{"queue": "q", "priority": 1, "unique": {"by": []}}')
    """,
    """
    select awa.enqueue('d', '{}', '{"queue": "q", "priority": 1, "unique": {"by": []},
                                    "delay_s": 9}')
    """,
    """
    insert into awa.finals (job_id, state, reason, finished_at, lane, run_lease, attempt,
                            max_attempts, losses, kind, args, extra, enqueued_at)
    select 1000 + n, 'failed', '', 'epoch', n, 1, 1, 1, 0, 'k', '{}', '{}', 'epoch'
    from generate_series(1, 2) n
    """,
    """
    insert into awa.dlq (job_id, state, reason, finished_at, dead_at, lane, run_lease, attempt,
                         max_attempts, losses, kind, args, extra, enqueued_at)
    select 2000 + n, 'failed', '', 'epoch', now(), n, 1, 1, 1, 0, 'k', '{}', '{}', 'epoch'
    from generate_series(1, 2) n
    """,
    """
    insert into awa.dlq (job_id, state, reason, finished_at, dead_at, lane, run_lease, attempt,
                         max_attempts, losses, kind, args, extra, enqueued_at)
    select 2003, 'failed', '', 'epoch', now(), 1, 1, 1, 1, 0, 'k', '{}',
           '{"unique": {"key": "00112233445566778899aabbccddeeff"}}', 'epoch'
    """,
    # retire looks at keys from a random one on: here it always finds this one
    """
    insert into awa.unique_keys (unique_key, job_id, states)
    values ('\\xffffffffffffffffffffffffffffffff', 1, '{completed}')
    """,
    # slot 2: current
    "select awa.rotate(max_age_s => 0)",
    """
    select awa.enqueue('k', '{}', jsonb_build_object('queue', 'q', 'priority', p))
    from generate_series(1, 2) p
    """,
)

# Some functions wait for 30 ms only, which is hard to watch, and prune does not begin beside a
# lock that is old.
WATCHABLE: Final[tuple[LiteralString, ...]] = (
    "alter function awa.prune(smallint, double precision) set lock_timeout = '60s'",
    "alter function awa.evacuate(smallint, int) set lock_timeout = '60s'",
    """
    create or replace function awa.has_old_holder(p_slot smallint) returns boolean
    language sql as 'select false'
    """,
)

# The receipts of the open parts, and what is open of them.
_OPEN: Final[LiteralString] = """1, 77, slots, tokens, parts, seqs"""
_FROM: Final[LiteralString] = """
    from (select array_agg(slot) as slots, array_agg(token) as tokens, array_agg(part) as parts,
                 array_agg(seqs) as seqs from awa.claims where token in (1, 2)) c
"""

CALLS: Final[dict[str, LiteralString]] = {
    "ensure_lane": "select awa.ensure_lane('new')",
    "enqueue": """
        select awa.enqueue('k', '{}', '{"queue": "q", "priority": 1}')
    """,
    "enqueue deferred": """
        select awa.enqueue('k', '{}', '{"queue": "q", "priority": 1, "delay_s": 5}')
    """,
    "enqueue a duplicate": """
        select awa.enqueue('k', '{}', '{"queue": "new", "unique": {"by": []},
                                        "on_conflict": "skip"}')
    """,
    "enqueue unique in a new lane": """
        select awa.enqueue('new', '{}', '{"queue": "new", "unique": {"by": []}}')
    """,
    "enqueue replacing": """
        select awa.enqueue('k', '{}', '{"queue": "q", "priority": 1, "unique": {"by": []},
                                        "on_conflict": "replace"}')
    """,
    "enqueue replacing a deferred job": """
        select awa.enqueue('d', '{}', '{"queue": "q", "priority": 2, "unique": {"by": []},
                                        "on_conflict": "replace"}')
    """,
    "enqueue_many": """
        select awa.enqueue_many('[
            {"kind": "k", "args": {}, "opts": {"queue": "q", "priority": 2}},
            {"kind": "k", "args": {}, "opts": {"queue": "q", "priority": 1, "delay_s": 5}}]')
    """,
    "enqueue_many unique in a new lane": """
        select awa.enqueue_many('[
            {"kind": "k", "args": {}, "opts": {"queue": "new", "unique": {"by": []},
                                               "on_conflict": "skip"}},
            {"kind": "new", "args": {}, "opts": {"queue": "new", "unique": {"by": []}}}]')
    """,
    "worker_start": "select awa.worker_start(9, '{}')",
    "worker_stop": "select awa.worker_stop(1)",
    "claim": "select awa.claim(1, 9, 9, '{q}', '{20}')",
    "claim again": "select awa.claim(1, 2, 1, '{q}', '{4}')",
    "bodies": "select awa.bodies(1)",
    "complete": f"select awa.complete({_OPEN}) {_FROM}",
    "complete and wait": """
        select awa.complete(1, 77, array[slot], array[token], array[part], array[seqs],
                            waits => true)
        from awa.claims where token = 1 limit 1
    """,
    "note_progress": """
        select awa.note_progress(1, '{1}', '{1}', array[min(lower(seqs))], '{1}',
                                 array['{}'::jsonb])
        from awa.claims where token = 1
    """,
    "settled_by": "select awa.settled_by(77, 1, 1::smallint, 1)",
    "complete what is stale": f"""
        select awa.complete(1, 77, slots, tokens, parts,
                            array(select '{{[1,1000)}}'::int8multirange from unnest(seqs))) {_FROM}
    """,
    "release": f"select awa.release({_OPEN}) {_FROM}",
    "retry": f"select awa.retry({_OPEN}) {_FROM}",
    "snooze": f"select awa.snooze({_OPEN}, array(select 5 from unnest(seqs))) {_FROM}",
    "fail": f"select awa.fail({_OPEN}) {_FROM}",
    "cancel_running": f"select awa.cancel_running({_OPEN}, 'reason') {_FROM}",
    "heartbeat": "select awa.heartbeat(1, 12, 100, '{}')",
    "rescue_worker": "select awa.rescue_worker(1, 0)",
    "rescue_deadline": "select awa.rescue_deadline()",
    "promote": "select awa.promote(job_ids => array(select job_id from awa.deferred))",
    "cancel_pending": """
        select awa.cancel_pending(78, array(select id from awa.jobs
                                            where state in ('available', 'scheduled')))
    """,
    "dlq_move": "select awa.dlq_move(79, '{1001,1002}')",
    "dlq_retry": "select awa.dlq_retry(80, '{2001,2002,2003}')",
    "dlq_retry into a new queue": """
        select awa.dlq_retry(80, '{2001,2002,2003}', '{"queue": "new", "delay_s": 5}')
    """,
    "dlq_purge": "select awa.dlq_purge(81, '{2001,2002,2003}')",
    "retire": "select awa.retire(keep_s => 0, dlq_keep_s => 0)",
    "rotate": "select awa.rotate(max_age_s => 0)",
    "evacuate": "select awa.evacuate(1::smallint)",
    "prune": "select awa.prune(0::smallint, keep_s => 0)",
    "put_schedule": """
        select awa.put_schedule('n', 'new', '{"cron": "* * * * *", "kind": "k", "args": {}}')
    """,
    "put_schedule another": """
        select awa.put_schedule('n', 'allow', '{"cron": "9 * * * *", "kind": "k", "args": {}}')
    """,
    "declare_schedules": """
        select awa.declare_schedules('n', '[
            {"name": "allow", "cron": "9 * * * *", "kind": "k", "args": {}},
            {"name": "skip", "cron": "9 * * * *", "kind": "k", "args": {}}]', true)
    """,
    "delete_schedule": "select awa.delete_schedule('n', 'allow')",
    "pause_schedule": "select awa.pause_schedule('n', 'allow')",
    "resume_schedule": "select awa.resume_schedule('n', 'allow')",
    "trigger_schedule": "select awa.trigger_schedule('n', 'skip')",
    "fire": """
        select awa.fire('n', 'allow', version, upto + interval '1 us',
                        array[upto + interval '1 us'], null)
        from awa.cron_schedules where name = 'allow'
    """,
    "fire replacing": """
        select awa.fire('n', 'replace', version, upto + interval '1 us',
                        array[upto + interval '1 us'], null)
        from awa.cron_schedules where name = 'replace'
    """,
    "pause_queue": "select awa.pause_queue('q')",
    "override_queue": """
        select awa.override_queue('q', '{"deadline_s": 5}')
    """,
    "configure_queue": """
        select awa.configure_queue('q', '{"enqueue_shards": 2}')
    """,
    "configure_defaults": """
        select awa.configure_defaults('{"dead_letters": true}')
    """,
}

TIMED: Final = frozenset({"prune", "evacuate"})
"""Functions whose every wait ends after 30 ms, less than any deadlock_timeout."""


def set_the_scene(session: Session) -> None:
    """Fill a migrated database for the calls, and let what waits briefly be watched."""
    for statement in SCENE + WATCHABLE:
        session.execute(statement)
