"""Arrays as texts say the arrays that were meant; what PostgreSQL makes of them, others ask."""

from awa._core.ranges import Ranges
from awa._storage import arrays


def test_numbers_are_listed() -> None:
    """Guards receipts: tokens use the whole range of a bigint."""
    assert "{}" == arrays.integers([])
    assert "{1,-9223372036854775808}" == arrays.integers([1, -(2**63)])


def test_sets_of_numbers_are_quoted() -> None:
    """Guards ranges: they hold commas and braces themselves."""
    sets = [Ranges([(1, 4), (7, 8)]), Ranges([(9, 10)])]
    assert '{"{[1,4),[7,8)}","{[9,10)}"}' == arrays.multiranges(sets)
