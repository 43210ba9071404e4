"""`awa health`: whether the work goes on; the exit code says it to scripts and probes."""

import json
import sys
import urllib.error
import urllib.request
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import urlsplit

import click

from awa._client.vitals import Vitals
from awa.cli.place import Place, json_option, with_place
from awa.cli.showing import show_json, show_table
from awa.errors import ConfigurationError

UNWELL: Final = 1
TIMEOUT_S: Final = 5.0
_WORKER: Final = ("name", "host", "pid", "role", "beat_age_s", "alive", "poll_only", "leads")
_AGES: Final = (
    "leader",
    "leader_age_s",
    "last_claim_age_s",
    "last_settle_age_s",
    "oldest_available_s",
    "promote_lag_s",
)


@click.command()
@json_option
@click.option(
    "--url",
    metavar="URL",
    help="Ask a worker's health port as well, for example http://127.0.0.1:8080.",
)
@click.option(
    "--max-wait-s",
    type=click.FloatRange(0),
    help="How long a job may wait to be claimed. Default: for ever.",
)
@with_place
def health(place: Place, *, as_json: bool, url: str | None, max_wait_s: float | None) -> None:
    """Say whether the work goes on; the exit code is 1 when it does not.

    Asks the database: workers and their beats, the leader, what was claimed and settled last, what
    waits and is due. With --url also one worker: its claims, settles, listener and stalls.
    """
    worker = None if url is None else _ask_worker(url)
    with place.client() as client:
        found = client.vitals()
    problems = [*found.problems(waiting_max_s=max_wait_s)]
    problems += [] if worker is None else [f"{url}: {one}" for one in worker["problems"]]
    if as_json:
        report = {"healthy": not problems, "problems": problems, "database": asdict(found)}
        show_json({**report, "worker": None if worker is None else worker["worker"]})
    else:
        _show(found, problems)
    if problems:
        sys.exit(UNWELL)


def _show(found: Vitals, problems: list[str]) -> None:
    for name in _AGES:
        value = getattr(found, name)
        shown = round(value, 1) if isinstance(value, float) else value or "-"
        click.echo(f"{name:18} {'(only for the owner)' if name in found.hidden else shown}")
    show_table(_WORKER, [[getattr(one, name) for name in _WORKER] for one in found.workers])
    for problem in problems:
        click.echo(f"awa: {problem}", err=True)


def _ask_worker(url: str) -> dict[str, Any]:
    """Ask a worker's health port whether it is ready. What it does not answer is a problem."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigurationError(f"--url {url!r} is not of the form http://HOST:PORT")
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/readyz", timeout=TIMEOUT_S) as answer:  # noqa: S310  # its scheme was looked at
            text = answer.read()
    except urllib.error.HTTPError as unwell:
        with unwell:
            text = unwell.read()
    except OSError as error:
        # What urllib wraps says it without brackets.
        why = getattr(error, "reason", error)
        return {"problems": [f"no answer: {why}"], "worker": None}
    try:
        report: dict[str, Any] = json.loads(text)
        return {"problems": list(report["problems"]), "worker": report["worker"]}
    except (ValueError, LookupError, TypeError):
        return {"problems": ["this is no worker's health port"], "worker": None}
