"""A batch of outcomes as the call that settles it."""

from typing import assert_never

from awa._core.entries import Fault, Result, SettleItem, Settlement
from awa._core.ranges import Ranges
from awa._runtime.outbox import Action, Batch, Parcel
from awa._storage.calls import Call
from awa._storage.functions import Storage


def settle_call(
    storage: Storage, worker: int, settle_id: int, batch: Batch
) -> Call[tuple[Settlement, ...]]:
    """The call; sent again it is the same one."""
    items = [_item(parcel) for parcel in batch.parcels]
    match batch.action:
        case Action.COMPLETE:
            return storage.complete(worker, settle_id, items, _results(batch))
        case Action.RETRY:
            return storage.retry(worker, settle_id, items, _faults(batch))
        case Action.SNOOZE:
            return storage.snooze(worker, settle_id, items, _delays_s(batch))
        case Action.FAIL:
            return storage.fail(worker, settle_id, items, _faults(batch))
        case Action.CANCEL:
            return storage.cancel_running(worker, settle_id, items, reason=_reason(batch))
        case Action.RELEASE:
            return storage.release(worker, settle_id, items)
        case unreachable:
            assert_never(unreachable)


def _item(parcel: Parcel) -> SettleItem:
    held = parcel.held
    return SettleItem(
        slot=held.slot, token=held.token, part=held.part, seqs=Ranges.from_sorted(parcel.seqs)
    )


def _results(batch: Batch) -> list[Result]:
    return [
        Result(item=number, seq=detail.seq, value=detail.text)
        for number, parcel in enumerate(batch.parcels, start=1)
        for detail in parcel.details
    ]


def _faults(batch: Batch) -> list[Fault]:
    return [
        Fault(item=number, seq=detail.seq, error=detail.text, delay_s=detail.delay_s)
        for number, parcel in enumerate(batch.parcels, start=1)
        for detail in parcel.details
    ]


def _delays_s(batch: Batch) -> list[float]:
    delays_s = [parcel.shared for parcel in batch.parcels]
    assert all(isinstance(delay_s, float | int) for delay_s in delays_s)
    return [float(delay_s or 0.0) for delay_s in delays_s]


def _reason(batch: Batch) -> str | None:
    reason = batch.parcels[0].shared
    assert reason is None or isinstance(reason, str)
    return reason
