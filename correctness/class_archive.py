"""An archive of TLC's classes, so that each of the many short runs need not load and verify them.

Java calls it application class-data sharing. A run with it starts in two thirds of the processor
time. It is made once for each Java and jar, and everything works without it: where it cannot be
made, or Java finds that it does not fit, runs are only slower.
"""

import hashlib
import subprocess
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from correctness.configurations import SPEC

FOLDER: Final = SPEC.parent / ".pytest_cache" / "tlc"
TIMEOUT_S: Final = 60.0

_MAKING: Final = threading.Lock()
"""Runs start in threads; the first makes it, and the others would only make the same."""

Command = Callable[[Path, list[str]], list[str]]
"""The command of a run that uses most classes, from a scratch folder and options of Java."""


@cache
def archive_options(java: Path, jar: Path, command: Command) -> tuple[str, ...]:
    """Answer the options of Java that make it use the archive; none where there is no archive."""
    archive = FOLDER / f"{_key(java, jar)}.jsa"
    with _MAKING:
        if not archive.is_file():
            _make(archive, command)
    # Java's own warnings would stand in TLC's output.
    return (f"-XX:SharedArchiveFile={archive}", "-Xlog:disable") if archive.is_file() else ()


def _key(java: Path, jar: Path) -> str:
    """Java looks again whether an archive is its own; this only keeps those of others apart."""
    program = java.resolve()
    known = f"{program} {program.stat().st_mtime_ns} {jar.resolve()} {jar.stat().st_mtime_ns}"
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _make(archive: Path, command: Command) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="awa-tlc-") as scratch:
        made = Path(scratch) / archive.name
        options = [f"-XX:ArchiveClassesAtExit={made}", "-Xlog:disable"]
        try:
            subprocess.run(
                command(Path(scratch), options),
                cwd=SPEC,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return
        if made.is_file():
            # Several processes may make it at once: each file that appears is whole.
            with tempfile.TemporaryDirectory(dir=archive.parent) as own:
                beside = Path(own) / archive.name
                beside.write_bytes(made.read_bytes())
                beside.replace(archive)
