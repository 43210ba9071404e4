"""`awa migrate --role`: roles by names of the user's own."""

import pytest
from click.testing import CliRunner, Result

from awa.cli import main
from tests.fix_database import NewSession


def run(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments)


def test_a_role_may_be_called_otherwise() -> None:
    """Guards clusters with rules for names: the others keep theirs."""
    renamed = run("migrate", "--sql", "--role", "producer=shop writer").stdout
    assert "'awa.role_producer', 'shop writer'" in renamed
    assert "'awa.role_worker', 'awa_worker'" in renamed


@pytest.mark.parametrize("role", ["boss=x", "producer", "producer=", "worker=pg_x"])
def test_a_wrong_role_is_one_line_and_nothing_is_installed(
    empty_database: str, session: NewSession, role: str
) -> None:
    """Guards installation: a mistyped role must not leave half of what was asked for."""
    result = run("--database-url", empty_database, "migrate", "--role", role)
    assert result.exit_code != 0
    assert "role" in result.stderr
    with session(empty_database) as conn:
        assert (None,) == conn.execute("select to_regnamespace('awa')").fetchone()
