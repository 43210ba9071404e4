"""Names that say nothing, promises put off, and places that exist on one machine only."""

import re
from typing import Final

import pytest

import awa
from tests.tidy.tree import ROOT, named, python_files, readable_files

EMPTY_NAMES: Final = {"util", "utils", "helper", "helpers", "common", "misc", "shared", "base"}
# Written apart, so that this file does not find itself.
PUT_OFF: Final = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
LEFT_OUT: Final = re.compile(r"pytest\.(skip|xfail|importorskip)|mark\.(skip|skipif|xfail)\b")
MACHINE: Final = re.compile(r"(?<![\w.])/(wo" + r"rk|ro" + r"ot|ho" + r"me/\w|Us" + r"ers/\w)")
ITSELF: Final = "tests/tidy/test_names.py"

PUBLIC_NAMES: Final = [
    "AccessDenied",
    "ActAnswer",
    "ActRecord",
    "AsyncClient",
    "AttemptCompleted",
    "AttemptError",
    "AttemptRecord",
    "AwaError",
    "BulkAct",
    "CallNext",
    "CallNextBatch",
    "CallerError",
    "Cancel",
    "Client",
    "Completed",
    "ConfigurationError",
    "CopyAnswer",
    "DeadLetter",
    "Declared",
    "EnqueueAnswer",
    "Health",
    "InternalError",
    "InvalidInput",
    "Job",
    "JobAct",
    "JobBatch",
    "JobDump",
    "JobHandle",
    "JobRecord",
    "JobState",
    "LimitExceeded",
    "OutcomeUnknown",
    "ProcessDied",
    "PutAnswer",
    "QueueConfig",
    "QueueFanout",
    "QueueHealth",
    "QueueOverrides",
    "QueueStats",
    "Resource",
    "Retention",
    "RetryAfter",
    "RunDump",
    "Schedule",
    "SchemaMissing",
    "SchemaNewer",
    "SchemaOlder",
    "ServerBusy",
    "ServerRefused",
    "ServerUnreachable",
    "Snooze",
    "StaleAttempt",
    "Stall",
    "State",
    "TerminalError",
    "Transaction",
    "TransactionLost",
    "TriggerAnswer",
    "Triggered",
    "UniqueConflict",
    "UniqueOpts",
    "UnknownKind",
    "UnknownWorker",
    "Vitals",
    "WorkDone",
    "WorkerHealth",
    "WorkerVitals",
    "WorldError",
    "WrongIsolation",
    "WrongTransaction",
    "__version__",
]


def test_a_module_is_named_by_its_subject() -> None:
    """Guards finding things: what fits nowhere collects in modules of these names."""
    assert [] == [named(path) for path in python_files() if path.stem in EMPTY_NAMES]


@pytest.mark.parametrize("pattern", [PUT_OFF, LEFT_OUT, MACHINE], ids=["later", "skip", "paths"])
def test_the_files_speak_of_what_is_there(pattern: re.Pattern[str]) -> None:
    """Guards finished work: nothing is put off, left out of the run, or true on one machine."""
    found = [
        f"{named(path)}:{number}: {line.strip()}"
        for path in readable_files()
        if named(path) != ITSELF
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert [] == found


def test_public_names_change_only_on_purpose() -> None:
    """Guards the door: a new name is a promise, with a line here, a docstring and a changelog."""
    assert PUBLIC_NAMES == sorted(awa.__all__)


def test_every_public_name_says_what_it_is() -> None:
    """Guards the reference: each exported name exists and has a docstring."""
    assert [] == [name for name in awa.__all__ if not getattr(awa, name).__doc__]


def test_the_version_is_written_once_more_in_the_changelog() -> None:
    """Guards releases: the version being built has its section."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found is not None
    assert found[1] in (ROOT / "CHANGELOG.md").read_text()
