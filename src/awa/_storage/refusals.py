"""Which failures to connect are the server's no, and what to do about each.

libpq gives no SQLSTATE for them, so they are told by the server's words. A server that speaks
another language than English is taken for one that cannot be reached, and is waited for.
"""

from __future__ import annotations

import re
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from awa.errors import ServerRefused, ServerUnreachable

_RIGHT_ONE: Final = "set the right one in the URL, in PGPASSWORD or in ~/.pgpass"
_REMEDIES: Final = (
    (r"password authentication failed", _RIGHT_ONE),
    (r"no password supplied", _RIGHT_ONE),
    (r'FATAL: +database ".*" does not exist', "create it, or correct its name in the URL"),
    (r'FATAL: +role ".*" does not exist', "create it, or correct the user in the URL"),
    (r"no pg_hba.conf entry", "have an entry made for this user, database and address"),
    (r"FATAL: +.* authentication failed", "correct the user, or its entry in pg_hba.conf"),
    (r"FATAL: +permission denied for database", "grant CONNECT on it to this role"),
    (r"is not permitted to log in", "give the role the attribute LOGIN, or take another one"),
)


def not_connected(conninfo: str, problem: str) -> ServerUnreachable:
    """The error for a connection that could not be made.

    Of several hosts the next attempt may find another one to answer: they are waited for.
    """
    hosts = str(conninfo_to_dict(conninfo).get("host") or "")
    if "," not in hosts:
        for pattern, remedy in _REMEDIES:
            if re.search(pattern, problem):
                return ServerRefused(f"{problem.strip()}: {remedy}")
    return ServerUnreachable(problem)
