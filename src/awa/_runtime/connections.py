"""How many connections a worker needs, and whether it may have as many.

A worker that gets some of them and not all is worse than none: it claims and cannot settle, or it
leads and cannot work. So a limit that is too small for one worker is refused at the start. That
others have used up a limit that is large enough is no error: it is waited for.

What only some handlers use is not known before they run, so a limit that may be too small for it is
no more than told.
"""

import logging
from collections.abc import Sequence
from typing import Final

from awa._storage.condition import Allowance
from awa.errors import ConfigurationError

_log: Final = logging.getLogger("awa.worker")

NOTING: Final = 1
"""For the progress of all handlers together."""

WORKING: Final = ("claim", "settle", "listen")
LEADING: Final = ("lead", "upkeep")
"""Whoever leads has these as well; any worker may come to lead, unless it was told not to."""


def connections_needed(*, lead: bool, claimers: int = 1) -> int:
    """So many it has whatever its handlers do."""
    return len(WORKING) + claimers - 1 + (len(LEADING) if lead else 0)


def require_connections(found: Sequence[Allowance], *, lead: bool, claimers: int = 1) -> None:
    """Refuse a limit that is too small for one worker. Raises ConfigurationError."""
    needed = connections_needed(lead=lead, claimers=claimers)
    least = _least_below(needed, found)
    if least is None:
        return
    more = tuple(f"{WORKING[0]} {place + 1}" for place in range(1, claimers))
    names = ", ".join(WORKING + more + (LEADING if lead else ()))
    message = f"a worker needs {needed} connections ({names}), but {least.what} is {least.limit}"
    advice = f"allow at least {needed} for each worker, and those of its client's own calls"
    if lead:
        alone = connections_needed(lead=False, claimers=claimers)
        advice += f"; one that may not lead (lead=False, --no-lead) needs {alone}"
    raise ConfigurationError(f"{message}: {advice}")


def warn_of_connections(
    found: Sequence[Allowance], *, lead: bool, transactions: int, claimers: int = 1
) -> None:
    """Tell of a limit that is too small for one worker once its handlers use all they may."""
    needed = connections_needed(lead=lead, claimers=claimers)
    wanted = needed + NOTING + transactions
    least = _least_below(wanted, found)
    if least is not None:
        _log.warning(
            "%s is %d: this worker has %d connections, and its handlers may open %d more, %d for"
            " their progress and up to %d for job.transaction() (transaction_connections); if they"
            " do, allow %d for each worker, and those of its client's own calls",
            least.what,
            least.limit,
            needed,
            NOTING + transactions,
            NOTING,
            transactions,
            wanted,
        )


def _least_below(needed: int, found: Sequence[Allowance]) -> Allowance | None:
    small = [one for one in found if one.limit is not None and one.limit < needed]
    return min(small, key=lambda one: one.limit or 0, default=None)
