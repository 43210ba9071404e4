"""`awa tick`: do what there is to do, and end; for cron, timers and serverless platforms."""

from typing import Any, Final

import click

from awa._client.bursts import TICK_BUDGET_S, TICK_TIMEOUT_MS, burst_of_tick
from awa._client.health import ANSWER_MIN_S
from awa._client.worker_options import TIMEOUT_MS_MAX
from awa.cli.logs import configure_logs
from awa.cli.place import Place, json_option
from awa.cli.worker import choose, run_burst, worker

ONLY_OF_A_WORKER: Final = {
    *("maintenance_only", "drain", "drain_timeout_s", "due_within_s", "max_jobs"),
    *("health_port", "health_host", "handler_stall_s"),
}
"""What nobody can ask for who ends by himself."""


@click.command()
@click.pass_obj
@click.option(
    "--budget-s",
    type=click.FloatRange(ANSWER_MIN_S),
    default=TICK_BUDGET_S,
    show_default=True,
    help="After so long nothing is claimed any more.",
)
@click.option(
    "--timeout-ms",
    type=click.IntRange(0, TIMEOUT_MS_MAX),
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
    client, chosen, options = choose(place, target, queues, max_workers, options)
    run_burst(client, chosen, burst_of_tick(budget_s), **options)


# What means the same is the same option: a tick that leads keeps what workers beside it keep.
_OWN: Final = {option.name for option in tick.params}
tick.params += [one for one in worker.params if one.name not in _OWN | ONLY_OF_A_WORKER]
