"""What the health port answers: the same document at both paths, with a status for each question.

/healthz: would a new process be better? Only what it may cure makes this fail. Trouble with the
database does not: a worker that is restarted for it loses the outcomes that it holds.
/readyz: does the worker do its work? Every trouble and every stall makes this fail.
"""

from dataclasses import dataclass

import msgspec

from awa._runtime.health import WorkerHealth, not_alive, not_ready
from awa._runtime.serving import Answer

FINE = 200
UNWELL = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The document: what is wrong in words, and the worker as it describes itself."""

    alive: bool
    ready: bool
    problems: tuple[str, ...]
    worker: WorkerHealth


def answer_to(path: str, worker: WorkerHealth) -> Answer | None:
    """The answer to a request; None for a path that there is not."""
    problems = not_ready(worker)
    report = Report(
        alive=not not_alive(worker),
        ready=not problems,
        problems=tuple(problems),
        worker=worker,
    )
    match path:
        case "/healthz":
            well = report.alive
        case "/readyz":
            well = report.ready
        case _:
            return None
    return Answer(status=FINE if well else UNWELL, document=msgspec.json.encode(report))
