"""Hunting a mutant: its SQL is installed in throw-away databases, and every catcher is asked.

A hunt is a process of its own, forked from one that has everything loaded and a server running:
what a mutant leaves behind, or waits for, ends with it. No catcher knows of the others.
"""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

from correctness.edits import AnchorMissing, edited, installed_files, installing
from correctness.mutants import by_machine, by_schedules, by_stories, by_tests
from correctness.mutants.catching import CATCHERS, Catcher, Finding
from correctness.mutants.ground import Ground, clear, copied, installed
from correctness.mutants.mutant import Mutant
from tests import fix_cluster

HUNT_S_MAX: Final = 240.0
CONTROL_S_MAX: Final = 1800.0
STATEMENT_MS_MAX: Final = 6000
"""A mutant may wait for ever where the SQL does not wait; then its statement fails."""

Seen = Mapping[Catcher, str]
"""Who was asked, and what each saw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """What came of a hunt."""

    mutant: Mutant
    seen: Seen
    seconds_s: float
    mistake: str = ""
    """Why the hunt says nothing."""

    @property
    def caught(self) -> bool:
        """Whether anybody noticed; otherwise the mutant survived."""
        return any(self.seen.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mistake:
    said: str


def control(mutants: Iterable[Mutant]) -> Mutant:
    """The SQL as it is, for all these catchers: what they catch in it is of the hunt itself."""
    asked = list(mutants)
    return Mutant(
        name="(control)",
        kind="effect",
        actions=tuple(dict.fromkeys(action for mutant in asked for action in mutant.actions)),
        edits=(),
        hunters=tuple(dict.fromkeys(hunter for mutant in asked for hunter in mutant.hunters)),
        beside=tuple(dict.fromkeys(file for mutant in asked for file in mutant.beside)),
    )


def hunt(
    mutant: Mutant, where: Ground, *, quick: bool = False, seconds_s_max: float = HUNT_S_MAX
) -> Hunt:
    """Hunt one mutant; a quick hunt asks the tests named for it and nobody else."""
    started_s = time.monotonic()
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    seen: dict[Catcher, str] = {}
    with tempfile.TemporaryFile("w+") as output:
        child = context.Process(
            target=_child, args=(mutant, where, there, output.fileno()), kwargs={"quick": quick}
        )
        child.start()
        there.close()
        try:
            mistake = _gathered(here, seen, started_s + seconds_s_max)
        finally:
            child.kill()
            child.join()
        if mistake is None:
            output.seek(0)
            mistake = output.read()[-3000:]
    clear(where, child.pid or 0)
    return Hunt(
        mutant=mutant,
        seen={} if mistake else {catcher: seen[catcher] for catcher in CATCHERS if catcher in seen},
        seconds_s=time.monotonic() - started_s,
        mistake=mistake,
    )


def _gathered(here: Connection, seen: dict[Catcher, str], until_s: float) -> str | None:
    """Take what a child finds until it says that this is all; answer its mistake, if any.

    Return None when the child ended before: what it wrote says why.
    """
    try:
        while here.poll(max(0.0, until_s - time.monotonic())):
            match here.recv():
                case Finding(catcher=catcher, saw=saw):
                    seen[catcher] = seen.get(catcher) or saw
                case _Mistake(said=said):
                    return said
                case _:
                    return ""
    except EOFError:
        return None
    return "" if any(seen.values()) else "no answer in the time of a hunt"


def _child(mutant: Mutant, where: Ground, answer: Connection, output: int, *, quick: bool) -> None:
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    fix_cluster.lent.append(where.cluster)
    os.environ["PGOPTIONS"] = f"-c statement_timeout={STATEMENT_MS_MAX}"
    for found in _by_tests(mutant, where, quick=quick) if quick else _by_all(mutant, where):
        answer.send(found)
    answer.send(None)


def _by_all(mutant: Mutant, where: Ground) -> Iterator[Finding | _Mistake]:
    yield from _by_tests(mutant, where, quick=False)
    if by_stories.asks(mutant):
        plain = fix_cluster.lent_templates["plain"]
        with copied(where, plain) as conninfo:
            yield from by_stories.findings(conninfo)
        with copied(where, plain) as conninfo:
            yield by_machine.finding(conninfo)
    # A mutant may be where a gate would stand: then none can be played on it.
    with contextlib.suppress(AnchorMissing):
        if schedules := by_schedules.driving(mutant):
            with copied(where, installed(mutant, where, gates=True)) as conninfo:
                yield from by_schedules.findings(schedules, conninfo)


def _by_tests(mutant: Mutant, where: Ground, *, quick: bool) -> Iterator[Finding | _Mistake]:
    """Ask the named tests; in a quick hunt also schedules, as tests that they are."""
    ordinary = [test for test in mutant.hunters if not by_tests.is_schedule(test)]
    fix_cluster.lent_templates["plain"] = installed(mutant, where, gates=False)
    if quick and len(ordinary) < len(mutant.hunters):
        fix_cluster.lent_templates["gated"] = installed(mutant, where, gates=True)
    asked = list(mutant.hunters) if quick else [*ordinary, *mutant.beside]
    with installing(edited(installed_files(), mutant.edits)):
        failed = by_tests.failures(asked) if asked else []
    for failure in failed:
        if failure.is_mistake:
            yield _Mistake(said=failure.said[-3000:])
            return
    if asked:
        yield from by_tests.findings(failed)
