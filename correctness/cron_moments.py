"""The instants that a recording of a schedule could depend on, as the numbers of CronTrace.

Which instants a rule has is worked out by the program's own reading of rules, which has tests of
its own. What is done with them is judged by Cron.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from awa._core.cron import Rule, next_due
from awa._core.firing import Timing, fire_at
from awa._core.schedules import DueSchedule, timing_of
from awa.errors import InvalidInput

Event = Mapping[str, Any]

INSTANTS_MAX: Final = 3000
_A_LITTLE: Final = timedelta(microseconds=1)
_A_MOMENT: Final = timedelta(seconds=1)


class TooLong(Exception):
    """More instants passed in a recording than can be judged."""


def moment(text: str) -> datetime:
    """Read a time of an event."""
    return datetime.fromisoformat(text)


def times_of(event: Event) -> Iterable[datetime]:
    """Every time that an event speaks of."""
    texts = [event.get(name) for name in ("at", "dealt", "passed")]
    return [moment(text) for text in (*texts, *event.get("due", ())) if text]


class Moments:
    """The instants of one schedule's recording, in their order; the first one is 1."""

    def __init__(self, events: Iterable[Event]) -> None:
        """Raise TooLong where a rule has more instants in that time than can be judged."""
        told = [event for event in events if "rule" in event]
        times = {time for event in told for time in times_of(event)}
        self.rules: Final = _different(event["rule"] for event in told)
        self.policies: Final = _different((event["rule"], event["policy"]) for event in told)
        self._timings: Final = [
            _timing(told[0]["schedule"], rule, policy) for rule, policy in self.policies
        ]
        self._due: Final = [_due(self._rule(rule), times) for rule in self.rules]
        for number, timing in enumerate(self._timings):
            for at in self._instants(number):
                times |= {at, *(time for time in _bounds(timing, at) if time)}
        self._places: Final = {time: place for place, time in enumerate(sorted(times), 1)}

    def place(self, time: str | datetime | None) -> int:
        """The number of an instant; 0 where there is none."""
        if time is None:
            return 0
        return self._places[moment(time) if isinstance(time, str) else time]

    def before(self, time: str) -> int:
        """The number of the first instant that is at most a moment before this one."""
        return 1 + sum(known < moment(time) - _A_MOMENT for known in self._places)

    def count(self) -> int:
        """How many there are."""
        return len(self._places)

    def rule(self, event: Event) -> int:
        """The number of the rule that an event tells."""
        return self.rules.index(event["rule"]) + 1

    def policy(self, event: Event) -> int:
        """The number of the policy that an event tells, with its rule."""
        return self.policies.index((event["rule"], event["policy"])) + 1

    def due(self) -> tuple[frozenset[int], ...]:
        """Of each rule the instants that it has."""
        return tuple(frozenset(self.place(at) for at in due) for due in self._due)

    def when(self, event: Event, upto: str | None) -> int:
        """When this instant may be fired, by the policy that an event tells; 0: it has none."""
        number = self.policy(event) - 1
        timing = self._timings[number]
        if upto is None or timing is None or moment(upto) not in self._instants(number):
            return 0
        return self.place(fire_at(timing, moment(upto)))

    def said(self) -> tuple[dict[str, Any], ...]:
        """What each policy says, with a place for each instant: when it is fired, when too late."""
        return tuple(self._said(number) for number in range(len(self.policies)))

    def _said(self, number: int) -> dict[str, Any]:
        timing = self._timings[number]
        when, late = [0] * self.count(), [self.count() + 1] * self.count()
        for at in self._instants(number):
            fires, ends = _bounds(timing, at)
            when[self.place(at) - 1] = self.place(fires)
            if ends is not None:
                late[self.place(at) - 1] = self.place(ends)
        _, policy = self.policies[number]
        return {
            "when": tuple(when),
            "late": tuple(late),
            "most": 1 if timing is None else timing.most(),
            "overlap": policy["overlap"],
        }

    def _instants(self, number: int) -> list[datetime]:
        rule, _ = self.policies[number]
        return self._due[self.rules.index(rule)]

    def _rule(self, rule: object) -> Rule | None:
        pairs = zip(self.policies, self._timings, strict=True)
        return next((t.rule for (of, _), t in pairs if of == rule and t is not None), None)


def _different(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _timing(schedule: Iterable[str], rule: Event, policy: Event) -> Timing | None:
    """When it fires; None where nobody can follow the rule."""
    namespace, name = schedule
    due = DueSchedule(
        namespace=namespace,
        name=name,
        version=0,
        upto=datetime.min,  # noqa: DTZ901  # of no moment
        definition={**rule, **policy},
    )
    try:
        return timing_of(due)
    except InvalidInput:
        return None


def _due(rule: Rule | None, times: set[datetime]) -> list[datetime]:
    """The instants of a rule between the first and the last of these."""
    found: list[datetime] = []
    at = None if rule is None else next_due(rule, min(times))
    while rule is not None and at is not None and at <= max(times):
        found.append(at)
        if len(found) > INSTANTS_MAX:
            raise TooLong(f"more than {INSTANTS_MAX} instants")
        at = next_due(rule, at)
    return found


def _bounds(timing: Timing | None, at: datetime) -> tuple[datetime, datetime | None]:
    """When an instant is fired at the earliest, and from when on it is too late; None: never."""
    assert timing is not None, "a rule that nobody can follow has no instants"
    fires = fire_at(timing, at)
    late_s = timing.lateness_s()
    return fires, None if late_s == float("inf") else fires + timedelta(seconds=late_s) + _A_LITTLE
