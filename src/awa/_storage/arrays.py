"""Arrays as the text of their literals: a tenth of what the driver needs for a list of numbers.

The driver looks for each list's element type and asks each element how to be written. A settle of
one job has six arrays, and writing them was most of what it cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from awa._core.ranges import Ranges

_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})


def integers(numbers: Iterable[int]) -> str:
    """For a place such as `%s::text::int[]`."""
    return "{" + ",".join(map(str, numbers)) + "}"


def words(texts: Iterable[str]) -> str:
    """For a place such as `%s::text::text[]`: short texts, each quoted."""
    return "{" + ",".join(f'"{text.translate(_ESCAPES)}"' for text in texts) + "}"


def multiranges(sets: Iterable[Ranges]) -> str:
    """For a place such as `%s::text::int8multirange[]`."""
    return "{" + ",".join(f'"{numbers}"' for numbers in sets) + "}"
