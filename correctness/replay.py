"""Replay recorded traces through the actions of Storage.

`replay(traces)` answers the rejected ones. TLC judges them, or the Python twin where there is no
Java. Equal traces are checked once; verdicts are kept in a cache by the text of the specification,
or of the twin, and of the trace.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from correctness import model, replay_by_tlc, replay_by_twin, verdicts
from correctness.configurations import SPEC
from correctness.tla_text import to_tla
from correctness.tlc import available
from correctness.traces import Trace
from correctness.verdicts import Refusal

CACHE: Final = SPEC.parent / ".pytest_cache" / "replay"
EVENTS_MAX: Final = 400
"""A longer trace is not replayed: it takes minutes. Its test is marked `bulk`."""
NUMBERS_MAX: Final = 600

Judge = Literal["tlc", "twin"]
JUDGES: Final[tuple[Judge, ...]] = get_args(Judge)


def judge_here() -> Judge:
    """Answer who judges unless somebody is named: TLC, where it can be run."""
    return "tlc" if available() else "twin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a replay found: for each trace given, its refusal or None; and the work it took."""

    judge: Judge
    refusals: tuple[Refusal | None, ...]
    different: int
    """How many different traces there were."""
    remembered: int
    """How many verdicts came from the cache."""


def replay(
    traces: Sequence[Trace], *, by: Judge | None = None, cache: Path | None = CACHE
) -> Report:
    """Check traces against the specification. Raise CheckerMissing when TLC is asked in vain."""
    judge = by or judge_here()
    texts = [trace_text(trace) for trace in traces]
    different = dict(zip(texts, traces, strict=True))
    store = _Store(cache, judge)
    known = {text: store.load(text) for text in different}
    todo = [text for text, verdict in known.items() if verdict is None]
    if judge == "tlc":
        found = replay_by_tlc.judge_all(todo)
    else:
        found = [replay_by_twin.judge(different[text]) for text in todo]
    for text, refusal in zip(todo, found, strict=True):
        known[text] = (refusal,)
        store.save(text, refusal)
    judged = (known[text] for text in texts)
    return Report(
        judge=judge,
        refusals=tuple(verdict[0] if verdict else None for verdict in judged),
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
            "asked": trace.asked,
            "events": trace.events,
        }
    )


def _law(judge: Judge) -> str:
    """The text by which a judge decides: a verdict is worth as long as it stands."""
    if judge == "tlc":
        modules = (SPEC / name for name in replay_by_tlc.MODULES)
        return "".join(module.read_text() for module in modules) + replay_by_tlc.CONFIG
    twin = sorted(Path(model.__file__).parent.glob("*.py"))
    sources = (*twin, Path(replay_by_twin.__file__), Path(verdicts.__file__))
    return "".join(source.read_text() for source in sources)


class _Store:
    """Verdicts of earlier runs. A verdict is a tuple of one refusal, or of one None."""

    def __init__(self, folder: Path | None, judge: Judge) -> None:
        key = hashlib.sha256(_law(judge).encode()).hexdigest()[:16]
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
