import re
from datetime import timedelta
from typing import Any

import blake3
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import awa
from awa._core.canonical import canonical_json
from awa._core.entries import JobState
from awa._core.lifecycle import FINAL, LIVE
from awa._core.options import new_job
from awa._core.unique import checked_unique, missing_states, unique_key
from awa.errors import InvalidInput
from tests.vectors import FOLDER, blake3_input, claim_of, vectors

LIVING = sorted(LIVE)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def stored(unique: object = True, args: object = None, **options: object) -> dict[str, Any]:
    """Return what an insert of these options sends as `unique`."""
    job = new_job(args or {"n": 1}, {"kind": "k", "unique": unique, **options})
    found: dict[str, Any] = msgspec.json.decode(job.opts)["unique"]
    return found


def refused(unique: object, args: object = None) -> InvalidInput:
    """Return the error that this uniqueness gets."""
    with pytest.raises(InvalidInput) as caught:
        new_job(args or {"n": 1}, {"kind": "k", "unique": unique})
    return caught.value


@pytest.mark.parametrize("vector", vectors("blake3", "hashes"), ids=claim_of)
def test_the_hash_is_blake3(vector: dict[str, Any]) -> None:
    """Guards the vectors that SQL is held against: the package gives the same."""
    assert vector["hash"] == blake3.blake3(blake3_input(vector["input_len"])).hexdigest()


def test_the_hash_of_nothing_is_the_published_one() -> None:
    """Guards the package itself: the first of BLAKE3's own test vectors."""
    published = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert published == vectors("blake3", "hashes")[0]["hash"]


@pytest.mark.parametrize("vector", vectors("unique_key", "keys"), ids=claim_of)
def test_keys_are_those_of_every_language(vector: dict[str, Any]) -> None:
    """Guards jobs stored by others: the same choice is the same 16 bytes, for ever."""
    key = unique_key(
        vector["kind"],
        args=vector["args"],
        queue=vector["queue"],
        period_bucket=vector["period_bucket"],
    )
    assert vector["key"] == key.hex()
    if "canonical" in vector:
        assert vector["canonical"] == canonical_json("args", vector["args"])


@pytest.mark.parametrize("vector", vectors("unique_key", "refused"), ids=claim_of)
def test_what_languages_print_differently_enters_no_key(vector: dict[str, Any]) -> None:
    """Guards jobs stored by others: a key that another language would not find is refused."""
    error = refused(unique=True, args=vector["args"])
    assert vector["field"] == error.field


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"a": {1: 2}}, "args.a"),
        ({"a": [object()]}, "args.a[0]"),
        ({"a\0": 1}, "args"),
        ({"a": "\0"}, "args.a"),
        ({"a": "\ud800"}, "args.a"),
        ({"\udfff": 1}, "args"),
    ],
)
def test_what_json_cannot_carry_enters_no_key(value: object, field: str) -> None:
    """Guards callers who compute a key from values of their own."""
    with pytest.raises(InvalidInput) as caught:
        unique_key("k", args=value)
    assert field == caught.value.field


@given(st.dictionaries(st.text(), JSON))
def test_the_canonical_text_is_the_value_and_nothing_else(value: dict[str, Any]) -> None:
    """Guards the derivation: it reads back as the same, whatever order it was built in."""
    if "\\u0000" in msgspec.json.encode(value).decode():
        return
    text = canonical_json("args", value)
    assert value == msgspec.json.decode(text)
    assert text == canonical_json("args", dict(reversed(value.items())))


def test_the_page_shows_what_the_vectors_hold() -> None:
    """Guards docs/derivations.md: every hash and every h on it is one of the vectors'."""
    page = (FOLDER.parents[1] / "docs" / "derivations.md").read_text()
    files = "".join(path.read_text() for path in FOLDER.glob("vectors_*.json"))
    shown = re.findall(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{32}|\d{19,20})(?![0-9a-f])", page)
    offset = "14695981039346656037"
    assert 12 < len(shown)
    assert [] == [number for number in shown if number not in files and number != offset]


def test_a_unique_job_is_its_kind_and_arguments_until_it_has_finished() -> None:
    """Guards the defaults of `unique=True`."""
    key = unique_key("k", args={"n": 1}).hex()
    assert {"key": key, "until": "finished"} == stored()
    assert stored() == stored({}) == stored(awa.UniqueOpts())
    assert b"{}" == new_job({"n": 1}, {"kind": "k", "unique": False}).opts


def test_what_was_chosen_enters_the_key() -> None:
    """Guards each part: queue, period of one's own, the kind alone."""
    assert (
        unique_key("k", args={"n": 1}, queue="q").hex()
        == stored({"by_queue": True}, queue="q")["key"]
    )
    assert (
        unique_key("k", args={"n": 1}, queue="default").hex() == stored({"by_queue": True})["key"]
    )
    assert unique_key("k").hex() == stored({"by_args": False})["key"]
    by_period = {"by_args": False, "by_period": 478236}
    assert unique_key("k", period_bucket=478236).hex() == stored(by_period)["key"]


def test_the_database_counts_the_periods() -> None:
    """Guards one clock: with a period the key is derived where the job is stored."""
    hourly = awa.UniqueOpts(period=timedelta(hours=1), until="window")
    assert {"by": ["args"], "period_s": 3600, "until": "window"} == stored(hourly)
    daily = awa.UniqueOpts(by_args=False, by_queue=True, period=86400)
    assert {"by": ["queue"], "period_s": 86400, "until": "finished"} == stored(daily)
    assert "args.n" == refused(hourly, {"n": 1.5}).field


def test_each_job_of_a_batch_has_its_own_key_beside_the_same_options() -> None:
    """Guards batches: options are read once, keys are not."""
    job = new_job({"n": 1}, {"kind": "k", "priority": 1, "unique": True, "on_conflict": "skip"})
    assert {
        "priority": 1,
        "on_conflict": "skip",
        "unique": {"key": unique_key("k", args={"n": 1}).hex(), "until": "finished"},
    } == msgspec.json.decode(job.opts)


@pytest.mark.parametrize(
    ("unique", "field", "problem"),
    [
        ("args", "unique", "UniqueOpts"),
        (1, "unique", "UniqueOpts"),
        ({"by_kind": True}, "unique.by_kind", "is not known"),
        ({"by_args": 1}, "unique.by_args", "boolean"),
        ({"by_queue": "q"}, "unique.by_queue", "boolean"),
        ({"period": 0}, "unique.period", "from 1 to 3153600000"),
        ({"period": 1.5}, "unique.period", "whole seconds"),
        ({"period": timedelta(milliseconds=1500)}, "unique.period", "whole seconds"),
        ({"period": timedelta(seconds=-60)}, "unique.period", "from 1 to"),
        ({"period": float("nan")}, "unique.period", "from 1 to"),
        ({"period": float("inf")}, "unique.period", "from 1 to"),
        ({"period": True}, "unique.period", "timedelta or seconds"),
        ({"period": "hour"}, "unique.period", "timedelta or seconds"),
        ({"by_period": 1.0}, "unique.by_period", "integer"),
        ({"by_period": 2**63}, "unique.by_period", "64 bits"),
        ({"by_period": 7, "period": 60}, "unique.by_period", "contradicts"),
        ({"until": "ended"}, "unique.until", "started, finished, window"),
        ({"until": "window"}, "unique.period", "is needed"),
        ({"until": "window", "by_period": 7}, "unique.period", "is needed"),
        ({"until": "finished", "states": LIVING}, "unique.states", "contradicts"),
        ({"states": "available"}, "unique.states", "list of states"),
        ({"states": iter(LIVING)}, "unique.states", "list of states"),
        ({"states": ["done"]}, "unique.states", "the states are"),
        ({"states": []}, "unique.states", "lacks available"),
    ],
)
def test_a_wrong_choice_is_named(unique: object, field: str, problem: str) -> None:
    """Guards callers: which part of the choice is wrong, and what would do."""
    error = refused(unique)
    assert field == error.field
    assert problem in error.problem


def test_a_mask_that_a_job_leaves_and_comes_back_to_is_refused() -> None:
    """Guards running jobs: with a key that is lost on the way a second one would start."""
    error = refused({"states": ["scheduled", "available", "retryable", "completed"]})
    assert "lacks running, waiting_external" in error.problem
    assert '"started", "finished" and "window"' in error.problem


def test_a_closed_mask_is_the_living_states_and_any_ends() -> None:
    """Guards the state machine: whatever actions come, these sets stay closed and no others."""
    for ends in ([], ["completed"], ["failed", "cancelled"], sorted(FINAL)):
        assert {"states": sorted([*LIVING, *ends])} == checked_unique(
            {"states": [*ends, *LIVING]}
        ).held
    for state in JobState:
        assert (state in LIVE) == (state in missing_states(frozenset(JobState) - {state}))
