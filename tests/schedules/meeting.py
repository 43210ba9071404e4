"""Calls that meet: two claims, a claim and its repeat, two settles."""

import contextlib
from typing import Final

import psycopg

from correctness.edits import Edit
from tests.fix_sql import claim, enqueue, release
from tests.schedules.schedule import Schedules
from tests.schedules.world import World
from tests.unique_jobs import PUT, new, put_params, unique

SCHEDULES: Final = Schedules()

CLAIMING: Final = "internal/claiming.sql"
PICKING: Final = "internal/picking.sql"


@SCHEDULES.of(
    "NoLaneLock",
    "EntryClaimedOnce",
    Edit(
        file=CLAIMING,
        old="        if pg_try_advisory_xact_lock(lk_lane(), v_lane) then\n",
        new="        if true then\n",
    ),
)
def two_claims_of_a_lane(world: World) -> None:
    """A second claim comes between the looks of the first and what it writes.

    It asks for two queues: its rows have other parts than the first one's, so no index fails them.
    """
    world.enqueue(queue="beside")
    world.enqueue(2)
    first = world.claiming("taken", token=1)
    world.claim(2, session=world.session(), queues=["beside", "default"])
    world.claimed(first, 1)


@SCHEDULES.of(
    "NoTokenLock",
    "TokenTakesOnce",
    Edit(
        file="functions/claim.sql",
        old="    perform pg_advisory_xact_lock(lk_claim(), hashint8(claim.token));\n",
        new="",
    ),
)
def a_claim_and_its_repeat(world: World) -> None:
    """A call of two queues is repeated while it runs; one lane was busy for it, and is free now."""
    world.enqueue()
    world.enqueue(queue="beside")
    busy = world.session()
    with busy.transaction(force_rollback=True):
        claim(busy, token=9, queues=["beside"])
        first = world.claiming("taken", token=1, queues=["default", "beside"])
    repeat = world.session()
    repeat.execute("set lock_timeout = '50ms'")
    with contextlib.suppress(psycopg.errors.LockNotAvailable):
        world.claim(1, session=repeat, queues=["default", "beside"])
    world.claimed(first, 1)
    world.claim(1, queues=["default", "beside"])
    world.claim(2, queues=["beside"])


@SCHEDULES.of(
    "OldSnapshot",
    "EntryClaimedOnce",
    Edit(
        file="internal/guards.sql",
        old="    if current_setting('transaction_isolation') <> 'read committed' then\n"
        "        raise exception 'awa: % refuses",
        new="    if false then\n        raise exception 'awa: % refuses",
    ),
)
def a_claim_in_an_old_snapshot(world: World) -> None:
    """A claim runs in a REPEATABLE READ transaction that is older than the claim before it."""
    world.enqueue(queue="beside")
    world.enqueue(2)
    old = world.session()
    old.execute("begin isolation level repeatable read")
    old.execute("select")
    world.claim(1)
    with contextlib.suppress(psycopg.Error):
        world.claim(2, session=old, queues=["beside", "default"])
    old.execute("commit")


@SCHEDULES.of(
    "RepeatAnswersAll",
    "AnswersAreOpen",
    Edit(
        file=CLAIMING,
        old="row (l.queue, c.slot, c.part, c.lane, c.open, c.deadline)::claimed_row",
        new="row (l.queue, c.slot, c.part, c.lane, (select k.seqs from claims k where"
        " k.slot = c.slot and k.token = p_token and k.part = c.part), c.deadline)::claimed_row",
    ),
)
def a_repeat_after_a_settle(world: World) -> None:
    """What a repeated call answers is open: what ended since is not in it."""
    world.enqueue(2)
    world.complete(world.claim(1).row, [1])
    world.claim(1)


@SCHEDULES.of(
    "NewestFirst",
    "FifoLinearizable",
    Edit(
        file=PICKING,
        old="        order by 2 limit p_fetch\n    ), taken as materialized (\n"
        "        select f.slot, f.seq from fetched f order by f.seq limit p_limit\n",
        new="        order by 2 desc limit p_fetch\n    ), taken as materialized (\n"
        "        select f.slot, f.seq from fetched f order by f.seq desc limit p_limit\n",
    ),
)
def a_claim_without_room_for_all(world: World) -> None:
    """Two entries in two slots, room for one, and somebody in flight."""
    world.enqueue()
    with world.hint(1):
        world.enqueue()
    other = world.producer()
    world.claim(1, 1)
    other.execute("commit")


@SCHEDULES.of(
    "ReadThenLock",
    "ClosuresDisjoint",
    Edit(
        file="internal/closing.sql",
        old="    where pg_try_advisory_xact_lock(lk_claim(), hashint8(t.token))\n",
        new="",
    ),
)
def two_settles_of_a_claim(world: World) -> None:
    """A second settle comes while the first has not committed."""
    world.enqueue(2)
    row = world.claim(1).row
    first = world.session()
    with first.transaction():
        world.complete(row, [1], session=first)
        world.complete(row, [1, 2], session=world.session())


@SCHEDULES.of(
    "NoteThenLock",
    "OnlyOpenNotes",
    Edit(
        file="functions/note_progress.sql",
        old="    v_mine := lock_tokens(tokens);\n",
        new="    v_mine := array(select generate_series(1, n));\n",
    ),
)
def a_note_and_a_settle(world: World) -> None:
    """An attempt's end comes while a note of it has looked, and not committed."""
    world.enqueue()
    row = world.claim(1).row
    with world.noting(row, 1):
        world.complete(row, [1], session=world.session())


@SCHEDULES.of(
    "ReleaseNotInflight",
    "HoleSafety",
    Edit(
        file="internal/disposing.sql",
        old="    if p_outcome in ('released', 'lost') then\n",
        new="    if p_outcome in ('lost') then\n",
    ),
)
def a_release_in_flight(world: World) -> None:
    """A release has drawn a number, and a claim passes it before the release commits."""
    world.enqueue()
    row = world.claim(1).row
    releasing = world.session()
    with releasing.transaction():
        release(releasing, row, settle_id=77)
        enqueue(world.main)
        world.claim(2)


@SCHEDULES.of(
    "KeyNotLocked",
    "UniqueHeldOnce",
    Edit(
        file="internal/unique.sql",
        old="from unique_keys u where u.unique_key = p_key for update;\n",
        new="from unique_keys u where u.unique_key = p_key;\n",
    ),
)
def two_who_take_over_a_key(world: World) -> None:
    """Two jobs want the key of one that has ended: both find the key's row, and who has it."""
    new(world.main)
    world.complete(world.claim(1).row)
    params = put_params(**unique(on_conflict="skip"))
    first = world.stop(world.session(), "keyed", PUT, params)
    second = world.beside(PUT, params)
    first.end()
    second.rows()
