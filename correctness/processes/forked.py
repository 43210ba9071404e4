"""The other side of `forge`: workers that were forked, seen from the program that forked them."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import msgspec

from correctness.processes.worker import Place

ROOT: Final = Path(__file__).resolve().parents[2]
_LOOK_S: Final = 0.005


class ForgeEnded(RuntimeError):
    """The process that forks workers is gone; its last words say why."""


class Forge:
    """A process that forks workers. They have a clock of their own where there is libfaketime."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._log: Final = log
        with log.open("w") as said:
            self._process: Final = subprocess.Popen(
                [sys.executable, "-m", "correctness.processes.forge"],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        self._lock: Final = threading.Lock()

    def fork(self, place: Place) -> "Forked":
        """Have a worker work there."""
        Path(place.clock).write_text("+0\n")
        file = Path(place.said).with_suffix(".place")
        file.write_bytes(msgspec.json.encode(place))
        return Forked(self, int(self._ask(f"fork {file}")), place)

    def code(self, pid: int) -> int | None:
        """The exit code of a worker that has ended."""
        answer = self._ask(f"state {pid}")
        return None if answer == "alive" else int(answer)

    def close(self) -> None:
        """End, and everything that was forked."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            answer = self._process.stdout.readline().strip()
        if not answer:
            raise ForgeEnded(self._log.read_text())
        return answer


class Forked:
    """A worker's process."""

    def __init__(self, forge: Forge, pid: int, place: Place) -> None:
        self._forge: Final = forge
        self._pid: Final = pid
        self._clock: Final = Path(place.clock)
        self._code: int | None = None

    def code(self) -> int | None:
        """Its exit code, or None while it is there, frozen or not."""
        if self._code is None:
            self._code = self._forge.code(self._pid)
        return self._code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, if it is there."""
        if self.code() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def kill(self) -> None:
        """End it as the kernel does, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        while self.code() is None:
            time.sleep(_LOOK_S)

    def jump(self, by_s: int) -> None:
        """Set its clock so far from the machine's."""
        fresh = self._clock.with_suffix(".new")
        fresh.write_text(f"{by_s:+d}\n")
        fresh.replace(self._clock)
