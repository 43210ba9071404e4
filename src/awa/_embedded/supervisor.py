"""Stop a server when the last process that uses it is gone, however it went.

Run as a program, by its path and with the standard library alone, so that it stays small for as
long as the server runs. It is handed two open files and waits for the lock on the first: every
user holds it shared, and the kernel lets go of it even for a process that was killed. Blocking
on a lock costs nothing and cannot miss anybody, which polling would.

The second file's lock says that a supervisor is there. It is let go of as soon as the first is
ours, before the stop: whoever joins then waits for the first lock until the server is down, and
finds no supervisor, as is true by then.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys


def main() -> None:
    """Detach, wait until the server has no user, stop it, remove what was to be thrown away."""
    order = json.loads(sys.argv[1])
    if os.fork() > 0:
        os._exit(0)  # so the starter has no child to wait for
    os.ftruncate(order["supervisor"], 0)
    os.write(order["supervisor"], str(os.getpid()).encode())  # for whoever wonders what we are
    fcntl.flock(order["users"], fcntl.LOCK_EX)
    os.close(order["supervisor"])
    for mode in ("fast", "immediate"):
        stop = [order["pg_ctl"], "stop", "-D", order["data"], "-w", "-s", "-m", mode]
        if subprocess.run(stop, check=False, **order["identity"]).returncode == 0:
            break
    if order["remove"]:
        shutil.rmtree(order["remove"], ignore_errors=True)


if __name__ == "__main__":
    main()
