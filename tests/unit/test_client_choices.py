"""What clients are told: database, queues, handlers."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
import trio

import awa
from awa._client.queues import checked_queues
from awa._client.urls import direct_of, target_of
from awa.errors import ConfigurationError, InvalidInput


def test_without_a_url_the_error_names_both_ways_to_give_one() -> None:
    """Guards production: an embedded server is never started because a variable is missing."""
    with pytest.raises(ConfigurationError, match=r"URL.*embedded://NAME.*DATABASE_URL"):
        target_of(None, {})


def test_an_explicit_url_wins_over_the_environment() -> None:
    """Guards scripts: what is written in the code is meant."""
    environment = {"DATABASE_URL": "postgresql://elsewhere/db"}
    assert "postgresql://here/db" == target_of("postgresql://here/db", environment).conninfo
    assert "postgresql://elsewhere/db" == target_of(None, environment).conninfo
    assert "demo" == target_of("embedded://demo", environment).embedded


def test_a_url_of_another_database_is_refused() -> None:
    """Guards typing errors: the message says how a URL begins."""
    with pytest.raises(ConfigurationError, match=r"mysql://.*postgresql://"):
        target_of("mysql://localhost/db")


def test_a_way_past_the_pooler_is_a_servers_url_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards `direct_url`: an empty one is none, and no variable takes its place."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://pool/db")
    assert (None, None) == (direct_of(None), direct_of(""))
    assert "postgresql://here/db" == direct_of("postgresql://here/db")
    with pytest.raises(ConfigurationError, match="no pooler"):
        direct_of("embedded://demo")


@pytest.mark.parametrize("url", ["garbage", "postgresql://here/db?no_such_option=1"])
def test_a_malformed_connection_string_is_refused(url: str) -> None:
    """Guards start-up: the mistake is told when the client is made, not when it first connects."""
    with pytest.raises(ConfigurationError, match=r"malformed.*write postgresql://USER@HOST"):
        target_of(url)


def test_a_password_is_not_told_with_what_is_malformed() -> None:
    """Guards logs: the server's library quotes the whole string."""
    with pytest.raises(ConfigurationError, match="malformed") as refused:
        target_of("postgresql://me:secret@[::1/db")
    assert "secret" not in str(refused.value)


def test_values_of_another_type_are_refused() -> None:
    """Guards callers without a type checker: an error of Awa's that names what is wrong."""
    anything: Any = 5
    with pytest.raises(ConfigurationError, match="URL must be a string"):
        awa.AsyncClient(anything)
    with pytest.raises(ConfigurationError, match="schema name must be a string"):
        awa.AsyncClient("postgresql://nowhere/db", schema=anything)
    with pytest.raises(InvalidInput, match=r"^handler: must be a function"):
        awa.AsyncClient("postgresql://nowhere/db").task(SMTPEmail)(anything)


@pytest.mark.parametrize(
    "queues",
    [
        [],
        "email",
        ["email"],
        [("email",)],
        [("email", 0)],
        [("email", 1.5)],
        [("email", True)],
        [("", 1)],
        [("x" * 201, 1)],
        [("a\0b", 1)],
        [("email", 1), ("email", 2)],
        [{"name": "email"}],
        [{"name": "email", "max_workers": 1, "typo": 2}],
        [(f"q{n}", 1) for n in range(501)],
        [("email", None)],
        [None],
        None,
    ],
)
def test_a_bad_choice_of_queues_is_refused(queues: Any) -> None:
    """Guards start: each mistake has a message that names the field."""
    with pytest.raises(InvalidInput, match=r"^(queues|queue|max_workers):"):
        checked_queues(queues)


def test_queues_are_pairs_dictionaries_or_values() -> None:
    """Guards all forms users know."""
    third = awa.QueueConfig(name="c", max_workers=4)
    chosen = checked_queues([("a", 2), {"name": "b", "max_workers": 3}, third])
    assert (("a", 2), ("b", 3), ("c", 4)) == chosen.workers()


@dataclass
class SMTPEmail:
    """Arguments with a name of two words."""

    to: str


def test_a_kind_has_one_handler() -> None:
    """Guards surprises: the second registration is the mistake, not the one that counts."""
    client = awa.AsyncClient("postgresql://nowhere/db")
    client.task(SMTPEmail)(print)
    with pytest.raises(InvalidInput, match="kind: 'smtp_email' already has a handler, print:"):
        client.task(SMTPEmail)(print)


def test_a_mapping_needs_a_kind() -> None:
    """Guards against a kind named dict."""
    client = awa.AsyncClient("postgresql://nowhere/db")
    with pytest.raises(InvalidInput, match="kind: is needed"):
        client.task(dict)
    client.task(dict, kind="anything", queue="q")(print)
    assert ("q",) == client.handled_queues()


async def test_a_client_that_is_not_open_says_how_to_open_it() -> None:
    """Guards the first minute."""
    with pytest.raises(ConfigurationError, match="async with client"):
        await awa.AsyncClient("postgresql://nowhere/db").queue_stats()


async def test_a_worker_of_the_synchronous_client_does_not_run_inside_of_trio() -> None:
    """Guards a wrong turn: the error names the client that works there."""
    await trio.lowlevel.checkpoint()
    client = awa.Client("postgresql://nowhere/db")
    for run in (client.tick, client.run_until_drained, lambda: client.run_worker([("q", 1)])):
        with pytest.raises(ConfigurationError, match="blocks, and here runs trio: use AsyncClient"):
            run()


def test_bursts_need_trio_and_say_so() -> None:
    """Guards programs under asyncio: a worker that ends by itself is a worker as well."""

    async def tick() -> None:
        async with awa.AsyncClient("postgresql://nowhere/db") as client:
            await client.tick([("q", 1)])

    with pytest.raises(ConfigurationError, match="a worker runs on trio"):
        asyncio.run(tick())
