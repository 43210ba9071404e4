"""The Python twin is Storage: it reaches what TLC reaches, and breaks what a witness breaks."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

import pytest

from correctness import model
from correctness.configurations import CONFIGURATIONS, TWINS, Configuration
from correctness.model.graph import Graph, broken, differences, explore, reached_by_tlc, scope_of
from correctness.replay_by_tlc import PARALLEL

WITNESSES: Final = [
    entry
    for entry in CONFIGURATIONS
    if entry.module == "Storage" and entry.breaks in {*model.INVARIANTS, *model.STEP_PROPERTIES}
]


@cache
def reached() -> dict[str, Graph]:
    """Return what TLC reaches, of all twins at once: two runs go on beside each other."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        graphs = pool.map(reached_by_tlc, TWINS)
        return {entry.name: graph for entry, graph in zip(TWINS, graphs, strict=True)}


@pytest.mark.parametrize("entry", TWINS, ids=lambda entry: entry.name)
def test_the_twin_reaches_what_tlc_reaches(entry: Configuration) -> None:
    """Guards the translation: all states and all steps are the same, under the same names."""
    assert [] == differences(explore(scope_of(entry)), reached()[entry.name])


def test_every_action_is_compared() -> None:
    """Guards the comparison: an action that no scope tries could say anything.

    Only arrivals are in no bounded model: they are steps of another lane. A recorded trace has one.
    """
    acted = {action for graph in reached().values() for action in graph.actions}
    assert {*model.ACTIONS, *model.WORLD} - {"env_arrive"} == acted


@pytest.mark.parametrize("entry", WITNESSES, ids=lambda entry: entry.name)
def test_the_twin_breaks_what_a_witness_breaks(entry: Configuration) -> None:
    """Guards the properties and the arguments that are tried where a guard is switched off."""
    assert entry.breaks is not None
    assert broken(scope_of(entry), entry.breaks) is not None
