"""What a worker is told of its queues: every form of it, and everything that can be wrong."""

from typing import Any, cast

import pytest

import awa
from awa._client.queues import checked_queues
from awa._client.worker_options import WorkerOptions, settings_of
from awa._core.throttling import Rate
from awa._core.tuning import QueueOverrides, Tuning
from awa.cli.target import chosen_queues


def tuning(**fields: Any) -> Tuning:
    """Return what a worker holds to in a queue of its own with these fields."""
    return checked_queues([{"name": "q", "max_workers": 2, **fields}]).tunings["q"]


def problems_of(queues: Any, **options: Any) -> str:
    """Return what is said of a configuration with something wrong."""
    given = cast("WorkerOptions", options)
    with pytest.raises(awa.InvalidInput) as refused:
        settings_of(queues, given, conninfo="", direct_conninfo=None, schema="awa")
    return str(refused.value)


def test_a_queue_of_its_own_has_all_its_handlers() -> None:
    """Guards the mode without a shared pool, where max_workers is all there is to say."""
    assert Tuning(max_workers=2) == tuning()
    chosen = tuning(claim_batch_size=10, poll_interval_ms=50)
    assert (10, 0.05) == (chosen.claim_batch, chosen.poll_s)


def test_queues_that_share_have_what_is_guaranteed_and_the_pool() -> None:
    """Guards weighted mode: what one queue may reach is its own permits and all that is shared."""
    queues: list[Any] = [{"name": "a", "min_workers": 2, "weight": 3}, {"name": "b"}]
    chosen = checked_queues(queues, global_max_workers=8)
    assert Tuning(max_workers=8, guaranteed=2, weight=3) == chosen.tunings["a"]
    assert Tuning(max_workers=6) == chosen.tunings["b"]


def test_a_queue_that_shares_may_have_a_bound_of_its_own() -> None:
    """Guards max_workers in weighted mode: a part of what is shared, also given as a pair."""
    queues: list[Any] = [("a", 3), {"name": "b", "min_workers": 1, "max_workers": 90}]
    chosen = checked_queues(queues, global_max_workers=8)
    assert Tuning(max_workers=3) == chosen.tunings["a"]
    assert Tuning(max_workers=8, guaranteed=1) == chosen.tunings["b"]


def test_a_rate_has_a_burst_of_a_second_unless_it_is_given() -> None:
    """Guards rate_limit in both forms, and slow rates: a burst is one job at least."""
    assert Rate(per_s=2.5, burst=3) == tuning(rate_limit=2.5).rate
    assert Rate(per_s=0.1, burst=1) == tuning(rate_limit=0.1).rate
    assert Rate(per_s=100.0, burst=5) == tuning(rate_limit=(100, 5)).rate


def test_what_the_database_keeps_of_a_queue_is_set_apart() -> None:
    """Guards deadline and aging: they hold for all workers, so they are stored."""
    config = awa.QueueConfig(
        name="q", max_workers=1, deadline_duration_ms=1500, priority_aging_interval_ms=0
    )
    assert {"deadline_s": 1.5, "aging_s": 0.0} == checked_queues([config]).declared["q"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_workers", 0),
        ("max_workers", 10_001),
        ("min_workers", 1),
        ("weight", 1),
        ("rate_limit", 0),
        ("rate_limit", -1),
        ("rate_limit", float("nan")),
        ("rate_limit", "fast"),
        ("rate_limit", (10, 0)),
        ("rate_limit", (10, 1, 1)),
        ("claim_batch_size", 0),
        ("claim_batch_size", 1001),
        ("claimers", 9),
        ("poll_interval_ms", 0),
        ("deadline_duration_ms", -1),
        ("priority_aging_interval_ms", 0.5),
    ],
)
def test_a_field_out_of_bounds_is_named_with_its_queue(field: str, value: Any) -> None:
    """Guards start: each error says which field of which queue, and what is wrong with it."""
    with pytest.raises(awa.InvalidInput, match=rf"^{field}.*\(queue 'q'\)"):
        tuning(**{field: value})


def test_the_command_line_says_the_same_of_queues() -> None:
    """Guards `awa worker --queue`: by name, by number, by JSON, and in a shared pool."""
    client = awa.AsyncClient("postgresql://nowhere/db")
    words = ("a", "b=3", '{"name": "c", "rate_limit": [5, 10]}', '{"name": "d", "max_workers": 1}')
    chosen = chosen_queues(client, words, 7, {})
    assert [("a", 7), ("b", 3), ("c", 7), ("d", 1)] == [*chosen.workers]
    assert Rate(per_s=5.0, burst=10) == checked_queues(chosen.choices).tunings["c"].rate
    shared = ("a", '{"name": "b", "min_workers": 2, "weight": 3}')
    chosen = chosen_queues(client, shared, 7, {"global_max_workers": 6})
    assert [("a", 4), ("b", 6)] == [*chosen.workers]
    with pytest.raises(awa.InvalidInput, match="is no JSON object"):
        chosen_queues(client, ('{"name": ',), 7, {})


def test_one_error_tells_everything_that_is_wrong() -> None:
    """Guards the one who configures: no second start is needed to hear of the second mistake."""
    told = problems_of(
        [("a", 0), {"name": "b", "max_workers": 1, "weight": 2}, ("a", 1), {"name": "c"}, 5],
        poll_interval_ms=0,
        grace_s=-1,
        health_port=-1,
        colour="red",
    )
    assert told.startswith("worker: 9 things are wrong")
    for field in (
        "max_workers: (queue 'a') is 0",
        "weight: (queue 'b') needs global_max_workers",
        "queues: names 'a' more than once",
        "max_workers: (queue 'c') is needed",
        "queues: has 5",
        "poll_interval_ms: is 0",
        "grace_s: is -1",
        "health_port: is -1",
        "colour: is no option",
    ):
        assert field in told


def test_a_pool_has_to_be_large_enough_for_what_is_guaranteed() -> None:
    """Guards weighted mode: nothing is guaranteed that cannot be had."""
    told = problems_of([{"name": "b", "max_workers": 1, "min_workers": 2}], global_max_workers=4)
    assert "max_workers: (queue 'b') is 1, and min_workers 2" in told
    assert "min_workers of all queues together 5" in problems_of(
        [{"name": "a", "min_workers": 3}, {"name": "b", "min_workers": 2}], global_max_workers=4
    )


def test_overrides_stand_in_for_what_the_program_said() -> None:
    """Guards operators: what they say holds, and only that."""
    said = Tuning(max_workers=5, weight=2, rate=Rate(per_s=10, burst=10))
    assert said == QueueOverrides().over(said)
    assert Tuning(max_workers=1, weight=2, rate=Rate(per_s=10, burst=3)) == QueueOverrides.of(
        {"max_workers": 1, "burst": 3, "deadline_s": 5}
    ).over(said)
    changed = QueueOverrides.of(
        {"weight": 9, "rate": 0.5, "claim_batch_size": 7, "poll_interval_ms": 1000}
    ).over(said)
    assert (
        Tuning(max_workers=5, weight=9, claim_batch=7, poll_s=1.0, rate=Rate(per_s=0.5, burst=1))
        == changed
    )


def test_to_clear_overrides_is_yes_or_no() -> None:
    """Guards a word that is taken for a yes: nothing is taken back by mistake."""
    wrong: Any = "no"
    with pytest.raises(awa.InvalidInput, match="clear: must be True or False, not 'no'"):
        awa.Client("postgresql://nowhere/x").override_queue("q", max_workers=1, clear=wrong)
