"""Worker processes: started, frozen, killed, stopped, measured."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class WorkerProcess:
    """A process that runs `correctness.chaos.worker`."""

    def __init__(
        self,
        folder: Path,
        conninfo: str,
        name: str,
        *,
        handlers: int = 8,
        claimers: int = 1,
        heartbeat_s: float = 5.0,
        lead: bool = True,
        direct: str | None = None,
        retention: Mapping[str, float] | None = None,
    ) -> None:
        self.name: Final = name
        self.heartbeat_s: Final = heartbeat_s
        self._said: Final = folder / f"{name}.out"
        self._log: Final = folder / f"{name}.log"
        self.frozen = False
        command = [sys.executable, "-m", "correctness.chaos.worker", conninfo, name, str(folder)]
        command += [f"--handlers={handlers}", f"--claimers={claimers}"]
        command += [f"--heartbeat-s={heartbeat_s}"]
        command += [f"--retention={json.dumps(dict(retention or {}))}"]
        command += [] if lead else ["--no-lead"]
        command += [] if direct is None else [f"--direct={direct}"]
        with self._said.open("w") as out, self._log.open("w") as log:
            self.process: Final = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
                stdout=out,
                stderr=log,
            )

    def has_started(self) -> bool:
        """Whether the database knows it. Raises RuntimeError when it has ended instead."""
        if "started" in self._said.read_text().splitlines():
            return True
        if self.process.poll() is not None:
            raise RuntimeError(f"worker {self.name} did not start: {self.log()[-2000:]}")
        return False

    def log(self) -> str:
        """Return its log so far."""
        return self._log.read_text()

    def is_alive(self) -> bool:
        """Whether it runs, or is frozen."""
        return self.process.poll() is None

    def kill(self) -> float:
        """End it as the kernel does when there is no memory; return when."""
        self.process.kill()
        at_s = time.monotonic()
        self.process.wait()
        return at_s

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does."""
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        """Have it go on."""
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def stop(self) -> None:
        """Tell it to end, and return at once."""
        self.process.terminate()

    def resident_bytes(self) -> int | None:
        """Return the memory it has; None when it has ended."""
        try:
            fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(fields[1]) * PAGE_BYTES if len(fields) > 1 else None
