"""`python -m correctness.spec_mutants [NAME ...]`: hunt mutants of spec/Storage.tla.

A line for each says who caught it. The exit code is 0 only when every mutant was caught, except
those that SURVIVORS lists with the reason. A hunt renews its rows in correctness/spec_mutants.md.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from correctness.configurations import SPEC
from correctness.spec_mutants.finding import every, storage
from correctness.spec_mutants.hunting import Catchers, in_model, on_traces, without_reaching
from correctness.spec_mutants.mutant import Mutant
from correctness.spec_mutants.reporting import NOBODY, SURVIVORS, read_outcomes, written
from correctness.spec_mutants.scopes import scopes, witnesses

PAGE: Final = SPEC.parent / "correctness" / "spec_mutants.md"
PARALLEL: Final = 2
BATCH: Final = 48
"""Mutants in a run of TLC: where one cannot be evaluated, the rest of its run begins anew."""
TOLD: Final = 12
"""Mutants in a run on stories, which is halved there until the trace to blame stands alone."""


def hunted(mutants: Sequence[Mutant]) -> Catchers:
    """Try each mutant in its models, on the stories, and where a witness misses its guard.

    Last it is looked what the models never reach with it.
    """
    found = _explored(mutants, scopes)
    left = [mutant for mutant in mutants if mutant not in found]
    for piece in (left[at : at + TOLD] for at in range(0, len(left), TOLD)):
        caught = on_traces(piece)
        found |= caught
        _say(f"stories: {len(piece)} mutants", caught)
    left = [mutant for mutant in left if mutant not in found]
    found |= _explored(left, witnesses)
    left = [mutant for mutant in left if mutant not in found]
    return found | _explored(left, scopes, without_reaching)


def _explored(
    mutants: Sequence[Mutant],
    models: Callable[[Mutant], list[Path]],
    explore: Callable[[Sequence[Mutant], Path], Catchers] = in_model,
) -> Catchers:
    """Try each mutant in its models, one after the other."""
    found: Catchers = {}
    with ThreadPoolExecutor(PARALLEL) as pool:
        for stage in range(max((len(models(mutant)) for mutant in mutants), default=0)):
            batches = [*_batches(mutants, found, {m: models(m)[stage:] for m in mutants})]
            looked = pool.map(lambda one: explore(*one), batches)
            for (todo, file), caught in zip(batches, looked, strict=True):
                found |= caught
                _say(f"{file.parent.name}/{file.stem}: {len(todo)} mutants", caught)
    return found


def _batches(
    mutants: Sequence[Mutant], found: Catchers, models: Mapping[Mutant, Sequence[Path]]
) -> Iterator[tuple[list[Mutant], Path]]:
    """Those that are free, by the model that is the next for each."""
    by_model: defaultdict[Path, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        if mutant not in found and models[mutant]:
            by_model[models[mutant][0]].append(mutant)
    for file, todo in by_model.items():
        for at in range(0, len(todo), BATCH):
            yield todo[at : at + BATCH], file


def _say(where: str, caught: Catchers) -> None:
    print(f"-- {where}, {len(caught)} caught", flush=True)
    for mutant, by in caught.items():
        print(f"{mutant.name:<44} {mutant.kind:<7} {by}", flush=True)


def chosen(names: Sequence[str]) -> list[Mutant]:
    """The mutants asked for; all of an operator by its name. Raise SystemExit on unknown names."""
    mutants = every()
    unknown = set(names) - {word for mutant in mutants for word in (mutant.name, mutant.operator)}
    if unknown:
        raise SystemExit(f"no such mutant: {', '.join(sorted(unknown))}")
    return [one for one in mutants if not names or one.name in names or one.operator in names]


def renew(outcomes: dict[str, str]) -> None:
    """Write the page, when it can say something of every mutant."""
    mutants = every()
    before = read_outcomes(PAGE.read_text(), mutants) if PAGE.exists() else {}
    known = before | outcomes
    if all(mutant.name in known for mutant in mutants):
        PAGE.write_text(written(mutants, storage(), known))
    else:
        unknown = sum(mutant.name not in known for mutant in mutants)
        print(f"nothing is known of {unknown} mutants: {PAGE.name} stays")


def main(arguments: Sequence[str]) -> int:
    """Hunt what was asked for; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m correctness.spec_mutants")
    parser.add_argument("names", nargs="*", help="mutants, or operators: all of theirs")
    options = parser.parse_args(arguments)
    started_s = time.monotonic()
    mutants = chosen(options.names)
    found = hunted(mutants)
    renew({mutant.name: found.get(mutant, NOBODY) for mutant in mutants})
    print(f"{len(mutants)} mutants, {len(found)} caught, {time.monotonic() - started_s:.0f} s")
    free = [one.name for one in mutants if one not in found]
    print("\n".join(f"SURVIVED {name}: {SURVIVORS.get(name, '?')}" for name in free))
    return 1 if set(free) - set(SURVIVORS) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
