"""The work itself; it knows nothing of queues."""

import sysconfig
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3


@dataclass(frozen=True, slots=True)
class CountFile:
    """The arguments of a job: one file to look at, and what shall go wrong with it."""

    path: str
    fails_first: bool = False
    """The first attempt raises an error, as a file system does that has to be asked again."""
    slow_s: float = 0.0
    """How long the disk takes."""


@dataclass(frozen=True, slots=True)
class FileCount:
    """What a job finds out, stored as its result."""

    blake3: str
    lines: int


def stdlib_root() -> Path:
    """Return where the running interpreter has its standard library."""
    return Path(sysconfig.get_path("stdlib"))


def stdlib_files() -> list[str]:
    """Return every Python file of the standard library, sorted."""
    root = stdlib_root()
    installed = {"site-packages", "dist-packages"}
    return sorted(
        str(path)
        for path in root.rglob("*.py")
        if installed.isdisjoint(path.relative_to(root).parts) and path.is_file()
    )


def count_file(path: str) -> FileCount:
    """Hash a file and count its lines."""
    content = Path(path).read_bytes()
    return FileCount(blake3=blake3(content).hexdigest(), lines=len(content.splitlines()))
