"""Ranges against Python's own sets, which are slow and cannot be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awa._core.ranges import EMPTY, Ranges

numbers = st.sets(st.integers(-40, 40))
spans = st.lists(st.tuples(st.integers(-40, 40), st.integers(-40, 40)), max_size=8)


def of(members: set[int]) -> Ranges:
    """The set as ranges, by the constructor that is not under test."""
    return Ranges((number, number + 1) for number in members)


@given(spans)
def test_spans_are_kept_sorted_apart_and_not_empty(given_spans: list[tuple[int, int]]) -> None:
    """One set has one form, so equality and text may compare forms."""
    made = Ranges(given_spans)
    assert {n for low, high in given_spans for n in range(low, high)} == set(made)
    assert all(low < high for low, high in made.spans)
    assert all(a[1] < b[0] for a, b in zip(made.spans, made.spans[1:], strict=False))


@given(numbers, numbers)
def test_set_algebra_agrees_with_sets(left: set[int], right: set[int]) -> None:
    """Open entries are claimed minus closed: a mistake here loses or doubles work."""
    a, b = of(left), of(right)
    assert of(left | right) == a.union(b)
    assert of(left - right) == a.minus(b)
    assert of(left & right) == a.intersect(b)


@given(numbers)
def test_reading_agrees_with_sets(members: set[int]) -> None:
    """Length counts numbers, iteration is in order, membership is exact, emptiness is false."""
    made = of(members)
    assert len(members) == len(made)
    assert sorted(members) == list(made)
    assert bool(members) is bool(made)
    assert {n for n in range(-45, 46) if n in made} == members


@given(numbers)
def test_the_text_is_read_back(members: set[int]) -> None:
    """The multirange text is how numbers travel to the database and back."""
    assert of(members) == Ranges.parse(str(of(members)))


@given(numbers)
def test_sorted_numbers_make_the_same_set(members: set[int]) -> None:
    """The quick constructor for a batch that ended agrees with the general one."""
    assert of(members) == Ranges.from_sorted(sorted(members))


@given(st.lists(st.integers(0, 20)))
def test_numbers_that_do_not_ascend_never_make_a_wrong_set(members: list[int]) -> None:
    """A number that was not in the list is never in the set, whatever the caller did wrong."""
    try:
        made = Ranges.from_sorted(members)
    except ValueError:
        assert sorted(set(members)) != members
    else:
        assert set(members) == set(made)


def test_the_text_is_that_of_postgresql() -> None:
    """Half-open spans in braces, no spaces."""
    assert "{[1,4),[6,7)}" == str(Ranges([(6, 7), (1, 4)]))
    assert "{}" == str(EMPTY)
    assert [(-9223372036854775808, 9223372036854775807)] == list(
        Ranges.parse("{[-9223372036854775808,9223372036854775807)}").spans
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[1,2)",
        "{[1,2]}",
        "{[1,)}",
        "{(,5)}",
        "{[2,1)}",
        "{[1,2),[2,3)}",
        "{[3,4),[1,2)}",
        "{1}",
    ],
)
def test_other_text_is_refused(text: str) -> None:
    """Infinite, inclusive, empty or unsorted spans never come from our SQL: a defect shows."""
    with pytest.raises(ValueError, match=r"range|int|unpack"):
        Ranges.parse(text)


def test_equal_sets_hash_alike_and_print_themselves() -> None:
    """Ranges are values: they work as keys and explain themselves in a failing test."""
    assert {Ranges([(1, 2), (2, 3)])} == {Ranges([(1, 3)])}
    assert "Ranges.parse('{[1,3)}')" == repr(Ranges([(1, 3)]))
    assert Ranges([(1, 3)]) != "{[1,3)}"
