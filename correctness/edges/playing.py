"""Playing a move: the call on the real SQL, and its explanation to the twin.

What the twin is told comes from the answer and from the rows that came and went, as in the state
machine (tests/machine); so a call that does anything else than Storage allows is refused there.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from correctness.edges.ground import LANE, QUEUE, Ground
from correctness.edges.moves import Move
from correctness.model import ACTIONS, ensure_lane, facts
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
from tests.fix_ring import evacuate, prune, rotate
from tests.fix_sql import CLAIM, Claimed, beat, claimed, value
from tests.machine import operating, working
from tests.machine.asking import Settle, Wish, stored
from tests.machine.changes import Step
from tests.machine.oracle import demand
from tests.machine.working import Asked, Call, Saying

JOB: Final = 1
WORKER: Final = 1
SETTLE: Final = 1
LATER_S: Final = 3600
BEAT: Final = 12
"""A twelfth beat looks at all calls; what others may leave out is left to tests/storage."""
ACTS: Final = {
    "cancel_pending": cancel_pending,
    "dlq_move": dlq_move,
    "dlq_retry": dlq_retry,
    "dlq_purge": dlq_purge,
}


class Play:
    """Plays moves on one ground."""

    def __init__(self, ground: Ground) -> None:
        self.ground: Final = ground
        self._acts = 0
        self._dead_letters = False

    def play(self, move: Move) -> None:
        """Play one move. Raise Divergence when the twin does not follow."""
        self._want_letters(wanted=move.dead_letters)
        play: Callable[[Move], None] = getattr(self, f"_{move.action}", self._settle)
        play(move)

    def _want_letters(self, *, wanted: bool) -> None:
        if wanted != self._dead_letters:
            configure(self.ground.main, QUEUE, dead_letters=wanted)
            self._dead_letters = wanted

    def _seen(self, explain: Callable[[Step], object]) -> None:
        explain(self.ground.look())
        self.ground.agree()

    # The world.

    def _env_draw(self, _move: Move) -> None:
        self.ground.draw()
        self._seen(Step.nothing)

    def _env_rollback(self, move: Move) -> None:
        for number in move.numbers:
            self.ground.undraw(number)
        self._seen(Step.nothing)

    # Producers.

    def _ensure_lane(self, _move: Move) -> None:
        demand(self.ground.ensure_lane() == LANE, "the first lane has another number")
        self._seen(lambda step: step.oracle.act(LANE, ensure_lane))

    def _enqueue(self, move: Move) -> None:
        wish = Wish(lane=1, later=move.later, hasty=True, key=0, mask=0, on_conflict="raise")
        with self.ground.appending(move.number, move.slot) as session:
            told = stored(session, [wish], one=True)
        born = "scheduled" if move.later else "available"
        demand(told == [(JOB, born, False, "inserted")], told)
        self._seen(lambda step: working.enqueue(step, "enqueue", {}))

    # Workers.

    def _worker_start(self, move: Move) -> None:
        self._worker(move, value(self.ground.main, "select awa.worker_start(%s, '{}')", [WORKER]))

    def _worker_stop(self, move: Move) -> None:
        self._worker(move, value(self.ground.main, "select awa.worker_stop(%s)", [WORKER]))

    def _worker(self, move: Move, answer: object) -> None:
        self._seen(lambda step: step.oracle.act_all(ACTIONS[move.action], WORKER, answer))

    def _claim(self, move: Move) -> None:
        call = Call(worker=WORKER, call=move.token, token=move.token, limit=move.limit)
        with self.ground.bystanders(move.beside):
            if not move.overtaken:
                answer = self._claimed(self.ground.main, call)
            else:
                with self.ground.claiming.transaction():
                    answer = self._claimed(self.ground.claiming, call)
                    self._worker_stop(Move(action="worker_stop"))
        self._seen(lambda step: working.claim(step, call, answer))

    def _claimed(self, session: Session, call: Call) -> Claimed:
        asked = (call.worker, call.call, call.token, [QUEUE], [call.limit])
        answer = claimed(session.execute(CLAIM, asked).fetchall(), call.token)
        names = self.ground.names
        return replace(answer, rows=[replace(row, slot=names[row.slot]) for row in answer.rows])

    def _settle(self, move: Move) -> None:
        lane = self.ground.oracle.lane
        rows = facts(lane).rows_of(move.token, move.part)
        asked = Asked(
            slot=self.ground.slot(min(row.slot for row in rows)),
            token=move.token,
            part=move.part,
            seqs=facts(lane).taken_by(move.token, move.part),
        )
        settle = Settle(name=move.action, settle_id=SETTLE, items=(asked,), delay_s=LATER_S)
        with self.ground.appending(move.number, move.slot) as session:
            told = settle.send(session)
        self._seen(lambda step: working.settle(step, move.action, SETTLE, (asked,), told))

    def _note_progress(self, move: Move) -> None:
        (seq,) = move.numbers
        receipt = {"token": move.token, "part": move.part, "seq": seq}
        said = Saying(**receipt, note=move.note, percent=move.note)
        told = working.note(self.ground.main, [said])
        self._seen(lambda step: working.note_progress(step, [said], told))

    def _heartbeat(self, move: Move) -> None:
        upto = max(row.call for row in self.ground.oracle.lane.claims)
        with self.ground.appending(move.number, move.slot) as session:
            answer = beat(session, BEAT, upto, (), WORKER)
        self._seen(lambda step: working.heartbeat(step, WORKER, upto, frozenset(), answer))

    def _rescue_worker(self, move: Move) -> None:
        seen = value(
            self.ground.main, "select (select beat from awa.workers where worker = %s)", [WORKER]
        )
        with self.ground.appending(move.number, move.slot) as session:
            answer = rescue_worker(session, WORKER, seen)
        self._seen(lambda step: working.rescue_worker(step, WORKER, answer))

    def _rescue_deadline(self, move: Move) -> None:
        with self.ground.appending(move.number, move.slot) as session:
            answer = rescue_deadline(session)
        self._seen(lambda step: working.rescue_deadline(step, answer))

    # Operators and the leader.

    def _promote(self, move: Move) -> None:
        with self.ground.appending(move.number, move.slot) as session:
            answer = promote(session, JOB)
        self._seen(lambda step: operating.promote(step, [JOB], answer))

    def _act(self, move: Move) -> None:
        self._acts += 1
        opts = {"delay_s": LATER_S} if move.later else {}
        with self.ground.appending(move.number, move.slot) as session:
            told: Acted = ACTS[move.action](session, JOB, settle_id=self._acts, **opts)
        self._seen(lambda step: operating.act(step, move.action, [JOB], (), told))

    _cancel_pending = _dlq_move = _dlq_retry = _dlq_purge = _act

    def _retire(self, _move: Move) -> None:
        answer = retire(self.ground.main)
        self._seen(lambda step: operating.retire(step, answer))

    # The ring.

    def _rotate(self, move: Move) -> None:
        answer, slot = rotate(self.ground.main, max_age_s=0)
        if answer == "turned":
            self.ground.names[slot] = move.slot
        called = self.ground.names[slot]
        self._seen(lambda step: operating.rotate(step, answer, called))

    def _prune(self, move: Move) -> None:
        answer = prune(self.ground.main, self.ground.slot(move.slot))
        self._seen(lambda step: operating.prune(step, move.slot, answer))

    def _evacuate(self, move: Move) -> None:
        answer = evacuate(self.ground.main, self.ground.slot(move.slot))
        self._seen(lambda step: operating.evacuate(step, move.slot, answer))
