"""The rules: any action with any arguments, at any time, and the world between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.machine.asking import LATER_S, PRIORITIES, STATEMENTS, Act, Pick, Settle, Wish, distinct
from tests.machine.operating import APPLIES
from tests.machine.player import ACTS, ODD, WORKERS, Player
from tests.machine.working import Call
from tests.machine.world import Ending, World

NOW: Final = Ending()
at = st.integers(0, 3)
"""The newest of something, or one of the last before it."""
workers = st.sampled_from(WORKERS)
endings = st.one_of(
    st.just(NOW),
    st.just(NOW),
    st.builds(
        Ending, steps=st.sampled_from([1, 2, 4, 0]), commits=st.sampled_from([True, True, False])
    ),
)
wishes = st.builds(
    Wish,
    lane=st.sampled_from([1, 1, 2]),
    later=st.sampled_from([False, False, False, True]),
    hasty=st.sampled_from([False, False, True]),
    key=st.sampled_from([0, 0, 1, 1, 2]),
    mask=st.integers(0, 2),
    on_conflict=st.sampled_from(["return", "replace", "skip", "raise"]),
)
batches = st.lists(wishes, min_size=1, max_size=4)
small_batches = st.lists(wishes, max_size=2)
picks = st.builds(
    Pick,
    at=at,
    of=st.sampled_from(["all", "all ", "first", "rest", "strange", "elsewhere", "made up"]),
)
delays_s = st.sampled_from([0, LATER_S, None])
few_jobs = st.lists(st.integers(0, ODD), min_size=1, max_size=4)
some_picks = st.lists(picks, min_size=1, max_size=3)
names = st.sampled_from(["complete", *STATEMENTS, "fail"])
limits = st.sampled_from([2, 1, 5, 50])
again = st.sampled_from([None, None, None, 0, 1])
"""A call that was sent before, by how long ago; null for a new one."""
PLAIN: Final = Wish(lane=1, later=False, hasty=False, key=0, mask=0, on_conflict="return")
KEYED: Final = replace(PLAIN, key=1)
OPENINGS: Final = ("none", "a number in flight", "attempts used up", "a key that was lost")
BEATS: Final = ("none", "half", "all")
LIVES: Final = (*BEATS, *BEATS, "deadline", "its beat", "no row", "stops", "another beat", "starts")
LEADS: Final = ("these", "due", "these", "finals", "letters", "wanted", "unwanted", "lane")
WAITING: Final = ("scheduled", "retryable")
TURNS: Final = ("rotate", "prune", "evacuate", "all")
MOVES: Final[dict[str, dict[str, st.SearchStrategy[object]]]] = {
    "enqueue": {"batch": batches, "one": st.booleans(), "ending": endings},
    "work": {
        "batch": small_batches,
        "worker": workers,
        "name": names,
        "delay_s": delays_s,
        "twice": st.booleans(),
    },
    "claim": {"worker": workers, "limit": limits, "again": again, "ending": endings},
    "settle": {
        "name": names,
        "chosen": some_picks,
        "delay_s": delays_s,
        "again": again,
        "ending": endings,
    },
    "live": {
        "worker": workers,
        "how": st.sampled_from(LIVES),
        "back": at,
        "twelfth": st.booleans(),
    },
    "lead": {"chosen": few_jobs, "how": st.sampled_from(LEADS)},
    "act": {
        "name": st.sampled_from([*ACTS]),
        "chosen": few_jobs,
        "fitting": st.sampled_from([True, True, False]),
        "back_to": st.tuples(
            st.sampled_from([None, None, *PRIORITIES]), st.sampled_from([0, LATER_S])
        ),
        "again": again,
    },
    "turn": {"back": st.sampled_from([1, 2, 0]), "how": st.sampled_from(TURNS)},
}
"""What may be done, and with what."""
T = TypeVar("T")


def nth_last(things: Sequence[T], at: int) -> T:
    """Answer the thing that came so many before the last."""
    return things[-1 - at % len(things)]


class Machine(RuleBasedStateMachine):
    """One example: a database that begins afresh, and everything that happens to it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.player: Final = Player(world)

    @invariant()
    def time_passes(self) -> None:
        """Between two steps, open transactions end whose time has come."""
        self.player.world.tick()

    def teardown(self) -> None:
        """End what is open."""
        self.player.world.end()

    # Producers.

    @initialize(opening=st.sampled_from(OPENINGS), batch=batches, wanted=st.booleans())
    def begin(self, opening: str, batch: list[Wish], *, wanted: bool) -> None:
        """There are jobs, and perhaps something that chance alone would seldom lead to."""
        self.player.configure(dead_letters=wanted or opening == "a key that was lost")
        if opening == "a number in flight":
            self.player.enqueue([PLAIN], Ending(steps=4))
        elif opening == "attempts used up":
            self._work([PLAIN], "retry")
            self.player.promote(self.player.some_jobs((0,)))
            self._work([], "retry")
        elif opening == "a key that was lost":
            self._work([KEYED], "fail")
            self.player.enqueue([KEYED], NOW)
        self.player.enqueue(batch, NOW)

    def _work(self, batch: list[Wish], name: str) -> None:
        if batch:
            self.player.enqueue(batch, NOW)
        self._claim(WORKERS[0], 1, NOW)
        self._settle(name, [Pick(at=0, of="all")], LATER_S, NOW)

    def enqueue(self, batch: list[Wish], ending: Ending, *, one: bool) -> None:
        """One job, or a few."""
        self.player.enqueue(batch[:1] if one else batch, ending, one=one)

    # Workers.

    def work(
        self, batch: list[Wish], worker: int, name: str, delay_s: float | None, *, twice: bool
    ) -> None:
        """As it is most of the time: a job comes, a worker claims it and settles what it got.

        The reply may be lost, so that the settle is sent again.
        """
        if batch:
            self.player.enqueue(batch, NOW)
        elif self.player.any_job(WAITING):
            self.player.promote(self.player.some_jobs((0,), WAITING))
        self._claim(worker, 2, NOW)
        if self.player.rows:
            self._settle(name, [Pick(at=0, of="all")], delay_s, NOW)
            if twice:
                self.player.settle(self.player.settles[-1], NOW)

    def claim(self, worker: int, limit: int, again: int | None, ending: Ending) -> None:
        """A new claim call; or one sent again, because its reply was lost or it never ran."""
        if again is None or not self.player.calls:
            self._claim(worker, limit, ending)
        else:
            self.player.claim(nth_last(self.player.calls, again), ending)

    def _claim(self, worker: int, limit: int, ending: Ending) -> None:
        token = self.player.new_id()
        self.player.claim(Call(worker=worker, call=token, token=token, limit=limit), ending)

    def settle(
        self,
        name: str,
        chosen: list[Pick],
        delay_s: float | None,
        again: int | None,
        ending: Ending,
    ) -> None:
        """A settle of any receipts; or one sent again, or another under its id."""
        if again is not None and self.player.settles:
            old = nth_last(self.player.settles, again)
            self.player.settle(replace(old, name=name if again else old.name), ending)
        elif self.player.rows:
            self._settle(name, chosen, delay_s, ending)

    def _settle(self, name: str, chosen: list[Pick], delay_s: float | None, ending: Ending) -> None:
        rows = [nth_last(self.player.rows, pick.at) for pick in chosen]
        items = distinct(pick.item(row) for pick, row in zip(chosen, rows, strict=True))
        settle_id = self.player.new_id()
        if settle_id % 2:
            self.player.note(rows)
            if settle_id % 3 == 0:
                self.player.note(rows, late=True)
        asked = Settle(name=name, settle_id=settle_id, items=items, delay_s=delay_s)
        self.player.settle(asked, ending)
        if settle_id % 5 == 0:  # once more, when most have ended
            self.player.note(rows)

    def live(self, worker: int, how: str, back: int, *, twelfth: bool) -> None:
        """A worker beats, or leaves, whatever it holds; or the leader gives something up."""
        if how == "starts":
            self.player.start(worker)
        elif how == "stops":
            self.player.stop(worker)
        elif how == "deadline":
            self.player.rescue_deadline()
        elif how in BEATS:
            self.player.beat(worker, back=back, names=how, twelfth=twelfth)
        else:
            if how == "its beat":  # most are lost while they have something
                self.player.enqueue([PLAIN], NOW)
                self._claim(worker, 1, NOW)
            self.player.rescue_worker(worker, how)

    # Operators and the leader.

    def lead(self, chosen: list[int], how: str) -> None:
        """What waits is promoted, what ended is forgotten, the queue is set up otherwise."""
        if how == "these":
            self.player.promote(self.player.some_jobs(chosen, WAITING))
        elif how == "due":
            self.player.promote(())
        elif how == "finals":
            self.player.retire(keep_s=0, dlq_keep_s=LATER_S)
        elif how == "letters":
            self.player.retire(keep_s=LATER_S, dlq_keep_s=0)
        elif how == "lane":
            self.player.ensure_lane(1)
        else:
            self.player.configure(dead_letters=how == "wanted")

    def act(
        self,
        name: str,
        chosen: list[int],
        back_to: tuple[int | None, int],
        again: int | None,
        *,
        fitting: bool,
    ) -> None:
        """An act on jobs that it fits, or on any; or one sent again, or another under its id."""
        if again is not None and self.player.acts:
            old = nth_last(self.player.acts, again)
            self.player.act(replace(old, name=name if again else old.name))
            return
        jobs = self.player.some_jobs(chosen, APPLIES[name] if fitting else ())
        to, delay_s = back_to
        settle_id = self.player.new_id()
        self.player.act(Act(name=name, settle_id=settle_id, jobs=jobs, to=to, delay_s=delay_s))

    # The ring.

    def turn(self, back: int, how: str) -> None:
        """New entries go to another slot; one is emptied, or what is live in it is carried away."""
        if how in {"rotate", "all"}:
            self.player.rotate()
        if how in {"evacuate", "all"}:
            self.player.evacuate(self.player.slot(back))
        if how in {"prune", "all"}:
            self.player.prune(self.player.slot(back))


class Mixed(Machine):
    """All moves in each example."""

    @rule(
        move=st.one_of([st.tuples(st.just(n), st.fixed_dictionaries(a)) for n, a in MOVES.items()])
    )
    def move(self, move: tuple[str, dict[str, object]]) -> None:
        """One of them."""
        name, args = move
        getattr(self, name)(**args)


def apart(machine: type[Machine]) -> type[Machine]:
    """Answer the machine with a rule for each move: Hypothesis leaves some out of each example.

    So it goes further where others would disturb, and is idle in many of a few examples.
    """
    of: Any = rule  # its overloads know no dictionary
    rules = {name: of(**args)(getattr(machine, name)) for name, args in MOVES.items()}
    return type("Apart", (machine,), rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """How much is played, and whether always the same."""

    examples: int
    steps: int
    fixed: bool
    """Every run plays the same examples, until the machine or Hypothesis changes."""


def play(world: World, length: Length) -> None:
    """Play; raise what the first example raised that went wrong.

    Shortening an example may take minutes, so one that can be had again at any time is not.
    """
    machine = Mixed if length.fixed else apart(Machine)

    def begin(self: Machine) -> None:
        Machine.__init__(self, world)

    run_state_machine_as_test(
        type("Here", (machine,), {"__init__": begin}),
        settings=settings(
            max_examples=length.examples,
            stateful_step_count=length.steps,
            derandomize=length.fixed,
            database=None,
            deadline=None,
            report_multiple_bugs=not length.fixed,
            phases=[Phase.generate] if length.fixed else [Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
