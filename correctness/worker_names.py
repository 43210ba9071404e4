"""Small numbers for what workers and their database call by random ones, as both speak of it.

What a worker says of an attempt counts only where the database does not say otherwise.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from correctness.merging import Event, Need
from correctness.traces import Recorded

_SPAN: Final = re.compile(r"\[(\d+),(\d+)\)")
FLUSHES: Final = {"flush_sent", "commit_sent"}


class Attempt(NamedTuple):
    """One entry of a job."""

    job: int
    run: int


NOBODYS: Final = Attempt(0, 0)


class Names:
    """Small numbers for tokens, settle ids and workers; attempts as pairs of job and run."""

    def __init__(self, recorded: Sequence[Recorded], told: Sequence[Event]) -> None:
        began = [event["worker"] for event in told if event["a"] == "began"]
        self.worker: Final = {worker: number for number, worker in enumerate(began, 1)}
        sent = [event for event in told if event["a"] == "claim_sent"]
        self.token: Final = {event["token"]: number for number, event in enumerate(sent, 1)}
        self.call: Final = {
            (event["worker"], event["call"]): self.token[event["token"]] for event in sent
        }
        flushed = [event["settle"] for event in told if event["a"] in FLUSHES]
        self.settle: Final = {settle: number for number, settle in enumerate(flushed, 1)}
        self.queues: Final[dict[Attempt, int]] = {}
        self.beats: Final[dict[Need, list[int]]] = defaultdict(list)
        self._jobs: Final[dict[int, int]] = {}
        self._queues: Final[dict[str, int]] = {}
        self._calls: Final = {event["token"]: event["call"] for event in sent}
        claims = [one.event for one in recorded if one.event["a"] == "claim"]
        self._recorded: Final = {event["token"] for event in claims}
        self._taken: Final = dict(self._claimed(recorded))
        self._heard: Final = dict(self._answered(told))

    def queue(self, name: str) -> int:
        """Answer the small number of a queue."""
        return self._queues.setdefault(name, len(self._queues) + 1)

    def attempt(self, token: int, part: int, seq: int) -> Attempt | None:
        """Answer an attempt; None when no worker here ever claimed it."""
        receipt = (token, part, seq)
        return self._taken.get(receipt, self._heard.get(receipt))

    def own(self, token: int, part: int, seq: int) -> Attempt:
        """Answer the attempt that a worker says it has; nobody's where it was never given one."""
        return self.attempt(token, part, seq) or NOBODYS

    def said(self, token: int, row: Sequence[Any]) -> Attempt:
        """Answer what a reply says that it took: nobody's, where the database took another."""
        part, seq, job, run, _ = row
        known = self._taken.get((token, part, seq))
        if not job:  # without its body
            return known or NOBODYS
        told = Attempt(self._job(job), run)
        return told if told == known or token not in self._recorded else NOBODYS

    def executed(self, claim: Event) -> int:
        """Answer the token of a claim; 0 where its worker sent it as another call, or never."""
        token = claim["token"]
        return self.token[token] if self._calls.get(token) == claim["call"] else 0

    def _claimed(self, recorded: Sequence[Recorded]) -> Iterator[tuple[Need, Attempt]]:
        entries = {
            (lane, seq): (job, run)
            for one in recorded
            if one.event["a"] != "census"
            for lane, _, seq, job, run, *_ in one.event.get("entries") or ()
        }
        for one in recorded:
            if one.event["a"] == "claim" and one.event["token"] in self.token:
                for row in one.event["rows"]:
                    for seq in numbers_of(row["seqs"]):
                        job, run = entries[row["lane"], seq]
                        yield (one.event["token"], row["part"], seq), Attempt(self._job(job), run)

    def _answered(self, told: Sequence[Event]) -> Iterator[tuple[Need, Attempt]]:
        for event in told:
            if event["a"] == "claim_answered":
                for row in event["taken"]:
                    attempt = self.said(event["token"], row)
                    self.queues[attempt] = self.queue(row[-1])
                    yield (event["token"], *row[:2]), attempt

    def _job(self, job: int) -> int:
        return self._jobs.setdefault(job, len(self._jobs) + 1)


def numbers_of(text: str) -> list[int]:
    """Answer the numbers of a multirange."""
    return [n for low, high in _SPAN.findall(text) for n in range(int(low), int(high))]
