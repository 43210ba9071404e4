"""The replay accepts what the SQL did, and rejects each impossible line for its reason."""

import shutil
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from awa._core.actions import ACTIONS
from correctness import tlc
from correctness.configurations import SPEC
from correctness.replay import JUDGES, Judge, Report, judge_here, replay
from correctness.spoiling import LIES
from correctness.tla_text import from_tla
from correctness.traces import Recorded, Trace, cut, read_ndjson
from correctness.verdicts import Refusal

TRACES: Final = SPEC.parent / "traces"
ACCEPTED: Final = sorted((TRACES / "accepted").glob("*.ndjson"))
REJECTED: Final = sorted((TRACES / "rejected").glob("*.ndjson"))


def name_of(path: Path) -> str:
    """Return the story's name."""
    return path.stem


@cache
def refusals(by: Judge) -> dict[Path, list[tuple[Trace, Refusal | None]]]:
    """Replay the whole corpus in one go: a run of TLC per file would take a minute."""
    pairs = [(file, trace) for file in (*ACCEPTED, *REJECTED) for trace in cut(read_ndjson(file))]
    report = replay([trace for _, trace in pairs], by=by)
    found: dict[Path, list[tuple[Trace, Refusal | None]]] = {}
    for (file, trace), refusal in zip(pairs, report.refusals, strict=True):
        found.setdefault(file, []).append((trace, refusal))
    return found


def verdicts(file: Path, by: Judge) -> list[tuple[int, object] | None]:
    """Return where each trace of a file is refused and why, whatever order a set is written in."""
    return [
        None if refusal is None else (refusal.event, from_tla(refusal.why))
        for _, refusal in refusals(by)[file]
    ]


def impossible_line(recorded: list[Recorded]) -> int:
    """Return the place of the one line that is marked."""
    (line,) = [place for place, one in enumerate(recorded) if "impossible" in one.event]
    return line


@pytest.mark.parametrize("file", ACCEPTED, ids=name_of)
def test_a_recorded_story_is_accepted(file: Path) -> None:
    """Guards the specification against refusing what the SQL rightly does."""
    judged = refusals(judge_here())[file]
    assert [] == [(trace.lane, refusal) for trace, refusal in judged if refusal]


@pytest.mark.parametrize("file", REJECTED, ids=name_of)
def test_an_impossible_line_is_rejected_where_it_stands(file: Path) -> None:
    """Guards the replay against accepting everything: the event and the reason must be right."""
    recorded = read_ndjson(file)
    line = impossible_line(recorded)
    ((trace, refusal),) = [pair for pair in refusals(judge_here())[file] if pair[1] is not None]
    assert refusal is not None
    assert line == trace.lines[refusal.event - 1], refusal
    assert f'"{recorded[line].event["impossible"]}"' in refusal.why


@pytest.mark.parametrize("file", [*ACCEPTED, *REJECTED], ids=name_of)
def test_both_judges_say_the_same_for_the_same_reason(file: Path) -> None:
    """Guards the replay without Java: the Python twin is as strict as TLC, and no stricter."""
    assert verdicts(file, "tlc") == verdicts(file, "twin")


def answers_of(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return each action with an answer of it that an event of a trace shows."""
    action = event["a"]
    if action == "told":
        yield from ((event["by"], row["answer"]) for row in event["told"])
    elif "items" in event:
        words = ("settled", "already", "stale")
        yield from ((action, word) for item in event["items"] for word in words if item.get(word))
        yield from ((action, "dead_lettered") for _ in event.get("dead", ()))
        ends = {"failed": "failed", "cancelled": "settled"}
        yield from ((action, ends[row["state"]]) for row in event.get("finals", ()))
    elif action in {"enqueue", "enqueue_many"}:
        if event["new"] or event["deferred"]:
            yield action, "replaced" if event["taken"] else "inserted"
    elif action == "note_progress":
        yield from ((action, note["answer"]) for note in event["notes"])
    elif action == "claim":
        yield action, "again" if event["again"] else "got"
    else:
        yield action, str(event.get("answer", "settled"))
    if action in {"heartbeat", "rescue_worker"}:
        yield action, event["answer"]


def test_the_corpus_has_every_answer_of_every_action() -> None:
    """Guards the comparison of the judges: what no story has could be read in any way.

    Answers that only report absence (`empty`, `busy`, `ended`, `unknown`, and `gone` of a beat) are
    no events, nor is an enqueue that raises; of a dead letter that was purged nothing is told.
    """
    settled = {"settled", "already", "stale"}
    failing = {"failed", "dead_lettered"}
    stored = {"inserted", "existing", "replaced", "skipped"}
    expected = {
        **dict.fromkeys(("complete", "release", "snooze", "cancel_running"), settled),
        **dict.fromkeys(("retry", "fail"), settled | failing),
        **dict.fromkeys(("enqueue", "enqueue_many"), stored),
        **dict.fromkeys(("cancel_pending", "dlq_move"), settled),
        "dlq_retry": settled | {"duplicate"},
        "dlq_purge": {"settled", "stale"},
        "worker_start": {"started", "already"},
        "worker_stop": {"stopped", "gone"},
        "heartbeat": {"alive", "settled", "failed"},
        "rescue_worker": {"gone", "settled"},
        "claim": {"got", "again"},
        "note_progress": {"noted", "stale"},
        "prune": {"pruned"},
    }
    found: dict[str, set[str]] = {}
    for file in ACCEPTED:
        for trace in cut(read_ndjson(file)):
            for action, answer in (pair for event in trace.events for pair in answers_of(event)):
                found.setdefault(action, set()).add(answer)
    others = {*ACTIONS, "census", "arrive"} - set(expected)
    assert {**{action: {"settled"} for action in others}, **expected} == found


def test_each_rejected_story_has_a_reason_of_its_own() -> None:
    """Guards breadth: the corpus would shrink to one kind of mistake unnoticed."""
    reasons = [read_ndjson(file) for file in REJECTED]
    kinds = {recorded[impossible_line(recorded)].event["impossible"] for recorded in reasons}
    assert len(kinds) >= 40


def test_the_rejected_stories_are_those_of_the_accepted_ones() -> None:
    """Guards against stories that were recorded anew without their lies."""
    assert [file.stem for file in REJECTED] == sorted(lie.name for lie in LIES)
    for lie in LIES:
        told = [{key: of for key, of in one.event.items() if key != "tx"} for one in lie.told()]
        assert told == [
            {key: of for key, of in one.event.items() if key != "tx"}
            for one in read_ndjson(TRACES / "rejected" / f"{lie.name}.ndjson")
        ]


@pytest.mark.parametrize("by", JUDGES)
def test_verdicts_are_remembered(by: Judge, tmp_path: Path) -> None:
    """Guards the cache: an equal trace under an equal specification is not checked again."""
    traces = cut(read_ndjson(TRACES / "accepted" / "one_job.ndjson"))
    first = replay(traces, by=by, cache=tmp_path)
    again = replay(traces + traces, by=by, cache=tmp_path)
    assert (0, len(traces)) == (first.remembered, first.different)
    assert (len(traces), len(traces)) == (again.remembered, again.different)


def test_a_verdict_is_remembered_for_its_judge_only(tmp_path: Path) -> None:
    """Guards the cache against one judge answering for the other."""
    traces = cut(read_ndjson(TRACES / "accepted" / "one_job.ndjson"))
    assert ("twin", 0) == judged(replay(traces, by="twin", cache=tmp_path))
    assert ("tlc", 0) == judged(replay(traces, by="tlc", cache=tmp_path))
    assert ("twin", len(traces)) == judged(replay(traces, by="twin", cache=tmp_path))


def judged(report: Report) -> tuple[Judge, int]:
    """Return who judged, and how much was known before."""
    return report.judge, report.remembered


def test_the_twin_judges_where_there_is_no_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the replay on a machine with Python alone: it is not left out."""
    assert "tlc" == judge_here()
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "twin" == judge_here()
    assert "twin" == replay([]).judge


def test_a_missing_java_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the message: the only thing a fresh machine must bring has to be named."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(tlc.CheckerMissing, match="apt-get install"):
        tlc.find_java()


def test_an_unknown_jar_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the pinned checksum: no verdict comes from a checker nobody looked at."""
    monkeypatch.delenv("TLA2TOOLS_JAR", raising=False)
    monkeypatch.setattr(tlc, "WHEEL_JAR_SHA256", "0" * 64)
    with pytest.raises(tlc.CheckerMissing, match="SHA-256"):
        tlc.find_jar()
