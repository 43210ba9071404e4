"""What workers told is accepted as it was, and no more when it is changed."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pytest

from awa._runtime import events
from awa._runtime.limits import PREFETCH_JOBS_MAX
from correctness.configurations import SPEC
from correctness.corruptions.__main__ import PAGE, SAMPLE, SAMPLED, of_workers
from correctness.corruptions.reporting import sections
from correctness.merging import Step, merged
from correctness.traces import Recorded
from correctness.verdicts import Refusal
from correctness.worker_replay import replay_workers
from correctness.worker_traces import as_line, join, name_of, read_recording

Lines = list[dict[str, Any]]
Spoil = Callable[[Lines], Lines]
STORIES: Final = sorted((SPEC.parent / "traces" / "workers").glob("*.ndjson"))
STORY: Final = "test_what_waits_behind_a_handler_is_released_though_a_claim_is_under_way"


def place(lines: Lines, name: str) -> int:
    """Return where the first event of this name stands; of claims, the first that took jobs."""
    got = next(line["token"] for line in lines if line.get("taken"))
    return next(
        number
        for number, line in enumerate(lines)
        if line["a"] == name and line.get("token", got) == got
    )


def dropped(name: str) -> Spoil:
    """Return what leaves the first event of this name out."""
    return lambda lines: [x for n, x in enumerate(lines) if n != place(lines, name)]


def repeated(name: str) -> Spoil:
    """Return what tells the first event of this name twice."""

    def spoil(lines: Lines) -> Lines:
        at = place(lines, name)
        return [*lines[: at + 1], *lines[at:]]

    return spoil


def swapped(name: str) -> Spoil:
    """Return what tells the first event of this name after the next one."""

    def spoil(lines: Lines) -> Lines:
        at = place(lines, name)
        return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]

    return spoil


def changed(name: str, **fields: Any) -> Spoil:
    """Return what tells the first event of this name otherwise."""

    def spoil(lines: Lines) -> Lines:
        at = place(lines, name)
        return [*lines[:at], {**lines[at], **fields}, *lines[at + 1 :]]

    return spoil


def started_after_closing(lines: Lines) -> Lines:
    """Return what starts, once closed, the attempt that is given back next."""
    at = place(lines, "closed") + 1
    start = {"a": "started", "worker": lines[at]["worker"], "attempt": lines[at]["attempt"]}
    return [*lines[:at], start, *lines[at:]]


def calls(lines: Lines, call: int) -> tuple[int, int]:
    """Return where a claim call is sent and where it is answered."""
    (token,) = [line["token"] for line in lines if line.get("call") == call]
    sent, answered = [n for n, line in enumerate(lines) if line.get("token") == token]
    return sent, answered


def with_claimers(lines: Lines, claimers: int) -> Lines:
    """Return the same of a worker with so many sessions that claim."""
    at = place(lines, "began")
    return [*lines[:at], {**lines[at], "claimers": claimers}, *lines[at + 1 :]]


def sent_beside(limit: int, *, claimers: int = 2) -> Spoil:
    """Return what makes the third claim call, for so many jobs, while the second is unanswered."""

    def spoil(lines: Lines) -> Lines:
        (_, answered), (at, _) = calls(lines, 2), calls(lines, 3)
        call = {**lines[at], "limit": limit}
        told = [*lines[:answered], call, *lines[answered:at], *lines[at + 1 :]]
        return with_claimers(told, claimers)

    return spoil


def beat_beside(*named: int) -> Spoil:
    """Return what sends a beat then, which is lost and names these calls."""

    def spoil(lines: Lines) -> Lines:
        told = sent_beside(1)(lines)
        at, _ = calls(told, 3)
        beat = {**told[place(told, "beat_sent")], "beat": 99, "upto": 3, "named": [*named]}
        return [*told[: at + 1], beat, *told[at + 1 :]]

    return spoil


def answered_first(lines: Lines) -> Lines:
    """Return what makes the fourth claim call beside the third, and has its answer first."""
    (_, at), (sent, answered) = calls(lines, 3), calls(lines, 4)
    rest = [line for n, line in enumerate(lines) if n > at and n not in {sent, answered}]
    return with_claimers([*lines[:at], lines[sent], lines[answered], lines[at], *rest], 2)


def taken_elsewhere(lines: Lines) -> Lines:
    """Return what tells of the first jobs under other receipts than the database gave."""
    at = place(lines, "claim_answered")
    rows = [[part + 1, *row] for part, *row in lines[at]["taken"]]
    return [*lines[:at], {**lines[at], "taken": rows}, *lines[at + 1 :]]


def sent_twice(lines: Lines) -> Lines:
    """Return what names an attempt twice in the first batch."""
    at = place(lines, "flush_sent")
    attempts = [lines[at]["attempts"][0], *lines[at]["attempts"]]
    return [*lines[:at], {**lines[at], "attempts": attempts}, *lines[at + 1 :]]


def claimed_after_drain(lines: Lines) -> Lines:
    """Return what makes one more claim call after the drain."""
    at = place(lines, "drained") + 1
    call = {"a": "claim_sent", "worker": lines[at]["worker"], "call": 99, "token": 99, "limit": 1}
    return [*lines[:at], call, *lines[at:]]


def beat_unheard(lines: Lines) -> Lines:
    """Return what sends the first beat after the connection for beats was lost."""
    at = place(lines, "beat_sent")
    deafened = {"a": "deafened", "worker": lines[at]["worker"]}
    return [*lines[:at], deafened, *lines[at:]]


def drained_after_leaving(lines: Lines) -> Lines:
    """Return what is told to end when it has left."""
    left = lines[place(lines, "left")]
    return [*lines, {"a": "drained", "worker": left["worker"]}]


def after_sending(name: str) -> Spoil:
    """Return what says this of an attempt whose outcome is on its way."""

    def spoil(lines: Lines) -> Lines:
        at = place(lines, "flush_sent") + 1
        attempt = lines[at - 1]["attempts"][0]
        said = {"a": name, "worker": lines[at - 1]["worker"], "attempt": attempt}
        return [*lines[:at], said, *lines[at:]]

    return spoil


def second(lines: Lines, name: str) -> int:
    """Return where the second event of this name stands."""
    return [n for n, line in enumerate(lines) if line["a"] == name][1]


def settled_under_an_old_id(lines: Lines) -> Lines:
    """Return what sends the second batch under the id of the first, and then as it was."""
    at = second(lines, "flush_sent")
    settle = lines[place(lines, "flush_sent")]["settle"]
    return [*lines[:at], {**lines[at], "settle": settle}, *lines[at:]]


def answered_beside(lines: Lines) -> Lines:
    """Return what has an answer about the first batch in that to the second."""
    at = second(lines, "flush_answered")
    old = lines[place(lines, "flush_sent")]["attempts"][0]
    answers = [*lines[at]["answers"], [*old, "stale"]]
    return [*lines[:at], {**lines[at], "answers": answers}, *lines[at + 1 :]]


LEFT: Final = 2 + 2 * PREFETCH_JOBS_MAX - 1 - 406
"""Two queues, a permit each: their room but for one job in hand and what the second call asks."""
TRUTHS: Final[dict[str, Spoil]] = {
    "two claim calls that fill the room together": sent_beside(LEFT),
    "two claim calls of which the later is answered first": answered_first,
    "a beat that names both": beat_beside(1, 2, 3),
}
LIES: Final[dict[str, tuple[str, Spoil]]] = {
    "a claim that was never sent": ("named", dropped("claim_sent")),
    "jobs of a call whose reply never came": ("held", dropped("claim_answered")),
    "an outcome of a handler that never started": ("running", dropped("started")),
    "a settle of something that has not ended": ("boxed", dropped("ended")),
    "a settle that was never sent": ("sent", dropped("flush_sent")),
    "a second batch while the first is out": ("one_flush", dropped("flush_answered")),
    "two claim calls that have no room together": ("room", sent_beside(LEFT + 1)),
    "two claim calls over one session": ("sessions", sent_beside(1, claimers=1)),
    "a beat that names one of two claim calls": ("named", beat_beside(1, 3)),
    "a claim call under a number that it has used": ("claim_sent_again", repeated("claim_sent")),
    "receipts that the database did not give": ("took", taken_elsewhere),
    "an attempt twice in a batch": ("flush_sent_again", sent_twice),
    "what a worker does that never began": ("said_by_nobody", dropped("began")),
    "a reply that comes twice": ("awaited", repeated("claim_answered")),
    "a handler that starts twice": ("waiting", repeated("started")),
    "an outcome twice": ("running", repeated("ended")),
    "an outcome before its handler started": ("running", swapped("started")),
    "an answer twice": ("asked", repeated("flush_answered")),
    "a claim for more than there is room": ("room", changed("claim_sent", limit=10**6)),
    "a claim that took more than it asked for": ("limit", changed("claim_sent", limit=0)),
    "open work nobody was told of": ("whole", changed("claim_answered", taken=[])),
    "another outcome than the handler's": ("boxed", changed("flush_sent", how="retry")),
    "an outcome dropped at the end": ("dropped", changed("left", dropped=3)),
    "another beat than the one that came": ("beat_sent", changed("beat_sent", named=[])),
    "a beat that knows of too few calls": ("beat_sent", changed("beat_sent", upto=7)),
    "a start after the end of starting": ("begins", started_after_closing),
    "a claim after the drain": ("claims", claimed_after_drain),
    "a beat without a connection for it": ("hears", beat_unheard),
    "a drain of a worker that has left": ("alive", drained_after_leaving),
    "an end that is heard of an outcome on its way": ("at_work", after_sending("told")),
    "an outcome forgotten on its way": ("unsettled", after_sending("let_go")),
    "a batch under the id of another": ("new_id", settled_under_an_old_id),
    "an answer about what was not asked": ("boxes", answered_beside),
}
SHARED_STORY: Final = "test_what_is_guaranteed_is_there_at_once"
SHARED_LIES: Final[dict[str, tuple[str, Spoil]]] = {
    "a handler that was not permitted": ("free", changed("permitted", permits=0)),
    "more handlers than the queues share": ("shared", changed("began", total=2)),
}
OWN_STORY: Final = "a_commit_that_was_lost_is_asked_about"
OWN_LIES: Final[dict[str, tuple[str, Spoil]]] = {
    "an answer to a commit twice": ("doubted", repeated("commit_answered")),
    "a commit that happened after all": ("true", changed("commit_answered", done=True)),
    "a commit under way twice": ("one", repeated("commit_sent")),
}
TOLD_LIES: Final = LIES | SHARED_LIES | OWN_LIES
"""The lies of workers, whatever story they are told of."""


def without(recorded: list[Recorded], name: str) -> list[Recorded]:
    """Return the recording without the events of this name."""
    return [one for one in recorded if one.event["a"] != name]


def stopped_before_its_last_beat(recorded: list[Recorded]) -> list[Recorded]:
    """Return the recording with the worker's leave one event earlier."""
    at = next(n for n, one in enumerate(recorded) if one.event["a"] == "worker_stop")
    beat, stop = recorded[at - 1 : at + 1]
    assert "heartbeat" == beat.event["a"]
    return [*recorded[: at - 1], stop, beat, *recorded[at + 1 :]]


Unrecord = Callable[[list[Recorded]], list[Recorded]]
STORE_LIES: Final[dict[str, tuple[str, Unrecord]]] = {
    "a claim the database knows nothing of": ("took", lambda rows: without(rows, "claim")),
    "a settle the database knows nothing of": ("done", lambda rows: without(rows, "release")),
    "a worker the database knows nothing of": (
        "started",
        lambda rows: without(rows, "worker_start"),
    ),
    "a beat that ends something for a worker that is gone": (
        "there",
        stopped_before_its_last_beat,
    ),
}


def story(name: str = STORY) -> tuple[list[Recorded], Lines]:
    """Return the recording that the lies are told of."""
    (file,) = [file for file in STORIES if file.stem == name]
    recorded, told = read_recording(file)
    return recorded, [dict(line) for line in told]


@cache
def verdicts() -> dict[str, Refusal | None]:
    """Judge all stories and all lies in one run."""
    recorded, told = story()
    traces = {file.stem: join(*read_recording(file)) for file in STORIES}
    traces |= {name: join(recorded, spoil(told)) for name, spoil in TRUTHS.items()}
    traces |= {name: join(recorded, spoil(told)) for name, (_, spoil) in LIES.items()}
    for other, lies in ((SHARED_STORY, SHARED_LIES), (OWN_STORY, OWN_LIES)):
        theirs, by_them = story(other)
        traces |= {name: join(theirs, spoil(by_them)) for name, (_, spoil) in lies.items()}
    traces |= {name: join(spoil(recorded), told) for name, (_, spoil) in STORE_LIES.items()}
    return dict(zip(traces, replay_workers(list(traces.values())), strict=True))


@pytest.mark.parametrize("name", [file.stem for file in STORIES])
def test_what_workers_told_is_accepted(name: str) -> None:
    """Guards the specification against refusing what workers rightly do."""
    assert verdicts()[name] is None


@pytest.mark.parametrize("name", TRUTHS)
def test_claim_calls_beside_each_other_are_accepted_while_there_is_room(name: str) -> None:
    """Guards the replay against holding a worker to one claim call, and its beats to one name."""
    assert verdicts()[name] is None


@pytest.mark.parametrize("name", [*TOLD_LIES, *STORE_LIES])
def test_a_lie_is_rejected_for_its_reason(name: str) -> None:
    """Guards the replay against accepting everything."""
    guard, _ = {**TOLD_LIES, **STORE_LIES}[name]
    refusal = verdicts()[name]
    assert refusal is not None
    assert f'"{guard}"' in refusal.why


def test_a_sample_of_corruptions_is_refused_at_the_rate_on_the_page() -> None:
    """Guards the rate: whatever the replay no longer notices shows (`make corruptions` writes)."""
    counts = of_workers([SAMPLE], most=SAMPLED)
    assert [] == counts.unexplained
    assert sections(PAGE.read_text())[3] == counts.table()


def test_a_step_comes_after_what_it_needs() -> None:
    """Guards the joining: the database goes first, but not before it was asked."""
    asked, answered = frozenset({("asked",)}), frozenset({("answered",)})

    def step(name: str, **ties: frozenset[tuple[str]]) -> Step:
        return Step(said={"a": name}, event={"a": name}, **ties)

    database = [step("early"), step("claim", needs=asked, gives=answered)]
    worker = [step("sent", gives=asked), step("heard", needs=answered)]
    whole = [one.event["a"] for one in merged([database, worker])]
    assert ["early", "sent", "claim", "heard"] == whole


def test_every_event_is_a_step_of_the_specification() -> None:
    """Guards the vocabulary: the name of a value is the name of a step, and no step is unused."""
    spec = (SPEC / "RuntimeTrace.tla").read_text()
    told = {name_of(value) for value in events.WorkerEvent.__subclasses__()}
    steps = set(re.findall(r'e\.a = "(\w+)"', spec))
    by_database = {"worker_start", "worker_stop", "claim", "settle", "heartbeat"}
    assert steps == told | by_database | {"rescue_worker", "end_elsewhere"}
    assert "handlers_cut" == as_line(events.HandlersCut(worker=3))["a"]
