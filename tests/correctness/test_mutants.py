"""Mutants of the SQL: their list, and a sample of the hunt. `make sql-mutants` hunts them all."""

import re
import subprocess
import sys
from typing import Final

import pytest

from correctness.configurations import SPEC
from correctness.edits import AnchorMissing, Edit, edited, installed_files, replacements
from correctness.gates import GATES, gated
from correctness.mutants.__main__ import PAGE
from correctness.mutants.attacks import ATTACKS, NOT_IN_THE_SQL
from correctness.mutants.by_tests import ROOT, TESTS, Failure
from correctness.mutants.catching import Catcher, of_divergence, of_refusal
from correctness.mutants.every import MUTANTS
from correctness.mutants.reporting import SURVIVORS, read_outcomes, written
from tests.tidy.tree import SQL

SAMPLE: Final = 6
SURVIVORS_MAX: Final = 3
PUBLIC: Final = re.compile(
    r'create function "?(\w+)"?\((?:(?!create function).)*?security definer', re.DOTALL
)
CITED: Final = re.compile(r"`([\w/]+\.py)::(\w+)`")
WITNESS: Final = re.compile(r"`witness/(\w+)`")
TOO_PLAIN: Final = {"schema_version"}
"""Functions that are one column of one row."""


def test_every_mutant_fits_the_sql_and_its_hunters_are_there() -> None:
    """Guards the hunt: a mutant whose text is gone would be caught by nobody, or by everybody."""
    before = installed_files()
    for mutant in MUTANTS:
        assert before != edited(before, mutant.edits), mutant.name
        for hunter in (*mutant.hunters, *mutant.beside):
            path, _, test = hunter.partition("::")
            assert f"def {test.partition('[')[0]}" in (TESTS / path).read_text(), hunter


def test_every_action_and_question_has_mutants_and_every_name_is_one() -> None:
    """Guards the list: no function of the contract is without a mutant that was caught."""
    actions = {path.stem for path in (SQL / "functions").glob("*.sql")}
    asked = {
        name
        for folder in ("sessions", "reads")
        for path in (SQL / folder).glob("*.sql")
        for name in PUBLIC.findall(path.read_text())
    }
    assert {"lead", "sleep_on", "check", "due_schedules"} < asked, "they are read as they stand"
    assert (actions | asked) - TOO_PLAIN == {name for one in MUTANTS for name in one.actions}
    names = [mutant.name for mutant in MUTANTS]
    assert len(names) == len(set(names))


def test_every_failure_of_an_earlier_design_is_a_mutant_or_has_its_reason() -> None:
    """Guards what was learnt: none of it comes back unnoticed."""
    again = {mutant.attack for mutant in MUTANTS} - {""}
    assert not again & NOT_IN_THE_SQL.keys()
    assert ATTACKS.keys() == again | NOT_IN_THE_SQL.keys()
    for attack, reason in NOT_IN_THE_SQL.items():
        cited = CITED.findall(reason)
        assert cited, attack
        for path, test in cited:
            assert f"def {test}(" in (TESTS / path).read_text(), reason
        for witness in WITNESS.findall(reason):
            assert (SPEC / "witness" / f"{witness}.cfg").is_file(), reason


def test_survivors_are_few_and_known() -> None:
    """Guards the limit: what no test notices is listed with a reason, and nothing else is."""
    assert SURVIVORS.keys() <= {mutant.name for mutant in MUTANTS}
    assert len(SURVIVORS) <= SURVIVORS_MAX
    assert all(SURVIVORS.values())


def test_the_page_is_of_these_mutants() -> None:
    """Guards mutants.md: written again from what it says, it is the same (`--page` does it)."""
    page = PAGE.read_text()
    assert page == written(read_outcomes(page))


def test_the_page_counts_what_each_catcher_notices_and_no_other_does() -> None:
    """Guards the counts: who was not asked is told from who saw nothing."""
    first, second, *_ = (mutant.name for mutant in MUTANTS)
    seen: dict[str, dict[Catcher, str]] = {
        first: {"test": "it is so", "replay": "", "property": ""},
        second: {"test": "it is so", "replay": "claim: guard serial"},
    }
    page = written(seen)
    assert seen == read_outcomes(page)
    for row in ("| test | 2 | 2 | 1 |", "| replay | 2 | 1 | 0 |", "| schedule | 0 | 0 | 0 |"):
        assert row in page.splitlines()
    assert "Without any ordinary test 1 would be caught." in page


@pytest.mark.parametrize(
    ("named", "short"),
    [
        (of_refusal("claim", '<<"guard", {"serial", "visible"}>>'), "claim: guard serial, visible"),
        (of_refusal("census", '<<"field", "entries", "logged", {}>>'), "census: field entries"),
        (of_refusal("prune", "invariant BodyKept"), "prune: BodyKept"),
        (of_divergence('lane 1: retry(2, [(3,)]): guard {"charged"}'), "retry: guard charged"),
        (of_divergence("lane 2: claim(1, ()) breaks ('CursorGrows',)"), "claim: CursorGrows"),
        (of_divergence("check: [('NoJobLost', 7)]"), "NoJobLost"),
        (of_divergence("lane 1: entries lacks {1} and has set() more"), "table: entries"),
    ],
)
def test_what_was_seen_is_named_without_its_values(named: str, short: str) -> None:
    """Guards the page: its cells name the guard, the field or the property, in every hunt alike."""
    assert short == named


def test_a_sample_of_the_mutants_is_caught() -> None:
    """Guards the tests: what they are there for, they notice."""
    command = [sys.executable, "-m", "correctness.mutants", "--sample", str(SAMPLE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\(control\) .* SURVIVED", done.stdout)


@pytest.mark.parametrize(
    ("said", "mistaken"),
    [
        ('E   psycopg.errors.UndefinedColumn: column "n" does not exist', True),
        ("E   psycopg.errors.SyntaxError: syntax error at end of input", True),
        ("E   AssertionError: no function f()\nE   assert '42883' == 'AW001'", True),
        ("  | psycopg.errors.DatatypeMismatch: integer and text", True),
        ("E   OperationalError: FATAL: unsupported startup parameter: options", True),
        ("    with pytest.raises(psycopg.errors.UndefinedTable):\nE   DID NOT RAISE", False),
        ("E   psycopg.errors.QueryCanceled: statement timeout", False),
        ("E   assert 42883 == 1", False),
    ],
)
def test_sql_that_is_none_is_a_mistake_and_no_catch(said: str, mistaken: bool) -> None:
    """Guards the page: what any test would notice says nothing of a test."""
    assert mistaken == Failure(node="tests/x.py::test_x", when="call", said=said).is_mistake


def test_a_text_that_is_missing_or_stands_twice_is_named() -> None:
    """Guards changes of the SQL: whoever makes one is told which mutant no longer fits."""
    for old in ("there is no such text", "perform"):
        with pytest.raises(AnchorMissing, match=old):
            edited(installed_files(), [Edit(file="functions/claim.sql", old=old, new="")])


def test_a_missing_anchor_of_a_gate_is_named() -> None:
    """Guards gates: one that is not there would let every session pass."""
    files = installed_files() | {GATES[0].file: "-- nothing"}
    with pytest.raises(AnchorMissing, match=GATES[0].name):
        gated(files)


def test_only_changed_functions_are_made_again() -> None:
    """Guards the mutants of schedules: what cannot be replaced alone is refused."""
    before = installed_files()
    changed = replacements(before, edited(before, [GATES[0].edit(before)]))
    assert ["create or replace function claim"] == [one.partition("(")[0] for one in changed]
    with pytest.raises(ValueError, match=r"tables\.sql"):
        replacements(before, before | {"tables.sql": before["tables.sql"] + "-- more\n"})
