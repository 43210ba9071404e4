"""One scenario from beginning to end: the stage, the faults, the audit."""

import os
import shutil
from pathlib import Path
from typing import Final

from correctness.chaos.audit import audit
from correctness.chaos.report import Report
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage, open_stage

EMBEDDED_MAJOR: Final = "18"


def chosen_bindir() -> Path | None:
    """Return the programs of the version that `PG` asks for; None for the embedded ones."""
    major = os.environ.get("PG", EMBEDDED_MAJOR)
    if major == EMBEDDED_MAJOR:
        return None
    return Path(os.environ.get("PG_BINDIR", f"/usr/lib/postgresql/{major}/bin"))


async def play(
    scenario: Scenario,
    *,
    minutes: float | None = None,
    seed: int = 0,
    keep_in: Path | None = None,
) -> Report:
    """Play a scenario and judge it. Logs and effects are copied to `keep_in`."""
    async with open_stage(
        settings=scenario.settings,
        tcp=scenario.tcp,
        minutes=scenario.minutes if minutes is None else minutes,
        seed=seed,
        bindir=chosen_bindir(),
    ) as stage:
        try:
            await scenario.run(stage)
        except Exception as error:  # noqa: BLE001  # the others shall be played all the same
            stage.problems.append(f"{type(error).__name__}: {error}")
        report = await audit(
            stage,
            scenario.name,
            drain_s=scenario.drain_s,
            counts_hold=scenario.counts_hold,
        )
        if keep_in is not None:
            keep(stage, keep_in)
        return report


def keep(stage: Stage, folder: Path) -> None:
    """Copy what tells why."""
    for path in stage.folder.iterdir():
        shutil.copy(path, folder)
    shutil.copy(stage.cluster.log, folder)
    faults = [
        f"{fault.at_s - stage.began_s:9.3f} {fault.kind} {fault.detail}" for fault in stage.faults
    ]
    (folder / "faults.txt").write_text("\n".join([f"began {stage.began_s:.3f}", *faults]) + "\n")
