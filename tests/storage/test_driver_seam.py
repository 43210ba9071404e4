"""Pins what the trio driver replaces in psycopg: a new psycopg is looked at here first.

A failure means that psycopg changed what the driver builds on. Read psycopg's change, then adapt
the driver and this file together.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import AsyncConnection, AsyncCursor, generators, waiting
from psycopg._pipeline_base import BasePipeline

from awa._storage.driver import TrioConnection, TrioCursor

if TYPE_CHECKING:
    from types import ModuleType


def parameters(function: object) -> list[str]:
    """The names of the parameters, which overriding methods must match."""
    assert callable(function)
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("wait", ["self", "gen", "interval", "timeout"]),
        ("cancel_safe", ["self", "timeout"]),
        ("transaction", ["self", "savepoint_name", "force_rollback"]),
        ("pipeline", ["self"]),
        ("commit", ["self"]),
        ("close", ["self"]),
        ("_try_cancel", ["self", "timeout"]),
        ("_connect_gen", ["conninfo"]),
        ("_cancel_gen", ["self"]),
        ("_should_cancel", ["self"]),
        ("_get_connection_params", ["conninfo", "kwargs"]),
    ],
)
def test_the_methods_of_the_connection_are_as_they_were(method: str, expected: list[str]) -> None:
    """What is overridden or called keeps its parameters."""
    assert expected == parameters(getattr(AsyncConnection, method))
    if method in vars(TrioConnection):
        assert expected == parameters(getattr(TrioConnection, method))


def test_the_parameters_of_connect_are_ours_too() -> None:
    """A new option of `connect` must not be swallowed by `**kwargs`."""
    assert parameters(AsyncConnection.connect) == parameters(TrioConnection.connect)
    assert parameters(AsyncCursor.copy) == parameters(TrioCursor.copy)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("connection_async", {"connect", "cancel_safe", "_INTERRUPTED", "__init__"}),
        ("cursor_async", set()),
        ("transaction", set()),
        ("_pipeline_async", set()),
        # Only the queued writer, which nobody makes unasked.
        ("_copy_async", {"__init__", "worker", "write", "finish"}),
        ("_server_cursor_async", set()),
    ],
)
def test_asyncio_is_met_only_where_the_driver_stands_in_between(
    module: str, expected: set[str]
) -> None:
    """The asynchronous classes of psycopg use asyncio nowhere but in what is replaced.

    Of the connection: `connect`, `cancel_safe`, the lock and what interrupts its `wait`.
    """
    assert expected >= users_of_asyncio(importlib.import_module(f"psycopg.{module}"))


def test_only_the_queued_writer_of_copy_needs_asyncio() -> None:
    """And COPY takes the plain writer when none is given."""
    tree = ast.parse(inspect.getsource(psycopg._copy_async))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert ["AsyncQueuedLibpqWriter"] == [node.name for node in classes if mentions_asyncio(node)]
    assert "writer = AsyncLibpqWriter(cursor)" in inspect.getsource(psycopg.AsyncCopy.__init__)


ASYNCIO_NAMES = {"asyncio", "ALock", "AQueue", "AEvent", "AWorker", "agather", "aspawn", "asleep"}


def mentions_asyncio(node: ast.AST) -> bool:
    """Whether a name of asyncio, or of psycopg's wrapping of it, is used below."""
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return bool(names & ASYNCIO_NAMES)


def users_of_asyncio(module: ModuleType) -> set[str]:
    """The functions and top-level names of a module that use asyncio."""
    tree = ast.parse(inspect.getsource(module))
    found = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and mentions_asyncio(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.col_offset <= INDENT and mentions_asyncio(node):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


INDENT = 4


def test_the_protocol_of_the_generators_is_as_it_was() -> None:
    """They yield R, W or both, are sent what is ready, and may be woken with nothing ready."""
    assert (1, 2, 3) == (waiting.Wait.R, waiting.Wait.W, waiting.Wait.RW)
    assert (0, 1, 2) == (waiting.Ready.NONE, waiting.Ready.R, waiting.Ready.W)
    assert "a None value is sent" in (generators.__doc__ or "")
    assert issubclass(psycopg.errors._WaitTimeout, psycopg.OperationalError)


def test_the_bookkeeping_that_is_read_exists(database: str) -> None:
    """Attributes are set by `__init__`, so only a connection shows them."""
    with psycopg.connect(database) as connection:
        assert 0 == connection._num_transactions
        assert connection._pipeline is None
        assert connection._closed is False
        assert connection._adapters is None
        assert connection._autocommit is False
    for name in ("_enqueue_sync", "_communicate_gen", "_process_results", "_enter_gen", "_exit"):
        assert callable(getattr(BasePipeline, name))
