"""Schedules of a program: what they are called, when they have caught up, and what they fired.

The recording says of each schedule up to where it was dealt with, before a fire and after it. So
which instants a fire had to have follows from the rule and the policy alone, whoever led, however
late it was, and whatever its clock said.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from awa._core.limits import CATCH_UP_DEFAULT
from correctness.naming import Event
from correctness.processes.steps import Missed, Overlap
from correctness.processes.world import World
from correctness.traces import Recorded

EVERY_S: Final = 0.5
PRIORITY: Final = 4
"""A lane of their own: their jobs make no other lane's trace longer."""
_EVERY: Final = timedelta(seconds=EVERY_S)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def name_of(missed: Missed, overlap: Overlap) -> str:
    """What the schedule with these policies is called."""
    return f"{missed} {overlap}"


def is_behind(played: World) -> bool:
    """Whether an instant has passed that nobody has dealt with."""
    query = (
        "select from awa.cron_schedules c"
        " where c.paused_at is null and c.upto < clock_timestamp() - make_interval(secs => %s)"
    )
    return bool(played.ask(query, [2 * EVERY_S]))


def pause_all(played: World) -> None:
    """Have no schedule fire any more, so that the program can end."""
    played.ask(
        "select awa.pause_schedule(c.namespace, c.name) from awa.cron_schedules c"
        " where c.paused_at is null"
    )


def ticking_problems(recorded: Iterable[Recorded]) -> Iterator[str]:
    """Where a fire left out an instant, made one up, or fired one again."""
    dealt: dict[str, datetime] = {}
    fired: dict[str, set[datetime]] = {}
    for event in (one.event for one in recorded):
        if "schedule" not in event or "dealt" not in event:
            continue
        _, name = event["schedule"]
        upto = datetime.fromisoformat(event["dealt"])
        if _is_fire(event):
            due = [datetime.fromisoformat(at) for at in event["due"]]
            owed = _owed(name, dealt[name], upto)
            # Only who had no leader for a minute has let an instant go.
            let_go = name.startswith("skip") and not due
            if due != owed and not let_go:
                yield f"schedule {name}: {_text(due)} were fired, and {_text(owed)} were due"
            before = fired.setdefault(name, set())
            if twice := before.intersection(due):
                yield f"schedule {name}: {_text(twice)} were fired twice"
            before.update(due)
        dealt[name] = upto


def fires(recorded: Iterable[Recorded]) -> int:
    """How many instants were fired."""
    return sum(len(one.event["due"]) for one in recorded if _is_fire(one.event))


def _is_fire(event: Event) -> bool:
    """Whether something was fired: not so where the leader saw a schedule that has changed."""
    return bool(event["a"] == "fire" and event.get("answer", "fired") == "fired")


def _owed(name: str, after: datetime, upto: datetime) -> list[datetime]:
    """Which of the instants that passed are fired."""
    passed: list[datetime] = []
    due = _EPOCH + _EVERY * ((after - _EPOCH) // _EVERY + 1)
    while due <= upto:
        passed.append(due)
        due += _EVERY
    return passed[-(CATCH_UP_DEFAULT if name.startswith("catch_up") else 1) :]


def _text(instants: Iterable[datetime]) -> Any:
    return [f"{at:%T.%f}" for at in sorted(instants)]
