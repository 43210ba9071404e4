"""The command line: what it prints, and one clear line for each mistake."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import awa
from awa.cli import main
from tests.fix_database import NewSession


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of the caller's decide."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("AWA_SCHEMA", raising=False)


def run(*arguments: str, **environment: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments, env=environment)


def test_without_a_database_one_line_names_both_ways() -> None:
    """Guards the first minute: no traceback, exit code 2."""
    result = run("queue", "stats")
    assert 2 == result.exit_code
    assert 1 == len(result.stderr.splitlines())
    assert "embedded://NAME" in result.stderr
    assert "DATABASE_URL" in result.stderr


def test_without_the_schema_one_line_names_the_command(empty_database: str) -> None:
    """Guards the second minute: which command creates it, exit code 1."""
    for command in (("queue", "stats"), ("job", "list"), ("check",)):
        result = run(*command, "--database-url", empty_database)
        assert 1 == result.exit_code
        assert "awa migrate" in result.stderr
        assert 1 == len(result.stderr.splitlines())


def test_an_unreachable_server_is_one_line() -> None:
    """Guards operators: producers and administrators are told at once."""
    result = run("queue", "stats", "--database-url", "postgresql://127.0.0.1:1/x")
    assert 1 == result.exit_code
    assert "Connection refused" in result.stderr


def test_migrate_installs_into_a_schema_of_choice_and_may_be_repeated(empty_database: str) -> None:
    """Guards installation: by option or by environment."""
    for _ in range(2):
        result = run("migrate", "--json", DATABASE_URL=empty_database, AWA_SCHEMA="jobs")
        assert 0 == result.exit_code, result.output
        assert {"schema": "jobs", "version": 1, "roles": False} == json.loads(result.stdout)
    assert 0 == run("--database-url", empty_database, "--schema", "jobs", "check").exit_code
    assert 1 == run("--database-url", empty_database, "check").exit_code


def test_what_is_said_on_the_line_wins_over_the_environment(empty_database: str) -> None:
    """Guards the other database: what is meant by the line is never done where a variable points.

    The same before and after the command's name, and the last word is the command's own.
    """
    away = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "AWA_SCHEMA": "nowhere"}
    said = ("--database-url", empty_database, "--schema", "jobs")
    assert 0 == run(*said, "migrate", **away).exit_code
    assert 0 == run("check", *said, **away).exit_code
    assert 0 == run(*said, "queue", "stats", **away).exit_code
    assert 0 == run("--database-url", "nonsense", "check", *said, **away).exit_code
    assert 1 == run("check", **away).exit_code


def test_migrate_prints_its_sql_without_a_database(
    empty_database: str, session: NewSession
) -> None:
    """Guards reviews: what is printed is what would be run, roles on demand."""
    result = run("migrate", "--sql")
    assert 0 == result.exit_code
    assert "create function claim" in result.stdout
    assert "create role" not in result.stdout
    assert "create role" in (printed := run("migrate", "--sql", "--roles").stdout)
    as_json = json.loads(run("migrate", "--sql", "--roles", "--json").stdout)
    assert {"sql": printed.removesuffix("\n")} == as_json


def test_jobs_and_queues_are_shown_as_tables_and_as_json(database: str) -> None:
    """Guards both readers: people and programs."""
    with awa.Client(database) as client:
        handle = client.insert({"a": [1]}, kind="some_kind", queue="q", tags=["x"])
    place = ("--database-url", database)
    listed = json.loads(run("job", "list", "--json", *place).stdout)
    assert [(handle.id, "some_kind", "available")] == [
        (job["id"], job["kind"], job["state"]) for job in listed
    ]
    assert "some_kind" in run("job", "list", *place).stdout
    assert [] == json.loads(run("job", "list", "--state", "failed", "--json", *place).stdout)
    dumped = json.loads(run("job", "dump", str(handle.id), "--json", *place).stdout)
    assert ({"a": [1]}, ["x"]) == (dumped["job"]["args"], dumped["job"]["tags"])
    assert "some_kind" in run("job", "dump", str(handle.id), *place).stdout
    assert 1 == run("job", "dump", "999", *place).exit_code
    (stats,) = json.loads(run("queue", "stats", "--json", *place).stdout)
    assert ("q", 1) == (stats["queue"], stats["available"])
    assert [] == json.loads(run("check", "--json", *place).stdout)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("nocolon", "package.module:client"),
        ("no_such_module:client", "cannot import no_such_module"),
        ("broken_app:client", "NameError"),
        ("json:dumps", "json:dumps is of type function, not awa.AsyncClient"),
        ("json:nothing_of_this_name", "json has no 'nothing_of_this_name'"),
        ("broken_app.py:client", "'broken_app.py' is a file"),
    ],
)
def test_a_wrong_worker_target_is_one_line(
    target: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards start-up scripts: the mistake and its place, exit code 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken_app.py").write_text("client = undefined_name\n")
    result = run("worker", target)
    assert 2 == result.exit_code
    assert told in result.stderr
    assert 1 == len(result.stderr.splitlines())


def test_a_worker_without_handlers_or_queues_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards an empty module: it would wait for nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty_app.py").write_text("import awa\nclient = awa.AsyncClient('dbname=x')\n")
    assert "no handlers" in run("worker", "empty_app:client").stderr
    assert "NAME=WORKERS" in run("worker", "empty_app:client", "--queue", "q=many").stderr


def test_an_import_error_names_no_frame_of_the_import_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards the message: a place is named when the user can go there."""
    monkeypatch.chdir(tmp_path)
    told = run("worker", "no_such_module:client").stderr
    assert told.endswith("No module named 'no_such_module'\n")
    (tmp_path / "imports_app.py").write_text("import nothing_of_this_name\n")
    assert "imports_app.py:1)" in run("worker", "imports_app:client").stderr


def test_a_worker_refuses_a_place_that_its_client_would_not_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards deployments: a schema or database asked for is not silently another one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "placed_app.py").write_text("import awa\nclient = awa.AsyncClient('dbname=x')\n")
    for result in (
        run("--database-url", "dbname=y", "worker", "placed_app:client", "--queue", "q"),
        run("--schema", "jobs", "worker", "placed_app:client", "--queue", "q"),
        run("worker", "placed_app:client", "--queue", "q", AWA_SCHEMA="jobs"),
    ):
        assert 2 == result.exit_code
        assert "client" in result.stderr
        assert 1 == len(result.stderr.splitlines())


def test_a_malformed_connection_string_or_number_is_one_line() -> None:
    """Guards typing errors: exit code 2, and a message that says what is malformed."""
    result = run("queue", "stats", "--database-url", "garbage")
    assert 2 == result.exit_code
    assert "malformed" in result.stderr
    assert "not a valid integer" in run("job", "dump", "abc").stderr
    assert "range" not in run("job", "dump", "abc").stderr


def test_a_trace_is_recorded_and_the_slot_removed(database: str, session: NewSession) -> None:
    """Guards traces: events in commit order, as lines of JSON with their transaction."""
    from awa._storage.tracing import TraceSlot  # noqa: PLC0415  # its caller is the command

    with session() as conn:
        source = TraceSlot(conn, slot="test_trace_slot", schema="awa")
        source.create()
        try:
            with awa.Client(database) as client:
                client.insert({"a": 1}, kind="k", queue="q")
            exported = run("trace", "export", "--slot", "test_trace_slot", DATABASE_URL=database)
            census = source.census()
        finally:
            source.drop()
    events = [json.loads(line) for line in exported.stdout.splitlines()]
    assert ["ensure_lane", "enqueue"] == [event["a"] for event in events]
    assert events[0]["tx"] != events[1]["tx"]
    assert ["census"] == [json.loads(line)["a"] for line in census]
