"""`python -m correctness.processes.forge`: a process that has everything loaded, and forks workers.

So a worker is there within milliseconds. A line on standard input each: `fork FILE` is answered by
the pid of a new worker, which works where the file says; `state PID` by its exit code, or `alive`.
When its input ends, everything that was forked ends as well.
"""

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import msgspec
import trio

from correctness.processes import worker


def serve() -> None:
    """Do what is asked for until nobody is there any more."""
    alive: set[int] = set()
    try:
        for line in sys.stdin:
            command, _, argument = line.strip().partition(" ")
            if command == "fork":
                pid = os.fork()
                if not pid:
                    _work(Path(argument))
                alive.add(pid)
                answer = str(pid)
            else:
                answer = _state(int(argument))
                if answer != "alive":
                    alive.discard(int(argument))
            print(answer, flush=True)
    finally:
        for pid in alive:
            os.kill(pid, signal.SIGKILL)


def _state(pid: int) -> str:
    gone, status = os.waitpid(pid, os.WNOHANG)
    return str(os.waitstatus_to_exitcode(status)) if gone else "alive"


def _work(file: Path) -> NoReturn:
    """Be a worker. What was inherited must neither be read nor answered."""
    code = 1
    try:
        place = msgspec.json.decode(file.read_bytes(), type=worker.Place)
        log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        # libfaketime asks for it each time that it looks what time it shall be.
        os.environ["FAKETIME_TIMESTAMP_FILE"] = place.clock
        worker.set_up_logging()
        trio.run(worker.main, place)
        code = 0
    except BaseException:  # noqa: BLE001  # whatever it is, a fork must not go on as its parent
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve()
