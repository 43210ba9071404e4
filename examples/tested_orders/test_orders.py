"""Its tests: real SQL on a database of each test's own, and nobody waits a week."""

import pytest

import awa
from awa.testing import advance, assert_enqueued, drain, inline, refute_enqueued, run_one
from examples.tested_orders import orders
from examples.tested_orders.orders import AskForReview, Confirm, place_order


@pytest.fixture
def awa_app() -> awa.AsyncClient:
    """Say which client is ours; `awa_client` is the same one, on the test's database."""
    orders.sent.clear()
    return orders.client


async def test_an_order_enqueues_its_mails(awa_client: awa.AsyncClient) -> None:
    """What the program stores, without running it."""
    async with awa_client:
        await place_order(1)
        await assert_enqueued(awa_client, Confirm(1), queue="mail", count=1)
        await assert_enqueued(awa_client, AskForReview, args={"order": 1})
        await refute_enqueued(awa_client, Confirm(2))


async def test_a_review_is_asked_for_a_week_later(awa_client: awa.AsyncClient) -> None:
    """What is due now runs now; a week passes in no time."""
    async with awa_client:
        await place_order(1)
        await drain(awa_client)
        assert orders.sent == ["order 1 is confirmed"]
        await advance(awa_client, days=7)
        await drain(awa_client)
        assert orders.sent == ["order 1 is confirmed", "how was order 1?"]


async def test_a_busy_mail_server_is_tried_again(awa_client: awa.AsyncClient) -> None:
    """One attempt at a time, with what became of each."""
    async with awa_client:
        await place_order(3)
        first = await run_one(awa_client)
        assert first is not None
        assert first.outcome == "retried"
        await advance(awa_client, minutes=1)
        second = await run_one(awa_client)
        assert second is not None
        assert second.outcome == "completed"


async def test_inline_the_mail_is_sent_when_the_order_is_taken(
    awa_client: awa.AsyncClient,
) -> None:
    """For tests that are not about jobs at all."""
    async with awa_client:
        with inline(awa_client):
            await place_order(5)
        assert orders.sent == ["order 5 is confirmed"]
