"""Up to when everything was seen: so that a look at due things begins where the last one ended.

A row may be committed long after its time. So a look begins some time before the mark, and from
time to time it begins at the beginning: the more seldom, the longer that takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

BEHIND_S: Final = 60.0
"""A look begins so long before what was seen."""

WHOLE_LOOK_S: Final = 600.0
"""So often a look begins at the beginning."""

WHOLE_LOOK_SHARE: Final = 0.02
"""... as long as these looks take no more than this share of the time."""


@dataclass(slots=True)
class Watermark:
    """Times are the database's, in seconds since 1970."""

    _seen_s: float | None = None
    _whole_s: float | None = None
    _every_s: float = WHOLE_LOOK_S

    def since_s(self, now_s: float) -> float | None:
        """Where a look that is made now begins; None is the beginning."""
        if self._seen_s is None or self._whole_s is None:
            return None
        # A clock that was set back says nothing about when the last whole look was.
        if not 0.0 <= now_s - self._whole_s < self._every_s:
            return None
        return self._seen_s - BEHIND_S

    def looked(self, *, since_s: float | None, until_s: float, took_s: float = 0.0) -> None:
        """Everything between these two times was seen and dealt with, in so many seconds."""
        self._seen_s = until_s
        if since_s is None:
            self._whole_s = until_s
            self._every_s = max(WHOLE_LOOK_S, took_s / WHOLE_LOOK_SHARE)
