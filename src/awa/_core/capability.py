"""Kinds that nobody can run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownKind:
    """A kind that workers meet in a queue and have no handler for: no capable worker."""

    queue: str
    kind: str
    workers: int
    """How many workers say so."""
    times: int
    """How often a job of it was put off."""
