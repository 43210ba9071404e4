"""What a scenario is: a name, what it does to a stage, and the server it needs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from correctness.chaos.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario injects faults while jobs are made and run; the audit afterwards is everybody's.

    `run` starts workers and producers on the stage, injects faults (`stage.fault`) and measures
    recoveries (`stage.probe`, `stage.recovered`). It returns when the last fault is over, with
    enough workers alive to end every job; the stage is audited then.
    """

    name: str
    does: str
    run: Callable[[Stage], Awaitable[None]]
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the server, beside the stage's own."""
    tcp: bool = False
    """Whether the server listens on 127.0.0.1 as well."""
    minutes: float = 1.0
    """How long it goes on injecting, unless told otherwise; `stage.minutes`."""
    drain_s: float = 300.0
    """How long the last jobs may take to end, once all faults are over."""
    counts_hold: bool = True
    """Whether the server's counts of rows are those of what was committed since the beginning: not
    when another server ends the run, nor when transactions fail after they have deleted."""
    usual: bool = True
    """Whether it is run when no scenario is named."""
