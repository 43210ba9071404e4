"""Replay what workers told of themselves through the actions of Runtime, many traces in one run."""

from collections.abc import Sequence
from typing import Final

from awa._runtime.limits import PREFETCH_JOBS_MAX
from correctness.tla_text import to_tla
from correctness.trace_runs import TraceModule, numbers
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
  AskMax = 0
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


def replay_workers(traces: Sequence[WorkerTrace]) -> list[Refusal | None]:
    """Check traces against the specification. Raise CheckerMissing without Java or TLC."""
    return [
        refusal
        for batch in _batches(traces)
        for refusal in _RUNTIME.judge([_text(one) for one in batch])
    ]


def too_long(trace: WorkerTrace) -> bool:
    """Whether a trace is too long to be replayed."""
    return len(trace.events) > EVENTS_MAX


def _text(trace: WorkerTrace) -> str:
    fields = {
        "permits": trace.permits,
        "totals": trace.totals,
        "claimers": trace.claimers,
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


def _constants(texts: Sequence[str]) -> list[str]:
    workers = max(numbers(r"worker \|-> (\d+)", texts))
    return [f"TraceWorkers == 0..{workers}", "TraceNames == Nat"]


_RUNTIME: Final = TraceModule(modules=MODULES, config=CONFIG, constants=_constants)
