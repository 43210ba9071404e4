"""`python -m correctness.corruptions [--recorded FOLDER]`: corrupt traces, and write who notices.

The stories of traces/accepted are corrupted in every way, and recordings of tests in a folder
(`pytest --replay-traces --keep-traces FOLDER`) in some, drawn with a fixed seed; and with Java what
workers told in traces/workers, of long tellings in some. The exit code is 0 only when there is a
reason for each corruption that is accepted.
"""

import argparse
import random
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from correctness.configurations import SPEC
from correctness.corruptions.judging import everything, judged
from correctness.corruptions.judging_workers import judged_workers
from correctness.corruptions.of_workers import wrong_tellings
from correctness.corruptions.operators import corruptions
from correctness.corruptions.reporting import Counts, sections, written
from correctness.cron_traces import NAMES
from correctness.replay_by_twin import judge
from correctness.tlc import available
from correctness.traces import Recorded, cut, read_ndjson
from correctness.worker_traces import read_recording

ROOT: Final = SPEC.parent
PAGE: Final = ROOT / "correctness" / "corruptions.md"
ACCEPTED: Final = ROOT / "traces" / "accepted"
TOLD: Final = ROOT / "traces" / "workers"
SAMPLE: Final = (
    TOLD / "test_what_waits_behind_a_handler_is_released_though_a_claim_is_under_way.ndjson"
)
SEED: Final = 20
EACH: Final = 8
"""So many corruptions of each recording."""
EVENTS_MAX: Final = 40
"""Longer recordings take the twin too long."""
TOLD_MAX: Final = 100
"""Of a longer telling there are too many corruptions: only some are tried."""
SAMPLED: Final = 100
"""Corruptions of what workers told, for the tests; and of a long telling."""


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
            # Of schedules the twin knows nothing: Cron judges them.
            every = [one for one in corruptions(recorded) if one.action not in NAMES]
            sample = chosen.sample(every, min(EACH, len(every)))
            counts.add(file.stem, judged(recorded, iter(sample)))
    return counts


def of_workers(files: Iterable[Path], *, most: int | None = None) -> Counts:
    """Corrupt what workers told, in every way or in so many. Raise CheckerMissing without TLC."""
    counts = Counts()
    tellings = [(file.stem, *read_recording(file)) for file in files]
    for name, recorded, told in tellings:
        lines = [dict(line) for line in told]
        every = list(wrong_tellings(lines))
        tried = SAMPLED if len(told) > TOLD_MAX else len(every)
        if most is not None:
            tried = min(tried, most // len(tellings))
        counts.add(name, judged_workers(recorded, lines, every[:: -(-len(every) // tried)]))
    return counts


def _is_accepted(recorded: Sequence[Recorded]) -> bool:
    return not any(map(judge, cut(recorded)))


def main(arguments: Sequence[str]) -> int:
    """Corrupt, write the page, and answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m correctness.corruptions")
    parser.add_argument("--recorded", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    stories = of_stories(sorted(ACCEPTED.glob("*.ndjson")))
    _, recorded, workers, sample = sections(PAGE.read_text() if PAGE.exists() else "")
    wrong = stories.unexplained
    if options.recorded:
        found = of_recordings(sorted(options.recorded.glob("*.ndjson")))
        recorded = found.table()
        wrong = [*wrong, *found.unexplained]
    if available():
        whole = of_workers(sorted(TOLD.glob("*.ndjson")))
        workers, sample = whole.table(), of_workers([SAMPLE], most=SAMPLED).table()
        wrong = [*wrong, *whole.unexplained]
    page = written(stories.table(), recorded, workers, sample)
    PAGE.write_text(page)
    print(page, flush=True)
    for one in wrong:
        print(f"accepted, and nobody knows why: {one}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
