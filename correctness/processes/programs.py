"""Programs for Hypothesis to draw: single steps, and some that are worth more together."""

from typing import Final, get_args

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from correctness.processes.steps import (
    QUEUES,
    WORKERS,
    WORKS,
    Add,
    Admit,
    Await,
    Backend,
    Call,
    Cut,
    CutAt,
    Enqueue,
    Finish,
    Hold,
    Jump,
    Missed,
    Operate,
    Overlap,
    Program,
    Restart,
    Signal,
    Silence,
    Start,
    Step,
    Tick,
    Turn,
    Wait,
    Work,
)

_worker: Final = st.integers(0, WORKERS - 1)
_queue: Final = st.integers(0, len(QUEUES) - 1)
_work: Final = st.sampled_from(WORKS)
_LASTING: Final[tuple[Work, ...]] = ("slow", "own", "note")
_lasting: Final = st.sampled_from(_LASTING)
_jobs: Final = st.integers(1, 8)

_finish: Final = st.builds(
    Finish,
    how=st.sampled_from(("commit", "commit", "rollback", "commit unsent", "commit unanswered")),
)
_asking: Final = st.one_of(
    st.builds(
        Enqueue,
        work=_work,
        jobs=_jobs,
        queue=_queue,
        delay_s=st.sampled_from((0.0, 0.0, 0.3)),
        unique=st.sampled_from((False, False, False, True)),
    ),
    st.builds(Add, work=_work, jobs=_jobs, queue=_queue),
    _finish,
)
_signal: Final = st.builds(
    Signal,
    worker=_worker,
    name=st.sampled_from(("SIGKILL", "SIGKILL", "SIGSTOP", "SIGSTOP", "SIGCONT", "SIGTERM")),
)
_cut_at: Final = st.builds(
    CutAt,
    worker=_worker,
    side=st.sampled_from(("answers", "asks")),
    moment=st.sampled_from(("end", "any")),
    after=st.integers(0, 12),
    passed=st.booleans(),
)
_cut_at_call: Final = st.builds(
    CutAt,
    worker=_worker,
    side=st.sampled_from(("answers", "asks")),
    moment=st.sampled_from(("end", "any")),
    after=st.integers(0, 2),
    passed=st.booleans(),
    about=st.sampled_from(get_args(Call)[1:]),
)
_WORK_ABOUT: Final[dict[str, Work]] = {
    "note_progress": "note",
    "settled_by": "own",
    "commit": "own",
}
"""The work that makes a call which no other makes."""
_hold: Final = st.builds(
    Hold,
    worker=_worker,
    side=st.sampled_from(("asks", "asks", "answers")),
    about=st.sampled_from(get_args(Call)[1:]),
    tenths=st.integers(3, 25),
)
_connections: Final = st.one_of(
    _hold,
    _cut_at,
    _cut_at_call,
    _cut_at_call,
    st.builds(Await, worker=_worker),
    st.builds(Cut, worker=_worker, refuse=st.booleans()),
    st.builds(Admit, worker=_worker),
    st.builds(Silence, worker=_worker),
)
_server: Final = st.one_of(
    st.builds(Backend, which=st.integers(0, 8), killed=st.sampled_from((False, False, True))),
    st.builds(Restart, mode=st.sampled_from(("fast", "immediate"))),
)
_upkeep: Final = st.one_of(
    st.builds(
        Turn,
        action=st.sampled_from(("rotate", "prune", "evacuate")),
        behind=st.integers(1, 2),
    ),
    st.builds(
        Operate,
        act=st.sampled_from(("cancel", "cancel", "retry", "pause", "resume")),
        which=st.integers(0, 9),
    ),
)
_tick: Final = st.builds(
    Tick,
    act=st.sampled_from(("put", "put", "put", "pause", "resume", "trigger", "delete")),
    missed=st.sampled_from(get_args(Missed)),
    overlap=st.sampled_from(get_args(Overlap)),
)
_time: Final = st.one_of(
    st.builds(Wait, tenths=st.integers(1, 12)),
    st.builds(Jump, worker=_worker, by_s=st.sampled_from((3600, -3600, 5))),
)
_start: Final = st.builds(
    Start, worker=_worker, clock=st.sampled_from(("wall", "wall", "wall", "whole"))
)
_step: Final[SearchStrategy[Step]] = st.one_of(
    _asking, _asking, _asking, _connections, _signal, _start, _time, _upkeep, _server, _tick
)
_single: Final[SearchStrategy[tuple[Step, ...]]] = st.tuples(_step)


@st.composite
def _frozen(draw: st.DrawFn) -> tuple[Step, ...]:
    """A worker is frozen at work for about as long as it takes to be called lost."""
    worker = draw(_worker)
    return (
        Enqueue(work=draw(_lasting), jobs=draw(_jobs), queue=draw(_queue)),
        Signal(worker=worker, name="SIGSTOP"),
        Wait(tenths=draw(st.integers(10, 25))),
        Signal(worker=worker, name="SIGCONT"),
    )


@st.composite
def _killed(draw: st.DrawFn) -> tuple[Step, ...]:
    """A worker dies at work, and another one comes."""
    worker = draw(_worker)
    return (
        Enqueue(work=draw(_lasting), jobs=draw(_jobs), queue=draw(_queue)),
        Wait(tenths=draw(st.integers(1, 3))),
        Signal(worker=worker, name="SIGKILL"),
        Start(worker=worker),
    )


@st.composite
def _unanswered(draw: st.DrawFn) -> tuple[Step, ...]:
    """A call is cut somewhere, with jobs for it to be about."""
    cut = draw(_cut_at_call)
    asked = Enqueue(
        work=_WORK_ABOUT[cut.about] if cut.about in _WORK_ABOUT else draw(_work),
        jobs=draw(_jobs),
        queue=draw(_queue),
    )
    return (cut, asked, Await(worker=cut.worker))


@st.composite
def _in_flight(draw: st.DrawFn) -> tuple[Step, ...]:
    """Something happens while a producer is in the middle of its transaction."""
    jobs = Add(work="quick", jobs=draw(_jobs), queue=draw(_queue))
    after = Enqueue(work="quick", jobs=draw(_jobs), queue=jobs.queue)
    return (jobs, after, draw(_step), draw(_finish))


@st.composite
def _due(draw: st.DrawFn) -> tuple[Step, ...]:
    """Something happens while instants of a schedule pass."""
    policies = draw(_tick)
    put = Tick(missed=policies.missed, overlap=policies.overlap)
    return (put, draw(_step), Wait(tenths=draw(st.integers(5, 15))))


PARTS: Final = 7
_part: Final[SearchStrategy[tuple[Step, ...]]] = st.one_of(
    _single, _single, _single, _frozen(), _killed(), _unanswered(), _in_flight(), _due()
)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Some workers with something to do, and then anything."""
    first: list[Step] = [Start(worker=number) for number in range(draw(st.integers(1, WORKERS)))]
    first += [Enqueue(work=draw(_work), jobs=draw(_jobs), queue=draw(_queue))]
    rest = draw(st.lists(_part, min_size=PARTS, max_size=PARTS))
    return (*first, *(step for part in rest for step in part))
