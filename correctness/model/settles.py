"""Actions that end attempts: what workers settle, and what is rescued from them."""

from collections.abc import Collection
from dataclasses import replace

from correctness.model.calls import without_worker
from correctness.model.effects import (
    Guards,
    Places,
    append_guards,
    carry_guards,
    close_guards,
    closing,
    entire,
    every_row,
    follow_guards,
    place_guards,
    placing,
    refusal,
    settled,
)
from correctness.model.facts import Facts, facts, union
from correctness.model.state import NOTHING, Item, Lane, New, Out, Refused, Scope, Seqs

NOWHERE = frozenset[str]()
RETRYABLE = frozenset({"retryable"})
SCHEDULED = frozenset({"scheduled"})


def _settle_guards(seen: Facts, settle: int, items: Collection[Item], outcome: str) -> Guards:
    def whole(it: Item) -> bool:
        answered = union(i.settled for i in items if (i.token, i.part) == (it.token, it.part))
        return it.asked & seen.open(it.token, it.part) <= answered

    def told(it: Item) -> bool:
        already = it.asked & seen.closed_as(it.token, it.part, settle, outcome)
        return it.already == already and it.stale == it.asked - (it.settled | it.already)

    return {
        "asked": lambda: all(it.settled <= it.asked for it in items),
        "whole": lambda: all(map(whole, items)),
        "told": lambda: all(map(told, items)),
    }


def _settling(
    lane: Lane,
    scope: Scope,
    settle: int,
    items: Collection[Item],
    out: Out,
    first: tuple[Guards, ...],
    *,
    outcome: str,
    spent: int = 0,
) -> Lane | Refused:
    """Settling, after the guards of the action itself."""
    seen = facts(lane)
    return refusal(
        scope,
        *first,
        close_guards(seen, items),
        _settle_guards(seen, settle, items, outcome),
        append_guards(lane, out.new),
        follow_guards(seen, out, settled(items)),
        carry_guards(seen, out, spent=spent, loss=0),
    ) or replace(
        placing(seen, out, 0),
        closures=closing(seen, items, scope, outcome=outcome, settle=settle),
    )


def _later_guards(out: Out) -> Guards:
    return {"later": lambda: not out.new}


def _nothing() -> Seqs:
    return NOTHING


def complete(lane: Lane, scope: Scope, settle: int, items: Collection[Item]) -> Lane | Refused:
    """Attempts succeed."""
    seen = facts(lane)
    return refusal(
        scope, close_guards(seen, items), _settle_guards(seen, settle, items, "completed")
    ) or replace(lane, closures=closing(seen, items, scope, outcome="completed", settle=settle))


def release(
    lane: Lane, scope: Scope, settle: int, items: Collection[Item], new: frozenset[New]
) -> Lane | Refused:
    """Attempts are given back: available again at once, under new numbers."""
    return _settling(lane, scope, settle, items, Out(new=new), (), outcome="released")


def _retry_guards(seen: Facts, scope: Scope, items: Collection[Item], out: Out) -> Guards:
    ended = settled(items)
    places = Places(
        again=lambda: frozenset(s for s in ended if seen.may_go_on(s, scope)),
        waits=RETRYABLE,
        ends=lambda: frozenset(s for s in ended if seen.exhausted(s, scope)),
        ends_as="failed",
    )
    return place_guards(out, places)


def retry(
    lane: Lane, scope: Scope, settle: int, items: Collection[Item], out: Out
) -> Lane | Refused:
    """Attempts fail and count: their jobs wait for the next, or have none left."""
    first = (_later_guards(out), _retry_guards(facts(lane), scope, items, out))
    return _settling(lane, scope, settle, items, out, first, outcome="retried", spent=1)


def snooze(
    lane: Lane, scope: Scope, settle: int, items: Collection[Item], out: Out
) -> Lane | Refused:
    """Attempts are given back until a time."""
    places = Places(again=lambda: settled(items), waits=SCHEDULED, ends=_nothing, ends_as="failed")
    first = (_later_guards(out), place_guards(out, places))
    return _settling(lane, scope, settle, items, out, first, outcome="snoozed")


def _ending(
    lane: Lane, scope: Scope, settle: int, items: Collection[Item], out: Out, outcome: str
) -> Lane | Refused:
    places = Places(again=_nothing, waits=NOWHERE, ends=lambda: settled(items), ends_as=outcome)
    first = (place_guards(out, places),)
    return _settling(lane, scope, settle, items, out, first, outcome=outcome)


def fail(
    lane: Lane, scope: Scope, settle: int, items: Collection[Item], out: Out
) -> Lane | Refused:
    """Jobs end, as final rows or dead letters."""
    return _ending(lane, scope, settle, items, out, "failed")


def cancel_running(
    lane: Lane, scope: Scope, settle: int, items: Collection[Item], out: Out
) -> Lane | Refused:
    """Running jobs are cancelled, under the receipt of what was looked at."""
    return _ending(lane, scope, settle, items, out, "cancelled")


def _losing(
    lane: Lane, scope: Scope, items: Collection[Item], out: Out, first: Guards
) -> Lane | Refused:
    """Losing, after the guards of the action itself: again, later, or past the bound at an end."""
    seen, ended = facts(lane), settled(items)

    def lost_too_often() -> Seqs:
        return frozenset(s for s in ended if seen.spent(s, scope))

    places = Places(
        again=lambda: ended - lost_too_often(),
        waits=RETRYABLE,
        ends=lost_too_often,
        ends_as="failed",
    )
    return refusal(
        scope,
        first,
        close_guards(seen, items),
        append_guards(lane, out.new),
        follow_guards(seen, out, ended),
        carry_guards(seen, out, spent=0, loss=1),
        place_guards(out, places),
    ) or replace(
        placing(seen, out, 1), closures=closing(seen, items, scope, outcome="lost", settle=0)
    )


def heartbeat(
    lane: Lane,
    scope: Scope,
    worker: int,
    upto: int,
    named: Collection[int],
    answer: str,
    items: Collection[Item],
    out: Out,
) -> Lane | Refused:
    """A worker names the calls it knows up to `upto`; what it does not name is lost."""
    seen = facts(lane)
    guards: Guards = {
        "told": lambda: answer == ("alive" if worker in lane.workers else "gone"),
        "alive": lambda: not items or worker in lane.workers,
        "own": lambda: every_row(seen, items, lambda row: row.worker == worker),
        "upto": lambda: every_row(seen, items, lambda row: row.call <= upto),
        "unnamed": lambda: every_row(seen, items, lambda row: row.call not in named),
        "entire": lambda: entire(seen, items),
    }
    return _losing(lane, scope, items, out, guards)


def rescue_worker(
    lane: Lane, scope: Scope, worker: int, answer: str, items: Collection[Item], out: Out
) -> Lane | Refused:
    """The leader gives a worker up; its claims follow, in as many calls as it takes."""
    seen = facts(lane)
    guards: Guards = {
        "told": lambda: answer == "gone",
        "own": lambda: every_row(seen, items, lambda row: row.worker == worker),
        "entire": lambda: entire(seen, items),
    }
    after = _losing(lane, scope, items, out, guards)
    return after if isinstance(after, Refused) else without_worker(after, worker)


def rescue_deadline(lane: Lane, scope: Scope, items: Collection[Item], out: Out) -> Lane | Refused:
    """Attempts past their deadline end and count, as in a retry."""
    seen = facts(lane)
    guards: Guards = {"entire": lambda: entire(seen, items)}
    return refusal(
        scope,
        guards,
        close_guards(seen, items),
        _retry_guards(seen, scope, items, out),
        append_guards(lane, out.new),
        follow_guards(seen, out, settled(items)),
        carry_guards(seen, out, spent=1, loss=0),
    ) or replace(
        placing(seen, out, 0), closures=closing(seen, items, scope, outcome="expired", settle=0)
    )
