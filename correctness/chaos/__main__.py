"""Run scenarios: `python -m correctness.chaos [SCENARIO ...] [--minutes M] [--json]`."""

import argparse
import dataclasses
import json
import logging
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import trio

from correctness.chaos.playing import play
from correctness.chaos.registry import SCENARIOS, named
from correctness.chaos.report import Report, details, table


def main() -> int:
    """Play what is asked for; the exit code tells the truth."""
    given = arguments()
    logging.disable(logging.ERROR)  # faults are the point; what producers meet is in the books
    chosen = [named(name) for name in given.scenario] or [s for s in SCENARIOS if s.usual]
    reports: list[Report] = []
    for scenario in chosen:
        logs = Path(tempfile.mkdtemp(prefix=f"{scenario.name}-", dir=given.logs))
        print(f"{scenario.name}: {scenario.does} ...", file=sys.stderr, flush=True)
        report = trio.run(
            partial(play, scenario, minutes=given.minutes, seed=given.seed, keep_in=logs)
        )
        reports.append(report)
        print(details(report), file=sys.stderr, flush=True)
        if report.ok and given.logs is None:
            shutil.rmtree(logs)
        else:
            print(f"  logs: {logs}", file=sys.stderr, flush=True)
    if given.json:
        print(json.dumps([dataclasses.asdict(report) for report in reports], indent=1))
    else:
        print(table(reports))
    return 0 if all(report.ok for report in reports) else 1


def arguments() -> argparse.Namespace:
    """Return what the command line says."""
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "scenario", nargs="*", help=f"which, else all the usual ones: {', '.join(names)}"
    )
    parser.add_argument("--minutes", type=float, help="how long each injects faults")
    parser.add_argument("--seed", type=int, default=0, help="of what is left to chance")
    parser.add_argument("--logs", type=Path, help="a folder to keep the logs of all of them in")
    parser.add_argument("--json", action="store_true", help="print reports instead of the table")
    given = parser.parse_args()
    if unknown := set(given.scenario) - set(names):
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    return given


if __name__ == "__main__":
    sys.exit(main())
