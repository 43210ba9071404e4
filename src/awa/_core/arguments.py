"""Typed arguments to JSON and back: dataclasses, msgspec Structs, mappings, pydantic models.

Pydantic is recognised by its methods and never imported.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeVar, cast

import msgspec

from awa._core.kinds import kind_of
from awa._core.limits import ARGS_BYTES_MAX
from awa.errors import InvalidInput

T = TypeVar("T")

_encode: Final = msgspec.json.Encoder().encode
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL: an odd number of backslashes before `u0000`."""
_AT_PATH: Final = re.compile(r"^(?P<problem>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)


def encode_args(args: object, *, bytes_max: int = ARGS_BYTES_MAX) -> bytes:
    """The JSON text of a job's arguments, checked against their own type.

    Raises InvalidInput (field `args`, or the path below it) for values that do not fit their
    declared types, for NUL characters, and for more than `bytes_max` bytes.
    """
    args_type: Any = type(args)
    if _has_fields(args_type):
        data = encode_json("args", args)
        if not data.startswith(b"{"):
            raise InvalidInput("args", f"is {_kind_of_value(args)}, not an object with fields")
        _check_types(args_type, data)
    elif isinstance(args, type):
        raise InvalidInput("args", f"is the class {args.__name__}, not an instance of it")
    else:
        data = encode_json("args", _plain(args))
    if len(data) > bytes_max:
        raise InvalidInput("args", f"takes {len(data)} bytes as JSON; the limit is {bytes_max}")
    return data


def encode_json(field: str, value: object) -> bytes:
    """The JSON text of a value. Raises InvalidInput when it has none, or holds a NUL."""
    try:
        data = _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise InvalidInput(field, f"has no JSON form: {error}") from error
    # The plain search first: it takes a hundredth of the pattern's time, for every job.
    if b"\\u0000" in data and _NUL.search(data):
        raise InvalidInput(field, "holds a NUL character, which PostgreSQL cannot store")
    # The encoder writes null for what JSON has no number for: a silent change of the data.
    if b"null" in data and _holds_no_number(msgspec.to_builtins(value)):
        raise InvalidInput(field, "holds a float that is not finite, which JSON cannot carry")
    return data


def kind_of_args(args: object) -> str:
    """The kind that the class of the arguments implies. Raises InvalidInput for a bare mapping."""
    if isinstance(args, Mapping):
        raise InvalidInput("kind", "is needed when the arguments are a mapping and not a class")
    return kind_of(type(args).__name__)


@lru_cache(maxsize=1024)
def decoder_for(args_type: type[T]) -> Callable[[bytes], T]:
    """How to read arguments of this type from JSON text; the decoder is kept.

    The decoder raises InvalidInput (field `args` or a path below it) when the text does not fit.
    """
    model = getattr(args_type, "model_validate_json", None)
    if model is not None:
        return _pydantic_decoder(args_type, model)
    decode = msgspec.json.Decoder(args_type).decode

    def read(data: bytes) -> T:
        try:
            return decode(data)
        except msgspec.MsgspecError as error:
            raise _misfit(error) from error

    return read


def _pydantic_decoder(args_type: type[T], model: Any) -> Callable[[bytes], T]:
    def read(data: bytes) -> T:
        try:
            return cast("T", model(data))
        except ValueError as error:
            raise InvalidInput("args", f"does not fit {args_type.__name__}: {error}") from error

    return read


@lru_cache(maxsize=1024)
def _has_fields(args_type: type[object]) -> bool:
    """Whether a class says itself how its instances are written. Asked once, as jobs are many."""
    return not issubclass(args_type, Mapping | type) and not hasattr(args_type, "model_dump")


def _holds_no_number(value: object) -> bool:
    match value:
        case float():
            return not math.isfinite(value)
        case dict():
            return any(map(_holds_no_number, value.values()))
        case list() | tuple():
            return any(map(_holds_no_number, value))
        case _:
            return False


def _plain(args: object) -> object:
    dump = getattr(args, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    assert isinstance(args, Mapping)
    for key in args:
        if not isinstance(key, str):
            raise InvalidInput("args", f"has the key {key!r}, which is not a string")
    return dict(args)


def _check_types(args_type: type[object], data: bytes) -> None:
    """Read back what was written: annotations are checked where msgspec knows them."""
    try:
        decoder_for(cast("Any", args_type))(data)
    except TypeError as error:
        raise InvalidInput("args", f"has a type that JSON cannot carry: {error}") from error


def _misfit(error: msgspec.MsgspecError) -> InvalidInput:
    found = _AT_PATH.match(str(error))
    assert found is not None
    return InvalidInput("args" + (found["path"] or ""), found["problem"].replace("`", ""))


def _kind_of_value(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
