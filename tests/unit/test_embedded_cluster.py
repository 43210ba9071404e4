"""Throw-away clusters: to be killed, restarted, and gone with their owner."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from awa._embedded import sharing
from awa._embedded.accounts import Account, reads, server_account
from awa._embedded.binaries import find_binaries
from awa._embedded.places import embedded_home
from awa.embedded import Cluster, ServerFailed, UnfitPlace
from tests.facts import wait_until
from tests.fix_cluster import NewCluster, chosen_bindir

NOBODY: Final = 65534
STRANGE: Final = """it's "$(id)" `id` \\ ; %m"""
SYSTEM_PYTHON: Final = "/usr/bin/python3"
# Says where its server lives, then stays until its input ends.
OWNER: Final = """
import sys
from awa.embedded import Cluster
with Cluster() as own:
    print(own.directory, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def odd() -> Iterator[Cluster]:
    """Return a cluster that listens on TCP and has a setting that no shell may see."""
    settings = {"log_line_prefix": STRANGE}
    with Cluster(bindir=chosen_bindir(), settings=settings, tcp=True) as running:
        yield running


@contextlib.contextmanager
def public_directory() -> Iterator[Path]:
    """Make a directory that every user may read."""
    with tempfile.TemporaryDirectory(prefix="awa-public-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


def as_user(user: int, ask: Callable[[], str]) -> str:
    """Return the answer that `ask` gives in a child process that is only that user."""
    answer, tell = os.pipe()
    with warnings.catch_warnings():
        # The child neither starts threads nor takes locks that another thread may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(user)
                os.setuid(user)
            os.write(tell, ask().encode())
        except BaseException:  # noqa: BLE001  # the parent shows it as the answer
            os.write(tell, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(tell)
    with os.fdopen(answer) as answered:
        said = answered.read()
    os.waitpid(child, 0)
    return said


def test_a_cluster_is_gone_when_its_owner_leaves(new_cluster: NewCluster) -> None:
    """Guards the clean end: no server, no directory; closing twice is allowed."""
    own = new_cluster()
    with psycopg.connect(own.conninfo()) as session:
        assert (1,) == session.execute("select 1").fetchone()
    own.close()
    own.close()
    assert not own.directory.exists()


def test_a_cluster_is_gone_when_its_owner_is_killed() -> None:
    """Guards the supervisor: a killed test run leaves neither a server nor a directory."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        directory = Path(owner.stdout.readline().strip())
        assert directory.exists()
        owner.send_signal(signal.SIGKILL)
    wait_until(lambda: not directory.exists())


def test_an_ordinary_user_starts_a_cluster_as_themselves() -> None:
    """Guards the other half of root's case: nothing is switched and nothing needs root."""
    user = NOBODY if os.geteuid() == 0 else os.geteuid()
    programs = find_binaries(server_account(), bindir=chosen_bindir(), home=embedded_home())
    # Root's own interpreter and checkout may be closed to users, who have theirs.
    account = Account(uid=user, gid=user, switched=False)
    python = sys.executable if reads(account, Path(sys.executable)) else SYSTEM_PYTHON
    with public_directory() as public:
        supervisor = shutil.copy(sharing._SUPERVISOR, public)

        def start() -> str:
            sys.executable = python
            sharing._SUPERVISOR = Path(supervisor)
            with Cluster(bindir=programs.directory) as own:
                data = own.directory / "data"
                return f"{data.stat().st_uid} {own.is_running()}"

        assert f"{user} True" == as_user(user, start)


def test_a_killed_server_starts_again_with_all_that_was_committed(new_cluster: NewCluster) -> None:
    """Guards `kill` and `start`: a crash test gets the same data directory back."""
    own = new_cluster()
    with psycopg.connect(own.conninfo(), autocommit=True) as session:
        session.execute("create table kept as select 42 as answer")
    own.kill()
    own.start()
    with psycopg.connect(own.conninfo()) as session:
        assert (42,) == session.execute("select answer from kept").fetchone()


def test_a_stopped_server_is_not_running_until_started(new_cluster: NewCluster) -> None:
    """Guards `stop`: it returns when the server is down."""
    own = new_cluster()
    own.stop("immediate")
    assert not own.is_running()
    own.start()
    assert own.is_running()
    own.restart()
    assert own.is_running()


def test_a_session_can_be_ended_by_its_pid(odd: Cluster) -> None:
    """Guards `terminate`: the session is gone when it returns."""
    with psycopg.connect(odd.conninfo(), autocommit=True) as session:
        assert odd.terminate(session.info.backend_pid)
        with pytest.raises(psycopg.OperationalError, match="terminat"):
            session.execute("select 1")


def test_settings_reach_the_server_whatever_is_in_them(odd: Cluster) -> None:
    """Guards quoting: pg_ctl hands options to a shell, which must not read them."""
    with psycopg.connect(odd.conninfo()) as session:
        assert (STRANGE,) == session.execute("show log_line_prefix").fetchone()


def test_tcp_is_there_when_asked_for_and_needs_the_password(odd: Cluster) -> None:
    """Guards the network side: on 127.0.0.1, with the same password."""
    with psycopg.connect(odd.conninfo(tcp=True)) as session:
        assert ("127.0.0.1",) == session.execute("select host(inet_server_addr())").fetchone()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(odd.conninfo(tcp=True).replace("password=", "password=x"))


def test_a_server_that_does_not_start_says_why(new_cluster: NewCluster) -> None:
    """Guards the error: it holds the server's own last words."""
    with pytest.raises(ServerFailed, match="no_such_setting"):
        new_cluster(settings={"no_such_setting": "1"})


def test_programs_that_the_account_cannot_reach_are_refused(tmp_path: Path) -> None:
    """Guards `bindir`: the error names the directory instead of failing to execute."""
    closed = tmp_path / "bin"
    closed.mkdir(mode=0o000)
    with pytest.raises(UnfitPlace, match=str(closed)):
        Cluster(bindir=closed)
