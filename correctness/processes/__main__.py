"""`python -m correctness.processes [FILE ...] [--minutes N] [--mutant NAME] [--directed|--sweep]`.

With files: plays programs that were kept, again and again if told so. Directed: plays those that
were written for a mutant, on its SQL, where it must break, and on sound SQL. Sweep: cuts at every
message of some calls. Without: plays other programs for so many minutes. The exit code is 0 when
nothing broke; with a mutant, when it was found.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from correctness.mutants.every import MUTANTS
from correctness.mutants.mutant import Mutant
from correctness.processes.directed import DIRECTED, sweep
from correctness.processes.ground import ground, with_mutant
from correctness.processes.hunting import hunt, keep, place_for, read_program, told
from correctness.processes.judging import judged
from correctness.processes.steps import CutAt


def again(files: Sequence[Path], times: int, mutant: Mutant | None) -> int:
    """Play kept programs; answer how many times something broke."""
    broken = 0
    with ground(mutant) as where:
        for file in files:
            for _ in range(times):
                verdict = judged(read_program(file), where)
                print(told(verdict), flush=True)
                if verdict.problems:
                    broken += 1
                    print(f"kept in {keep(verdict, place_for(mutant))}")
    return broken


def directed() -> list[str]:
    """Play the directed programs; answer what went otherwise than it should."""
    wrong: list[str] = []
    with ground() as where:
        for name, program in DIRECTED.items():
            mutated = chosen(name)
            assert mutated is not None
            for mutant, place in ((mutated, with_mutant(where, mutated)), (None, where)):
                verdict = judged(program, place)
                how = f"on {name}" if mutant else "on sound SQL"
                print(f"{name}, {how}: {told(verdict).splitlines()[0]}", flush=True)
                if bool(verdict.problems) != (mutant is not None):
                    wrong.append(f"{name} {how}: kept in {keep(verdict, place_for(mutant))}")
    return wrong


def swept() -> list[str]:
    """Cut every message of some calls; answer what broke, and what was never cut."""
    wrong: list[str] = []
    with ground() as where:
        for name, program in sweep():
            verdict = judged(program, where)
            print(f"{name}: {told(verdict)}", flush=True)
            wanted = sum(isinstance(step, CutAt) for step in program)
            fired = sum(n for what, n in verdict.counts.items() if what.startswith("cut"))
            if verdict.problems:
                wrong.append(f"{name}: kept in {keep(verdict, place_for(None))}")
            if fired < wanted:
                wrong.append(f"{name}: {fired} of {wanted} cuts were met")
    return wrong


def chosen(name: str | None) -> Mutant | None:
    """The mutant of this name. Raise SystemExit when there is none."""
    if name is None:
        return None
    found = [mutant for mutant in MUTANTS if mutant.name == name]
    if not found:
        raise SystemExit(f"no such mutant: {name}")
    return found[0]


def main(arguments: Sequence[str]) -> int:
    """Play what was asked for; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m correctness.processes")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--times", type=int, default=1, help="play each file so often")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, help="of the first round")
    parser.add_argument("--mutant", help="play it on SQL with this thing wrong")
    parser.add_argument("--directed", action="store_true", help="play what shows single mutants")
    parser.add_argument("--sweep", action="store_true", help="cut every message of some calls")
    options = parser.parse_args(arguments)
    if options.sweep:
        print("\n".join(wrong := swept()) or "all held, cut at every message")
        return int(bool(wrong))
    if options.directed:
        print("\n".join(wrong := directed()) or "each broke on its mutant, and held on sound SQL")
        return int(bool(wrong))
    mutant = chosen(options.mutant)
    if options.files:
        broken = again(options.files, options.times, mutant)
    else:
        found = hunt(options.minutes, first_seed=options.seed, mutant=mutant)
        print("\n".join(f"kept in {folder}" for folder in found) or "nothing broke")
        broken = len(found)
    return int(not broken) if mutant is not None else int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
