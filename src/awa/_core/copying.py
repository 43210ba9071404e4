"""What a copy of very many jobs is answered by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyAnswer:
    """What became of very many jobs: how many had each EnqueueAnswer. `int()` of it is `stored`."""

    inserted: int = 0
    existing: int = 0
    """Of unique jobs: an older one holds the key, and stands for it."""
    replaced: int = 0
    """Of unique jobs: an older one was cancelled, and this one is in its place."""
    skipped: int = 0
    """Of unique jobs: an older one holds the key, and nothing was asked for."""

    @property
    def stored(self) -> int:
        """How many jobs were written."""
        return self.inserted + self.replaced

    def __int__(self) -> int:
        return self.stored

    def __add__(self, other: CopyAnswer) -> CopyAnswer:
        """Both together."""
        return CopyAnswer(
            inserted=self.inserted + other.inserted,
            existing=self.existing + other.existing,
            replaced=self.replaced + other.replaced,
            skipped=self.skipped + other.skipped,
        )
