"""Which account of the machine runs the server, and how its programs are run as that account.

PostgreSQL refuses to run as root. Where we are root, its programs run as an unprivileged system
account and own nothing but the data and the socket; everywhere else they run as ourselves.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict

from awa._embedded.errors import ServerFailed, UnfitPlace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The first that exists. Both are on every system that PostgreSQL itself is packaged for.
UNPRIVILEGED: Final = ("postgres", "nobody")
PROGRAM_TIMEOUT_S: Final = 180.0


class Identity(TypedDict):
    """Arguments of `subprocess.run`; None leaves things as they are."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that runs the server. `switched` when it is not the caller's own."""

    uid: int
    gid: int
    switched: bool

    def identity(self) -> Identity:
        """Return what `subprocess` needs to become the account; none of root's groups is kept."""
        if not self.switched:
            return {"user": None, "group": None, "extra_groups": None}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account() -> Account:
    """Choose the account: the caller's own, or an unprivileged one where the caller is root."""
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid(), switched=False)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid, switched=True)
    raise UnfitPlace(
        "PostgreSQL does not run as root and there is no account 'postgres' or 'nobody': "
        "add one, or start as another user"
    )


def run_as(account: Account, argv: Sequence[str | Path], *, log: Path | None = None) -> str:
    """Run one of PostgreSQL's programs to its end and return what it printed.

    Raises ServerFailed with what it said (and the end of `log`, if given) when it fails.
    """
    try:
        done = subprocess.run(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            # Nothing of ours: PGDATA, PGPORT or a locale would change what the server does.
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            umask=0o077,
            timeout=PROGRAM_TIMEOUT_S,
            check=False,
            **account.identity(),
        )
    except OSError as error:
        raise ServerFailed(f"cannot run {argv[0]} as uid {account.uid}: {error}") from error
    if done.returncode != 0:
        raise ServerFailed(
            f"{argv[0]} failed ({done.returncode}): {done.stderr.strip()} {_tail(log)}".strip()
        )
    return str(done.stdout)


def _tail(log: Path | None, lines: int = 12) -> str:
    """Return the last lines of the server's log: the reason is there, not in pg_ctl's words."""
    if log is None or not log.exists():
        return ""
    return "\n" + "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def enters(account: Account, directory: Path) -> bool:
    """Whether the account can walk into `directory`, by the permission bits on the way."""
    resolved = directory.resolve()
    way = (resolved, *resolved.parents)
    return all(_allows(account, step, stat.S_IXOTH) for step in way)


def reads(account: Account, path: Path) -> bool:
    """Whether the account can walk to `path` and read it."""
    return enters(account, path.resolve().parent) and _allows(account, path, stat.S_IROTH)


def _allows(account: Account, path: Path, others: int) -> bool:
    """Whether the bit (given as its `others` form) is granted to the account on `path`."""
    found = path.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & (others << 6))
    if found.st_gid == account.gid:
        return bool(found.st_mode & (others << 3))
    return bool(found.st_mode & others)


def own_directory(path: Path, account: Account) -> None:
    """Make `path` a directory of the caller's that nobody else writes to.

    Its subdirectories stay reachable for a switched account. Raises UnfitPlace when `path`
    belongs to somebody else or others may write to it: they could swap what is inside.
    """
    try:
        if not path.exists():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o711 if account.switched else 0o700)  # whatever the umask says
    except OSError as error:
        raise UnfitPlace(
            f"cannot make {path} ({error.strerror}): set AWA_EMBEDDED_HOME to a directory of yours"
        ) from error
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise UnfitPlace(f"{path} is not a directory of uid {os.geteuid()}: choose another")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnfitPlace(f"others may write to {path}: chmod go-w it, or choose another")


def give_directory(path: Path, account: Account) -> None:
    """Make `path` a private directory of the server's account."""
    path.mkdir(mode=0o700, exist_ok=True)
    if account.switched:
        os.chown(path, account.uid, account.gid)
