"""Failures under --json: a program reads one object from standard output, whatever happens."""

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import awa
from awa.cli import main

NOBODY = "postgresql://nobody@127.0.0.1:1/none"
_NEEDS: dict[str, tuple[str, ...]] = {
    "job retry-failed": ("--all",),
    "queue set": ("--aging-s", "60"),
    "queue defaults": ("--dead-letters", "yes"),
    "dlq retry": ("--all",),
    "dlq move": ("--all",),
    "dlq purge": ("--all",),
}
_NO_DATABASE = {"bench", "dev", "worker", "tick"}
"""They start a server of their own, or load a program that names one."""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Walk through all commands that take --json."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        elif any("--json" in param.opts for param in command.params):
            yield (*path, name)


ALL = list(commands(main))


def arguments(path: tuple[str, ...]) -> tuple[str, ...]:
    """Answer what a command needs beside its options."""
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return tuple(
        "1" for one in command.params if isinstance(one, click.Argument) and one.required
    ) + _NEEDS.get(" ".join(path), ())


def run(*words: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, words, env={"DATABASE_URL": "", "AWA_SCHEMA": ""})


def error_of(result: Result) -> dict[str, Any]:
    """Answer the error that is alone on standard output; standard error has it for people."""
    assert result.stderr, result.output
    found = json.loads(result.stdout)
    assert ["error"] == list(found)
    error: dict[str, Any] = found["error"]
    assert error["message"]
    return error


def test_all_commands_are_walked() -> None:
    """Guards this file: of what it finds, these are some."""
    assert {("check",), ("job", "dump"), ("dlq", "purge"), ("bench",), ("health",)} <= {*ALL}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_command_line_that_cannot_be_read_is_json(path: tuple[str, ...]) -> None:
    """Guards every command: a wrong option is told like any other error, with exit code 2."""
    result = run(*path, "--json", "--nonsense")
    assert 2 == result.exit_code
    assert "NoSuchOption" == error_of(result)["type"]


@pytest.mark.parametrize(
    "path", [path for path in ALL if path[0] not in _NO_DATABASE], ids=" ".join
)
def test_a_server_that_is_not_there_is_json(path: tuple[str, ...]) -> None:
    """Guards every command: what may pass by itself has exit code 1, and names the error."""
    result = run(*path, *arguments(path), "--json", "--database-url", NOBODY)
    assert 1 == result.exit_code, result.output
    assert "ServerUnreachable" == error_of(result)["type"]


@pytest.mark.parametrize("command", ["worker", "tick"])
def test_a_program_that_is_not_there_is_json(command: str) -> None:
    """Guards the commands that load one: that is the caller's mistake."""
    result = run(command, "no_such_module:client", "--json")
    assert (2, "ConfigurationError") == (result.exit_code, error_of(result)["type"])


def test_an_unknown_command_is_json() -> None:
    """Guards the group: it fails before any command knows of --json."""
    for words in (("lits", "--json"), ("job", "lits", "--json")):
        result = run(*words)
        assert 2 == result.exit_code
        assert "lits" in error_of(result)["message"]


def test_without_json_nothing_is_on_standard_output() -> None:
    """Guards people: one line on standard error, as ever."""
    for words in (("job", "lits"), ("job", "list", "--database-url", NOBODY), ("check",)):
        assert "" == run(*words).stdout


def test_what_was_wrong_and_what_is_not_there_are_json(database: str) -> None:
    """Guards scripts: a mistake names its field, what could not be done says why, once."""
    place = ("--json", "--database-url", database)
    wrong = run("job", "cancel", "0", *place)
    assert (2, "InvalidInput") == (wrong.exit_code, error_of(wrong)["type"])
    assert "job_id" == error_of(wrong)["field"]
    for words in (("job", "dump", "7"), ("job", "dump-run", "7")):
        absent = run(*words, *place)
        assert (1, "NotDone") == (absent.exit_code, error_of(absent)["type"])
    with awa.Client(database) as client:
        job = client.insert({}, kind="k").id
        client.cancel(job)
    refused = run("job", "cancel", str(job), *place)
    assert (1, "stale") == (refused.exit_code, json.loads(refused.stdout)["answer"])
