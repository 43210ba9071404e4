"""Any actions in any order, against the real SQL, with the twin as oracle of every step."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

import pytest

from awa.embedded import Cluster
from correctness.model import ACTIONS
from tests.fix_database import Session, create, drop, fresh_name
from tests.machine.asking import STATEMENTS
from tests.machine.machine import Length, play
from tests.machine.mutants import MUTANTS
from tests.machine.oracle import Divergence
from tests.machine.world import World

NewWorld = Callable[[], World]

EXAMPLES: Final = os.environ.get("AWA_MACHINE_EXAMPLES")
"""How many examples to play for once, each run others; correctness/README.md says when."""
ALWAYS: Final = Length(examples=24, steps=50, fixed=True)
ASKED_FOR: Final = Length(examples=int(EXAMPLES), steps=100, fixed=False) if EXAMPLES else ALWAYS

ANSWERS: Final = {
    *("enqueue_many inserted", "enqueue_many existing", "enqueue_many skipped"),
    *("enqueue_many replaced", "enqueue_many AW008", "enqueue inserted", "enqueue existing"),
    *("claim got", "claim empty", "claim busy", "claim again", "claim AW003", "claim waited"),
    *("complete settled", "complete already", "complete stale", "complete ended"),
    *("release settled", "release stale", "retry settled", "retry failed"),
    *("snooze settled", "fail settled", "fail dead_lettered", "cancel_running settled"),
    *("heartbeat alive", "heartbeat gone", "heartbeat alive and released"),
    *("note_progress noted", "note_progress stale"),
    *("rescue_worker alive", "rescue_worker gone and rescued", "rescue_deadline rescued"),
    *("cancel_pending settled", "cancel_pending already", "cancel_pending stale"),
    *("cancel_pending unknown", "dlq_move settled", "dlq_move stale", "promote promoted"),
    *("dlq_retry settled", "dlq_retry duplicate", "dlq_purge settled", "retire retired"),
    *("rotate turned", "rotate kept", "prune pruned something", "prune needed", "prune current"),
    *("evacuate moved something", "evacuate current"),
    *("producer commits", "producer rolls back", "worker commits", "worker rolls back"),
}
"""What must have happened in the examples that are always the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What was answered, and how it ended."""

    told: Counter[str]
    failure: BaseException | None


@pytest.fixture(scope="module")
def new_world(cluster: Cluster, watcher: Session, template: str) -> Iterator[NewWorld]:
    """Return `new_world()`: databases that nobody records, because a trace has one beginning."""
    with ExitStack() as stack:

        def make() -> World:
            name = fresh_name("machine")
            create(watcher, name, template)
            stack.callback(drop, watcher, name)
            world = World(cluster.conninfo(name))
            stack.callback(world.close)
            return world

        yield make


@pytest.fixture(scope="module")
def played(new_world: NewWorld) -> Played:
    """Play once; two tests look at it."""
    world = new_world()
    failure: BaseException | None = None
    try:
        play(world, ASKED_FOR)
    except Exception as error:  # noqa: BLE001 - the test raises it
        failure = error
    lines = [f"{times:7}  {what}" for what, times in sorted(world.told.items())]
    sys.stdout.write("\n".join(["", *lines, f"{world.told.total():7}  calls", ""]))
    return Played(told=_by_word(world.told), failure=failure)


def _by_word(told: Counter[str]) -> Counter[str]:
    """Count each word of an answer that has several."""
    words: Counter[str] = Counter()
    for what, times in told.items():
        action, answer = what.split(" ", 1)
        words.update({f"{action} {word}": times for word in answer.split("+")})
    return words


def test_the_server_does_what_the_twin_allows_and_stands_where_it_stands(played: Played) -> None:
    """Guards every property of Storage: after each step the tables are the twin's state."""
    if played.failure is not None:
        raise played.failure


def test_the_examples_reach_every_action_and_answer(played: Played) -> None:
    """Guards the machine itself: one that is idle finds nothing."""
    assert set() == set(ACTIONS) - {what.split(" ")[0] for what in played.told}
    assert set() == ANSWERS - set(played.told)
    assert any(f"{settle} busy" in played.told for settle in STATEMENTS)


@pytest.mark.parametrize("defect", MUTANTS)
def test_the_machine_finds_a_planted_defect(new_world: NewWorld, defect: str) -> None:
    """Guards the machine itself: in as many examples as are always played, it sees the defect."""
    world = new_world()
    MUTANTS[defect].plant(world.session)
    with pytest.raises(Divergence):
        play(world, ALWAYS)
