"""The judge of record: traces replayed by TLC through StorageTrace, many in one run."""

import re
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from correctness.configurations import SPEC
from correctness.tlc import Run, run_tlc
from correctness.verdicts import INVARIANTS, LOSSES_MAX, SLOTS, Refusal

MODULES: Final = ("JobLife.tla", "Storage.tla", "StorageTrace.tla")
BATCH_EVENTS_MAX: Final = 6000
PARALLEL: Final = 2

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
INVARIANTS """
CONFIG: Final = f"{_CONFIG}{' '.join(INVARIANTS)} Verdict\n"
WITHOUT_INVARIANTS: Final = f"{_CONFIG}Verdict\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """By what traces are judged: where its modules lie, and the text of the configuration."""

    folder: Path = SPEC
    config: str = CONFIG


STORAGE: Final = Law()
_REJECTED: Final = re.compile(r'^"REJECTED (\d+) (\d+) WHY (.*?) STATE (.*)"$', re.MULTILINE)
_VERDICT: Final = re.compile(r'^"VERDICT (\d+) (\d+)"$', re.MULTILINE)
_OUTPUT_LINES: Final = 25


def judge_all(texts: Sequence[str], law: Law = STORAGE) -> list[Refusal | None]:
    """Check traces, each given as a value of TLA+. Raise CheckerMissing without Java or TLC."""
    found: dict[str, Refusal | None] = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        for batch, refusals in pool.map(lambda part: (part, _check(part, law)), _batches(texts)):
            found.update(zip(batch, refusals, strict=True))
    return [found[text] for text in texts]


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


def _check(texts: Sequence[str], law: Law) -> list[Refusal | None]:
    """Check a batch. One that TLC cannot judge is halved until the trace to blame stands alone."""
    run = _run(texts, law)
    judged = _VERDICT.search(run.output)
    if not run.failed and run.broken is None and judged is not None:
        return _refusals(run.output, len(texts), int(judged[2]))
    if len(texts) == 1:
        return [_unjudged(run)]
    half = len(texts) // 2
    return _check(texts[:half], law) + _check(texts[half:], law)


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


def _run(texts: Sequence[str], law: Law) -> Run:
    with tempfile.TemporaryDirectory(prefix="awa-replay-") as made:
        folder = Path(made)
        for name in MODULES:
            shutil.copy(law.folder / name, folder)
        (folder / "Traces.tla").write_text(_traces_module(texts))
        config = folder / "StorageTrace.cfg"
        config.write_text(law.config)
        return run_tlc(folder / "StorageTrace.tla", config)


def _traces_module(texts: Sequence[str]) -> str:
    jobs = max(
        (int(job) for text in texts for job in re.findall(r"job \|-> (\d+)", text)), default=1
    )
    lines = ["---- MODULE Traces ----", "EXTENDS Naturals"]
    lines += [f"T{place} == {text}" for place, text in enumerate(texts, 1)]
    lines += [f"Traces == <<{', '.join(f'T{place}' for place in range(1, len(texts) + 1))}>>"]
    lines += [
        f"TraceJobs == 1..{jobs}",
        f"TraceSlots == 0..{SLOTS - 1}",
        "TraceNames == Nat",
        "====",
    ]
    return "\n".join(lines) + "\n"
