"""`python -m correctness.corruptions [--recorded FOLDER]`: corrupt traces, and write who notices.

The stories of traces/accepted are corrupted in every way, and recordings of tests in a folder
(`pytest --replay-traces --keep-traces FOLDER`) in some, drawn with a fixed seed. The exit code is 0
only when there is a reason for each corruption that is accepted.
"""

import argparse
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from correctness.configurations import SPEC
from correctness.corruptions.judging import everything, judged
from correctness.corruptions.operators import corruptions
from correctness.corruptions.reporting import Counts, sections, written
from correctness.replay_by_twin import judge
from correctness.traces import Recorded, cut, read_ndjson

ROOT: Final = SPEC.parent
PAGE: Final = ROOT / "correctness" / "corruptions.md"
ACCEPTED: Final = ROOT / "traces" / "accepted"
SEED: Final = 20
EACH: Final = 8
"""So many corruptions of each recording."""
EVENTS_MAX: Final = 40
"""Longer recordings take the twin too long."""


def of_stories(files: Iterable[Path]) -> Counts:
    """Corrupt stories in every way."""
    counts = Counts()
    for file in files:
        counts.add(file.stem, everything(read_ndjson(file)))
    return counts


def of_recordings(files: Iterable[Path]) -> Counts:
    """Corrupt recordings of tests in some ways."""
    counts = Counts()
    chosen = random.Random(SEED)  # noqa: S311 - a sample, and always the same
    for file in files:
        recorded = read_ndjson(file)
        if len(recorded) <= EVENTS_MAX and _is_accepted(recorded):
            every = list(corruptions(recorded))
            sample = chosen.sample(every, min(EACH, len(every)))
            counts.add(file.stem, judged(recorded, iter(sample)))
    return counts


def _is_accepted(recorded: Sequence[Recorded]) -> bool:
    return not any(map(judge, cut(recorded)))


def main(arguments: Sequence[str]) -> int:
    """Corrupt, write the page, and answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m correctness.corruptions")
    parser.add_argument("--recorded", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    stories = of_stories(sorted(ACCEPTED.glob("*.ndjson")))
    recorded = sections(PAGE.read_text())[1] if PAGE.exists() else ""
    wrong = stories.unexplained
    if options.recorded:
        found = of_recordings(sorted(options.recorded.glob("*.ndjson")))
        recorded = found.table()
        wrong = [*wrong, *found.unexplained]
    page = written(stories.table(), recorded)
    PAGE.write_text(page)
    print(page, flush=True)
    for one in wrong:
        print(f"accepted, and nobody knows why: {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
