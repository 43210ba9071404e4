"""Every scenario, in the order in which they are run."""

from typing import Final

from correctness.chaos import (
    failing_over,
    filling,
    freezing,
    killing,
    overload,
    pooling,
    read_only,
    soak,
    storms,
)
from correctness.chaos.scenario import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *killing.SCENARIOS,
    *freezing.SCENARIOS,
    *storms.SCENARIOS,
    *overload.SCENARIOS,
    *read_only.SCENARIOS,
    *filling.SCENARIOS,
    *failing_over.SCENARIOS,
    *pooling.SCENARIOS,
    *soak.SCENARIOS,
)


def named(name: str) -> Scenario:
    """Return the scenario of this name. Raises KeyError."""
    return {scenario.name: scenario for scenario in SCENARIOS}[name]
