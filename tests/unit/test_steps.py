"""Steps without I/O: what is busy is asked again, for a while; both drivers take the same steps."""

from functools import partial

import pytest

from awa._client.acts import act, act_on_pages
from awa._client.steps import PAUSES_S, Pause, Steps, ask, drive, drive_sync
from awa._core.entries import Act, ActAnswer
from awa._storage.calls import Call


def acting(settle_id: int, job_ids: list[int]) -> Call[tuple[Act, ...]]:
    """Return a call that carries what it was made for."""
    return Call(action="test", sql="", params=(settle_id, tuple(job_ids)), decode=lambda _: ())


def answer(item: int, what: ActAnswer) -> Act:
    """Return what the database would answer for one job."""
    return Act(item=item, answer=what, state=None)


def both() -> Steps[str]:
    """Ask twice, with a pause in between."""
    first = yield from ask(Call(action="a", sql="", params=(), decode=lambda _: "x"))
    yield Pause(seconds=0.5)
    second = yield from ask(Call(action="b", sql="", params=(), decode=lambda _: "y"))
    return first + second


async def test_both_drivers_take_the_same_steps() -> None:
    """Guards the twins: calls and pauses in their order, answers where they were asked for."""
    taken: list[object] = []

    def run(call: Call[str]) -> str:
        taken.append(call.action)
        return call.decode([])

    async def run_async(call: Call[str]) -> str:
        return run(call)

    async def sleep(seconds: float) -> None:
        taken.append(seconds)

    assert "xy" == drive_sync(both(), run, taken.append)
    assert "xy" == await drive(both(), run_async, sleep)
    assert ["a", 0.5, "b"] * 2 == taken


def test_an_error_of_a_call_ends_the_steps() -> None:
    """Guards callers: what the database refuses is raised as it is."""

    def run(call: Call[str]) -> str:
        raise LookupError(call.action)

    with pytest.raises(LookupError, match="a"):
        drive_sync(both(), run, print)


def test_only_what_was_busy_is_asked_again_under_the_same_settle_id() -> None:
    """Guards repeats: one settle id for the whole act, so its own deeds are not told as others'."""
    asked: list[tuple[object, ...]] = []

    def run(call: Call[tuple[Act, ...]]) -> tuple[Act, ...]:
        asked.append(call.params)
        if len(asked) == 1:
            return (answer(1, ActAnswer.SETTLED), answer(2, ActAnswer.BUSY))
        return (answer(1, ActAnswer.ALREADY),)

    told = drive_sync(act(acting, [5, 6]), run, lambda _: None)
    assert [(5, "settled"), (6, "settled")] == [(one.job_id, one.answer) for one in told]
    assert [(5, 6), (6,)] == [params[1] for params in asked]
    assert 1 == len({params[0] for params in asked})


def test_what_stays_busy_is_told_as_busy() -> None:
    """Guards operators: no call waits for ever."""
    pauses: list[float] = []

    def run(call: Call[tuple[Act, ...]]) -> tuple[Act, ...]:
        return (answer(1, ActAnswer.BUSY),)

    (told,) = drive_sync(act(acting, [5]), run, pauses.append)
    assert ActAnswer.BUSY is told.answer
    assert list(PAUSES_S) == pauses


def test_pages_are_acted_on_until_one_is_empty() -> None:
    """Guards acts on many: each page begins below the last, and the counts are added."""
    asked: list[object] = []

    def pages(before_id: int | None) -> Call[tuple[int, ...]]:
        asked.append(before_id)
        found = {None: (9, 8), 8: (3,)}.get(before_id, ())
        return Call(action="pages", sql="", params=(), decode=lambda _: found)

    def run(call: Call[tuple[object, ...]]) -> tuple[object, ...]:
        if call.action == "pages":
            return call.decode([])
        jobs = call.params[1]
        assert isinstance(jobs, tuple)
        stale = ActAnswer.STALE if 3 in jobs else ActAnswer.SETTLED
        return tuple(answer(item, stale) for item in range(1, len(jobs) + 1))

    found = drive_sync(act_on_pages(pages, partial(act, acting)), run, print)
    assert (3, 2, 0, 0) == (found.matched, found.done, found.busy, found.duplicate)
    assert [None, 8, 3] == asked
