"""Replay what was recorded of schedules through the actions of Cron, many traces in one run."""

from collections.abc import Sequence
from typing import Final

from correctness.cron_traces import CronTrace
from correctness.tla_text import to_tla
from correctness.tlc import QUICK
from correctness.trace_runs import TraceModule, numbers
from correctness.verdicts import Refusal

CONFIG: Final = """\
CONSTANTS
  Leaders <- TraceLeaders
  TimeMax <- TraceInstants
  Missed = "coalesce"
  LateMax = 0
  CatchUpMax = 1
  Overlap = "allow"
  Skew = 0
  Edits = 2000000000
  Deaths = 0
  Bare = {}
  All <- TraceAll
  Rules <- TraceRules
  Due <- TraceDue
  When <- TraceWhen
  Late <- TraceLate
  Most <- TraceMost
  OverlapNow <- TraceOverlap
SPECIFICATION TraceSpec
CONSTRAINT Track
INVARIANTS FiredOnce NeverEarly OfItsRule NoFireLost Verdict
"""


def replay_schedules(traces: Sequence[CronTrace]) -> list[Refusal | None]:
    """Check traces against the specification. Raise CheckerMissing without Java or TLC."""
    return _CRON.judge([_text(trace) for trace in traces])


def _text(trace: CronTrace) -> str:
    fields = {
        "leaders": trace.leaders,
        "instants": trace.instants,
        "due": trace.due,
        "policies": trace.policies,
        "events": trace.events,
    }
    return to_tla(fields)


def _constants(texts: Sequence[str]) -> list[str]:
    leaders = max(numbers(r"\[leaders \|-> (\d+)", texts))
    instants = max(numbers(r", instants \|-> (\d+)", texts))
    return [f"TraceLeaders == 1..{leaders}", f"TraceInstants == {instants}"]


_CRON: Final = TraceModule(
    modules=("Cron.tla", "CronTrace.tla"), config=CONFIG, constants=_constants, means=QUICK
)
