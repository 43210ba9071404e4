from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from awa._core import limits
from awa._core.batches import batches
from awa._core.options import OPTIONS, NewJob, new_job
from awa.errors import InvalidInput


@dataclass
class SendEmail:
    """Arguments as users write them."""

    to: str
    copies: int = 1


class Ping(msgspec.Struct):
    """Arguments as a msgspec Struct."""

    host: str


class Model:
    """What Awa knows of a pydantic model: it can dump itself."""

    def model_dump(self, *, mode: str) -> dict[str, object]:
        """As pydantic's, for JSON."""
        assert "json" == mode
        return {"a": 1}


def refused(args: object = None, /, **options: object) -> InvalidInput:
    """The error that this insert gets."""
    with pytest.raises(InvalidInput) as caught:
        new_job({} if args is None else args, {"kind": "k", **options})
    return caught.value


def test_arguments_of_every_sort_become_json_objects() -> None:
    """Dataclass, Struct, mapping and model are one to the database."""
    assert NewJob(kind="send_email", args=b'{"to":"a","copies":1}') == new_job(SendEmail("a"))
    assert NewJob(kind="ping", args=b'{"host":"h"}') == new_job(Ping("h"))
    assert NewJob(kind="k", args=b'{"n":1}') == new_job({"n": 1}, {"kind": "k"})
    assert NewJob(kind="model", args=b'{"a":1}') == new_job(Model())


def test_options_that_are_given_are_stored_by_their_sql_names() -> None:
    """What has its default is absent, and None counts as not given."""
    job = new_job(
        Ping("h"),
        {
            "kind": "other",
            "queue": "q",
            "priority": 1,
            "max_attempts": 3,
            "deadline": timedelta(minutes=1),
            "tags": ("a", "b"),
            "metadata": {"m": [1, None]},
            "delay": timedelta(minutes=2),
            "ordering_key": b"customer-7",
        },
    )
    assert "other" == job.kind
    assert {
        "queue": "q",
        "priority": 1,
        "max_attempts": 3,
        "deadline_s": 60.0,
        "tags": ["a", "b"],
        "metadata": {"m": [1, None]},
        "delay_s": 120.0,
        "ordering_key": "customer-7",
    } == msgspec.json.decode(job.opts)
    assert b"{}" == new_job(Ping("h"), dict.fromkeys(OPTIONS)).opts


@pytest.mark.parametrize(
    ("options", "field", "problem"),
    [
        ({"queue": ""}, "queue", "1 to 200"),
        ({"queue": "q" * 201}, "queue", "201 characters"),
        ({"queue": 5}, "queue", "must be a string"),
        ({"queue": "a\0b"}, "queue", "NUL"),
        ({"queue": "\ud800"}, "queue", "Unicode"),
        ({"kind": "k" * 201}, "kind", "1 to 200"),
        ({"priority": 0}, "priority", "from 1 to 4"),
        ({"priority": 5}, "priority", "from 1 to 4"),
        ({"priority": True}, "priority", "integer"),
        ({"priority": 2.0}, "priority", "integer"),
        ({"max_attempts": 0}, "max_attempts", "from 1 to 1000"),
        ({"max_attempts": 1001}, "max_attempts", "from 1 to 1000"),
        ({"deadline": -1}, "deadline", "not negative"),
        ({"deadline": timedelta(seconds=-1)}, "deadline", "not negative"),
        ({"deadline": 0.0009}, "deadline", "0.001 at least"),
        ({"deadline": float("nan")}, "deadline", "finite"),
        ({"deadline": float("inf")}, "deadline", "finite"),
        ({"deadline": 10**10}, "deadline", "3153600000"),
        ({"deadline": 10**400}, "deadline", "finite"),
        ({"deadline": "soon"}, "deadline", "timedelta or seconds"),
        ({"tags": ["t"] * 21}, "tags", "limit is 20"),
        ({"tags": ["t" * 201]}, "tags", "limit is 200"),
        ({"tags": "abc"}, "tags", "list of strings"),
        ({"tags": 7}, "tags", "list of strings"),
        ({"tags": ["a", 7]}, "tags", "must be a string"),
        ({"tags": ["\0"]}, "tags", "NUL"),
        ({"metadata": [1]}, "metadata", "mapping"),
        ({"metadata": {1: 2}}, "metadata", "not a string"),
        ({"metadata": {"x": object()}}, "metadata", "JSON"),
        ({"metadata": {"x": "m" * 1024 * 1024}}, "metadata", "limit is 1048576"),
        ({"metadata": {"x": "\0"}}, "metadata", "NUL"),
        ({"run_at": datetime(2030, 1, 1)}, "run_at", "names no time zone"),  # noqa: DTZ001
        ({"run_at": "2030-01-01"}, "run_at", "must be a datetime"),
        ({"run_at": 1893456000}, "run_at", "must be a datetime"),
        (
            {"run_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))},
            "run_at",
            "years 1 to 9999",
        ),
        ({"run_at": datetime(2030, 1, 1, tzinfo=UTC), "delay": 0}, "run_at", "contradicts delay"),
        ({"delay": -0.001}, "delay", "not negative"),
        ({"delay": timedelta(days=36501)}, "delay", "3153600000"),
        ({"delay": "1h"}, "delay", "timedelta or seconds"),
        ({"ordering_key": ""}, "ordering_key", "1 to 200"),
        ({"ordering_key": "k" * 201}, "ordering_key", "201 characters"),
        ({"ordering_key": b"\xff"}, "ordering_key", "UTF-8"),
        ({"ordering_key": 7}, "ordering_key", "must be a string"),
        ({"ordering_key": "a\0"}, "ordering_key", "NUL"),
        ({"on_conflict": "skip"}, "on_conflict", "needs unique"),
        ({"unique": False, "on_conflict": "skip"}, "on_conflict", "needs unique"),
        ({"unique": True, "on_conflict": "ignore"}, "on_conflict", "raise, return, replace, skip"),
        ({"retries": 3}, "retries", "the options are"),
    ],
)
def test_a_bad_option_is_named_with_its_limit(
    options: dict[str, object], field: str, problem: str
) -> None:
    """Before anything is sent: the error says which option, what is wrong, and what would do."""
    error = refused(**options)
    assert field == error.field
    assert problem in error.problem


@pytest.mark.parametrize(
    ("run_at", "stored"),
    [
        (datetime(2030, 1, 31, 12, tzinfo=UTC), "2030-01-31T12:00:00+00:00"),
        (
            datetime(2030, 1, 1, 0, 30, 0, 250, tzinfo=timezone(timedelta(hours=1))),
            "2029-12-31T23:30:00.000250+00:00",
        ),
        (datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00+00:00"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_a_time_is_sent_in_utc(run_at: datetime, stored: str) -> None:
    """Guards schedules: one text for one instant, wherever the caller lives."""
    opts = new_job({}, {"kind": "k", "run_at": run_at}).opts
    assert {"run_at": stored} == msgspec.json.decode(opts)


@pytest.mark.parametrize(
    ("args", "field", "problem"),
    [
        (SendEmail(to=5), "args.to", "Expected str, got int"),  # type: ignore[arg-type]
        (SendEmail, "args", "not an instance"),
        ([1], "args", "not an object"),
        ("text", "args", "not an object"),
        (7, "args", "not an object"),
        ({"a": "\0"}, "args", "NUL"),
        ({"a\0": 1}, "args", "NUL"),
        ({1: 1}, "args", "not a string"),
        ({"a": object()}, "args", "JSON"),
        ({"a": [None, {"b": float("nan")}]}, "args", "not finite"),
        ({"a": float("inf")}, "args", "not finite"),
        ({"a": "\ud800"}, "args", "JSON"),
        ({"a": "x" * limits.ARGS_BYTES_MAX}, "args", "limit is 1048576"),
    ],
)
def test_bad_arguments_are_named_by_their_path(args: object, field: str, problem: str) -> None:
    """A wrong type is found by the annotation, and the path leads to it."""
    error = refused(args)
    assert field == error.field
    assert problem in error.problem


def test_a_mapping_needs_a_kind() -> None:
    """No class, no name to derive a kind from."""
    with pytest.raises(InvalidInput, match="mapping") as caught:
        new_job({"a": 1})
    assert "kind" == caught.value.field


def test_the_limit_of_arguments_is_the_callers_to_set() -> None:
    """1 MiB is a default."""
    assert 100 == len(new_job({"a": "x" * 92}, {"kind": "k"}, args_bytes_max=100).args)
    with pytest.raises(InvalidInput, match="takes 101 bytes"):
        new_job({"a": "x" * 93}, {"kind": "k"}, args_bytes_max=100)


@given(st.text(alphabet=["\\", "u", "0", "\0", "a"]))
def test_only_a_real_nul_is_refused(text: str) -> None:
    """The text that spells a NUL's escape is fine, however many backslashes stand before it."""
    args: dict[str, Any] = {"a": text}
    if "\0" in text:
        assert "NUL" in refused(args).problem
    else:
        assert args == msgspec.json.decode(new_job(args, {"kind": "k"}).args)


@given(st.lists(st.integers(0, 600_000), max_size=80), st.integers(0, 12_000))
def test_batches_keep_order_and_limits(sizes: list[int], small: int) -> None:
    """Every job is in exactly one batch, in order; none passes a limit by a whole job."""
    jobs = [NewJob(kind="k", args=b"x" * size) for size in sizes]
    jobs += [NewJob(kind="k", args=b"{}")] * small
    cut = list(batches(jobs))
    assert jobs == [job for batch in cut for job in batch]
    for batch in cut:
        assert 1 <= len(batch) <= limits.ENQUEUE_JOBS_MAX
        assert sum(len(job.args) + len(job.opts) for job in batch[:-1]) < limits.ENQUEUE_BYTES_MAX
