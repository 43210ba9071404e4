"""Where an action refuses to run: under an older snapshot, and inside a larger transaction."""

from typing import LiteralString

import pytest

from tests.fix_actions import cancel_pending
from tests.fix_database import Session
from tests.fix_sql import claim, enqueue_many, everything, refused, start_worker

ITEM: LiteralString = "1, 1, '{0}', '{1}', '{1}', array['{[1,2)}']::int8multirange[]"
ACTIONS: dict[str, LiteralString] = {
    "retry": f"select awa.retry({ITEM})",
    "snooze": f"select awa.snooze({ITEM}, '{{5}}')",
    "fail": f"select awa.fail({ITEM})",
    "cancel_running": f"select awa.cancel_running({ITEM})",
    "promote": "select awa.promote()",
    "rescue_worker": "select awa.rescue_worker(1, 0)",
    "rescue_deadline": "select awa.rescue_deadline()",
    "cancel_pending": "select awa.cancel_pending(1, '{2}')",
    "dlq_move": "select awa.dlq_move(1, '{2}')",
    "dlq_retry": "select awa.dlq_retry(1, '{2}')",
    "dlq_purge": "select awa.dlq_purge(1, '{2}')",
    "retire": "select awa.retire()",
}


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize("action", list(ACTIONS))
def test_an_older_snapshot_is_refused(one: Session, action: str, level: str) -> None:
    """Guards AW002: it would show closed attempts as open, and ended jobs as waiting."""
    start_worker(one)
    enqueue_many(one, 2)
    claim(one, 1, token=1)
    before = everything(one)
    one.execute(f"set default_transaction_isolation = '{level}'")
    with refused("AW002", f"{action} refuses to run under {level}"):
        one.execute(ACTIONS[action])
    one.execute("reset default_transaction_isolation")
    assert before == everything(one)


def test_an_act_on_pending_entries_stands_alone(one: Session) -> None:
    """Guards AW007: it stops claims of the lane, which a business transaction may not do."""
    enqueue_many(one, 2)
    one.execute("create table orders (n int)")
    before = everything(one)
    with refused("AW007", "larger transaction"), one.transaction():
        one.execute("insert into orders values (1)")
        cancel_pending(one, 1)
    assert before == everything(one)
    with one.transaction():
        assert [("settled", "cancelled")] == cancel_pending(one, 1)
