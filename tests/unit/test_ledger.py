"""Which claim calls a beat names."""

from awa._core.ranges import Ranges
from awa._runtime.ledger import Held, Ledger


def took(ledger: Ledger, call: int, *jobs: int) -> list[Held]:
    """Answer a call with claims rows of so many jobs."""
    ledger.answered(call, jobs=sum(jobs))
    return [
        Held(
            queue="q",
            priority=2,
            call=call,
            token=call,
            slot=0,
            part=part,
            deadline_s=float("inf"),
            taken_s=0.0,
            jobs=number,
        )
        for part, number in enumerate(jobs, start=1)
    ]


def test_a_call_is_named_before_it_is_answered() -> None:
    """Guards a claim under way: a beat that does not name it would release what it takes."""
    ledger = Ledger()
    assert 1 == ledger.start_call()
    assert Ranges([(1, 2)]) == ledger.open_calls()


def test_a_call_that_took_nothing_is_not_named() -> None:
    """Guards short lists: an idle worker names nothing."""
    ledger = Ledger()
    took(ledger, ledger.start_call())
    assert not ledger.open_calls()
    assert 1 == ledger.last_call


def test_a_call_is_named_until_its_last_outcome_is_durable() -> None:
    """Guards attempts in their pause, and outcomes whose settle was not answered."""
    ledger = Ledger()
    first, second = took(ledger, ledger.start_call(), 2, 1)
    ledger.start_call()
    ledger.durable(first, 2)
    assert Ranges([(1, 3)]) == ledger.open_calls()
    assert 1 == ledger.jobs()
    ledger.durable(second, 1)
    assert Ranges([(2, 3)]) == ledger.open_calls()
