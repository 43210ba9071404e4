"""Random programs over real worker processes, and what they must find when something is wrong."""

import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Final

import pytest
from hypothesis import Phase, given, settings

from correctness.mutants.every import MUTANTS
from correctness.processes.audit import Ended, History, problems_of
from correctness.processes.directed import DIRECTED
from correctness.processes.ground import Ground, ground, with_mutant
from correctness.processes.hunting import ROUND, Budget, search
from correctness.processes.judging import judged
from correctness.processes.programs import programs
from correctness.processes.proxy import Messages
from correctness.processes.steps import Program, read, written
from correctness.processes.world import Stored, wait_for, world

PLAYED_S: Final = 120.0
"""Programs last 1 to 8 s: those of the same seeds, as many as the machine has time for."""
END_SESSIONS: Final = """\
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and application_name like 'awa worker %%'"""
SHORTEN_S: Final = 60.0

REACHED: Final = (
    "ClosedTwice",
    "NeverInFlight",
    "CarriedWithoutItsClaim",
    "ReconcilesLaterCalls",
)
"""Whose programs are played here; `python -m correctness.processes --directed` plays all."""


@pytest.fixture(scope="module")
def sound() -> Iterator[Ground]:
    """Return a ground with the SQL as it is."""
    with ground() as where:
        yield where


def test_two_minutes_of_programs_of_faults_lose_and_double_nothing(sound: Ground) -> None:
    """Guards every promise at once, whatever is killed, frozen, cut or restarted, and when."""
    until_s = time.monotonic() + PLAYED_S
    played = []
    for seed in count(1):
        budget = Budget(programs=ROUND, until_s=until_s, shorten_s=SHORTEN_S, seed=seed)
        report = search(sound, budget, tell=_tell)
        assert report.failed is None, f"kept in {report.kept}:\n{report.failed}"
        played += report.played
        if time.monotonic() >= until_s:
            break
    assert 4 <= len(played)
    assert 10 <= sum(verdict.counts["jobs"] for verdict in played)
    assert len(played) // 4 >= sum(verdict.too_long for verdict in played)


@pytest.mark.parametrize("name", REACHED)
def test_a_defect_of_the_sql_is_seen(name: str, sound: Ground) -> None:
    """Guards the audit: a program that reaches a defect does not hold.

    At the first play, as none hopes for a moment: what has to be in flight is kept there.
    """
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == name)
    broken = with_mutant(sound, mutant)
    assert judged(DIRECTED[name], broken).problems


def test_the_audit_misses_nothing_of_what_producers_were_told() -> None:
    """Guards what was committed and what is in doubt: gone with its event, or there in part."""
    ended = Ended(states={1: "completed", 2: "cancelled"}, own=[], numbers={1, 2})
    told = History(endings={(1, 1): ["complete"]}, stored={1, 2})
    ended.own.append((1, 1))
    sound = Stored(committed={1: 1}, unknown_together=[frozenset({2}), frozenset({3, 4})])
    assert [] == problems_of([], sound, ended, told)
    gone = Stored(committed={1: 1, 5: 5})
    (problem,) = problems_of([], gone, ended, told)
    assert "number 5 was committed as job 5, and no event tells of it" in problem
    halved = Stored(committed={1: 1}, unknown_together=[frozenset({2, 3})])
    (problem,) = problems_of([], halved, ended, told)
    assert "of one transaction job numbers [2] are there, and [3] are not" in problem


def test_a_clock_that_jumps_is_what_the_worker_goes_by(sound: Ground) -> None:
    """Guards the jumps of programs: they arrive where there is libfaketime, else it is said."""
    with world(sound) as made:
        made.start(0, "wall")
        run = made.at(0)
        assert run is not None
        wait_for(lambda: bool(run.told()), 60)
        made.jump(run, 10 * 86400)
        later = f"{datetime.now().astimezone() + timedelta(days=10):%Y-%m-%d}"

        def arrived() -> bool:
            # Whose session is lost logs it, with the time that it believes in.
            made.ask(END_SESSIONS)
            return later in run.log()

        if sound.faketime is None:
            assert {"CLOCK JUMPS THAT DID NOTHING": 1} == made.jumps
        else:
            assert {"clock jumps": 1} == made.jumps
            assert wait_for(arrived, 60)
        made.close_down()


@settings(max_examples=20, phases=[Phase.generate], derandomize=True, database=None, deadline=None)
@given(programs())
def test_a_program_that_is_written_down_is_read_again(program: Program) -> None:
    """Guards keeping what was found: it can be played from its file."""
    assert program == read(written(program))


def test_messages_are_told_apart_wherever_the_bytes_are_cut() -> None:
    """Guards cuts between two messages: the first has no type, and none comes in one piece."""
    stream = b"\0\0\0\x08\0\3\0\0" + b"Q\0\0\0\x06x\0" + b"S\0\0\0\x04"
    whole = [b"\0\0\0\x08\0\3\0\0", b"Q\0\0\0\x06x\0", b"S\0\0\0\x04"]
    messages = Messages(first=True)
    found = [one for place in range(len(stream)) for one in messages.fed(stream[place : place + 1])]
    assert whole == [message for _, message in found]
    assert [b"", b"Q", b"S"] == [kind for kind, _ in found]


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
