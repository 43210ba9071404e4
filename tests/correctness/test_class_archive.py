"""The archive of TLC's classes only makes runs shorter: nothing depends on it."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from correctness import class_archive
from correctness.class_archive import archive_options


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a program that stands for Java, and for the jar; archives are made beside it."""
    monkeypatch.setattr(class_archive, "FOLDER", tmp_path / "archives")
    program = tmp_path / "java"
    program.touch()
    return program


def write_where_told(_: Path, options: list[str]) -> list[str]:
    """Return a command that makes the archive."""
    place = options[0].removeprefix("-XX:ArchiveClassesAtExit=")
    return [sys.executable, "-c", "import sys; open(sys.argv[1], 'x').close()", place]


def fail(_: Path, __: list[str]) -> list[str]:
    """Return the command of a Java that cannot make archives."""
    return [sys.executable, "-c", "raise SystemExit(1)"]


def test_an_archive_is_made_once_and_used_from_then_on(java: Path) -> None:
    """Guards the saving: the second process finds what the first has made."""
    used = archive_options(java, java, write_where_told)
    (archive,) = class_archive.FOLDER.iterdir()
    assert (f"-XX:SharedArchiveFile={archive}", "-Xlog:disable") == used
    assert used == archive_options(java, java, fail)


def test_threads_that_start_together_make_one_archive(java: Path, tmp_path: Path) -> None:
    """Guards a first run: its many runs begin at once, and none fails for what another makes."""
    made: list[Path] = []
    together = threading.Barrier(8)

    def counted(scratch: Path, options: list[str]) -> list[str]:
        made.append(scratch)
        return write_where_told(scratch, options)

    def start(_: int) -> tuple[str, ...]:
        together.wait()
        return archive_options(java, java, counted)

    with ThreadPoolExecutor(8) as threads:
        assert 1 == len(set(threads.map(start, range(8))))
    assert [tmp_path / "archives"] == [path.parent for path in class_archive.FOLDER.iterdir()]
    assert 1 == len(made)


def test_a_java_that_makes_no_archive_is_used_without(java: Path) -> None:
    """Guards older versions: nothing is said, and runs take what they took."""
    assert () == archive_options(java, java, fail)
    assert [] == [*class_archive.FOLDER.iterdir()]


def test_another_jar_has_another_archive(java: Path, tmp_path: Path) -> None:
    """Guards a change of TLC: what was made for one version is not offered to the next."""
    (tmp_path / "jar").touch()
    first = archive_options(java, java, write_where_told)
    assert first != archive_options(java, tmp_path / "jar", write_where_told)
