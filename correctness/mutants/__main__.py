"""`python -m correctness.mutants [NAME ...] [--sample N] [--quick]`: hunt mutants of the SQL.

A line for each says who caught it. The exit code is 0 only when every mutant was caught, except
those that SURVIVORS lists with the reason. First the same tests hunt the SQL as it is: where they
catch that, nobody is hunted. A hunt that is no sample renews its rows in correctness/mutants.md.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Final

from correctness.mutants.every import MUTANTS, sample
from correctness.mutants.hunting import (
    CONTROL_S_MAX,
    HUNT_S_MAX,
    ROOT,
    Ground,
    Hunt,
    control,
    ground,
    hunt,
)
from correctness.mutants.mutant import Mutant
from correctness.mutants.reporting import SURVIVORS, outcome, read_outcomes, written

PAGE: Final = ROOT / "correctness" / "mutants.md"


def chosen(names: Sequence[str], sampled: int | None) -> list[Mutant]:
    """The mutants asked for. Raise SystemExit on unknown names."""
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        raise SystemExit(f"no such mutant: {', '.join(sorted(unknown))}")
    if names:
        return [mutant for mutant in MUTANTS if mutant.name in names]
    return list(MUTANTS) if sampled is None else sample(sampled)


def line(done: Hunt) -> str:
    """One line for one mutant."""
    if done.failure is not None:
        outcome = f"{done.failure.catcher:<9} {done.failure.saw}"
    elif done.mistake:
        outcome = "MISTAKE   " + (done.mistake.strip().splitlines() or ["?"])[-1]
    else:
        outcome = "SURVIVED"
    return f"{done.mutant.name:<30} {done.mutant.kind:<7} {done.seconds_s:>5.1f} s   {outcome}"


def sound(mutants: Sequence[Mutant], where: Ground) -> bool:
    """Whether their hunters let the SQL as it is survive; of all mutants, the replay too."""
    whole = len(mutants) == len(MUTANTS)
    seconds_s_max = CONTROL_S_MAX if whole else HUNT_S_MAX
    done = hunt(control(mutants), where, quick=not whole, seconds_s_max=seconds_s_max)
    print(line(done), flush=True)
    if done.mistake:
        print(done.mistake)
    return done.failure is None and not done.mistake


def hunted(mutants: Sequence[Mutant], *, quick: bool) -> list[Hunt]:
    """Hunt them on one server, with a line for each as it comes. Raise SystemExit."""
    hunts: list[Hunt] = []
    with ground() as where:
        if not sound(mutants, where):
            raise SystemExit("the hunters catch what is no mutant: they would say nothing of one")
        for mutant in mutants:
            hunts.append(hunt(mutant, where, quick=quick))
            print(line(hunts[-1]), flush=True)
    return hunts


def renew(hunts: Iterable[Hunt]) -> None:
    """Write the page, when it can say something of every mutant."""
    before = read_outcomes(PAGE.read_text()) if PAGE.exists() else {}
    after = {done.mutant.name: outcome(done) for done in hunts if not done.mistake}
    outcomes = {m.name: (before | after).get(m.name) for m in MUTANTS}
    known = {name: found for name, found in outcomes.items() if found is not None}
    if len(known) == len(MUTANTS):
        PAGE.write_text(written(known))
    else:
        print(f"nothing is known of {len(outcomes) - len(known)} mutants: {PAGE.name} stays")


def main(arguments: Sequence[str]) -> int:
    """Hunt what was asked for; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m correctness.mutants")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--sample", type=int, metavar="N", help="so many, spread over all")
    parser.add_argument("--quick", action="store_true", help="ask the named tests only")
    parser.add_argument("--page", action="store_true", help="hunt nobody, write the page anew")
    options = parser.parse_args(arguments)
    if options.page:
        renew([])
        return 0
    started_s = time.monotonic()
    hunts = hunted(chosen(options.names, options.sample), quick=options.quick)
    free = [
        done.mutant.name
        for done in hunts
        if done.failure is None and (done.mistake or done.mutant.name not in SURVIVORS)
    ]
    if options.sample is None:
        renew(hunts)
    caught = sum(done.failure is not None for done in hunts)
    print(f"{len(hunts)} mutants, {caught} caught, {time.monotonic() - started_s:.0f} s")
    if free:
        print(f"not caught, and not expected: {', '.join(free)}")
    return 1 if free else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
