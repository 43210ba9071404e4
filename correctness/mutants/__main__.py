"""`python -m correctness.mutants [NAME ...] [--sample N] [--missing]`: hunt mutants of the SQL.

A line for each says who caught it. The exit code is 0 only when every mutant was caught, except
those that SURVIVORS lists with the reason. First the same catchers hunt the SQL as it is: where
they catch that, nobody is hunted. Each hunt renews its row in correctness/mutants.md as it ends, so
one that was broken off goes on with `--missing`. A sample asks the named tests only, and writes
nothing.
"""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from correctness.mutants.by_tests import ROOT
from correctness.mutants.every import MUTANTS, sample
from correctness.mutants.hunting import Hunt
from correctness.mutants.lanes import hunted
from correctness.mutants.mutant import Mutant
from correctness.mutants.reporting import SURVIVORS, Outcomes, read_outcomes, written

PAGE: Final = ROOT / "correctness" / "mutants.md"
LANES: Final = min(2, os.cpu_count() or 1)
FEW: Final = 10
"""So many are hunted in one lane: a second one has a server to start, and a control to hunt."""


def chosen(options: argparse.Namespace) -> list[Mutant]:
    """The mutants asked for. Raise SystemExit on unknown names."""
    unknown = set(options.names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        raise SystemExit(f"no such mutant: {', '.join(sorted(unknown))}")
    if options.names:
        return [mutant for mutant in MUTANTS if mutant.name in options.names]
    if options.missing:
        return [mutant for mutant in MUTANTS if mutant.name not in known()]
    return list(MUTANTS) if options.sample is None else sample(options.sample)


def line(done: Hunt) -> str:
    """One line for one mutant."""
    if done.mistake:
        outcome = "MISTAKE   " + (done.mistake.strip().splitlines() or ["?"])[-1]
    else:
        caught = [f"{catcher} ({saw})" for catcher, saw in done.seen.items() if saw]
        outcome = ", ".join(caught) or "SURVIVED"
    return f"{done.mutant.name:<30} {done.mutant.kind:<7} {done.seconds_s:>5.1f} s   {outcome}"


def known() -> Outcomes:
    """What the page says so far."""
    return read_outcomes(PAGE.read_text()) if PAGE.exists() else {}


def renew(*hunts: Hunt) -> None:
    """Write the page anew, with what these hunts say."""
    after = {done.mutant.name: done.seen for done in hunts if not done.mistake}
    PAGE.write_text(written({**known(), **after}))


def unexpected(done: Hunt) -> bool:
    """Whether a hunt ended as none should."""
    return not done.caught and (bool(done.mistake) or done.mutant.name not in SURVIVORS)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python -m correctness.mutants")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--sample", type=int, metavar="N", help="so many, spread over all")
    parser.add_argument("--missing", action="store_true", help="those without a row on the page")
    parser.add_argument("--page", action="store_true", help="hunt nobody, write the page anew")
    parser.add_argument("--lanes", type=int, metavar="N", help="hunt so many at a time")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Hunt what was asked for; answer the exit code."""
    options = parsed(arguments)
    if options.page:
        renew()
        return 0
    started_s = time.monotonic()
    mutants = chosen(options)
    quick = options.sample is not None
    lanes = options.lanes or (1 if len(mutants) <= FEW else LANES)
    hunts: list[Hunt] = []
    with contextlib.closing(hunted(mutants, quick=quick, lanes=lanes)) as ended:
        for done in ended:
            print(line(done), flush=True)
            if done.mutant in mutants:
                hunts.append(done)
                if not quick:
                    renew(done)
            elif done.caught or done.mistake:
                print(done.mistake)
                raise SystemExit("the catchers catch what is no mutant: they say nothing of one")
    free = [done.mutant.name for done in hunts if unexpected(done)]
    caught = sum(done.caught for done in hunts)
    print(f"{len(hunts)} mutants, {caught} caught, {time.monotonic() - started_s:.0f} s")
    if free:
        print(f"not caught, and not expected: {', '.join(free)}")
    return 1 if free or len(hunts) < len(mutants) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
