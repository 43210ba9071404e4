"""Every test of these folders ends with all properties holding, unless it plants damage."""

from collections.abc import Iterator

import pytest

from tests.fix_database import open_session


@pytest.fixture(autouse=True)
def properties_hold(request: pytest.FixtureRequest) -> Iterator[None]:
    """Look, when the test's sessions are closed, that `check` finds nothing broken."""
    if "database" not in request.fixturenames:
        yield
        return
    conninfo: str = request.getfixturevalue("database")
    yield
    if "planted" in request.fixturenames:
        return
    with open_session(conninfo) as session:
        session.execute("set statement_timeout = 0")  # it reads everything, on any machine
        broken = session.execute('select * from awa."check"()').fetchall()
    assert broken == [], broken
