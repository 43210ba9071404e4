"""What must hold when everything has healed and come to its end.

The oracle is what the handlers themselves said, beside what the database recorded in its log:
neither of them is what the other is made of.
"""

import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from correctness.processes.steps import TICKED
from correctness.processes.world import Stored, WorkerRun
from correctness.traces import Recorded

Run = tuple[int, int]
"""Job and run_lease: one attempt."""
_ENDING: Final = frozenset(
    {
        *("complete", "release", "retry", "snooze", "fail", "cancel_running"),
        *("rescue_worker", "rescue_deadline", "heartbeat"),
    }
)
_BY_OTHERS: Final = frozenset(
    {"release", "cancel_running", "rescue_worker", "rescue_deadline", "heartbeat"}
)
"""How an attempt may end whose handler had succeeded: it was lost, given back, or taken away."""
_SPAN: Final = re.compile(r"\[(\d+),(\d+)\)")
FINAL: Final = frozenset({"completed", "failed", "cancelled", "dead"})


class Broken(AssertionError):
    """A program led to something that must not be."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems: Final = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What became of the attempts, as the database's log tells."""

    endings: dict[Run, list[str]] = field(default_factory=dict)
    stored: set[int] = field(default_factory=set)
    """Jobs that ever were."""

    def completions(self) -> Counter[int]:
        """How often each job was completed."""
        done = (run for run, how in self.endings.items() for one in how if one == "complete")
        return Counter(job for job, _ in done)


def history(recorded: Iterable[Recorded]) -> History:
    """Read a recording."""
    found = History()
    entries: dict[tuple[int, int], Run] = {}
    for one in recorded:
        event = one.event
        if event["a"] == "census":
            continue
        for lane, _, seq, job, run, *_ in event.get("entries") or ():
            entries[lane, seq] = (job, run)
            found.stored.add(job)
        found.stored.update(row[1] for row in event.get("deferred") or ())
        if event["a"] in _ENDING:
            for place in _settled(event):
                found.endings.setdefault(entries[place], []).append(event["a"])
    return found


def _settled(event: Any) -> Iterator[tuple[int, int]]:
    for item in event.get("items") or ():
        for low, high in _SPAN.findall(item["settled"]):
            yield from ((item["lane"], seq) for seq in range(int(low), int(high)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What the database holds when everything has ended."""

    states: dict[int, str]
    """Of all jobs that are still there."""
    own: list[Run]
    """What handlers wrote in transactions of their own."""
    numbers: set[int] = field(default_factory=set)
    """In the arguments of all jobs that are still there."""


def problems_of(
    workers: Sequence[WorkerRun], stored: Stored, ended: Ended, told: History
) -> list[str]:
    """What is wrong; nothing, if all is well."""
    said = [line for run in workers for line in run.said()]
    return [
        *_unended(ended.states, told),
        *_strangers(said, stored),
        *_lost(stored, told),
        *_in_part(said, stored, ended.numbers),
        *_starts(said, told),
        *_effects(said, ended.own, told),
        *_own_effects(ended.own, told),
        *_progress(said),
        *_exits(workers),
    ]


def _unended(states: dict[int, str], told: History) -> Iterator[str]:
    """Every job that was ever stored is final, exactly once."""
    completions = told.completions()
    for job in sorted(told.stored):
        state = states.get(job, "completed and pruned" if completions[job] else "gone")
        if state not in FINAL and state != "completed and pruned":
            yield f"job {job} did not end: {state}"
        if completions[job] > 1:
            yield f"job {job} was completed {completions[job]} times"
        if completions[job] and state in FINAL - {"completed"}:
            yield f"job {job} was completed, and is {state}"
    for job in sorted(states.keys() - told.stored):
        yield f"job {job} is {states[job]}, and no event tells of it"


def _strangers(said: Iterable[dict[str, Any]], stored: Stored) -> Iterator[str]:
    """Nothing runs of what was rolled back."""
    known = stored.committed.keys() | stored.unknown() | {TICKED}
    for number in sorted({line["n"] for line in said} - known):
        yield f"job number {number} ran, and its transaction was not committed"


def _lost(stored: Stored, told: History) -> Iterator[str]:
    """What a producer was told is committed was stored: the log tells of it."""
    for number, job in sorted(stored.committed.items()):
        if job not in told.stored:
            yield f"job number {number} was committed as job {job}, and no event tells of it"


def _in_part(
    said: Iterable[dict[str, Any]], stored: Stored, numbers: Iterable[int]
) -> Iterator[str]:
    """What is in doubt is there whole or not at all.

    A job that is not there any more has run: those that end otherwise are kept for longer.
    """
    there = {line["n"] for line in said} | set(numbers)
    for group in stored.unknown_together:
        if group & there and group - there:
            some, none = sorted(group & there), sorted(group - there)
            yield f"of one transaction job numbers {some} are there, and {none} are not"


def _starts(said: Sequence[dict[str, Any]], told: History) -> Iterator[str]:
    """An attempt belongs to one worker, and is run once."""
    starts = Counter((line["job"], line["run"]) for line in said if line["e"] == "start")
    for (job, run), times in sorted(starts.items()):
        if times > 1:
            yield f"run {run} of job {job} was started {times} times"
    for (job, run), endings in sorted(told.endings.items()):
        if len(endings) > 1:
            yield f"run {run} of job {job} ended {len(endings)} times: {', '.join(endings)}"


def _effects(said: Sequence[dict[str, Any]], own: Iterable[Run], told: History) -> Iterator[str]:
    """What is completed had its effect; an effect is repeated only after a loss."""
    effects = {(line["job"], line["run"]) for line in said if line["e"] == "effect"}
    completed = {run for run, how in told.endings.items() if "complete" in how}
    for job, run in sorted(completed - effects - set(own)):
        yield f"run {run} of job {job} was completed without its effect"
    for job, run in sorted(effects - completed):
        endings = told.endings.get((job, run), ["nothing"])
        if not set(endings) <= _BY_OTHERS:
            how = ", ".join(endings)
            yield f"run {run} of job {job} succeeded, and ended by {how}"


def _own_effects(own: Iterable[Run], told: History) -> Iterator[str]:
    """What a handler wrote in its own transaction is there with the completion, and once."""
    for (job, run), times in sorted(Counter(own).items()):
        if times > 1:
            yield f"run {run} of job {job} wrote {times} times in its own transaction"
        endings = told.endings.get((job, run), ["nothing"])
        if endings != ["complete"]:
            how = ", ".join(endings)
            yield f"run {run} of job {job} wrote in its own transaction, and ended by {how}"


def _progress(said: Iterable[dict[str, Any]]) -> Iterator[str]:
    """An attempt finds what those before it know to be kept, and nothing that nobody set."""
    notes: dict[int, list[dict[str, Any]]] = {}
    for line in said:
        if "place" in line:
            notes.setdefault(line["job"], []).append(line)
    for job, lines in sorted(notes.items()):
        for found in (line for line in lines if line["e"] == "found"):
            before = [line for line in lines if line["run"] < found["run"]]
            least = max((line["place"] for line in before if line["e"] != "set"), default=0)
            most = max((line["place"] for line in before), default=0)
            if not least <= found["place"] <= most:
                told = f"progress {found['place']}, and {least} to {most} was there"
                yield f"run {found['run']} of job {job} found {told}"


def _exits(workers: Iterable[WorkerRun]) -> Iterator[str]:
    """A worker ends when it is told to, and for nothing that the database does."""
    for run in workers:
        code = run.process.code()
        # Before it began it does not listen to signals yet.
        early = code == -signal.SIGTERM and not run.told()
        if run.killed or (run.told_to_leave and (not code or early)):
            continue
        how = "when told to leave" if run.told_to_leave else "by itself"
        tail = run.log().splitlines()[-20:]
        yield "\n  ".join([f"{run.place.name} ended {how} with {code}:", *tail])
