"""What was recorded of schedules, cut into traces: one schedule each, as CronTrace reads them.

Beside what was recorded a trace says what must have been: that time passed, that whoever made a
plan had looked while the row was as the plan saw it, and that jobs of the schedule came to an end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from awa._core.ranges import Ranges
from correctness.cron_moments import Event, Moments, TooLong
from correctness.traces import Recorded

PLANS: Final = "fire"
CHANGES: Final = frozenset(
    {"put_schedule", "delete_schedule", "pause_schedule", "resume_schedule", "trigger_schedule"}
)
WORLD: Final = frozenset({"env_older"})
"""What no action does: a test has made a schedule older than it is."""
NAMES: Final = CHANGES | WORLD | {PLANS}


@dataclass(frozen=True, slots=True, kw_only=True)
class CronTrace:
    """What was recorded of a schedule. `lines[n]` is the place of `events[n]` in the recording."""

    schedule: tuple[str, str]
    due: tuple[frozenset[int], ...]
    policies: tuple[dict[str, Any], ...]
    events: tuple[dict[str, Any], ...]
    lines: tuple[int, ...]
    instants: int
    leaders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Long:
    """A schedule of which too much was recorded to be judged."""

    schedule: tuple[str, str]
    why: str


def cut_schedules(recorded: Sequence[Recorded]) -> list[CronTrace | Long]:
    """Cut a recording into one trace for each schedule that is told of."""
    told: dict[tuple[str, str], list[int]] = {}
    for line, one in enumerate(recorded):
        if one.event["a"] in NAMES:
            namespace, name = one.event["schedule"]
            told.setdefault((namespace, name), []).append(line)
    ends = list(_ends(recorded)) if told else []
    return [_cut(recorded, schedule, lines, ends) for schedule, lines in told.items()]


def _cut(
    recorded: Sequence[Recorded],
    schedule: tuple[str, str],
    lines: Sequence[int],
    ends: Sequence[tuple[int, int]],
) -> CronTrace | Long:
    try:
        cutting = _Cutting(recorded, lines, ends)
    except TooLong as why:
        return Long(schedule=schedule, why=str(why))
    cutting.cut()
    return CronTrace(
        schedule=schedule,
        due=cutting.moments.due(),
        policies=cutting.moments.said(),
        events=tuple(event for _, event in cutting.events),
        lines=tuple(line for line, _ in cutting.events),
        instants=cutting.moments.count(),
        leaders=cutting.leaders.most,
    )


def _ends(recorded: Sequence[Recorded]) -> Iterator[tuple[int, int]]:
    """Lines at which jobs ended, with the job."""
    jobs: dict[tuple[int, int], int] = {}
    for line, one in enumerate(recorded):
        event = one.event
        if event["a"] == "census":
            continue
        for lane, _, seq, job, *_ in event.get("entries", ()):
            jobs[lane, seq] = job
        if event["a"] == "complete":
            for item in event["items"]:
                settled = Ranges.parse(item["settled"])
                found = (jobs.get((item["lane"], seq)) for seq in settled)
                yield from ((line, job) for job in found if job is not None)
        for row in (*event.get("finals", ()), *event.get("dead", ())):
            yield line, row[1]


@dataclass(slots=True)
class _Leaders:
    """Names for those who looked and have not been answered yet; one that is free is used again."""

    busy: dict[int, int] = field(default_factory=dict)
    most: int = 1

    def looks(self, line: int) -> int:
        """Who looks, and has the answer at this line."""
        name = next(n for n in range(1, len(self.busy) + 2) if n not in self.busy.values())
        self.busy[line] = name
        self.most = max(self.most, name)
        return name

    def answered(self, line: int) -> int:
        """Who has the answer at this line; where nobody looked, one who did not."""
        if line not in self.busy:
            self.looks(line)
        return self.busy.pop(line)


class _Cutting:
    """One schedule's events, as they come."""

    def __init__(
        self, recorded: Sequence[Recorded], lines: Sequence[int], ends: Sequence[tuple[int, int]]
    ) -> None:
        known = _versions(recorded, lines)
        self._lines: Final = [line for line in lines if not _of_nobody(recorded[line].event, known)]
        self._recorded: Final = recorded
        self.moments: Final = Moments(recorded[line].event for line in self._lines)
        self.events: Final[list[tuple[int, dict[str, Any]]]] = []
        self.leaders: Final = _Leaders()
        self._versions: Final = {version: place for place, version in enumerate(sorted(known), 1)}
        self._looks: Final = _looks(recorded, self._lines)
        self._jobs: Final = _Jobs(recorded, self._lines, ends)
        self._now = 0
        self._row: Event = {}

    def cut(self) -> None:
        """Write all events."""
        for line in self._lines:
            event = self._recorded[line].event
            for plan in self._looks.get(line, ()):
                self._look(line, self._recorded[plan].event, plan)
            ended = self._jobs.ended_before(line)
            missed = _missed(event)
            self._end(line, () if missed else ended)
            self._tell(line, event)
            self._end(line, (*(ended if missed else ()), *self._jobs.stored_at(line)))

    def _tell(self, line: int, event: Event) -> None:
        name = event["a"]
        if name == "delete_schedule":
            self._say(line, a=name)
            return
        # What begins now began when it says; everything else was when it was told.
        begins = name in {"put_schedule", "resume_schedule"}
        self._pass(line, event["dealt"] if begins else event["at"], back=not begins)
        self._say(line, a=name, **self._seen(event), **self._more(line, event))
        self._pass(line, event["at"], back=True)
        self._row = event

    def _seen(self, event: Event) -> dict[str, Any]:
        return {
            "version": self._versions[event["version"]],
            "dealt": self.moments.place(event["dealt"]),
            "paused": event["paused"],
            "rule": self.moments.rule(event),
            "policy": self.moments.policy(event),
        }

    def _more(self, line: int, event: Event) -> dict[str, Any]:
        match event["a"]:
            case "put_schedule":
                return {"answer": event["answer"]}
            case "trigger_schedule":
                return {"answer": event["answer"], "stored": (0,) if _stored(event) else ()}
            case "fire":
                due = tuple(map(self.moments.place, event["due"]))
                pairs = zip(due, event["stored"], strict=False)
                stored = tuple(at for at, job in pairs if job is not None)
                leader = self.leaders.answered(line)
                return {"leader": leader, "answer": event["answer"], "due": due, "stored": stored}
        return {}

    def _look(self, line: int, plan: Event, answered: int) -> None:
        """Somebody looks, when all that came before has been told."""
        last = max(self.moments.place(plan["at"]), self._now)
        # It may have read the clock a moment before the row; and the clock may be fast.
        clocks = {*range(self.moments.before(self._row["at"]), last + 1)}
        if line == answered and (fast := self.moments.when(plan, plan["passed"])) > last:
            clocks.add(fast)
        self._say(
            line,
            a="look",
            leader=self.leaders.looks(answered),
            clocks=frozenset(clocks),
            last=last,
            upto=self.moments.place(plan["passed"]),
            due=tuple(map(self.moments.place, plan["due"])),
            policy=self.moments.policy(self._row),
        )

    def _pass(self, line: int, time: str, *, back: bool) -> None:
        """Time passes. It never goes back, and a trace in which it does is refused."""
        to = self.moments.place(time)
        if to > self._now or (back and to < self._now):
            self._say(line, a="time", to=to)
            self._now = to

    def _end(self, line: int, jobs: Sequence[int]) -> None:
        for job in jobs:
            self._say(line, a="job_ends", job=job)

    def _say(self, line: int, **event: Any) -> None:
        self.events.append((line, event))


class _Jobs:
    """The jobs of one schedule, by their number in Cron; and when they end, as far as that matters.

    A job that was stored while they may overlap has no key: it stands in no other's way. An end may
    be missed by the fire that commits next, which looked a moment before; by no other.
    """

    def __init__(
        self, recorded: Sequence[Recorded], lines: Sequence[int], ends: Sequence[tuple[int, int]]
    ) -> None:
        self._free: Final[dict[int, list[int]]] = {}
        numbers: dict[int, int] = {}
        stored = 0
        for line in lines:
            event = recorded[line].event
            for job in _stored(event):
                stored += 1
                if event["policy"]["overlap"] == "allow":
                    self._free.setdefault(line, []).append(stored)
                else:
                    numbers[job] = stored
        ours = {recorded[line].transaction for line in lines if _stored(recorded[line].event)}
        self._ends: Final[list[tuple[int, int]]] = []
        for line, job in ends:
            # What a fire replaces ends with it.
            if recorded[line].transaction not in ours and job in numbers:
                self._ends.append((line, numbers.pop(job)))

    def ended_before(self, line: int) -> tuple[int, ...]:
        """Jobs that ended before this line, and were not told of yet."""
        found = tuple(job for at, job in self._ends if at < line)
        self._ends[:] = [(at, job) for at, job in self._ends if at >= line]
        return found

    def stored_at(self, line: int) -> tuple[int, ...]:
        """Jobs that were stored here and stand in nobody's way."""
        return tuple(self._free.get(line, ()))


def _stored(event: Event) -> list[int]:
    jobs = event["stored"] if event["a"] == PLANS else [event.get("job")]
    return [job for job in jobs if job is not None]


def _missed(event: Event) -> bool:
    """Whether an event says that an older job was not finished.

    Where the newest instant replaces the others, it does not: they are not stored in any case.
    """
    if event["a"] == PLANS and event["answer"] == "fired":
        skips = event["policy"]["overlap"] == "skip"
        return skips and list(event["stored"][:1]) == [None]
    return event.get("answer") in {"skipped", "busy"}


def _versions(recorded: Sequence[Recorded], lines: Sequence[int]) -> set[int]:
    events = (recorded[line].event for line in lines)
    return {event["version"] for event in events if "version" in event}


def _of_nobody(event: Event, known: set[int]) -> bool:
    """Whether a plan was refused that speaks of a row which never was."""
    return event["a"] == PLANS and event["answer"] == "stale" and event["seen"] not in known


def _looks(recorded: Sequence[Recorded], lines: Sequence[int]) -> Mapping[int, Sequence[int]]:
    """Before which event which plans were looked for: as late as the row was as they saw it."""
    looks: dict[int, list[int]] = {}
    for place, line in enumerate(lines):
        event = recorded[line].event
        if event["a"] != PLANS:
            continue
        version = [recorded[one].event.get("version") for one in lines[:place]]
        if event["seen"] in version:
            since = len(version) - version[::-1].index(event["seen"])
            changes = (one for one in lines[since:place] if _changes(recorded[one].event, event))
            looks.setdefault(next(changes, line), []).append(line)
    return looks


def _changes(event: Event, plan: Event) -> bool:
    return bool(event.get("version") != plan["seen"])
