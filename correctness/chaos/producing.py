"""Producers: they make jobs all the time, and keep books of what the database told them."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import psycopg
import trio

import awa
from correctness.chaos.jobs import DOOMED, DOOMED_ATTEMPTS, QUEUE, Errand, Mix, Wish

CALL_S_MAX: Final = 30.0
"""A call without an answer for so long is given up; its outcome is in doubt."""
PAUSE_S: Final = 0.1
"""After a call that failed."""


class RolledBackOnPurpose(Exception):
    """Ends a transaction that shall leave nothing."""


@dataclass(slots=True)
class Books:
    """What became of each job, as its producer was told. By the producer's numbers."""

    wishes: dict[int, Wish] = field(default_factory=dict)
    committed: dict[int, float] = field(default_factory=dict)
    """The answer came, at this moment: these must end, once each."""
    doubted_together: list[frozenset[int]] = field(default_factory=list)
    """The call was sent and its reply lost: each transaction is there whole, or not at all."""
    refused: set[int] = field(default_factory=set)
    """The database, or the client, said that nothing was written; or it was rolled back."""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def wish(self, wish: Wish) -> Wish:
        """Note a job before it is made."""
        self.wishes[wish.errand.n] = wish
        return wish

    def next_number(self) -> int:
        """Return a number for a job that no other has."""
        return next(self.numbers)

    def doubted(self) -> set[int]:
        """Return all jobs that may be there or not."""
        return set[int]().union(*self.doubted_together)

    def ends_in_doubt(self, numbers: set[int], *, rolls_back: bool) -> None:
        """Note that nobody said what became of a transaction; one to be rolled back is nothing."""
        if rolls_back:
            self.refused |= numbers
        else:
            self.doubted_together.append(frozenset(numbers))


@dataclass(slots=True, kw_only=True)
class Producer:
    """Makes jobs on a connection of its own, until it is told to stop.

    `rate` is how many transactions a second it wants; it goes slower where the server does.
    """

    conninfo: Callable[[], str]
    """Asked again after trouble: after a failover it may be another."""
    books: Books
    mix: Mix
    rate: float
    dice: random.Random
    stopped: trio.Event = field(default_factory=trio.Event)

    async def run(self) -> None:
        """Make jobs."""
        while not self.stopped.is_set():
            async with awa.AsyncClient(self.conninfo(), pool_size=1) as client:
                while not self.stopped.is_set() and await self._once(client):
                    with trio.move_on_after(self.dice.expovariate(self.rate)):
                        await self.stopped.wait()
            if not self.stopped.is_set():
                await trio.sleep(PAUSE_S)

    async def _once(self, client: awa.AsyncClient) -> bool:
        """Make the jobs of one transaction; whether that went well."""
        dice, mix, books = self.dice, self.mix, self.books
        together = dice.randint(1, mix.together_max) if dice.random() < 0.3 else 1  # noqa: PLR2004
        wishes = [books.wish(mix.draw(dice, books.next_number())) for _ in range(together)]
        return await book(books, client, wishes, rolls_back=dice.random() < mix.rolled_back)


async def book(
    books: Books, client: awa.AsyncClient, wishes: list[Wish], *, rolls_back: bool = False
) -> bool:
    """Make these jobs in one transaction, and write down what is known of them afterwards."""
    numbers = {wish.errand.n for wish in wishes}
    answered = False
    try:
        with trio.move_on_after(CALL_S_MAX):
            await store(client, wishes, rolls_back=rolls_back)
            answered = True
    except RolledBackOnPurpose:
        books.refused |= numbers
        return True
    except awa.OutcomeUnknown:
        books.ends_in_doubt(numbers, rolls_back=rolls_back)
        return False
    except (awa.WorldError, psycopg.Error) as error:
        # Without a code the server has said nothing: a COMMIT may have been under way.
        silent = isinstance(error, psycopg.Error) and error.sqlstate is None
        books.ends_in_doubt(numbers, rolls_back=rolls_back or not silent)
        return False
    if answered:
        books.committed.update(dict.fromkeys(numbers, trio.current_time()))
    else:
        books.ends_in_doubt(numbers, rolls_back=rolls_back)
    return answered


async def store(client: awa.AsyncClient, wishes: list[Wish], *, rolls_back: bool) -> None:
    """Make the jobs: one alone, or all in a transaction, those of a kind together."""
    if len(wishes) == 1 and not rolls_back:
        await client.insert(wishes[0].errand, **options(wishes[0]))
        return
    alike: dict[tuple[tuple[str, Any], ...], list[Errand]] = {}
    for wish in wishes:
        alike.setdefault(tuple(options(wish).items()), []).append(wish.errand)
    async with client.transaction() as transaction:
        for chosen, errands in alike.items():
            if len(errands) == 1:
                await transaction.insert(errands[0], **dict(chosen))
            else:
                await transaction.insert_many(errands, **dict(chosen))
        if rolls_back:
            raise RolledBackOnPurpose


def options(wish: Wish) -> dict[str, Any]:
    """Return the options of `insert` for a job."""
    found: dict[str, Any] = {"kind": wish.kind, "queue": QUEUE}
    if wish.delay_s is not None:
        found["delay"] = wish.delay_s
    if wish.priority is not None:
        found["priority"] = wish.priority
    if wish.kind == DOOMED:
        found["max_attempts"] = DOOMED_ATTEMPTS
    return found
