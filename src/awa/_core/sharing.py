"""Fair shares of a number of permits: who may run how many handlers, of those that want to.

Nobody's permit is taken away while its handler runs, so who has more than its share keeps it until
handlers end, and the others get what is free meanwhile. What is left over of whole shares goes to
whoever is furthest behind: two queues that share one permit take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One queue's part in sharing.

    `most`: permits that it never has more of, whoever leaves them. `guaranteed`: what nobody
    else gets, as far as it may have it. `weight`: of its share of the rest. `busy`: handlers that
    run. `wanted`: how many could run, those included. `behind`: permits times seconds that it had
    less than its exact share, so far.
    """

    most: int
    guaranteed: int
    weight: int
    busy: int
    wanted: int
    behind: float = 0.0

    @property
    def own(self) -> int:
        """Permits that are its own, whether or not it wants them."""
        return min(self.guaranteed, self.most)

    def over(self, permits: int) -> int:
        """How many of so many permits are of those that are shared."""
        return max(0, min(permits, self.most) - self.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """What comes of it: `permits` it may use from now on, and its `exact` share.

    Fewer permits than busy handlers: no handler of it starts until enough of them have ended.
    """

    permits: int
    exact: float


class _Share(NamedTuple):
    whole: int
    rest: float


def allotments(total: int, demands: Sequence[Demand]) -> list[Allotment]:
    """Share `total` permits; the guaranteed ones together are no more than that.

    What others keep busy beyond their shares is missing to the rest until it is free. What a queue
    may not have, guaranteed or not, the others have.
    """
    pool = total - sum(demand.own for demand in demands)
    assert pool >= 0, "more is guaranteed than there is"
    most = [demand.over(demand.wanted) for demand in demands]
    exact = _shares(pool, most, demands)
    targets = _in_whole(pool, exact, most, demands)
    busy = [max(0, demand.busy - demand.own) for demand in demands]
    # Who is over its target goes down to it; the others go up to theirs as far as there is room.
    kept = [min(pair) for pair in zip(busy, targets, strict=True)]
    lacking = [max(0, target - used) for target, used in zip(targets, busy, strict=True)]
    free = max(0, pool - sum(busy))
    given = _in_whole(free, _shares(free, lacking, demands), lacking, demands)
    return [
        Allotment(permits=demand.own + keeps + more, exact=demand.own + sum(share))
        for demand, keeps, more, share in zip(demands, kept, given, exact, strict=True)
    ]


def _shares(units: int, most: Sequence[int], demands: Sequence[Demand]) -> list[_Share]:
    """Exact shares by weight, where nobody gets more than he can use; all units, if they can be."""
    shares = [_Share(0, 0.0)] * len(demands)
    weights = sum(demand.weight for demand, top in zip(demands, most, strict=True) if top > 0)
    # Whoever needs least for his weight is served whole first: then the rest is by weight alone.
    for place in sorted(range(len(demands)), key=lambda n: most[n] / demands[n].weight):
        weight, top = demands[place].weight, most[place]
        if top == 0:
            continue
        if top * weights <= units * weight:
            shares[place] = _Share(top, 0.0)
            units -= top
            weights -= weight
        else:
            whole, rest = divmod(units * weight, weights)
            shares[place] = _Share(whole, rest / weights)
    return shares


def _in_whole(
    units: int, shares: Sequence[_Share], most: Sequence[int], demands: Sequence[Demand]
) -> list[int]:
    """Whole numbers, each within one of its exact share; as many in all."""
    given = [share.whole for share in shares]
    left = min(units, sum(most)) - sum(given)
    split = [place for place, share in enumerate(shares) if share.rest > 0]
    split.sort(key=lambda n: (-demands[n].behind, -shares[n].rest))
    for place in split[:left]:
        given[place] += 1
    return given
