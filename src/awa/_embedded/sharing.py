"""Who uses a server: processes join and leave, the last one out stops it.

Ownership is three file locks and no record: a lock cannot outlive its process, a record can.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from awa._embedded.errors import ServerFailed
from awa._embedded.postmaster import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from awa._embedded.postmaster import Postmaster

_SUPERVISOR = Path(__file__).with_name("supervisor.py")


def join(
    postmaster: Postmaster,
    settings: Mapping[str, str],
    *,
    port: int,
    durable: bool = True,
    thrown_away: bool = False,
) -> int:
    """Become a user of the server, making and starting it if need be; return the lock's file.

    Closing the file, or dying, ends the use. `settings`, `port` and `durable` count only for the
    one who starts it. What is `thrown_away` is deleted by the supervisor when it has stopped.
    """
    postmaster.make_place()
    place = postmaster.place
    users = _open(place / "users.lock")
    try:
        with _locked(place / "start.lock"):
            # Waits while a supervisor stops the server: it holds this lock alone.
            fcntl.flock(users, fcntl.LOCK_SH)
            # Before there is anything to stop: from here on we may be killed at any moment.
            _supervise(postmaster, thrown_away=thrown_away)
            if postmaster.settled_state() is State.DOWN:
                postmaster.initialise(durable=durable)
                postmaster.start(settings, port=port)
    except BaseException:
        os.close(users)
        raise
    return users


def _supervise(postmaster: Postmaster, *, thrown_away: bool) -> None:
    """Start a supervisor unless there is one. It inherits the lock that says so."""
    place = postmaster.place
    lock = _open(place / "supervisor.lock")
    users = _open(place / "users.lock")
    try:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _spawn(postmaster, lock, users, thrown_away=thrown_away)
    finally:
        os.close(lock)
        os.close(users)


def _spawn(postmaster: Postmaster, lock: int, users: int, *, thrown_away: bool) -> None:
    """Start the supervisor in a session of its own: a Ctrl-C in our terminal is not for it."""
    account = postmaster.account
    order = {
        "users": users,
        "supervisor": lock,
        "pg_ctl": str(postmaster.binaries.program("pg_ctl")),
        "data": str(postmaster.data),
        "identity": account.identity(),
        "remove": str(postmaster.place) if thrown_away else None,
    }
    started = subprocess.run(
        [sys.executable, "-I", "-S", str(_SUPERVISOR), json.dumps(order)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        pass_fds=(lock, users),
        start_new_session=True,
        check=False,
    )
    if started.returncode != 0:
        raise ServerFailed(f"the supervisor of {postmaster.place} did not start")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file's lock alone."""
    handle = _open(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    """Open a lock file. Each opening has a lock of its own, even within one process."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
