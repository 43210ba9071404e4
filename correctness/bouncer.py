"""A PgBouncer of one's own, in front of one server; gone with its owner.

Needs the program (Debian's package `pgbouncer`); where it is not, `program()` is None.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from awa._embedded.accounts import server_account

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

PORT: Final = 6432
START_TIMEOUT_S: Final = 30.0
LOOK_INTERVAL_S: Final = 0.02
_PLACES: Final = f"{os.defpath}:/usr/sbin"


def program() -> str | None:
    """Return the path of PgBouncer, if this machine has one."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:{_PLACES}")


class Bouncer:
    """A PgBouncer that listens on a private socket and lets everybody in as the server's owner.

    `settings` are its own, above all `pool_mode`; it keeps running until `close`, but for `kill`
    and `start`.
    """

    def __init__(self, conninfo: str, *, settings: Mapping[str, str] | None = None) -> None:
        """`conninfo` is the superuser's, of any database of the server, by its socket."""
        self._account = server_account()
        self._server = conninfo_to_dict(conninfo)
        self._directory: Final = Path(tempfile.mkdtemp(prefix="awa-bouncer-"))
        self._process: subprocess.Popen[bytes] | None = None
        (self._directory / "bouncer.ini").write_text(self._configuration(settings or {}))
        if self._account.switched:
            for place in (self._directory, self._directory / "bouncer.ini"):
                os.chown(place, self._account.uid, self._account.gid)
        self.start()

    def _configuration(self, settings: Mapping[str, str]) -> str:
        to_server = {key: str(self._server[key]) for key in ("host", "port", "user", "password")}
        own = {
            "listen_port": PORT,
            "unix_socket_dir": self._directory,
            "auth_type": "any",
            "logfile": self._directory / "bouncer.log",
            "pool_mode": "transaction",
            **settings,
        }
        lines = ["[databases]", f"* = {make_conninfo('', **to_server)}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in own.items()]
        return "\n".join([*lines, ""])

    def conninfo(self, dbname: str) -> str:
        """Return the connection string for a database, through the pooler."""
        return make_conninfo(
            host=str(self._directory), port=PORT, user=self._server["user"], dbname=dbname
        )

    def log(self) -> str:
        """Return what it has logged so far."""
        file = self._directory / "bouncer.log"
        return file.read_text() if file.exists() else ""

    def start(self) -> None:
        """Start it, and return once it answers."""
        found = program()
        assert found is not None, "there is no pgbouncer: apt-get install pgbouncer"
        identity: dict[str, Any] = dict(self._account.identity())
        self._process = subprocess.Popen(
            [found, "-q", str(self._directory / "bouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **identity,
        )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert time.monotonic() < deadline_s, f"pgbouncer does not answer: {self.log()}"
            time.sleep(LOOK_INTERVAL_S)

    def kill(self) -> None:
        """End it as the kernel does when there is no memory: all its clients are cut off."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End it, and delete its directory."""
        self.kill()
        shutil.rmtree(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.conninfo("postgres")) as session:
                return session.execute("select 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False
