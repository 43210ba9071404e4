"""A test that does not end: say where everything stands, and end the run.

A gate that hangs tells nothing. What is said: the test, every thread, every trio task, and what the
sessions of every server of the run do.
"""

import gc
import os
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any, Final

import psycopg
import pytest
import trio

from awa._runtime import stacks
from awa.embedded import Cluster

_OPTION: Final = "--hangs-after"
_HANGS_AFTER_S: Final = 300.0
"""The longest tests take a minute or two, on a slow machine."""
_LOOK_TIMEOUT_S: Final = 5
_SESSIONS: Final = (
    "select datname, pid, application_name, state, wait_event_type, wait_event,"
    " extract(epoch from clock_timestamp() - state_change)::int as since_s,"
    " pg_blocking_pids(pid) as blocked_by, left(query, 120) as query"
    " from pg_stat_activity where backend_type in ('client backend', 'walsender')"
)


class HangPlugin:
    """Looks on while a test runs."""

    def __init__(self, stderr: int, after_s: float) -> None:
        """`stderr`: a file descriptor that is not captured."""
        self._stderr: Final = stderr
        self._after_s: Final = after_s

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Wait for the test's end in a thread of its own."""
        timer = threading.Timer(self._after_s, self._hangs, [item.nodeid])
        timer.daemon = True
        timer.start()
        try:
            return (yield)
        finally:
            timer.cancel()

    def _hangs(self, test: str) -> None:
        try:
            self._say(f"\n{test} has not ended within {self._after_s:g} s")
            for line in where_all_stand():
                self._say(line)
        finally:
            os._exit(1)

    def _say(self, line: str) -> None:
        os.write(self._stderr, f"{line}\n".encode(errors="replace"))


def where_all_stand() -> Iterator[str]:
    """Yield lines for a reader: threads, tasks and sessions."""
    for ident in sys._current_frames():
        yield f"thread {ident}:"
        yield from _indented(stacks.of_thread(ident))
    for task in _living(trio.lowlevel.Task):
        yield f"task {task.name}:"
        yield from _indented(stacks.of_task(task))
    for cluster in _living(Cluster):
        yield f"sessions of {cluster.directory}:"
        yield from _indented(_sessions(cluster))


def _living(kind: type[Any]) -> list[Any]:
    return [found for found in gc.get_objects() if type(found) is kind]


def _sessions(cluster: Cluster) -> Iterator[str]:
    with suppress(psycopg.Error, OSError):  # one that has been stopped
        conninfo = cluster.conninfo()
        with psycopg.connect(conninfo, autocommit=True, connect_timeout=_LOOK_TIMEOUT_S) as session:
            for row in session.execute(_SESSIONS):
                yield " | ".join(map(str, row))


def _indented(lines: Any) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer another limit."""
    what = "seconds after which a test hangs, and the run ends with where everything stands"
    parser.addoption(_OPTION, type=float, default=_HANGS_AFTER_S, help=what)


def pytest_configure(config: pytest.Config) -> None:
    """Look on from the first test."""
    plugin = HangPlugin(os.dup(2), config.getoption(_OPTION))
    config.pluginmanager.register(plugin, "awa-hangs")
