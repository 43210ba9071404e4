"""Runs of TLC that judge traces: a module that is written for them, and what the run said of each.

How a module of traces gives its verdicts is told in StorageTrace.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from correctness.configurations import SPEC
from correctness.tlc import USUAL, Means, Run, run_tlc
from correctness.verdicts import Refusal

_REJECTED: Final = re.compile(r'^"REJECTED (\d+) (\d+) WHY (.*)"$', re.MULTILINE)
_VERDICT: Final = re.compile(r'^"VERDICT (\d+) (\d+)"$', re.MULTILINE)
_OUTPUT_LINES: Final = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceModule:
    """A module that replays traces: its modules, the last one at the root, and the configuration.

    `constants` are the lines that the module of the traces has beside them, given their texts.
    """

    modules: tuple[str, ...]
    config: str
    constants: Callable[[Sequence[str]], list[str]]
    means: Means = USUAL

    def judge(self, texts: Sequence[str]) -> list[Refusal | None]:
        """Judge a batch. One that TLC cannot judge is halved until the trace to blame is alone."""
        if not texts:
            return []
        run = self._run(texts)
        judged = _VERDICT.search(run.output)
        if not run.failed and run.broken is None and judged is not None:
            return _refusals(run.output, len(texts), int(judged[2]))
        if len(texts) == 1:
            return [_unjudged(run)]
        half = len(texts) // 2
        return self.judge(texts[:half]) + self.judge(texts[half:])

    def _run(self, texts: Sequence[str]) -> Run:
        root = self.modules[-1]
        with tempfile.TemporaryDirectory(prefix="awa-replay-") as made:
            folder = Path(made)
            for name in self.modules:
                shutil.copy(SPEC / name, folder)
            (folder / "Traces.tla").write_text(self._traces(texts))
            config = (folder / root).with_suffix(".cfg")
            config.write_text(self.config)
            return run_tlc(folder / root, config, means=self.means)

    def _traces(self, texts: Sequence[str]) -> str:
        lines = ["---- MODULE Traces ----", "EXTENDS Naturals"]
        lines += [f"T{place} == {text}" for place, text in enumerate(texts, 1)]
        lines += [f"Traces == <<{', '.join(f'T{place}' for place in range(1, len(texts) + 1))}>>"]
        return "\n".join([*lines, *self.constants(texts), "====\n"])


def numbers(pattern: str, texts: Sequence[str]) -> list[int]:
    """Every number that a pattern finds in the texts of traces; at least 1."""
    return [1, *(int(number) for text in texts for number in re.findall(pattern, text))]


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
