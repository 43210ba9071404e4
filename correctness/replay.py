"""Replay recorded traces through the actions of Storage, many in one run of TLC.

`replay(traces)` answers the rejected ones. Equal traces are checked once; verdicts are kept in a
cache by the text of the specification and of the trace.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from correctness.configurations import SPEC
from correctness.tla_text import to_tla
from correctness.tlc import Run, run_tlc
from correctness.traces import Trace

CACHE: Final = SPEC.parent / ".pytest_cache" / "replay"
MODULES: Final = ("JobLife.tla", "Storage.tla", "StorageTrace.tla")
EVENTS_MAX: Final = 400
"""A longer trace is not replayed: it takes minutes. Its test is marked `bulk`."""
NUMBERS_MAX: Final = 600
LOSSES_MAX: Final = 5
"""As in the SQL: a job lost once more than this ends."""
BATCH_EVENTS_MAX: Final = 6000
PARALLEL: Final = 2

_INVARIANTS: Final = (
    "EntryClaimedOnce TokenTakesOnce ClosuresDisjoint ClosureWithinClaim WithdrawnUnclaimed "
    "OneLivePlacePerJob BodyKept HoleSafety HolesBelow FloorKept OpenIsNewest NumbersOnce "
    "LossBound UniqueHeldOnce"
)
_CONFIG: Final = f"""\
CONSTANTS
  Jobs <- TraceJobs
  Workers <- TraceNames
  Tokens <- TraceNames
  Ids <- TraceNames
  Slots <- TraceSlots
  SeqMax = 2000000000
  LossMax = {LOSSES_MAX}
  Off = {{}}
  All <- TraceAll
  LateAfterClaim <- TraceLateAfterClaim
  Exhausted <- TraceExhausted
  MayGoOn <- TraceMayGoOn
SPECIFICATION TraceSpec
CONSTRAINT Track
INVARIANTS {_INVARIANTS} Verdict
"""
_REJECTED: Final = re.compile(r'^"REJECTED (\d+) (\d+) WHY (.*?) STATE (.*)"$', re.MULTILINE)
_VERDICT: Final = re.compile(r'^"VERDICT (\d+) (\d+)"$', re.MULTILINE)
_OUTPUT_LINES: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Where a trace stops being one of the specification's, and why."""

    event: int
    """Place in the trace, from 1."""
    why: str
    """The false guards, the field that differs with both values, or the broken invariant."""
    state: str
    """The specification's state before that event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a replay found: for each trace given, its refusal or None; and the work it took."""

    refusals: tuple[Refusal | None, ...]
    different: int
    """How many different traces there were."""
    remembered: int
    """How many verdicts came from the cache."""


def replay(traces: Sequence[Trace], *, cache: Path | None = CACHE) -> Report:
    """Check traces against the specification. Raise CheckerMissing without Java or TLC."""
    texts = [trace_text(trace) for trace in traces]
    store = _Store(cache)
    known = {text: store.load(text) for text in dict.fromkeys(texts)}
    todo = [text for text, verdict in known.items() if verdict is None]
    with ThreadPoolExecutor(PARALLEL) as pool:
        for batch, found in pool.map(lambda batch: (batch, _check(batch)), _batches(todo)):
            for text, refusal in zip(batch, found, strict=True):
                known[text] = (refusal,)
                store.save(text, refusal)
    verdicts = (known[text] for text in texts)
    return Report(
        refusals=tuple(verdict[0] if verdict else None for verdict in verdicts),
        different=len(known),
        remembered=len(known) - len(todo),
    )


def too_long(trace: Trace) -> str | None:
    """Answer why a trace is too long to be replayed, or None."""
    if len(trace.events) > EVENTS_MAX:
        return f"{len(trace.events)} events in lane {trace.lane}, at most {EVENTS_MAX}"
    if trace.appear and max(trace.appear) > NUMBERS_MAX:
        return f"numbers up to {max(trace.appear)} in lane {trace.lane}, at most {NUMBERS_MAX}"
    return None


def trace_text(trace: Trace) -> str:
    """Write a trace as a TLA+ value: the same text means the same trace."""
    return to_tla(
        {
            "born": trace.born,
            "ring": trace.ring,
            "appear": trace.appear,
            "bounds": trace.bounds,
            "wants": trace.wants,
            "events": trace.events,
        }
    )


class _Store:
    """Verdicts of earlier runs. A verdict is a tuple of one refusal, or of one None."""

    def __init__(self, folder: Path | None) -> None:
        spec = "".join((SPEC / name).read_text() for name in MODULES) + _CONFIG
        key = hashlib.sha256(spec.encode()).hexdigest()[:16]
        self._folder: Final = None if folder is None else folder / key

    def load(self, text: str) -> tuple[Refusal | None] | None:
        """Answer the verdict on this trace, or None when it is not known."""
        file = self._file(text)
        if file is None or not file.is_file():
            return None
        found: Mapping[str, Any] | None = json.loads(file.read_text())
        return (None if found is None else Refusal(**found),)

    def save(self, text: str, refusal: Refusal | None) -> None:
        """Remember the verdict."""
        file = self._file(text)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = file.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(None if refusal is None else asdict(refusal)))
            unfinished.replace(file)

    def _file(self, text: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"


def _batches(texts: Sequence[str]) -> list[list[str]]:
    """As few runs as keep both processors busy, each of bounded size."""
    batches: list[list[str]] = [[] for _ in range(min(PARALLEL, len(texts)))]
    for place, text in enumerate(texts):
        batches[place % PARALLEL].append(text)
    return [part for batch in batches for part in _split(batch)]


def _split(batch: list[str]) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    events = 0
    for text in batch:
        events += text.count("a |-> ")
        if parts[-1] and events > BATCH_EVENTS_MAX:
            parts.append([])
            events = text.count("a |-> ")
        parts[-1].append(text)
    return parts


def _check(texts: Sequence[str]) -> list[Refusal | None]:
    """Check a batch. One that TLC cannot judge is halved until the trace to blame stands alone."""
    run = _run(texts)
    judged = _VERDICT.search(run.output)
    if not run.failed and run.broken is None and judged is not None:
        return _refusals(run.output, len(texts), int(judged[2]))
    if len(texts) == 1:
        return [_unjudged(run)]
    half = len(texts) // 2
    return _check(texts[:half]) + _check(texts[half:])


def _refusals(output: str, count: int, expected: int) -> list[Refusal | None]:
    found: list[Refusal | None] = [None] * count
    for trace, event, why, state in _REJECTED.findall(output):
        plain = (text.replace('\\"', '"') for text in (why, state))
        found[int(trace) - 1] = Refusal(event=int(event), why=next(plain), state=next(plain))
    assert expected == sum(refusal is not None for refusal in found), "a refusal was not understood"
    return found


def _unjudged(run: Run) -> Refusal:
    if run.broken is not None:
        places = re.findall(r"^/\\ at = (\d+)$", run.output, re.MULTILINE)
        event = int(places[-1]) - 1 if places else 1
        return Refusal(event=max(event, 1), why=f"invariant {run.broken}", state="see the trace")
    said = "\n".join(run.output.splitlines()[-_OUTPUT_LINES:])
    return Refusal(event=1, why=f"TLC gave no verdict:\n{said}", state="unknown")


def _run(texts: Sequence[str]) -> Run:
    with tempfile.TemporaryDirectory(prefix="awa-replay-") as made:
        folder = Path(made)
        for name in MODULES:
            shutil.copy(SPEC / name, folder)
        (folder / "Traces.tla").write_text(_traces_module(texts))
        config = folder / "StorageTrace.cfg"
        config.write_text(_CONFIG)
        return run_tlc(folder / "StorageTrace.tla", config)


def _traces_module(texts: Sequence[str]) -> str:
    jobs = max(
        (int(job) for text in texts for job in re.findall(r"job \|-> (\d+)", text)), default=1
    )
    lines = ["---- MODULE Traces ----", "EXTENDS Naturals"]
    lines += [f"T{place} == {text}" for place, text in enumerate(texts, 1)]
    lines += [f"Traces == <<{', '.join(f'T{place}' for place in range(1, len(texts) + 1))}>>"]
    lines += [f"TraceJobs == 1..{jobs}", "TraceSlots == 0..15", "TraceNames == Nat", "===="]
    return "\n".join(lines) + "\n"
