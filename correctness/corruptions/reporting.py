"""The page of corruptions: how many were tried of each kind, how many are refused, and why not."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from correctness.corruptions.judging import Verdict

HEAD: Final = (
    "# Corruptions of traces\n\n"
    "Written by `make corruptions`. "
    "A recording is corrupted in one place, and the Python twin replays it. "
    "What it does not refuse leads to the same tables at the end, by another way that Storage"
    " allows; each kind has its reason below, and one without a reason fails the run. "
    "What workers told is corrupted likewise, beside a database that says what it said, and TLC"
    " replays it by Runtime; of what is long, a sample.\n\n"
)
STORIES: Final = "## Every corruption of the stories in traces/accepted\n\n"
RECORDED: Final = "## A sample of what the tests recorded\n\n"
WORKERS: Final = "## Corruptions of what workers told in traces/workers\n\n"
SAMPLE: Final = "## A sample of these, in every run of the tests\n\n"
_HEADS: Final = (STORIES, RECORDED, WORKERS, SAMPLE)


@dataclass(slots=True, kw_only=True)
class Counts:
    """Verdicts, counted."""

    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)

    def add(self, where: str, verdicts: Iterable[Verdict]) -> None:
        """Count the verdicts on one recording."""
        for verdict in verdicts:
            wrong = verdict.corruption
            self.tried[wrong.operator] += 1
            self.refused[wrong.operator] += verdict.refused
            if verdict.reason:
                self.reasons[verdict.reason] += 1
            elif verdict.reason is None:
                said = f"{where}, event {wrong.where + 1}, {wrong.action}"
                self.unexplained.append(f"{wrong.operator}: {said} {wrong.what}".rstrip())

    def table(self) -> str:
        """Answer the counts as tables."""
        tried, refused = self.tried.total(), self.refused.total()
        lines = [
            f"{tried} corruptions, {refused} refused ({100 * refused / max(tried, 1):.1f} %).",
            "",
            "| what is wrong | tried | refused | accepted |",
            "| --- | --: | --: | --: |",
        ]
        for operator, count in self.tried.items():
            accepted = count - self.refused[operator]
            lines.append(f"| {operator} | {count} | {self.refused[operator]} | {accepted or ''} |")
        lines += ["", "| accepted, because | times |", "| --- | --: |"]
        lines += [f"| {why} | {times} |" for why, times in sorted(self.reasons.items())]
        return "\n".join(lines) + "\n"


def written(*tables: str) -> str:
    """Answer the page; some of its tables may be those of an earlier page."""
    return HEAD + "\n".join(f"{head}{told}" for head, told in zip(_HEADS, tables, strict=True))


def sections(page: str) -> list[str]:
    """Answer the tables of a page: of stories, of what was recorded, of workers, of a sample."""
    tables: list[str] = []
    for head, after in zip(_HEADS, (*_HEADS[1:], None), strict=True):
        _, _, rest = page.partition(head)
        tables.append(rest if after is None else rest.partition(f"\n{after}")[0])
    return tables
