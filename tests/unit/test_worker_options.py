"""A worker takes the same options wherever it is started."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import awa
from awa._client.bursts import burst_of_tick
from awa._client.worker_options import WorkerOptions, settings_of
from awa._client.working import work
from awa.cli.tick import ONLY_OF_A_WORKER, tick
from awa.cli.worker import worker

SAID_ELSEWHERE = {"self", "client", "queues", "timeout_ms", "started"}


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the names and defaults of what may be said about a worker."""
    parameters = inspect.signature(function).parameters
    return {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in SAID_ELSEWHERE
    }


def test_every_way_to_start_a_worker_takes_the_same_options() -> None:
    """Guards an option that only one of the ways offers, or takes otherwise."""
    assert options_of(awa.AsyncClient.start).keys() == options_of(work).keys()
    assert options_of(awa.AsyncClient.start) == options_of(awa.Client.run_worker)


def test_the_command_offers_every_option_with_the_same_default() -> None:
    """Guards `awa worker`: what programs can say, the command line can."""
    settings = settings_of([("q", 1)], {}, conninfo="", direct_conninfo=None, schema="awa")
    defaults = {parameter.name: parameter.default for parameter in worker.params}
    assert settings.retention.completed_s == defaults["keep_completed_s"]
    assert settings.retention.finals_s == defaults["keep_failed_s"]
    assert settings.retention.dead_letters_s == defaults["keep_dead_letters_s"]
    assert settings.retention.slot_s == defaults["slot_s"]
    assert settings.retention.slot_entries == defaults["slot_entries"]
    assert settings.poll_s * 1000 == defaults["poll_interval_ms"]
    options = WorkerOptions.__annotations__.keys() - {"retention"}
    assert options <= defaults.keys()
    for name in options - {"poll_interval_ms"}:
        value = getattr(settings, name)
        assert value is None or value == defaults[name]


def test_a_tick_has_every_option_of_a_worker_that_can_mean_anything_to_it() -> None:
    """Guards what workers keep: a tick that leads beside them is told the same, by the same."""
    of_tick = {option.name: option for option in tick.params}
    assert {"budget_s", "as_json"} <= of_tick.keys()
    shared = {option.name: option for option in worker.params if option.name in of_tick}
    assert {option.name for option in worker.params} - ONLY_OF_A_WORKER == shared.keys()
    own = {name for name, option in shared.items() if of_tick[name] is not option}
    assert {"timeout_ms", "as_json"} == own


@pytest.mark.parametrize("field", ["completed_s", "slot_s", "finals_s", "dead_letters_s"])
def test_a_retention_is_checked_when_it_is_made(field: str) -> None:
    """Guards the leader: what it would fail at is refused before a worker starts."""
    with pytest.raises(awa.InvalidInput, match=field):
        awa.Retention(**{field: -1.0})  # type: ignore[arg-type]  # any of its fields
    with pytest.raises(awa.InvalidInput, match="slot_entries"):
        awa.Retention(slot_entries=0)


@pytest.mark.parametrize(
    ("field", "wrong"), [("retention", {"completed_s": 3}), ("retention", None), ("health_host", 5)]
)
def test_options_of_another_type_are_refused(field: str, wrong: Any) -> None:
    """Guards the leader and the health port: neither fails later at what was said at the start."""
    said: Any = {field: wrong}
    with pytest.raises(awa.InvalidInput, match=f"{field}: must be"):
        settings_of([("q", 1)], said, conninfo="", direct_conninfo=None, schema="awa")


def test_a_tick_without_time_is_refused() -> None:
    """Guards a budget of 0, which would be told as a database that does not answer."""
    assert burst_of_tick(0.1).timeout_s == 0.1
    with pytest.raises(awa.InvalidInput, match=r"is 0\.0 seconds; it must be 0\.1 at least"):
        burst_of_tick(0)
