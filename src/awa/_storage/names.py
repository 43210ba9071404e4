"""The name of the schema: checked once, quoted everywhere."""

from __future__ import annotations

from typing import Final

from awa.errors import ConfigurationError

SCHEMA_DEFAULT: Final = "awa"
NAME_BYTES_MAX: Final = 63
"""PostgreSQL cuts longer identifiers silently, which would make two names one."""


def checked_schema(name: str) -> str:
    """The name itself, if a schema may have it. Raises ConfigurationError."""
    _check_identifier("schema", name)
    if name.startswith("pg_") or name in {"information_schema", "public"}:
        raise ConfigurationError(
            f"the schema {name!r} belongs to PostgreSQL or to everybody; give Awa one of its own"
        )
    return name


def checked_role(name: str) -> str:
    """The name itself, if a role may have it. Raises ConfigurationError."""
    _check_identifier("role", name)
    if name.startswith("pg_") or name in {"public", "none"}:
        raise ConfigurationError(f"the role name {name!r} is reserved by PostgreSQL")
    return name


def _check_identifier(what: str, name: str) -> None:
    if not isinstance(name, str):
        raise ConfigurationError(f"the {what} name must be a string, not {name!r}")
    if not name or "\0" in name or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise ConfigurationError(
            f"the {what} name {name!r} is empty, or holds what PostgreSQL cannot store"
        )
    if len(name.encode(errors="replace")) > NAME_BYTES_MAX:
        raise ConfigurationError(
            f"the {what} name {name!r} is longer than {NAME_BYTES_MAX} bytes, PostgreSQL's limit"
        )


def ended_channel(schema: str) -> str:
    """The channel on which workers hear that others ended attempts of theirs.

    The schema's name is cut where PostgreSQL would cut the channel's, at a character: SQL's
    ended_channel() does the same.
    """
    suffix = ".ended"
    head = schema.encode()[: NAME_BYTES_MAX - len(suffix)]
    return head.decode(errors="ignore") + suffix


def quoted(name: str) -> str:
    """The name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text as an SQL literal, whatever `standard_conforming_strings` says."""
    assert "\0" not in text
    if "\\" in text:
        return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
    return "'" + text.replace("'", "''") + "'"
