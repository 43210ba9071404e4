"""What handlers did to the world outside: lines in a file that no fault of a server reaches.

A line is one `write` to a file opened for appending, so that even a killed process leaves whole
lines. The clock is the machine's monotonic one, the same in all processes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

What = Literal["begun", "done", "found", "set", "kept"]
"""The last three are of progress: what an attempt found, set, and knows to be in the database."""
WHATS: Final[tuple[str, ...]] = get_args(What)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A line: what worker `worker` did in this attempt at job `n`."""

    worker: str
    what: str
    at_s: float
    n: int
    lease: int
    """The run lease: tells the attempts at a job apart."""
    place: int = 0
    """How far its progress is."""


@dataclass(slots=True)
class Effects:
    """Reads the files of a folder, again and again, each line once."""

    folder: Path
    begun: dict[tuple[int, int], list[Effect]] = field(default_factory=dict)
    """By job and run lease."""
    done: dict[int, list[Effect]] = field(default_factory=dict)
    """By job."""
    begins: dict[int, list[Effect]] = field(default_factory=dict)
    """By job."""
    notes: dict[int, list[Effect]] = field(default_factory=dict)
    """By job: what was found, set and kept."""
    _read_to: dict[Path, int] = field(default_factory=dict)

    def look(self) -> None:
        """Read what was written since the last look."""
        for path in sorted(self.folder.glob("*.effects")):
            with path.open("rb") as file:
                file.seek(self._read_to.get(path, 0))
                text = file.read()
            whole = text.rfind(b"\n") + 1
            self._read_to[path] = self._read_to.get(path, 0) + whole
            for line in text[:whole].decode().splitlines():
                self._take(path.stem, line)

    def _take(self, worker: str, line: str) -> None:
        what, at_s, *numbers = line.split(" ")
        assert what in WHATS, line
        n, lease, place = map(int, numbers)
        effect = Effect(worker=worker, what=what, at_s=float(at_s), n=n, lease=lease, place=place)
        if what == "done":
            self.done.setdefault(effect.n, []).append(effect)
        elif what != "begun":
            self.notes.setdefault(effect.n, []).append(effect)
        else:
            self.begins.setdefault(effect.n, []).append(effect)
            self.begun.setdefault((effect.n, effect.lease), []).append(effect)

    def open_in(self, worker: str) -> set[int]:
        """Return the jobs that this worker has begun, and neither it nor anybody has done."""
        return {
            n
            for n, begins in self.begins.items()
            if n not in self.done and begins[-1].worker == worker
        }

    def begun_after(self, n: int, at_s: float) -> float | None:
        """Return when the job was first begun after this moment."""
        return next((each.at_s for each in self.begins.get(n, ()) if each.at_s > at_s), None)

    def duplicates(self) -> int:
        """Return how many effects there are beyond the first of each job and run lease."""
        return sum(len(effects) - 1 for effects in self.done.values())
