"""What becomes of arguments of a wrong type: every public method, and every argument of it."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import psycopg
import pytest

import awa
from awa import bridge
from awa._core.options import OPTIONS


@dataclass
class Order:
    """A job of these tests."""

    number: int


WRONG: Final = (None, 5, 10**400, "x\0", "\ud800", b"\xff", object(), [5], {1: 2}, Order)
RIGHT: Final[Mapping[str, Any]] = {
    "args": Order(1),
    "args_type": Order,
    "cron": "0 * * * *",
    "dead_letters": False,
    "job_id": 1,
    "jobs": [Order(1)],
    "kind": "order",
    "name": "hourly",
    "query": "select 1",
    "queue": "default",
}
NEEDED: Final[Mapping[str, Mapping[str, Any]]] = {
    "cancel_by_unique_key": {"args": Order(1)},
    "configure_queue": {"deadline": 5},
    "dlq_move_many": {"kind": "order"},
    "dlq_purge_many": {"kind": "order"},
    "dlq_retry_many": {"kind": "order"},
    "override_queue": {"weight": 1},
    "periodic": {"cron": "0 * * * *"},
    "put_schedule": {"cron": "0 * * * *"},
    "retry_failed": {"kind": "order"},
}
RUNS_A_WORKER: Final = {"run_worker", "run_until_drained", "tick"}
"""What is wrong with a worker's options: `tests/unit/test_worker_options.py`."""
SAYS_NOTHING: Final = {"asynchronous", "close"}


def wrong_calls(
    function: Callable[..., Any], given: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each call with one argument that is wrong, under a name that says so."""
    told = {**given}
    names: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            names += [*OPTIONS, "nonsense"]
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            names.append(parameter.name)
            if parameter.default is parameter.empty and parameter.name not in told:
                told[parameter.name] = RIGHT[parameter.name]
    for name in names:
        for wrong in WRONG:
            where = f"{getattr(function, '__name__', function)}({name}={wrong!r:.30})"
            yield where, {**told, name: wrong}


def blames(where: str, call: Callable[[], Any]) -> str | None:
    """What is wrong with how a call failed, if it did: nobody is told that it was the caller."""
    try:
        call()
    except awa.CallerError:
        return None
    except Exception as error:  # noqa: BLE001  # whatever it is, it is not the caller's
        return f"{where}: {error!r:.120}"
    return None


def test_a_wrong_argument_of_any_method_is_the_callers(database: str) -> None:
    """Guards everybody who slips: an error from within says neither whose fault nor what to do."""
    found: list[str | None] = []
    with awa.Client(database) as client:
        for name in dir(client):
            method = getattr(client, name)
            if name.startswith("_") or name in RUNS_A_WORKER | SAYS_NOTHING or not callable(method):
                continue
            for where, options in wrong_calls(method, NEEDED.get(name, {})):
                found.append(blames(where, partial(method, **options)))
    assert len(found) > 1000
    assert [] == [one for one in found if one is not None]


async def test_so_is_one_of_a_transaction(database: str) -> None:
    """Guards the other ways to store a job: over a client's transaction, and one's own."""
    found: list[str | None] = []
    async with awa.AsyncClient(database) as client:
        for name in ("insert", "insert_many"):
            for where, options in wrong_calls(getattr(awa.Transaction, name), {"self": None}):
                options.pop("self")
                try:
                    async with client.transaction() as tx:
                        await getattr(tx, name)(**options)
                except awa.CallerError:
                    pass
                except Exception as error:  # noqa: BLE001  # whatever it is
                    found.append(f"{where}: {error!r:.120}")
        async with client.transaction() as tx:
            wrong: Any
            for wrong in WRONG[:3]:
                for run in (tx.execute, tx.fetch_all):
                    with pytest.raises(awa.InvalidInput, match="query: must be a string"):
                        await run(wrong)
    with psycopg.connect(database, autocommit=True) as conn:
        for where, options in wrong_calls(bridge.insert_job_sync, {"connection": conn}):
            said = blames(where, partial(bridge.insert_job_sync, **options))
            found += [] if said is None else [said]
    assert [] == found


def test_so_is_one_of_a_handlers_transaction_in_a_thread(database: str) -> None:
    """Guards handlers in threads: the list is read there, before the loop sees it."""
    with awa.Client(database) as client:

        @client.task(Order, max_attempts=1)
        def several(job: awa.Job[Order]) -> None:
            wrong: Any = job.args.number
            with job.transaction() as tx:
                tx.insert_many(wrong)

        handle = client.insert(Order(5))
        assert 1 == client.run_until_drained().failed
        found = client.get_job(handle.id)
        assert found is not None
        assert "jobs: must be a list of arguments, not 5" == found.errors[-1]["error"]
        for budget in ({"timeout_s": 0}, {"timeout_s": 0.05}):
            with pytest.raises(awa.InvalidInput, match=r"timeout_s: .* 0\.1 at least"):
                client.run_until_drained(**budget)


@pytest.mark.parametrize("wrong", ["\ud800", "x\0", "", 5])
def test_so_is_one_of_a_client(wrong: Any) -> None:
    """Guards the first line of every program."""
    for name in ("schema", "direct_url", "namespace", "url"):
        if name == "direct_url" and wrong == "":
            continue  # none
        if name == "url" and wrong in {"", "x\0"}:
            continue  # DATABASE_URL counts then; libpq reads up to the NUL
        with pytest.raises(awa.CallerError):
            awa.Client(**{"url": "postgresql://nobody/asks", name: wrong})
