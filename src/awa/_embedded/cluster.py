"""A throw-away cluster: its own server in its own directory, gone with its owner."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import psycopg

from awa._embedded import sharing
from awa._embedded.accounts import server_account
from awa._embedded.binaries import find_binaries
from awa._embedded.errors import ServerFailed
from awa._embedded.places import embedded_home
from awa._embedded.postmaster import DATABASE, LOOK_INTERVAL_S, PORT, Postmaster, State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from awa._embedded.postmaster import StopMode

# A killed server's backends hold its shared memory until they notice: starting waits that long.
RESTART_TIMEOUT_S: Final = 30.0
# Losing power loses the cluster, which is thrown away anyhow.
NOT_DURABLE: Final = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on"}


class Cluster:
    """A PostgreSQL server of one's own, to be stopped, killed and restarted at will.

    It runs from construction on and listens on a private socket, with `tcp=True` on 127.0.0.1 as
    well. `bindir` holds other programs than the wheel's (`/usr/lib/postgresql/15/bin`);
    `settings` are server parameters. `durable=False` turns syncs off. Its directory is made in
    `below`, by default where temporary files go. Leaving the `with` block (or `close`) stops it
    and deletes the directory; should the process be killed, its supervisor does both.

    Raises EmbeddedMissing without the wheel, UnfitPlace when the server's account cannot reach
    the directory of temporary files, ServerFailed when the server does not start.
    """

    def __init__(
        self,
        *,
        bindir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        tcp: bool = False,
        durable: bool = False,
        below: Path | None = None,
    ) -> None:
        account = server_account()
        binaries = find_binaries(account, bindir=bindir, home=embedded_home())
        self.major = binaries.major
        self.port = _free_port() if tcp else PORT
        listen = {"listen_addresses": "127.0.0.1"} if tcp else {}
        self._settings = {**({} if durable else NOT_DURABLE), **listen, **(settings or {})}
        self.directory = Path(tempfile.mkdtemp(prefix="awa-", dir=below))
        # mkdtemp makes it private even from the account that runs the server.
        self.directory.chmod(0o711 if account.switched else 0o700)
        self._postmaster = Postmaster(place=self.directory, account=account, binaries=binaries)
        self._users = -1
        try:
            self._users = sharing.join(
                self._postmaster, self._settings, port=self.port, durable=durable, thrown_away=True
            )
        except BaseException:
            shutil.rmtree(self.directory, ignore_errors=True)  # so does the supervisor
            raise

    @property
    def socket_directory(self) -> Path:
        """The directory of the Unix socket: libpq's `host`."""
        return self._postmaster.socket

    @property
    def log(self) -> Path:
        """The file that the server logs to."""
        return self._postmaster.log

    def conninfo(self, dbname: str = DATABASE, *, tcp: bool = False) -> str:
        """Return the superuser's connection string for a database, by the socket or by TCP."""
        return self._postmaster.conninfo(dbname, host="127.0.0.1" if tcp else "", port=self.port)

    def url(self, dbname: str = DATABASE) -> str:
        """Return the same as a URL, by the socket."""
        return self._postmaster.url(dbname, port=self.port)

    def is_running(self) -> bool:
        """Whether the server answers."""
        return self._postmaster.state() is State.READY

    def start(self) -> None:
        """Start the server again. After `kill`, waits until the old backends have gone."""
        deadline = time.monotonic() + RESTART_TIMEOUT_S
        while True:
            try:
                self._postmaster.start(self._settings, port=self.port)
            except ServerFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_INTERVAL_S)
            else:
                return

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server; `immediate` is a crash that leaves recovery to the next start."""
        self._postmaster.stop(mode)

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop the server and start it again."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """Send SIGKILL to the server's main process, as a machine without memory does."""
        self._postmaster.kill()

    def terminate(self, pid: int) -> bool:
        """End one session by its backend's pid; whether there was one."""
        with psycopg.connect(self.conninfo(), autocommit=True) as session:
            row = session.execute("select pg_terminate_backend(%s, 10000)", [pid]).fetchone()
        return row is not None and bool(row[0])

    def close(self) -> None:
        """Stop the server and delete its directory. May be called twice."""
        if self._users < 0:
            return
        try:
            self._postmaster.stop("immediate")
            shutil.rmtree(self.directory)
        finally:
            os.close(self._users)
            self._users = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _free_port() -> int:
    """Return a port that is free now; another process may still take it before the server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
