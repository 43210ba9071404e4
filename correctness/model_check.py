"""`python -m correctness.model_check [NAME ...] [--deep]`: check the specs, one line each.

NAME is a configuration ("StorageOneJob", "witness/NoLaneLock") or a folder ("witness"). The exit
code is 0 only when every configuration gave what the registry expects of it, and every .cfg is
listed there.

What is named is run alone, breadth first, so that its counterexample is the shortest; so is what
must hold. Otherwise the witnesses and probes of a module share a run, and some are sought by
random walks: a broken property is one however it was found, and whatever is not found so is run
alone before it is judged. With --deep the larger scopes come first, one after the other, each with
all processors.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Final

from correctness.configurations import CONFIGURATIONS, SPEC, Configuration, unlisted
from correctness.tlc import (
    DEEP,
    PASSED,
    QUICK,
    WALKS,
    CheckerMissing,
    Means,
    Run,
    find_jar,
    find_java,
    run_tlc,
)
from correctness.weaving import sought, together, weavable

PARALLEL: Final = 2
DEEP_TIMEOUT_S: Final = 7200.0
FAST_TIMEOUT_S: Final = 3600.0  # in the gate, tests go first
OUTPUT_LINES: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one configuration gave, beside what it should."""

    configuration: Configuration
    run: Run
    beside: int = 0
    """How many others shared the run."""

    @property
    def expected(self) -> str:
        """`ok`, or the property that must be broken."""
        return self.configuration.breaks or PASSED

    @property
    def got(self) -> str:
        """`ok`, the broken property, or `no answer`."""
        if self.run.failed:
            return "no answer"
        if self.run.broken is None:
            return PASSED
        # TLC names a property over steps by its place; such a configuration holds just one.
        return self.run.broken or only_property(self.configuration) or "a property over steps"

    @property
    def right(self) -> bool:
        """Whether the outcome is the expected one."""
        return self.expected == self.got


def named_properties(configuration: Configuration) -> list[str]:
    """Every invariant and property the configuration checks, in its order."""
    names: list[str] = []
    inside = False
    for word in configuration.file.read_text().split():
        if word.isupper():
            inside = word in {"INVARIANT", "INVARIANTS", "PROPERTY", "PROPERTIES"}
        elif inside:
            names.append(word)
    return names


def only_property(configuration: Configuration) -> str | None:
    """Answer the one property of a configuration that has exactly one."""
    names = named_properties(configuration)
    return names[0] if len(names) == 1 else None


def check(configuration: Configuration, means: Means | None = None) -> Result:
    """Run one configuration alone."""
    module = SPEC / f"{configuration.module}.tla"
    timeout_s = DEEP_TIMEOUT_S if configuration.deep else FAST_TIMEOUT_S
    return Result(
        configuration=configuration,
        run=run_tlc(
            module,
            configuration.file,
            means=means or (DEEP if configuration.deep else QUICK),
            timeout_s=timeout_s,
            told=partial(_tell, configuration.name) if configuration.deep else None,
        ),
    )


def check_together(configurations: Sequence[Configuration]) -> list[Result]:
    """Run them as one; what that did not find is run alone, and only then judged."""
    if len(configurations) == 1:
        return [_check_soon(configurations[0])]
    run, found = sought(configurations)
    return [
        Result(
            configuration=one,
            run=replace(run, broken=one.breaks, failed=False, states=found[one]),
            beside=len(configurations) - 1,
        )
        if one in found
        else check(one)
        for one in configurations
    ]


def _check_soon(configuration: Configuration) -> Result:
    if not configuration.at_random:
        return check(configuration)
    walked = check(configuration, WALKS)
    return walked if walked.right else check(configuration)


def _tell(name: str, line: str) -> None:
    print(f"  {name}: {line}", flush=True)


def checked(todo: Sequence[Configuration], *, alone: bool) -> Iterator[Result]:
    """Check the deep ones one after the other, each with all processors; then the others."""
    deep = [configuration for configuration in todo if configuration.deep]
    yield from map(check, deep)
    shallow = [one for one in todo if not one.deep]
    with ThreadPoolExecutor(PARALLEL) as pool:
        if alone:
            yield from pool.map(check, shallow)
        else:
            yield from chain.from_iterable(pool.map(check_together, runs(shallow)))


def runs(todo: Sequence[Configuration]) -> list[list[Configuration]]:
    """What shares a run with what: those that must hold have their own, and come first."""
    shared = [one for one in todo if weavable(one)]
    return [*([one] for one in todo if one not in shared), *together(shared)]


def chosen(names: Sequence[str], *, deep: bool) -> list[Configuration]:
    """The configurations asked for. Raise SystemExit on a name that stands for none."""
    known = {entry.name for entry in CONFIGURATIONS}
    folders = {entry.name.partition("/")[0] for entry in CONFIGURATIONS if "/" in entry.name}
    wrong = [name for name in names if name not in known | folders]
    if wrong:
        raise SystemExit(f"no such configuration: {', '.join(wrong)}")
    if names:
        return [
            entry
            for entry in CONFIGURATIONS
            if entry.name in names or entry.name.partition("/")[0] in names
        ]
    # What must hold is searched to its end, which takes longest. Begun first, it leaves no tail.
    todo = [entry for entry in CONFIGURATIONS if deep or not entry.deep]
    return sorted(todo, key=lambda entry: (not entry.deep, entry.breaks is not None))


def report(results: Iterable[Result]) -> list[Result]:
    """Print a line for each result as it comes; answer those that are wrong."""
    wrong = []
    for result in results:
        mark = "" if result.right else "   <-- WRONG"
        took = f"{result.run.seconds_s:>6.1f} s" if not result.beside else "together"
        print(
            f"{result.configuration.name:<34} {result.run.states:>9} states {took}   "
            f"expected {result.expected:<22} got {result.got}{mark}",
            flush=True,
        )
        if not result.right:
            wrong.append(result)
    return wrong


def main(arguments: Sequence[str]) -> int:
    """Check what was asked for; answer the exit code."""
    parser = argparse.ArgumentParser(prog="python -m correctness.model_check")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--deep", action="store_true", help="also the long configurations")
    options = parser.parse_args(arguments)
    try:
        print(f"TLC: {find_jar()}, Java: {find_java()}")
    except CheckerMissing as missing:
        print(missing, file=sys.stderr)
        return 2
    started_s = time.monotonic()
    todo = chosen(options.names, deep=options.deep)
    wrong = report(checked(todo, alone=bool(options.names)))
    for result in wrong:
        print(f"\n== {result.configuration.name}\n" + _tail(result.run.output))
    for path in unlisted():
        print(f"{path}: not both a file and listed in correctness/configurations.py")
    print(
        f"{len(todo)} configurations, {len(wrong)} wrong, "
        f"{len(unlisted())} unlisted, {time.monotonic() - started_s:.0f} s"
    )
    return 1 if wrong or unlisted() else 0


def _tail(output: str) -> str:
    return "\n".join(output.splitlines()[-OUTPUT_LINES:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
