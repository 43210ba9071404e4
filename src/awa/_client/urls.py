"""Which database a client means."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from awa.embedded import SCHEME, Server, name_in, server
from awa.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A connection string, or the name of an embedded server that has to be started first."""

    conninfo: str | None
    embedded: str | None

    def open(self) -> tuple[str, Server | None]:
        """The connection string, and the use of the embedded server; may block for seconds."""
        if self.embedded is None:
            assert self.conninfo is not None
            return self.conninfo, None
        started = server(self.embedded)
        return started.conninfo, started


def target_of(url: str | None, environment: Mapping[str, str] = os.environ) -> Target:
    """The explicit URL, else `DATABASE_URL`; never silently an embedded server.

    Raises ConfigurationError when there is neither, and for what is no URL of PostgreSQL.
    """
    if url is not None and not isinstance(url, str):
        raise ConfigurationError(f"the URL must be a string, not {url!r}")
    chosen = url or environment.get("DATABASE_URL")
    if not chosen:
        raise ConfigurationError(
            "no database was named: give a URL (postgresql://..., or embedded://NAME for a server"
            " of your own) or set DATABASE_URL"
        )
    if chosen.startswith(SCHEME):
        return Target(conninfo=None, embedded=name_in(chosen))
    if "://" in chosen and not chosen.startswith(("postgresql://", "postgres://")):
        scheme = chosen.partition("://")[0]
        raise ConfigurationError(
            f"{scheme}:// is no URL of PostgreSQL: it starts with postgresql:// or {SCHEME}"
        )
    try:
        conninfo_to_dict(chosen)
    except (ProgrammingError, UnicodeEncodeError) as error:
        # A password is in front of an @; what else is wrong is best seen.
        what = str(error).strip().replace(chosen, "..." if "@" in chosen else chosen)
        raise ConfigurationError(
            f"the connection string is malformed: {what}; write"
            f" postgresql://USER@HOST:5432/DATABASE, or {SCHEME}NAME for a server of your own"
        ) from error
    return Target(conninfo=chosen, embedded=None)


def direct_of(url: str | None) -> str | None:
    """The connection string of a server that is reached past its pooler; None for no such way.

    An empty string is none as well, and never means `DATABASE_URL`. Raises ConfigurationError.
    """
    if url is None or url == "":  # whatever else is false is refused below
        return None
    target = target_of(url)
    if target.conninfo is None:
        raise ConfigurationError("an embedded server has no pooler: leave out direct_url")
    return target.conninfo
