"""`awa trace record` as a process: it records until a signal, and leaves nothing on the server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import awa
from tests.facts import WAIT_S_MAX, wait_until
from tests.fix_database import Session, open_session, with_user

SLOT = "record_test"
Recorder = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Recorder]:
    """Return `record(conninfo)`, which starts the command; its output is the file `trace`."""
    with ExitStack() as stack:

        def start(conninfo: str) -> subprocess.Popen[str]:
            command = [sys.executable, "-m", "awa", "trace", "record", "--slot", SLOT]
            process = subprocess.Popen(
                [*command, "--output", str(tmp_path / "trace")],
                env={**os.environ, "DATABASE_URL": conninfo},
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield start


def wait_until_recording(process: subprocess.Popen[str]) -> None:
    """Return when new sessions emit events."""
    assert process.stderr is not None
    assert "recording" in process.stderr.readline()


def left_behind(one: Session) -> tuple[object, ...] | None:
    """Return the slots of the test's name, and the settings of its database."""
    return one.execute(
        "select (select count(*) from pg_replication_slots where slot_name = %s),"
        " (select count(*) from pg_db_role_setting as s join pg_database as d"
        " on d.oid = s.setdatabase where d.datname = current_database())",
        [SLOT],
    ).fetchone()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_job_is_recorded_until_a_signal_and_the_slot_is_dropped(
    number: signal.Signals, database: str, record: Recorder, tmp_path: Path, one: Session
) -> None:
    """Guards users' traces: events as they come, the census last, the server as it was before."""
    process = record(database)
    wait_until_recording(process)
    with awa.Client(database) as client:
        client.insert({"a": 1}, kind="k", queue="q")
    written = tmp_path / "trace"
    wait_until(lambda: 2 == len(written.read_text().splitlines()), what="two events")
    process.send_signal(number)
    assert 0 == process.wait(WAIT_S_MAX)
    assert process.stderr is not None
    assert "2 events\n" == process.stderr.read()
    events = [json.loads(line) for line in written.read_text().splitlines()]
    assert ["ensure_lane", "enqueue", "census"] == [event["a"] for event in events]
    assert (0, 0) == left_behind(one)


def test_without_the_schema_nothing_is_recorded(empty_database: str, record: Recorder) -> None:
    """Guards the start: what the end would find out is said at once, and no slot is made."""
    process = record(empty_database)
    assert 1 == process.wait(WAIT_S_MAX)
    assert process.stderr is not None
    assert "awa migrate" in process.stderr.read()
    with open_session(empty_database) as session:
        assert (0, 0) == left_behind(session)


def test_a_user_who_may_not_switch_recording_on_leaves_no_slot(
    database: str, record: Recorder, one: Session
) -> None:
    """Guards the server's disk: a slot that nobody reads keeps its log for ever."""
    before = left_behind(one)
    one.execute("create role recorder login replication password 'recorder'")
    try:
        one.execute("grant usage on schema awa to recorder")
        one.execute("grant execute on all functions in schema awa to recorder")
        process = record(with_user(database, "recorder", "recorder"))
        assert 1 == process.wait(WAIT_S_MAX)
        assert process.stderr is not None
        assert "owner" in process.stderr.read()
        assert before == left_behind(one)
    finally:
        one.execute("drop owned by recorder")
        one.execute("drop role recorder")


def test_a_broken_connection_names_the_slot_that_stays(
    database: str, record: Recorder, one: Session
) -> None:
    """Guards the server's disk: who can no longer drop the slot says how it is done."""
    process = record(database)
    wait_until_recording(process)
    one.execute(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    assert 1 == process.wait(WAIT_S_MAX)
    assert process.stderr is not None
    assert f"pg_drop_replication_slot('{SLOT}')" in process.stderr.read()
    one.execute("select pg_drop_replication_slot(%s)", [SLOT])
