"""`python -m correctness.edges [--scope NAME ...]`: drive the SQL along the edges of a job's graph.

The exit code is 0 only when every edge that the SQL can take was taken, and no other.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Final

from awa._storage.install import migrate_sync
from correctness.edges.covering import Report, cover
from correctness.edges.scopes import SCOPES
from correctness.edges.walking import Strayed
from correctness.model.graph import lane_text
from tests.fix_cluster import shared_cluster
from tests.fix_database import SCHEMA, create, fresh_name, open_session

USUAL: Final = ("life", "holes", "ring", "notes")
SHOWN: Final = 5


def lines(name: str, report: Report, seconds_s: float) -> list[str]:
    """Say what was covered."""
    covered = len(report.due) - len(report.missed)
    work = f"by {report.covered.played.total()} calls in {report.covered.paths} paths"
    size = f"{len(report.graph.states)} states, {len(report.graph.steps)} edges"
    told = [
        f"{name}: {size}; {covered} of {len(report.due)} due covered, {work}, {seconds_s:.0f} s",
        f"  {'':<18}{'edges':>8}{'due':>8}{'covered':>8}{'calls':>8}",
    ]
    for action, *counts in report.per_action():
        told.append(f"  {action:<18}" + "".join(f"{count:>8}" for count in counts))
    told.append("  never taken by the SQL, because")
    told += [f"  {count:>6}  {why}" for why, count in report.reasons.most_common()]
    for kind, steps in (("missed", report.missed), ("against the reasons", report.against)):
        told += [
            f"{kind}: {step.action}\nfrom\n{lane_text(step.before)}\nto\n{lane_text(step.after)}"
            for step in list(steps)[:SHOWN]
        ]
    return told


def main(arguments: Sequence[str]) -> int:
    """Cover what was asked for; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m correctness.edges")
    parser.add_argument("--scope", action="append", choices=SCOPES, metavar="NAME")
    options = parser.parse_args(arguments)
    wrong = 0
    with shared_cluster() as cluster, open_session(cluster.conninfo()) as watcher:
        plain = fresh_name("plain")
        create(watcher, plain, None)
        migrate_sync(cluster.conninfo(plain), schema=SCHEMA)

        def new_database() -> str:
            name = fresh_name("edges")
            create(watcher, name, plain)
            return cluster.conninfo(name)

        for name in options.scope or USUAL:
            started_s = time.monotonic()
            try:
                report = cover(SCOPES[name], new_database)
            except Strayed as strayed:
                print(f"{name}: {strayed.__cause__!r}\n{strayed}", flush=True)
                wrong += 1
                continue
            print("\n".join(lines(name, report, time.monotonic() - started_s)), flush=True)
            wrong += not report.complete
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
