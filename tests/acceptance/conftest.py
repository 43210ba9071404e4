"""Every test of this folder ends with all properties holding."""

from collections.abc import Iterator

import pytest

from tests.fix_database import open_session


@pytest.fixture(autouse=True)
def properties_hold(request: pytest.FixtureRequest) -> Iterator[None]:
    """Look, when the test has ended, that `check` finds nothing broken."""
    if "database" not in request.fixturenames:
        yield
        return
    conninfo: str = request.getfixturevalue("database")
    yield
    with open_session(conninfo) as session:
        assert session.execute('select * from awa."check"()').fetchall() == []
