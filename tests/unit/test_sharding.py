import dataclasses
import inspect
from collections import Counter
from typing import Any, cast

import pytest

import awa
from awa._client.queues import checked_queues
from awa._core.options import new_job
from awa._core.sharding import ordering_shard, partition_of
from awa.errors import InvalidInput
from tests.vectors import claim_of, vectors


@pytest.mark.parametrize("vector", vectors("sharding", "shards"), ids=claim_of)
def test_shards_are_those_of_every_language(vector: dict[str, Any]) -> None:
    """Guards order among producers: one key is one shard, whoever stores the job."""
    for shards, expected in vector["shards"].items():
        assert expected == ordering_shard(vector["key"], int(shards))
        assert expected == int(vector["hash"]) % int(shards)


@pytest.mark.parametrize("vector", vectors("sharding", "partitions"), ids=claim_of)
def test_partitions_are_those_of_every_release(vector: dict[str, Any]) -> None:
    """Guards order among producers: one key is one queue of a fan-out."""
    for partitions, expected in vector["partitions"].items():
        assert expected == partition_of(vector["key"], int(partitions))


def test_keys_spread_over_partitions_and_their_shards() -> None:
    """Guards against one hash for both: within a partition the keys still use every shard."""
    places = Counter(
        (partition_of(f"customer-{n}", 4), ordering_shard(f"customer-{n}", 4)) for n in range(1600)
    )
    assert 16 == len(places)
    assert min(places.values()) > 60


def test_a_fanout_routes_keys_and_ordinals() -> None:
    """Guards the routes: what they answer is what `insert` takes."""
    orders = awa.QueueFanout("orders", 4)
    assert ("orders", "orders__p1", "orders__p2", "orders__p3") == orders.queues
    assert {orders.queue_for_key(f"customer-{n}") for n in range(50)} == set(orders.queues)
    route = orders.route_by_key("customer-7")
    assert {"queue": orders.queue_for_key("customer-7"), "ordering_key": "customer-7"} == route
    assert route == orders.route_by_key(b"customer-7")
    assert b'"ordering_key":"customer-7"' in new_job({}, {"kind": "k", **route}).opts
    assert ["orders", "orders__p1", "orders"] == [orders.queue_for_index(n) for n in (0, 1, 4)]
    assert {"queue": "orders__p3"} == orders.route_by_index(7)


def test_a_fanout_tells_a_worker_its_queues() -> None:
    """Guards the worker's side: `start` takes what it says."""
    configs = awa.QueueFanout("orders", 2).queue_configs(max_workers_per_partition=8)
    assert (("orders", 8), ("orders__p1", 8)) == checked_queues(configs).workers()
    shared = awa.QueueFanout("orders", 2).queue_configs(min_workers_per_partition=1, weight=3)
    chosen = checked_queues([*shared, {"name": "b"}], global_max_workers=4)
    assert (("orders", 3), ("orders__p1", 3), ("b", 2)) == chosen.workers()


def test_a_fanout_has_every_field_of_a_queue_of_a_worker() -> None:
    """Guards knobs: what one queue can be told each queue of a fan-out can be, under its name."""
    fields = {field.name for field in dataclasses.fields(awa.QueueConfig)} - {"name"}
    fanout = awa.QueueFanout("orders", 2)
    for told in inspect.signature(fanout.queue_configs).parameters:
        field = told.removesuffix("_per_partition")
        tell = cast("Any", fanout.queue_configs)
        assert [7, 7] == [getattr(config, field) for config in tell(**{told: 7})]
        fields.remove(field)
    assert set() == fields


def test_a_fanout_of_one_is_the_queue_itself() -> None:
    """Guards starting small: nothing is renamed when the width is 1."""
    assert ("orders",) == awa.QueueFanout("orders", 1).queues
    assert "orders" == awa.QueueFanout("orders", 1).queue_for_key("any")


def test_a_fanout_may_be_over_queues_that_have_names() -> None:
    """Guards queues that are there already: their order decides."""
    named = awa.QueueFanout.from_physical_queues(["b", "a"])
    assert ("b", "a") == named.queues
    assert "a" == named.queue_for_index(1)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: awa.QueueFanout("", 2), "logical_queue"),
        (lambda: awa.QueueFanout("q" * 198, 2), "logical_queue"),
        (lambda: awa.QueueFanout("q", 0), "partitions"),
        (lambda: awa.QueueFanout("q", 501), "partitions"),
        (lambda: awa.QueueFanout.from_physical_queues([]), "queues"),
        (lambda: awa.QueueFanout.from_physical_queues(["a", "a"]), "queues"),
        (lambda: awa.QueueFanout.from_physical_queues("ab"), "queues"),
        (lambda: awa.QueueFanout.from_physical_queues(cast("Any", 5)), "queues"),
        (lambda: awa.QueueFanout.from_physical_queues(cast("Any", [5])), "queues"),
        (lambda: awa.QueueFanout("q", 2).queue_for_key(""), "ordering_key"),
        (lambda: awa.QueueFanout("q", 2).queue_for_index(-1), "index"),
        (
            lambda: checked_queues(
                awa.QueueFanout("q", 1).queue_configs(max_workers_per_partition=0)
            ),
            "max_workers",
        ),
    ],
)
def test_a_wrong_fanout_is_named(make: Any, field: str) -> None:
    """Guards deployments: a name that no queue can have is told before anything is stored."""
    with pytest.raises(InvalidInput) as caught:
        make()
    assert field == caught.value.field
