"""The stage's schedule: it fires twice a second, catches up on what was missed, and is audited.

Each instant has one job, whoever led when it came, and none is left out: the outages of a scenario
are far shorter than what is caught up on. Its jobs are in the books as if a producer had made them.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import trio

import awa
from correctness.chaos.jobs import QUEUE, TICKING, Errand, Wish, number_of
from correctness.chaos.stage import Stage

NAME: Final = "ticks"
EVERY_S: Final = 0.5
CATCH_UP_MAX: Final = 1000
SHOWN: Final = 5

DEALT_WITH: Final = """\
select c.created_at, c.upto, c.fires, c.overlapped from awa.cron_schedules c where c.name = %s"""
IS_BEHIND: Final = """\
select from awa.cron_schedules c
where c.name = %s and c.paused_at is null
  and c.upto < clock_timestamp() - make_interval(secs => %s)"""
PAUSE: Final = """\
select awa.pause_schedule(c.namespace, c.name) from awa.cron_schedules c where c.name = %s"""
FIRES: Final = "select job_id, due from chaos.fires order by due"


async def begin_ticking(stage: Stage) -> None:
    """Have the schedule fire from now on."""
    async with awa.AsyncClient(stage.admin, pool_size=1) as client:
        await client.put_schedule(
            NAME,
            None,
            Errand(n=0),
            every=EVERY_S,
            kind=TICKING,
            queue=QUEUE,
            missed_fire_policy="catch_up",
            catch_up_max=CATCH_UP_MAX,
        )


async def stop_ticking(stage: Stage) -> None:
    """Have it fire no more, once it is not behind; then its jobs are known. Raises TookTooLong.

    A stage without a schedule has nothing to stop.
    """
    await stage.until(partial(_keeps_up, stage), "the last of the missed instants")
    stage.query(PAUSE, [NAME])
    for job, _ in stage.query(FIRES):
        n = number_of(0, job)
        stage.books.wish(Wish(kind=TICKING, errand=Errand(n=n)))
        stage.books.committed.setdefault(n, trio.current_time())
    stage.figures["instants fired"] = instants_fired(stage)


def _keeps_up(stage: Stage) -> bool:
    return not stage.query(IS_BEHIND, [NAME, 2 * EVERY_S])


def wrong_fires(stage: Stage) -> Iterator[str]:
    """Say which instants were fired twice, or were left out, from the first to the last."""
    for begun, upto, fires, overlapped in stage.query(DEALT_WITH, [NAME]):
        fired = [due for _, due in stage.query(FIRES)]
        twice = {due for due, count in Counter(fired).items() if count > 1}
        yield from _some("fired more than once", twice)
        owed = set(_instants(begun, upto))
        yield from _some("never fired", owed - set(fired))
        yield from _some("fired that were not due", set(fired) - owed)
        if (fires, overlapped) != (len(fired), 0):
            yield f"the schedule counts {fires} fires, and there are {len(fired)}"


def instants_fired(stage: Stage) -> int:
    """Return how many fires there were."""
    return len(stage.query(FIRES))


def _instants(begun: datetime, upto: datetime) -> Iterator[datetime]:
    """Every instant after the one and up to the other."""
    every = timedelta(seconds=EVERY_S)
    epoch = datetime.fromtimestamp(0, tz=begun.tzinfo)
    due = epoch + every * ((begun - epoch) // every + 1)
    while due <= upto:
        yield due
        due += every


def _some(what: str, instants: set[datetime]) -> Iterator[str]:
    if instants:
        shown = [f"{at:%T.%f}" for at in sorted(instants)[:SHOWN]]
        yield f"{len(instants)} instants {what}: {shown}"
