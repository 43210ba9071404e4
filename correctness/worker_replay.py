"""Replay what workers told of themselves through the actions of Runtime, many traces in one run."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from awa._runtime.limits import PREFETCH_JOBS_MAX
from correctness.configurations import SPEC
from correctness.tla_text import to_tla
from correctness.tlc import Run, run_tlc
from correctness.verdicts import Refusal
from correctness.worker_traces import WorkerTrace

MODULES: Final = ("JobLife.tla", "Runtime.tla", "RuntimeTrace.tla")
EVENTS_MAX: Final = 1000
"""A longer trace is not replayed: it takes minutes."""
BATCH_EVENTS_MAX: Final = 12_000

CONFIG: Final = f"""\
CONSTANTS
  Jobs <- TraceNames
  Workers <- TraceWorkers
  Mortal = {{}}
  Tokens <- TraceNames
  Ids <- TraceNames
  Permits = 0
  Ahead = {PREFETCH_JOBS_MAX}
  RunMax = 0
  AttemptMax = 0
  LossMax = 0
  BeatMax = 0
  Off = {{}}
  All <- TraceAll
  Lanes <- TraceLanes
  Beside <- TraceBeside
  Room <- TraceRoom
  Due <- TraceDue
  LifeAfterClaim <- TraceClaimed
  LifeAfterEnd <- TraceEnded
  OwnEnded <- TraceOwnEnded
SPECIFICATION TraceSpec
CONSTRAINT Track
INVARIANTS AtMostOneOpen HeldOnce TokenTakesOnce LiveStays EffectsWithEnd Verdict
"""
_REJECTED: Final = re.compile(r'^"REJECTED (\d+) (\d+) WHY (.*)"$', re.MULTILINE)
_VERDICT: Final = re.compile(r'^"VERDICT (\d+) (\d+)"$', re.MULTILINE)
_OUTPUT_LINES: Final = 25


def replay_workers(traces: Sequence[WorkerTrace]) -> list[Refusal | None]:
    """Check traces against the specification. Raise CheckerMissing without Java or TLC."""
    return [
        refusal for batch in _batches(traces) for refusal in _check([_text(one) for one in batch])
    ]


def too_long(trace: WorkerTrace) -> bool:
    """Whether a trace is too long to be replayed."""
    return len(trace.events) > EVENTS_MAX


def _text(trace: WorkerTrace) -> str:
    fields = {
        "permits": trace.permits,
        "totals": trace.totals,
        "queues": trace.queues,
        "events": trace.events,
    }
    return to_tla(fields)


def _batches(traces: Sequence[WorkerTrace]) -> list[list[WorkerTrace]]:
    batches: list[list[WorkerTrace]] = []
    events = BATCH_EVENTS_MAX
    for trace in traces:
        if events + len(trace.events) > BATCH_EVENTS_MAX:
            batches.append([])
            events = 0
        events += len(trace.events)
        batches[-1].append(trace)
    return batches


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
    for trace, event, why in _REJECTED.findall(output):
        plain = why.replace('\\"', '"')
        found[int(trace) - 1] = Refusal(event=int(event), why=plain, state="see the trace")
    assert expected == sum(refusal is not None for refusal in found), "a refusal was not understood"
    return found


def _unjudged(run: Run) -> Refusal:
    places = re.findall(r"^/\\ at = (\d+)$", run.output, re.MULTILINE)
    if run.broken is not None:
        event = max(int(places[-1]) - 1, 1) if places else 1
        return Refusal(event=event, why=f"invariant {run.broken}", state="see the trace")
    said = "\n".join(run.output.splitlines()[-_OUTPUT_LINES:])
    return Refusal(event=1, why=f"TLC gave no verdict:\n{said}", state="unknown")


def _run(texts: Sequence[str]) -> Run:
    with tempfile.TemporaryDirectory(prefix="awa-replay-") as made:
        folder = Path(made)
        for name in MODULES:
            shutil.copy(SPEC / name, folder)
        (folder / "Traces.tla").write_text(_traces_module(texts))
        config = folder / "RuntimeTrace.cfg"
        config.write_text(CONFIG)
        return run_tlc(folder / "RuntimeTrace.tla", config)


def _traces_module(texts: Sequence[str]) -> str:
    workers = max(
        (int(number) for text in texts for number in re.findall(r"worker \|-> (\d+)", text)),
        default=1,
    )
    lines = ["---- MODULE Traces ----", "EXTENDS Naturals"]
    lines += [f"T{place} == {text}" for place, text in enumerate(texts, 1)]
    lines += [f"Traces == <<{', '.join(f'T{place}' for place in range(1, len(texts) + 1))}>>"]
    lines += [f"TraceWorkers == 0..{workers}", "TraceNames == Nat", "===="]
    return "\n".join(lines) + "\n"
