"""Where named servers live, and which names they may have."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from awa._embedded.errors import BadServerName

SCHEME: Final = "embedded://"
# Below `data.new`, `.binaries-*` and all else that we put beside servers; short for the socket.
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}\Z")


def embedded_home() -> Path:
    """Return the directory of this user's servers. It may not exist yet.

    `AWA_EMBEDDED_HOME` if set. Else, for root, `/var/lib/awa`: root's own home is closed to the
    account that runs the server. Else `XDG_DATA_HOME/awa`, by default `~/.local/share/awa`.
    """
    chosen = os.environ.get("AWA_EMBEDDED_HOME")
    if chosen:
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/awa")
    shared = os.environ.get("XDG_DATA_HOME")
    return (Path(shared) if shared else Path.home() / ".local" / "share") / "awa"


def place_of(name: str) -> Path:
    """Return the directory of the server `name`. Raises BadServerName."""
    if _NAME.match(name) is None:
        raise BadServerName(name)
    return embedded_home() / name


def name_in(url: str) -> str | None:
    """Return NAME of `embedded://NAME`, None for any other URL. Raises BadServerName."""
    if not url.startswith(SCHEME):
        return None
    name = url.removeprefix(SCHEME).removesuffix("/")
    place_of(name)
    return name
