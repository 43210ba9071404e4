"""Every scenario, in the order in which they are run."""

from typing import Final

from correctness.chaos import freezing, killing, overload, soak, storms
from correctness.chaos.scenario import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *killing.SCENARIOS,
    *freezing.SCENARIOS,
    *storms.SCENARIOS,
    *overload.SCENARIOS,
    *soak.SCENARIOS,
)


def named(name: str) -> Scenario:
    """Return the scenario of this name. Raises KeyError."""
    return {scenario.name: scenario for scenario in SCENARIOS}[name]
