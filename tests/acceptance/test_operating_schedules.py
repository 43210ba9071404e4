"""Operators at every client, and at the command line: schedules are made, paused, triggered."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

import awa
from awa.cli import main
from awa.errors import InvalidInput
from tests.acceptance.fix_operator import Do
from tests.workers import Number

Run = Callable[..., Result]


def test_a_schedule_is_made_changed_and_removed_at_run_time(do: Do) -> None:
    """Guards schedules that no program declares: answers say what is new."""
    zone = "Pacific/Auckland"
    put = do("put_schedule", "s", "0 9 * * *", Number(1), timezone=zone, queue="q", tags=["t"])
    assert awa.PutAnswer.CREATED is put
    assert "kept" == do(
        "put_schedule", "s", "0 9 * * *", Number(1), timezone=zone, queue="q", tags=["t"]
    )
    found = do("get_schedule", "s")
    assert isinstance(found, awa.Schedule)
    assert ("default", "0 9 * * *", zone, "number", {"n": 1}) == (
        *(found.namespace, found.cron, found.timezone, found.kind, found.args),
    )
    assert {"queue": "q", "tags": ["t"]} == found.opts
    assert found.next_at == do("next_fires", "s", count=1, after=found.upto)[0]
    assert "changed" == do("put_schedule", "s", None, Number(1), every=timedelta(minutes=5))
    assert "created" == do("put_schedule", "s", "@daily", Number(1), namespace="other")
    assert ["default", "other"] == [one.namespace for one in do("list_schedules")]
    assert [300.0] == [one.every_s for one in do("list_schedules", namespace="default")]
    assert do("delete_schedule", "s")
    assert not do("delete_schedule", "s")
    assert do("get_schedule", "s") is None


def test_what_is_declared_is_stored_without_a_worker(database: str) -> None:
    """Guards steps of a deployment, and programs that only enqueue."""
    with awa.Client(database, namespace="app") as client:
        client.periodic("s", "@daily", Number, Number(1))
        assert [awa.Declared(name="s", answer=awa.PutAnswer.CREATED)] == [
            *client.declare_schedules()
        ]
        assert ["kept"] == [one.answer for one in client.declare_schedules()]
    with awa.Client(database, namespace="app") as later:
        assert ["removed"] == [one.answer for one in later.declare_schedules()]


def test_a_schedule_is_paused_resumed_and_triggered(do: Do) -> None:
    """Guards the acts of people: each says whether it did something, and who did it is kept."""
    do("put_schedule", "s", "@daily", Number(1), overlap="skip")
    assert do("pause_schedule", "s", paused_by="ops")
    assert not do("pause_schedule", "s")
    assert ("ops", None) == (do("get_schedule", "s").paused_by, do("get_schedule", "s").next_at)
    done = do("trigger_schedule", "s", by="ops")
    assert ("inserted", "available") == (done.answer, done.state)
    metadata = do("get_job", done.job_id).metadata
    assert {"triggered_manually": True, "triggered_by": "ops"}.items() <= metadata.items()
    again = do("trigger_schedule", "s")
    assert (None, "skipped") == (again.job_id, again.answer)
    assert do("resume_schedule", "s")
    assert not do("resume_schedule", "s")
    for method in ("pause_schedule", "resume_schedule", "trigger_schedule", "next_fires"):
        with pytest.raises(InvalidInput, match="no schedule"):
            do(method, "other")


def test_the_next_fires_are_told(do: Do) -> None:
    """Guards DST in what people see: the clock of the zone counts, the instants are UTC."""
    do("put_schedule", "s", "30 2 * * *", Number(1), timezone="America/New_York")
    after = datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert (
        datetime(2026, 3, 8, 7, tzinfo=UTC),
        datetime(2026, 3, 9, 6, 30, tzinfo=UTC),
    ) == do("next_fires", "s", count=2, after=after)
    assert 5 == len(do("next_fires", "s"))
    with pytest.raises(InvalidInput, match="after"):
        do("next_fires", "s", after=datetime(2026, 3, 7))  # noqa: DTZ001  # the mistake
    with pytest.raises(InvalidInput, match="after"):
        do("next_fires", "s", after="tomorrow")


@pytest.fixture
def run(database: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return `run(*words)`: a command of awa on the test's database."""
    monkeypatch.delenv("AWA_SCHEMA", raising=False)

    def command(*words: object) -> Result:
        return CliRunner().invoke(main, [str(w) for w in words], env={"DATABASE_URL": database})

    return command


def parsed(result: Result) -> Any:
    """Return the JSON that was printed."""
    return json.loads(result.stdout)


def test_schedules_are_looked_after_by_command(database: str, run: Run) -> None:
    """Guards both readers, and exit codes: 0 when it was done, 1 when not, 2 for unknown names."""
    assert "nothing to show" in run("cron", "list").stdout
    with awa.Client(database) as client:
        client.put_schedule("s", "0 9 * * *", Number(1), timezone="Europe/Paris", overlap="skip")
        client.put_schedule("t", None, Number(1), every=90, namespace="n")
    listed = run("cron", "list").stdout
    assert "Europe/Paris" in listed
    assert "every 90 s" in listed
    assert ["t"] == [one["name"] for one in parsed(run("cron", "list", "--namespace=n", "--json"))]
    assert "number" in run("cron", "show", "s").stdout
    assert "0 9 * * *" == parsed(run("cron", "show", "s", "--json"))["cron"]
    assert 3 == len(run("cron", "next", "s", "--count=3").stdout.splitlines())
    assert 5 == len(parsed(run("cron", "next", "t", "--namespace=n", "--json")))
    assert "schedule s is paused\n" == run("cron", "pause", "s", "--by=ops").stdout
    assert "schedule s was paused before\n" == run("cron", "pause", "s").stdout
    assert {"schedule": "s", "resumed": True} == parsed(run("cron", "resume", "s", "--json"))
    assert "is available" in run("cron", "trigger", "s").stdout
    refused = run("cron", "trigger", "s")
    assert (1, "") == (refused.exit_code, refused.stdout)
    assert "is not finished" in refused.stderr
    assert "schedule s is deleted\n" == run("cron", "delete", "s").stdout
    for word in ("show", "delete", "pause", "resume", "trigger", "next"):
        missing = run("cron", word, "s", "--json")
        assert (2, "name") == (missing.exit_code, parsed(missing)["error"]["field"])
        assert "awa: name: there is no schedule 's' in the namespace 'default'\n" == missing.stderr
