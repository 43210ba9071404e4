"""The page of all knobs names each of them."""

import inspect
import re
from dataclasses import fields
from typing import Any, Final

import awa
from awa._client.schedule_options import JobParts, ScheduleOptions
from awa._client.worker_options import WorkerOptions
from tests.tidy.tree import ROOT

PAGE: Final = (ROOT / "docs" / "configuration.md").read_text()


def knobs_of(section: str) -> set[str]:
    """Return what the tables of a section name in their first column."""
    body = re.split(rf"^##+ {re.escape(section)}$", PAGE, flags=re.MULTILINE)[1]
    own = re.split(r"^##", body, flags=re.MULTILINE)[0]
    return set(re.findall(r"^\| `(\w+)` (?:\(`--[\w-]+`\) )?\|", own, re.MULTILINE))


def keywords_of(function: Any) -> set[str]:
    """Return what may be said by keyword."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}


def test_every_knob_of_a_worker_is_on_the_page() -> None:
    """Guards finding a knob: the page has those of the worker, no more and no fewer."""
    assert set(WorkerOptions.__annotations__) == knobs_of("Worker")
    assert {field.name for field in fields(awa.Retention)} == knobs_of("Retention")
    assert {field.name for field in fields(awa.QueueConfig)} == knobs_of("Queue of a worker")


def test_every_knob_of_clients_kinds_jobs_and_queues_is_on_the_page() -> None:
    """Guards the same for what programs say elsewhere."""
    assert {"url", *keywords_of(awa.AsyncClient)} == knobs_of("Client")
    assert keywords_of(awa.AsyncClient.task) == knobs_of("Kind")
    batched = keywords_of(awa.AsyncClient.batch_task)
    assert batched == knobs_of("Kind") | knobs_of("Batch handler")
    assert keywords_of(awa.AsyncClient.insert) == knobs_of("Job")
    assert keywords_of(awa.AsyncClient.override_queue) == knobs_of("Overrides")
    assert keywords_of(awa.AsyncClient.configure_queue) == knobs_of("Queue, in the database")


def test_every_knob_of_a_schedule_is_on_the_page() -> None:
    """Guards the same for schedules, whose jobs have knobs of their own."""
    job = set(JobParts.__annotations__)
    assert set(ScheduleOptions.__annotations__) - job == knobs_of("Schedule")
    elsewhere = {"run_at", "delay", "unique", "on_conflict"}
    assert keywords_of(awa.AsyncClient.insert) - elsewhere == job
