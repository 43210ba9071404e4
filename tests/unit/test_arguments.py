from dataclasses import dataclass, field

import msgspec
import pytest

from awa._core.arguments import decoder_for, encode_args
from awa.errors import InvalidInput


@dataclass
class Address:
    """A part of arguments."""

    street: str


@dataclass
class Order:
    """Arguments with parts."""

    number: int
    addresses: list[Address] = field(default_factory=list)


class Model:
    """What Awa knows of a pydantic model: it validates JSON and raises a ValueError."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @classmethod
    def model_validate_json(cls, data: bytes) -> "Model":
        """As pydantic's."""
        if data == b"{}":
            raise ValueError("n is missing")
        return cls(data)


def test_arguments_come_back_as_their_type() -> None:
    """What a producer gave is what the handler gets."""
    order = Order(7, [Address("High Street")])
    assert order == decoder_for(Order)(encode_args(order))
    assert {"n": 1} == decoder_for(dict)(b'{"n": 1}')
    assert b'{"n": 1}' == decoder_for(Model)(b'{"n": 1}').data


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b'{"number": "7"}', "args.number"),
        (b'{"number": 7, "addresses": [{"street": 1}]}', "args.addresses[0].street"),
        (b"{}", "args"),
        (b"{", "args"),
    ],
)
def test_arguments_that_do_not_fit_are_named_by_their_path(data: bytes, where: str) -> None:
    """A job stored by another program may not fit: the error says where."""
    with pytest.raises(InvalidInput) as caught:
        decoder_for(Order)(data)
    assert where == caught.value.field


def test_a_model_that_refuses_is_invalid_input_too() -> None:
    """Handlers meet one error, whatever validates."""
    with pytest.raises(InvalidInput, match="n is missing"):
        decoder_for(Model)(b"{}")


def test_a_type_that_json_cannot_carry_is_refused_when_encoded() -> None:
    """The mistake shows where the job is inserted, not where it runs."""

    @dataclass
    class Odd:
        value: complex

    with pytest.raises(InvalidInput, match="JSON"):
        encode_args(Odd(1j))


def test_the_decoder_of_a_type_is_made_once() -> None:
    """Making one costs a hundred times more than using it."""
    assert decoder_for(Order) is decoder_for(Order)
    assert msgspec.json.decode(b"{}") == {}
