"""Batches as calls, and their answers as counts."""

import pytest

from awa._core.entries import Answer
from awa._runtime.ledger import Held
from awa._runtime.outbox import Action, Batch, Detail, Parcel
from awa._runtime.settle_calls import settle_call
from awa._runtime.statistics import Statistics
from awa._storage.functions import Storage

HELD = Held(
    queue="q",
    priority=2,
    call=1,
    token=7,
    slot=3,
    part=2,
    deadline_s=float("inf"),
    taken_s=0.0,
    jobs=9,
)
ITEMS = ("{3}", "{7}", "{2}", '{"{[4,6)}"}')
SPOKEN = Detail(4, b'{"error":"x"}', 1.5, 11)


@pytest.mark.parametrize(
    ("action", "parcel", "more"),
    [
        (Action.COMPLETE, Parcel(HELD, [4, 5]), ("{}", "{}", [], False)),
        (Action.COMPLETE, Parcel(HELD, [4, 5], [Detail(5, b"1")]), ("{1}", "{5}", ["1"], False)),
        (Action.RETRY, Parcel(HELD, [4, 5], [SPOKEN]), ("{1}", "{4}", ['{"error":"x"}'], [1.5])),
        (Action.FAIL, Parcel(HELD, [4, 5], [SPOKEN]), ("{1}", "{4}", ['{"error":"x"}'])),
        (Action.SNOOZE, Parcel(HELD, [4, 5], shared=0.5), ([0.5],)),
        (Action.CANCEL, Parcel(HELD, [4, 5], shared="why"), ("why",)),
        (Action.CANCEL, Parcel(HELD, [4, 5]), (None,)),
        (Action.RELEASE, Parcel(HELD, [4, 5]), ()),
    ],
)
def test_each_batch_is_the_call_of_its_name(
    action: Action, parcel: Parcel, more: tuple[object, ...]
) -> None:
    """Guards what travels: receipts by item, details by item and number, words said once."""
    call = settle_call(Storage(), 21, 22, Batch(action=action, parcels=(parcel,)))
    assert action.value == call.action
    assert (21, 22, *ITEMS, *more) == call.params


def test_what_is_durable_is_counted_as_what_became_of_it() -> None:
    """Guards health: a retry without attempts is a failure, whoever asked for what."""
    counts = Statistics()
    for action in Action:
        counts.settled(action, Answer.SETTLED, 2)
    counts.settled(Action.RETRY, Answer.FAILED, 3)
    counts.settled(Action.RETRY, Answer.DEAD_LETTERED, 4)
    counts.settled(Action.FAIL, Answer.DEAD_LETTERED, 5)
    assert (2, 2, 2, 2, 2) == (
        counts.completed,
        counts.retried,
        counts.snoozed,
        counts.cancelled,
        counts.released,
    )
    assert (2 + 3, 4 + 5) == (counts.failed, counts.dead_lettered)
