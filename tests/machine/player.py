"""One example's steps: each calls the server, and tells the twins what it did.

What to ask for is read against what there is: the newest receipt, the third last job. So the
numbers that are drawn mean the same whatever the database answers.
"""

from collections.abc import Collection, Sequence
from typing import Final

from correctness.model import ACTIONS
from tests.fix_actions import (
    Acted,
    cancel_pending,
    configure,
    dlq_move,
    dlq_purge,
    dlq_retry,
    promote,
    rescue_deadline,
    rescue_worker,
    retire,
)
from tests.fix_database import Session
from tests.fix_ring import Pruned, evacuate, prune, rotate
from tests.fix_sql import CLAIM, Answers, Claimed, Row, beat, claimed, value
from tests.machine import operating, working
from tests.machine.asking import (
    PRIORITIES,
    QUEUE,
    Act,
    Settle,
    Stored,
    Wish,
    demand_stored,
    is_duplicate,
    keyed,
    stored,
)
from tests.machine.changes import Step
from tests.machine.oracle import demand
from tests.machine.working import Call, Saying
from tests.machine.world import Ending, World

WORKERS: Final = (1, 2)
ACTS: Final = {
    "cancel_pending": cancel_pending,
    "dlq_move": dlq_move,
    "dlq_retry": dlq_retry,
    "dlq_purge": dlq_purge,
}
UNKNOWN_JOB: Final = 999
ODD: Final = 9
"""The number that chooses it."""


class Player:
    """Everything that was asked for so far, so that it can be asked for again."""

    def __init__(self, world: World) -> None:
        self.world: Final = world
        self.jobs: Final[list[int]] = []
        self.rows: Final[list[Row]] = []
        self.calls: Final[list[Call]] = []
        self.settles: Final[list[Settle]] = []
        self.acts: Final[list[Act]] = []
        self.acted: Final[set[tuple[int, int]]] = set()
        self.beats: Final = dict.fromkeys(WORKERS, 0)
        self.last_id = 0
        self.sayings = 0
        world.begin_afresh()
        for worker in WORKERS:
            self.start(worker)

    def new_id(self) -> int:
        """Draw a token or a settle id."""
        self.last_id += 1
        return self.last_id

    def any_job(self, states: Collection[str]) -> bool:
        """Whether a job is in one of these states."""
        return any(self.world.oracle.state_of(job) in states for job in self.jobs)

    def some_jobs(self, chosen: Sequence[int], states: Collection[str] = ()) -> tuple[int, ...]:
        """Answer jobs by how long ago they came, of those in these states if there are any.

        There may be one that nobody knows.
        """
        fit = [job for job in self.jobs if self.world.oracle.state_of(job) in states]
        known = fit or self.jobs or [UNKNOWN_JOB]
        found = {known[-1 - n % len(known)] if n < ODD else UNKNOWN_JOB for n in chosen}
        return tuple(sorted(found))

    # Producers.

    def ensure_lane(self, lane: int) -> None:
        """A lane that is there is not made again."""

        def explain(step: Step, number: int) -> str:
            demand(number == lane, f"lane {lane} is {number}")
            step.nothing()
            return "there"

        asked = [QUEUE, PRIORITIES[lane - 1]]
        ensure = "select awa.ensure_lane(%s, %s)"
        self.world.call("ensure_lane", lambda s: int(value(s, ensure, asked)), explain)

    def enqueue(self, batch: Sequence[Wish], ending: Ending, *, one: bool = False) -> None:
        """Enqueue a few jobs."""
        oracle = self.world.oracle
        name = "enqueue" if one else "enqueue_many"
        error = "AW008" if is_duplicate(keyed(oracle, batch), batch) else None

        def run(session: Session) -> list[Stored]:
            found = stored(session, batch, one=one)
            demand_stored(oracle, batch, found)
            return found

        def explain(step: Step, told: list[Stored]) -> str:
            born = {
                job: wish
                for (job, _, duplicate, _), wish in zip(told, batch, strict=True)
                if job and not duplicate
            }
            wants = {job: wish.want(job) for job, wish in born.items() if wish.key}
            working.enqueue(step, name, wants)
            self.jobs.extend(born)
            return "+".join(sorted({answer for *_, answer in told}))

        self.world.play(name, run, explain, ending=ending, holder="producer", error=error)

    # Workers.

    def start(self, worker: int) -> None:
        """A worker starts, or says so again."""

        def explain(step: Step, answer: str) -> str:
            step.oracle.act_all(ACTIONS["worker_start"], worker, answer)
            self.beats[worker] = 0 if answer == "started" else self.beats[worker]
            return answer

        start = "select awa.worker_start(%s, '{}')"
        self.world.call("worker_start", lambda s: str(value(s, start, [worker])), explain)

    def stop(self, worker: int) -> None:
        """A worker leaves, whatever it holds."""

        def explain(step: Step, answer: str) -> str:
            step.oracle.act_all(ACTIONS["worker_stop"], worker, answer)
            return answer

        stop = "select awa.worker_stop(%s)"
        self.world.call("worker_stop", lambda s: str(value(s, stop, [worker])), explain)

    def claim(self, call: Call, ending: Ending) -> None:
        """A claim call. A worker that is told that it is gone starts anew."""
        started = call.worker in self.world.now.workers

        def run(session: Session) -> Claimed:
            params = (call.worker, call.call, call.token, [QUEUE], [call.limit])
            return claimed(session.execute(CLAIM, params).fetchall(), call.token)

        def explain(step: Step, answer: Claimed) -> str:
            self.rows.extend(row for row in answer.rows if row not in self.rows)
            return working.claim(step, call, answer)

        self.calls.append(call)
        error = None if started else "AW003"
        self.world.play("claim", run, explain, ending=ending, holder="worker", error=error)
        if not started:
            self.start(call.worker)

    def settle(self, settle: Settle, ending: Ending) -> None:
        """A settle of whatever receipts."""

        def explain(step: Step, told: Answers) -> str:
            working.settle(step, settle.name, settle.settle_id, settle.items, told)
            return "+".join(sorted({word for _, word, _ in told})) or "nothing"

        self.settles.append(settle)
        self.world.play(settle.name, settle.send, explain, ending=ending, holder="worker")

    def note(self, rows: Sequence[Row], *, late: bool = False) -> None:
        """Attempts of these claims rows say how far they are, or were; or it comes `late`."""
        self.sayings += 1
        attempts = {(row.token, row.part, row.seqs[0]) for row in rows}
        number = 0 if late else self.sayings
        sayings = [
            Saying(token=token, part=part, seq=seq, note=number, percent=self.sayings)
            for token, part, seq in sorted(attempts)
        ]

        def explain(step: Step, told: list[str]) -> str:
            return working.note_progress(step, sayings, told)

        self.world.call("note_progress", lambda s: working.note(s, sayings), explain)

    def beat(self, worker: int, *, back: int, names: str, twelfth: bool) -> None:
        """A heartbeat that names the calls it should, or some, or none."""
        calls = sorted({call.call for call in self.calls if call.worker == worker}) or [0]
        last = calls[-1 - back % len(calls)]
        known = [call for call in calls if 0 < call <= last]
        named = {"all": known, "half": known[::2], "none": []}[names]
        self.beats[worker] += 12 - self.beats[worker] % 12 if twelfth else 1
        number = self.beats[worker]

        def explain(step: Step, answer: tuple[str, int]) -> str:
            working.heartbeat(step, worker, last, frozenset(named), answer)
            return f"{answer[0]}{' and released' if answer[1] else ''}"

        self.world.call("heartbeat", lambda s: beat(s, number, last, named, worker), explain)

    def rescue_worker(self, worker: int, seen: str) -> None:
        """A worker is given up, by what was seen of it."""
        here = worker in self.world.now.workers
        number = self.beats[worker]
        judged = {"its beat": number, "another beat": number + 1, "no row": None}[seen]

        def explain(step: Step, answer: tuple[str, int, int, int]) -> str:
            demand((answer[0] == "alive") == (here and seen != "its beat"), answer)
            working.rescue_worker(step, worker, answer)
            if not here and judged is None and step.alone:
                working.holds_nothing(step, worker)
            return f"{answer[0]}{' and rescued' if sum(answer[1:3]) else ''}"

        self.world.call("rescue_worker", lambda s: rescue_worker(s, worker, judged), explain)

    def rescue_deadline(self) -> None:
        """What is past its deadline ends."""

        def explain(step: Step, answer: tuple[int, int, int]) -> str:
            working.rescue_deadline(step, answer)
            return "rescued" if sum(answer[:2]) else "none"

        self.world.call("rescue_deadline", rescue_deadline, explain)

    # Operators and the leader.

    def promote(self, jobs: Sequence[int]) -> None:
        """These jobs go back to their lanes, or if there are none, what is due."""

        def explain(step: Step, answer: int) -> str:
            operating.promote(step, jobs, answer)
            return "promoted" if answer else "none"

        self.world.call("promote", lambda s: promote(s, *jobs), explain)

    def act(self, act: Act) -> None:
        """An operator's act on any jobs."""
        before = {job for job in act.jobs if (act.settle_id, job) in self.acted}

        def run(session: Session) -> Acted:
            return ACTS[act.name](session, *act.jobs, settle_id=act.settle_id, **act.opts)

        def explain(step: Step, told: Acted) -> str:
            operating.act(step, act.name, act.jobs, before, told)
            words = {job: word for job, (word, _) in zip(act.jobs, told, strict=True)}
            settled = {job for job, word in words.items() if word == "settled"}
            self.acted.update((act.settle_id, job) for job in settled)
            return "+".join(sorted(set(words.values())))

        self.acts.append(act)
        self.world.call(act.name, run, explain)

    def retire(self, *, keep_s: float, dlq_keep_s: float) -> None:
        """What ended is forgotten."""

        def explain(step: Step, answer: tuple[int, int]) -> str:
            operating.retire(step, answer)
            return "retired" if sum(answer) else "none"

        def run(session: Session) -> tuple[int, int]:
            return retire(session, keep_s=keep_s, dlq_keep_s=dlq_keep_s)

        self.world.call("retire", run, explain)

    def configure(self, *, dead_letters: bool) -> None:
        """Failed jobs become dead letters from now on, or they do not."""

        def run(session: Session) -> bool:
            configure(session, QUEUE, dead_letters=dead_letters)
            return dead_letters

        def explain(step: Step, answer: bool) -> str:
            step.nothing()
            return str(answer)

        self.world.call("configure_queue", run, explain)

    # The ring.

    def slot(self, back: int) -> int:
        """Answer a slot by how many turns ago it was the current one."""
        return (self.world.now.ring - back) % 16

    def rotate(self) -> None:
        """New entries go to another slot."""

        def explain(step: Step, answer: tuple[str, int]) -> str:
            operating.rotate(step, *answer)
            return answer[0]

        self.world.call("rotate", lambda s: rotate(s, max_age_s=0), explain)

    def prune(self, slot: int) -> None:
        """A slot is emptied if nothing in it is needed."""

        def explain(step: Step, answer: Pruned) -> str:
            operating.prune(step, slot, answer)
            return f"{answer.answer}{' something' if answer.freed_bytes else ''}"

        self.world.call("prune", lambda s: prune(s, slot), explain)

    def evacuate(self, slot: int) -> None:
        """What is live in a slot goes to the current one."""

        def explain(step: Step, answer: tuple[str, int]) -> str:
            operating.evacuate(step, slot, answer)
            return f"{answer[0]}{' something' if answer[1] else ''}"

        self.world.call("evacuate", lambda s: evacuate(s, slot), explain)
