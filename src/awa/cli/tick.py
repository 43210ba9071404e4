"""`awa tick`: do what there is to do, and end; for cron, timers and serverless platforms."""

from typing import Any, Final

import click

from awa._client.bursts import TICK_BUDGET_S, TICK_TIMEOUT_MS, burst_of_tick
from awa.cli.logs import configure_logs
from awa.cli.place import Place, json_option
from awa.cli.target import chosen_client, chosen_queues
from awa.cli.worker import exit_now, run_burst, worker

_AS_A_WORKER: Final = {"target", "queues", "max_workers", "lead", "log_format", "log_level"}


@click.command()
@click.pass_obj
@click.option(
    "--budget-s",
    type=click.FloatRange(0, min_open=True),
    default=TICK_BUDGET_S,
    show_default=True,
    help="After so long nothing is claimed any more.",
)
@click.option(
    "--timeout-ms",
    type=click.IntRange(0),
    default=TICK_TIMEOUT_MS,
    show_default=True,
    help="How long running handlers may finish then, or after the first signal.",
)
@json_option
def tick(
    place: Place,
    /,
    target: str | None,
    *,
    queues: tuple[str, ...],
    max_workers: int,
    budget_s: float,
    log_format: str,
    log_level: str,
    **options: Any,
) -> None:
    """Do what there is to do within a budget, and end: promote, rescue, retire, run jobs.

    The exit code is 1 when something is left that could be done now. See `awa worker` for
    MODULE:CLIENT, --queue and the signals.
    """
    configure_logs(log_format=log_format, level=log_level)
    client = chosen_client(place, target, maintenance_only=False)
    chosen = chosen_queues(client, queues, max_workers, options)
    client._exit_now = exit_now  # noqa: SLF001  # the process is this command's
    run_burst(client, chosen, burst_of_tick(budget_s), **options)


# What means the same is the same option.
tick.params += [option for option in worker.params if option.name in _AS_A_WORKER]
