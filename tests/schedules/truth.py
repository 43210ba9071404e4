"""What was observed of a schedule, and which properties that breaks."""

from collections import Counter
from typing import Final

from tests.fix_database import Session
from tests.fix_sql import Answers, Row, numbers

Entry = tuple[int, int]
"""A lane, and a number in it."""


class Truth:
    """Who was told what; which jobs there are; what was seen of the lanes."""

    def __init__(self, session: Session) -> None:
        self._session: Final = session
        self._before: Final[dict[int, frozenset[int]]] = {}
        self._answers: Final[list[tuple[int, set[Entry]]]] = []
        self._ends: Final[Counter[Entry]] = Counter()
        self._over: Final[set[int]] = set()
        self._withdrawn: Final[dict[int, Entry]] = {}
        self._lanes: dict[int, tuple[int, int]] = {}
        self._broken: Final[set[str]] = set()

    def visible(self) -> frozenset[int]:
        """Return the jobs whose enqueue has committed."""
        return frozenset(j for (j,) in self._session.execute("select job_id from awa.ready"))

    def enqueued(self, before: frozenset[int], job: int) -> int:
        """Note a job, and what was visible when its enqueue began."""
        self._before[job] = before
        return job

    def claimed(self, token: int, entries: set[Entry]) -> None:
        """Note what a claim call was answered."""
        self._answers.append((token, entries))

    def answers_are_open(self, token: int, entries: set[Entry]) -> None:
        """Look, right after an answer, whether it is open."""
        if not entries <= self._open(token):
            self._broken.add("AnswersAreOpen")

    def settled(self, row: Row, found: Answers, *, look: bool) -> None:
        """Note what a complete was answered; look at once whether what has ended has ended."""
        for _, answer, seqs in found:
            entries = {(row.lane, n) for n in seqs}
            if answer == "settled":
                self._ends.update(entries)
                self._over.update(self._jobs(entries))
            elif look and answer in {"ended", "stale"} and entries & self._open(row.token):
                self._broken.add("OnlyKnownEnd")

    def noted(self, row: Row, number: int, answer: str) -> None:
        """Look, when a note has committed, whether the attempt that was heard is open."""
        if answer == "noted" and (row.lane, number) not in self._open(row.token):
            self._broken.add("OnlyOpenNotes")

    def forget(self, number: int) -> None:
        """Note that a bug, played by hand, told somebody of this number of lane 1."""
        for _, entries in self._answers:
            entries.discard((1, number))

    def withdraws(self, job: int) -> None:
        """Note that a pending job was cancelled."""
        self._withdrawn[job] = self._session.execute(
            "select lane, seq from awa.ready where job_id = %s", [job]
        ).fetchall()[0]
        self._over.add(job)

    def pruned(self, slot_jobs: frozenset[int]) -> None:
        """Look, after a slot was emptied, whether of its jobs one is gone that had not ended."""
        if self._gone(slot_jobs):
            self._broken.add("PruneEmpty")

    def look(self) -> None:
        """Look whether the lanes' states have grown since the last look."""
        rows = self._session.execute("select lane, no, next from awa.lane_now").fetchall()
        for lane, no, following in rows:
            last = self._lanes.get(lane, (0, 1))
            if no < last[0] or following < last[1]:
                self._broken.add("CursorGrows")
            self._lanes[lane] = (no, following)

    def broken(self) -> set[str]:
        """Return the properties that what was observed breaks."""
        tokens: dict[Entry, set[int]] = {}
        for token, entries in self._answers:
            for entry in entries:
                tokens.setdefault(entry, set()).add(token)
        judged = {
            "EntryClaimedOnce": any(len(who) > 1 for who in tokens.values()),
            "TokenTakesOnce": self._took_twice(),
            "ClosuresDisjoint": any(times > 1 for times in self._ends.values()),
            "FinalForGood": any(entry in tokens for entry in self._withdrawn.values()),
            "FifoLinearizable": self._out_of_order(),
            "BodyKept": bool(self._gone(frozenset(self._before))),
        }
        return self._broken | {name for name, wrong in judged.items() if wrong}

    def _took_twice(self) -> bool:
        """Whether of two answers to one call none is a part of the other."""
        return any(
            one == other and not (first <= second or second <= first)
            for one, first in self._answers
            for other, second in self._answers
        )

    def _out_of_order(self) -> bool:
        """Whether a job was claimed before another that was there when its enqueue began."""
        rows = self._session.execute(
            "select r.job_id, r.lane, c.no from awa.ready r left join awa.claims c on"
            " r.lane = c.lane and r.slot = c.slot and c.seqs @> r.seq"
        ).fetchall()
        never = max((no for _, _, no in rows if no is not None), default=0) + 1
        claims = {job: (lane, never if no is None else no) for job, lane, no in rows}
        return any(
            claims[earlier][0] == lane and claims[earlier][1] > no
            for job, (lane, no) in claims.items()
            for earlier in self._before.get(job, frozenset()) & claims.keys()
            if earlier not in self._withdrawn
        )

    def _gone(self, jobs: frozenset[int]) -> frozenset[int]:
        """Return which of these jobs are nowhere, though they have not ended."""
        there = self._session.execute("select id from awa.jobs").fetchall()
        return jobs - self._over - {job for (job,) in there}

    def _jobs(self, entries: set[Entry]) -> set[int]:
        rows = self._session.execute("select lane, seq, job_id from awa.ready").fetchall()
        return {job for lane, seq, job in rows if (lane, seq) in entries}

    def _open(self, token: int) -> set[Entry]:
        rows = self._session.execute(
            "select c.lane, c.seqs - coalesce((select range_agg(x.seqs) from awa.closures x where"
            " x.token = c.token and x.part = c.part and x.slot = c.slot), '{}')"
            " from awa.claims c where c.token = %s",
            [token],
        ).fetchall()
        return {(lane, n) for lane, seqs in rows for n in numbers(seqs)}
