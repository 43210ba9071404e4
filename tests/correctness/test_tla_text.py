"""Values go to TLA+ and come back: what TLC says is compared as values, not as text."""

import pytest

from correctness.model import Entry, New
from correctness.tla_text import from_tla, to_tla


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-3, "-3"),
        (True, "TRUE"),
        ("a {b}, [c]", '"a {b}, [c]"'),
        ((), "<<>>"),
        (frozenset[int](), "{}"),
        ((1, (2,), "x"), '<<1, <<2>>, "x">>'),
        (frozenset({frozenset({2, 1})}), "{{1, 2}}"),
        ({"no": 1, "holes": frozenset({3})}, "[no |-> 1, holes |-> {3}]"),
    ],
)
def test_a_value_and_its_text_are_each_others(value: object, text: str) -> None:
    """Guards the verdicts and the graphs: a reader that misreads would compare nothing."""
    assert text == to_tla(value)
    assert value == from_tla(text)


def test_a_named_tuple_is_a_record() -> None:
    """Guards the field `from`, which Python cannot name so."""
    new = New(seq=2, slot=0, job=1, lease=2, attempt=1, from_=1)
    expected = "[seq |-> 2, slot |-> 0, job |-> 1, lease |-> 2, attempt |-> 1, from |-> 1]"
    assert expected == to_tla(new)


def test_records_become_what_the_reader_makes_of_them() -> None:
    """Guards the graphs: their states are compared as the twin's own values."""
    entry = Entry(seq=2, slot=0, job=1, lease=2, attempt=1, losses=0)
    assert {entry} == from_tla("{" + to_tla(entry) + "}", lambda of: Entry(**of))


@pytest.mark.parametrize("text", ["", "{1", "1 2", "[a |-> ]", "[a 1]", "<<1}", "{1; 2}", "1..3"])
def test_what_is_no_value_is_refused(text: str) -> None:
    """Guards against half a value: a state read in part could be equal by mistake."""
    with pytest.raises(ValueError, match=r".+"):
        from_tla(text)
