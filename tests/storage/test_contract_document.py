"""The page of the SQL contract says what the catalogue says.

Its signatures are created, with empty bodies, in a schema of their own: so PostgreSQL reads both
sides, and types are compared by its own names for them.
"""

import re
from pathlib import Path
from typing import Any, Final, LiteralString, cast

import pytest
from psycopg import sql

from awa._core.actions import ACTIONS
from awa.errors import BY_SQLSTATE
from tests.fix_database import Session

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "sql-contract.md"
NOW, LATER = "## Part 1", "## Part 2"
LATER_NAMES: Final = {
    *("park", "resume", "rescue_callback", "reprioritise", "move"),
    *("complete_external", "fail_external", "retry_external"),
}
SIGNATURE: Final = re.compile(
    r'^("?\w+"?\(.*?\)\s+returns\s+(?:table \(.*?\)|(?:setof )?[\w.]+(?:\[\])?))$',
    re.DOTALL | re.MULTILINE,
)
OPEN_TO_ROLES: Final = (
    "select p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid)"
    " from pg_proc p where p.pronamespace = to_regnamespace(%s)"
    " and (p.prosecdef or p.pronamespace = to_regnamespace('told')) order by 1"
)


def told(beginning: str, end: str) -> list[LiteralString]:
    """Return the signatures written between two headings of the page."""
    part = PAGE.read_text().partition(beginning)[2].partition(end)[0]
    blocks = re.findall(r"^```sql\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    return cast(
        "list[LiteralString]", [one for block in blocks for one in SIGNATURE.findall(block)]
    )


def created(session: Session, signatures: list[LiteralString]) -> list[tuple[Any, ...]]:
    """Return what the catalogue says of functions with these signatures."""
    session.execute("create schema told")
    for signature in signatures:
        body = sql.SQL("create function told.{} language plpgsql as 'begin end'")
        session.execute(body.format(sql.SQL(signature)))
    return session.execute(OPEN_TO_ROLES, ["told"]).fetchall()


def test_the_page_has_every_function_that_a_role_may_call(one: Session) -> None:
    """Guards the public contract: names, arguments, defaults and answers are those installed."""
    installed = one.execute(OPEN_TO_ROLES, ["awa"]).fetchall()
    assert installed == created(one, told(NOW, LATER))


def test_every_action_is_on_the_page(one: Session) -> None:
    """Guards the vocabulary: the registry's actions are among what part 1 describes."""
    described = {name for name, *_ in created(one, told(NOW, LATER))}
    assert set() == set(ACTIONS) - described


def test_the_signatures_of_later_versions_can_be_created_and_are_not_there_yet(
    one: Session,
) -> None:
    """Guards part 2: PostgreSQL takes each signature, and none is promised and present at once."""
    later = {name for name, *_ in created(one, told(LATER, "## Who may call what"))}
    here = {name for name, *_ in one.execute(OPEN_TO_ROLES, ["awa"]).fetchall()}
    assert set() == later & here
    assert LATER_NAMES == later


@pytest.mark.parametrize("code", sorted(code for code in BY_SQLSTATE if code.startswith("AW")))
def test_the_page_explains_every_code_that_the_functions_raise(code: str) -> None:
    """Guards errors by SQLSTATE: each has its row in the table."""
    assert re.search(rf"^\| {code} \|", PAGE.read_text(), re.MULTILINE)
