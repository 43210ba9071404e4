"""A disk that is full: Awa's tables and indexes on a small file system, filled to the last byte."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trio

from awa._embedded.accounts import give_directory, server_account
from correctness.chaos.holding import keep_open
from correctness.chaos.jobs import Mix
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage
from correctness.chaos.ticking import begin_ticking

DISK_BYTES: Final = 192 * 2**20
BLOCK_BYTES: Final = 2**16
FULL_S: Final = (5.0, 20.0)
REFUSED: Final = "No space left on device"

MOVE: Final = """\
alter table all in tablespace pg_default owned by current_user set tablespace small;
alter index all in tablespace pg_default owned by current_user set tablespace small;
"""


async def fill(stage: Stage) -> None:
    """Fill the disk for a moment and for long; outcomes are held until there is room again."""
    try:
        disk = keep_open(stage, small_disk(stage.cluster.directory / "small"))
    except (OSError, subprocess.CalledProcessError) as error:
        stage.problems.append(f"not runnable: no tmpfs can be mounted here ({error})")
        return
    stage.query(f"create tablespace small location '{disk}'")
    for statement in MOVE.splitlines():
        stage.query(statement)
    for _ in range(2):
        await stage.start_worker()
    stage.start_producers(2, rate=20.0, mix=Mix(slow=12.0, owning=8.0, noting=4.0))
    await begin_ticking(stage)
    await stage.probe()
    over_s = trio.current_time() + stage.minutes * 60
    while trio.current_time() < over_s:
        for lasts_s in FULL_S:
            await trio.sleep(stage.dice.uniform(1.0, 4.0))
            await fill_for(stage, disk, lasts_s)
    stage.must_bite("writes refused", stage.cluster.log.read_text().count(REFUSED))


async def fill_for(stage: Stage, disk: Path, lasts_s: float) -> None:
    """Leave no room for so long."""
    stage.fault("disk full", f"{lasts_s:g} s")
    ballast = disk / "ballast"
    over_s = trio.current_time() + lasts_s
    with ballast.open("wb", buffering=0) as file:
        while trio.current_time() < over_s:
            pour(file.fileno())  # also what somebody gave back meanwhile
            await trio.sleep(0.1)
    ballast.unlink()
    await stage.probe()
    for worker in stage.workers:
        if not worker.is_alive():
            stage.problems.append(f"{worker.name} ended with {worker.process.returncode}")


def pour(file: int) -> None:
    """Write until nothing more fits."""
    size = BLOCK_BYTES
    while size:
        try:
            os.write(file, bytes(size))
        except OSError:
            size //= 2


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """Mount a small file system there, and give the server a directory on it."""
    place.mkdir()
    options = f"size={DISK_BYTES},mode=0711"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        give_directory(place / "space", server_account())
        yield place / "space"
    finally:
        # The server holds files there: they go when it ends.
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607  # where it is differs
        place.rmdir()


SCENARIOS: Final = (
    Scenario(
        name="disk-full",
        does="no byte left on the disk of Awa's tables for 5 s and for 20 s, again and again",
        run=fill,
        minutes=0.3,
        counts_hold=False,
    ),
)
