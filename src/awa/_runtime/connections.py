"""How many connections a worker needs, and whether it may have as many.

A worker that gets some of them and not all is worse than none: it claims and cannot settle, or it
leads and cannot work. So a limit that is too small for one worker is refused at the start. That
others have used up a limit that is large enough is no error: it is waited for.
"""

from collections.abc import Sequence
from typing import Final

from awa._storage.condition import Allowance
from awa.errors import ConfigurationError

WORKING: Final = ("claim", "settle", "listen")
LEADING: Final = ("lead", "upkeep")
"""Whoever leads has these as well; any worker may come to lead, unless it was told not to."""


def connections_needed(*, lead: bool) -> int:
    """So many it has whatever its handlers do; their progress and transactions take more."""
    return len(WORKING) + (len(LEADING) if lead else 0)


def require_connections(found: Sequence[Allowance], *, lead: bool) -> None:
    """Refuse a limit that is too small for one worker. Raises ConfigurationError."""
    needed = connections_needed(lead=lead)
    small = [one for one in found if one.limit is not None and one.limit < needed]
    if not small:
        return
    least = min(small, key=lambda one: one.limit or 0)
    names = ", ".join(WORKING + (LEADING if lead else ()))
    message = f"a worker needs {needed} connections ({names}), but {least.what} is {least.limit}"
    advice = f"allow at least {needed} for each worker, and those of its client's own calls"
    if lead:
        advice += f"; one that may not lead (lead=False, --no-lead) needs {len(WORKING)}"
    raise ConfigurationError(f"{message}: {advice}")
