"""Run every example as a user would: `python -m examples`, or `python -m examples quickstart`.

Each has a database that is thrown away, by `DATABASE_URL`, unless that is set already; servers that
they start by name live in a directory that is. Each has a line; the status is 1 when one failed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from awa.testing import Databases

HERE: Final = Path(__file__).parent
RUN_S_MAX: Final = 120.0
STOP_S_MAX: Final = 60.0
OPTIONS: Final = {"stdlib_census": ("--files", "60")}
"""What an example is told that would take long else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How one example ended, and what it said."""

    name: str
    problem: str | None
    took_s: float
    said: str

    def line(self) -> str:
        """Say it in one line: a good run by its last words."""
        words = self.said.strip().splitlines() or [""]
        return f"{self.name:24} {self.problem or 'ok':14} {self.took_s:5.1f} s  {words[-1].strip()}"


def names() -> list[str]:
    """All examples: modules, and packages that can be run."""
    modules = [path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_")]
    packages = [path.parent.name for path in HERE.glob("*/__main__.py")]
    return sorted(modules + packages)


def run(name: str, url: str) -> Ran:
    """Run one example in a process of its own, on this database."""
    module = HERE / f"{name}.py"
    what = [str(module)] if module.exists() else ["-m", f"examples.{name}"]
    began_s = time.monotonic()
    problem = None
    try:
        done = subprocess.run(
            [sys.executable, *what, *OPTIONS.get(name, ())],
            cwd=HERE.parent,
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=RUN_S_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.output.decode() if isinstance(late.output, bytes) else late.output or ""
        problem = "does not end"
    else:
        said = done.stdout
        if done.returncode != 0:
            problem = f"status {done.returncode}"
    return Ran(name=name, problem=problem, took_s=time.monotonic() - began_s, said=said)


@contextmanager
def places(count: int) -> Iterator[list[str]]:
    """Give so many databases, and a home for the servers that examples start."""
    home = Path(tempfile.mkdtemp(prefix="awa-examples-"))
    home.chmod(0o711)  # the server may run as another user
    os.environ["AWA_EMBEDDED_HOME"] = str(home)
    try:
        with ExitStack() as stack:
            if "DATABASE_URL" in os.environ:
                yield [os.environ["DATABASE_URL"]] * count
            else:
                databases = stack.enter_context(Databases())
                yield [stack.enter_context(databases.fresh()) for _ in range(count)]
        _until_stopped(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _until_stopped(home: Path) -> None:
    # Its file goes last: while it is there, a server still writes where we delete.
    until_s = time.monotonic() + STOP_S_MAX
    while any(home.glob("*/data/postmaster.pid")) and time.monotonic() < until_s:
        time.sleep(0.01)


def main() -> int:
    """Run those that are named, by default all; the status is 1 when one failed."""
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="by default all")
    parser.add_argument("--without", nargs="*", metavar="NAME", default=[], help="leave these out")
    parser.add_argument("--at-once", type=int, metavar="N", default=1, help="by default one")
    options = parser.parse_args()
    unknown = {*options.names, *options.without} - set(names())
    if unknown:
        parser.error(f"there is no example {', '.join(sorted(unknown))}")
    chosen = [name for name in options.names or names() if name not in options.without]
    failed = 0
    at_once = 1 if "DATABASE_URL" in os.environ else options.at_once
    with places(len(chosen)) as urls, ThreadPoolExecutor(at_once) as several:
        for ran in several.map(run, chosen, urls):
            print(ran.line(), flush=True)
            if ran.problem is not None:
                failed += 1
                print(ran.said, flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} examples ran")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
