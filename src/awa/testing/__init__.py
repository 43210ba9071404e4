"""For the tests of programs that use Awa: the real SQL, on a database that is thrown away.

Each function takes the client, `awa.AsyncClient` (under trio or asyncio, to be awaited) or
`awa.Client`. With pytest the plugin gives `awa_database` and `awa_client`; nothing else here needs
pytest. docs/testing.md tells how they go together.
"""

from awa.testing._clock import advance
from awa.testing._databases import Databases
from awa.testing._enqueued import all_enqueued, assert_enqueued, refute_enqueued
from awa.testing._inline import inline
from awa.testing._pointing import pointed_at
from awa.testing._running import Ran, drain, run_one

__all__ = [
    "Databases",
    "Ran",
    "advance",
    "all_enqueued",
    "assert_enqueued",
    "drain",
    "inline",
    "pointed_at",
    "refute_enqueued",
    "run_one",
]
