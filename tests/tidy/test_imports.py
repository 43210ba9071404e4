"""The rooms of the house: imports go one way, and the driver alone knows psycopg's insides."""

import ast
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.tidy.tree import PACKAGE, imports, module_name, named, parsed, python_files

# Each room with the rooms it may look into. `errors` imports nothing, so all may raise from it.
ROOMS: Final = {
    "awa.errors": (),
    "awa._core": ("awa._core", "awa.errors"),
    "awa._embedded": ("awa._embedded", "awa.errors"),
    "awa._storage": ("awa._storage", "awa._core", "awa.errors"),
    # What a handler sees of its job: public, and made by the runtime.
    "awa.handler": ("awa.handler", "awa._core", "awa.errors"),
    "awa.hooks": (),
    "awa.batch": ("awa.batch", "awa.handler", "awa._core", "awa.errors"),
    "awa._runtime": (
        "awa._runtime",
        "awa.batch",
        "awa.hooks",
        "awa.handler",
        "awa._storage",
        "awa._core",
        "awa.errors",
    ),
}
# Pure code is given the time, chance and the network's answers as arguments.
IMPURE: Final = {"asyncio", "os", "random", "secrets", "socket", "subprocess", "threading", "time"}
PURE_PACKAGES: Final = {"blake3", "croniter", "msgspec"}
# The trio driver: the connection, and how its generators wait.
DRIVER: Final = {PACKAGE / "_storage" / "driver.py", PACKAGE / "_storage" / "waiting.py"}
PSYCOPG_INSIDES: Final = ("psycopg.generators", "psycopg.waiting", "psycopg._")


def within(name: str, rooms: tuple[str, ...]) -> bool:
    """Whether the imported name lies in one of the rooms."""
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room: str) -> None:
    """Guards the layers: _core <- _storage <- _runtime <- public modules, never back."""
    wrong = [
        f"{named(path)} imports {name}"
        for path in python_files("src")
        if within(module_name(path), (room,))
        for name in imports(path)
        if within(name, ("awa",)) and not within(name, ROOMS[room])
    ]
    assert [] == wrong


def test_the_core_is_pure() -> None:
    """Guards decisions that tests can repeat: no clock, no chance, no I/O, no event loop."""
    allowed = (set(sys.stdlib_module_names) - IMPURE) | PURE_PACKAGES | {"awa"}
    wrong = [
        f"{named(path)} imports {name}"
        for path in python_files("src/awa/_core")
        for name in imports(path)
        if name.split(".")[0] not in allowed
    ]
    assert [] == wrong


def test_the_supervisor_needs_nothing_but_the_standard_library() -> None:
    """Guards its size: it stays in memory for as long as an embedded server runs."""
    needed = {name.split(".")[0] for name in imports(PACKAGE / "_embedded" / "supervisor.py")}
    assert set() == needed - set(sys.stdlib_module_names)


def attributes(path: Path) -> set[str]:
    """Return the names of all attributes that a file reads or sets."""
    return {node.attr for node in ast.walk(parsed(path)) if isinstance(node, ast.Attribute)}


def test_only_the_driver_touches_the_insides_of_psycopg() -> None:
    """Guards upgrades of psycopg: there is one place to look at."""
    assert [] == [
        f"{named(path)} imports {name}"
        for path in python_files("src")
        if path not in DRIVER
        for name in imports(path)
        if name.startswith(PSYCOPG_INSIDES)
    ]


def test_only_the_storage_knows_the_connection_below_the_connection() -> None:
    """Guards the layers: libpq's own object is documented, but it is nobody else's business."""
    storage = set(python_files("src/awa/_storage"))
    assert [] == [
        named(path)
        for path in python_files("src")
        if path not in storage and "pgconn" in attributes(path)
    ]
