"""The derivations in SQL, held against the same vectors as Python's."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from awa._core.sharding import ordering_shard
from awa._core.unique import unique_key
from tests.fix_database import Session
from tests.fix_sql import refused, value
from tests.vectors import blake3_input, vectors

UNIQUE_KEY = "select awa.unique_key(%s, %s, %s, %s)"
# The database is asked, not written to: one for all examples.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


def test_blake3_in_sql_is_blake3(one: Session) -> None:
    """Guards the hash: blocks, chunks and trees of every shape."""
    known = {v["input_len"]: v["hash"] for v in vectors("blake3", "hashes")}
    asked = "select awa.blake3(%s)"
    assert known == {n: value(one, asked, [blake3_input(n)]).hex() for n in known}


def test_keys_in_sql_are_those_of_every_language(one: Session) -> None:
    """Guards jobs stored from SQL and from Python: the same choice is the same 16 bytes."""
    for vector in vectors("unique_key", "keys"):
        args = None if vector["args"] is None else Jsonb(vector["args"])
        params = [vector["kind"], args, vector["queue"], vector["period_bucket"]]
        assert vector["key"] == value(one, UNIQUE_KEY, params).hex(), vector["claim"]


def test_what_languages_print_differently_enters_no_key(one: Session) -> None:
    """Guards the same refusals as Python's, and the same field."""
    for vector in vectors("unique_key", "refused"):
        with refused("AW001", vector["field"]):
            value(one, UNIQUE_KEY, ["k", Jsonb(vector["args"]), None, None])


def test_a_key_needs_a_kind(one: Session) -> None:
    """Guards against keys of jobs that cannot be."""
    for kind in (None, "", "k" * 201):
        with refused("AW001", "kind"):
            value(one, "select awa.unique_key(%s)", [kind])


@given(args=st.dictionaries(TEXT, JSON, max_size=5))
@SHARED
def test_python_and_sql_write_any_arguments_alike(one: Session, args: dict[str, Any]) -> None:
    """Guards escapes and the order of keys beyond the vectors."""
    assert unique_key("k", args=args) == value(one, UNIQUE_KEY, ["k", Jsonb(args), None, None])


def test_shards_in_sql_are_those_of_every_language(one: Session) -> None:
    """Guards order among producers: 64 bits wrap as elsewhere, without a sign."""
    asked = "select awa.ordering_shard(%s, %s)"
    for vector in vectors("sharding", "shards"):
        found = {n: value(one, asked, [vector["key"], int(n)]) for n in vector["shards"]}
        assert vector["shards"] == found


@given(key=TEXT, shards=st.integers(1, 64))
@SHARED
def test_python_and_sql_choose_the_same_shard(one: Session, key: str, shards: int) -> None:
    """Guards order among producers beyond the vectors."""
    found = value(one, "select awa.ordering_shard(%s, %s)", [key, shards])
    assert ordering_shard(key, shards) == found


def test_a_number_of_shards_that_no_queue_has_is_refused(one: Session) -> None:
    """Guards the bound that the settings have as well."""
    for shards in (0, -1, 65):
        with refused("AW001", "shards"):
            value(one, "select awa.ordering_shard('k', %s)", [shards])
