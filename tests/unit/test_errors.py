import re
from pathlib import Path

import pytest

import awa.errors
from awa.errors import (
    BY_SQLSTATE,
    AwaError,
    CallerError,
    InternalError,
    InvalidInput,
    LimitExceeded,
    SchemaMissing,
    SchemaNewer,
    ServerBusy,
    UnknownWorker,
    WorldError,
    from_sqlstate,
)

SOURCES = Path(awa.errors.__file__).parent


def test_every_code_that_the_sql_raises_has_its_error() -> None:
    """One row for each errcode in our SQL, and none that nobody raises."""
    texts = [path.read_text() for path in (SOURCES / "sql").rglob("*.sql")]
    texts.append((SOURCES / "_storage" / "install.py").read_text())
    raised = set(re.findall(r"errcode\s*=\s*'(AW\d{3})'", "\n".join(texts)))
    assert raised == {code for code in BY_SQLSTATE if code.startswith("AW")}


def test_the_docstring_draws_the_tree_as_it_is() -> None:
    """The tree is the first thing a reader sees, so it may not be wrong."""
    drawn = re.findall(
        r"^ *(?:\|   )*(?:\+-- )?([A-Z]\w+)(?=  )", awa.errors.__doc__ or "", re.MULTILINE
    )
    assert sorted(awa.errors.__all__) == sorted(drawn)


@pytest.mark.parametrize("base", [AwaError, CallerError, WorldError])
def test_a_base_is_never_raised_itself(base: type[AwaError]) -> None:
    """Every error says whose fault it is and which one; a base says neither."""
    with pytest.raises(TypeError, match="subclasses"):
        base("something")


def test_every_error_has_exactly_one_culprit() -> None:
    """The caller, the world or us."""
    for name in awa.errors.__all__:
        error = getattr(awa.errors, name)
        culprits = [
            base for base in (CallerError, WorldError, InternalError) if issubclass(error, base)
        ]
        assert 1 == len(culprits) or error is AwaError


def test_input_errors_carry_the_field_that_the_database_names() -> None:
    """The DETAIL of AW001 is the field; the message does not say it twice."""
    error = from_sqlstate("AW001", message="awa: queue: must be a string", detail="queue")
    assert isinstance(error, InvalidInput)
    assert ("queue", "must be a string") == (error.field, error.problem)
    assert "queue: must be a string" == str(error)


def test_codes_become_errors_with_their_facts() -> None:
    """Codes are matched, texts never."""
    missing = from_sqlstate("3F000", message="x", schema="jobs")
    assert isinstance(missing, SchemaMissing)
    assert "jobs" == missing.schema
    assert "awa migrate --schema jobs" in str(missing)
    assert "`awa migrate`" in str(SchemaMissing())
    newer = from_sqlstate("AW005", message="x", detail="7")
    assert isinstance(newer, SchemaNewer)
    assert 7 == newer.found
    assert isinstance(from_sqlstate("AW003", message="x"), UnknownWorker)
    assert isinstance(from_sqlstate("AW004", message="x"), LimitExceeded)
    assert isinstance(from_sqlstate("40P01", message="deadlock detected"), ServerBusy)


@pytest.mark.parametrize("code", [None, "", "23505", "P0001"])
def test_a_code_of_somebody_else_stays_the_drivers_error(code: str | None) -> None:
    """A constraint of the caller's own table is not for us to rename."""
    assert from_sqlstate(code, message="x") is None
