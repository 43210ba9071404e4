"""When a worker sleeps, and who is woken: the order of flag, test and look."""

from collections import Counter

import pytest

from awa._runtime.sleeping import FlagsWanted, Handover, Phase, Sleeping

LOOK_S = 0.006


@pytest.fixture
def listening() -> Sleeping:
    """Return two queues awake, with a listener."""
    sleeping = Sleeping.of(["a", "b"], poll_s=0.2)
    sleeping.listener_up()
    sleeping.look_s = LOOK_S
    return sleeping


def claimed(
    sleeping: Sleeping,
    now_s: float = 0.0,
    *,
    got: str = "",
    full: str = "",
    empty: str = "",
    busy: str = "",
) -> bool:
    """Answer a claim; each letter is a queue, and each of those in `got` a job."""
    return sleeping.claimed(
        now_s=now_s,
        took_s=LOOK_S,
        jitter=0.5,
        got=Counter(got),
        full=full,
        empty=[*empty],
        busy=[*busy],
    )


def go_to_sleep(sleeping: Sleeping, *, in_flight: bool = False, flags: str = "ab") -> None:
    """Take both queues to their last look, and answer it with empty."""
    claimed(sleeping, empty="ab")
    wanted = sleeping.ask_flags(0.0)
    assert wanted is not None
    sleeping.flags_answered(asked=wanted.tested, got=[*flags], in_flight=in_flight)
    claimed(sleeping, empty="ab")


def test_a_queue_is_looked_at_again_after_the_flag_and_the_test(listening: Sleeping) -> None:
    """Guards NoLostWakeup: who committed before the flag was up notifies nobody."""
    claimed(listening, empty="ab")
    assert [] == listening.to_claim(0.0)
    assert FlagsWanted(raised=("a", "b"), tested=("a", "b")) == listening.ask_flags(0.0)
    assert [] == listening.to_claim(0.0)
    listening.flags_answered(asked=["a", "b"], got=["a"], in_flight=False)
    assert ["a", "b"] == listening.to_claim(0.0)
    claimed(listening, empty="ab")
    assert [] == listening.to_claim(1.0)
    assert {Phase.QUIET} == {queue.phase for queue in listening.queues.values()}


def test_one_request_for_flags_at_a_time(listening: Sleeping) -> None:
    """Guards the count of session locks: a flag asked for twice would need two releases."""
    claimed(listening, empty="a")
    assert listening.ask_flags(0.0) is not None
    claimed(listening, empty="b")
    assert None is listening.ask_flags(0.0)


def test_a_producer_in_flight_is_polled_with_back_off(listening: Sleeping) -> None:
    """Guards its job: its commit notifies nobody, because it tested before the flag was up."""
    go_to_sleep(listening, in_flight=True)
    first_s = listening.next_s(0.0)
    assert 0.0025 <= first_s <= 0.005
    pauses, now_s = [], 0.0
    for _ in range(12):
        now_s = listening.next_s(now_s)
        wanted = listening.ask_flags(now_s)
        assert wanted is not None
        assert () == wanted.raised, "the flags are up already"
        listening.flags_answered(asked=wanted.tested, got=(), in_flight=True)
        claimed(listening, now_s, empty="ab")
        pauses.append(listening.next_s(now_s) - now_s)
    assert pauses == pytest.approx(sorted(pauses))
    assert pytest.approx(0.15) == pauses[-1]


def test_without_one_of_its_flags_a_woken_worker_gives_up_all(listening: Sleeping) -> None:
    """Guards NoLostWakeup: who has another queue's flag may give it up, and tells only sleepers."""
    go_to_sleep(listening, flags="a")
    assert listening.heard("a", 0.0)
    assert ["a", "b"] == listening.to_claim(0.0)
    assert set() == listening.flags


def test_with_all_its_flags_a_woken_worker_keeps_them(listening: Sleeping) -> None:
    """Guards the delay of jobs that come one by one: one claim each, no flags and no test."""
    go_to_sleep(listening)
    for now_s in (1.0, 1.1, 1.2):
        assert not listening.heard("a", now_s)
        assert ["a"] == listening.to_claim(now_s)
        assert listening.expects("a")
        assert not claimed(listening, now_s, got="a")
        assert Phase.QUIET is listening.queues["a"].phase
        assert [] == listening.to_claim(now_s)
        assert None is listening.ask_flags(now_s)
    assert {"a", "b"} == listening.flags


@pytest.mark.parametrize(("full", "busy"), [("a", ""), ("", "a")])
def test_a_claim_that_may_not_have_got_all_is_followed_by_another(
    listening: Sleeping, full: str, busy: str
) -> None:
    """Guards NoLostWakeup (PartForAll, BusyUntoldBesideGot): what is left notifies nobody again."""
    go_to_sleep(listening)
    listening.heard("a", 1.0)
    listening.expects("a")
    claimed(listening, 1.0, got="a", full=full, busy=busy)
    assert ["a"] == listening.to_claim(1.0), "at once: there was something"
    listening.expects("a")
    claimed(listening, 1.0, empty="a")
    assert Phase.QUIET is listening.queues["a"].phase


def test_what_is_heard_during_a_claim_that_gets_something_is_looked_for(
    listening: Sleeping,
) -> None:
    """Guards NoLostWakeup (DeafWhileLooking): the look may have begun before that commit."""
    go_to_sleep(listening)
    listening.heard("a", 1.0)
    listening.expects("a")
    listening.heard("a", 1.1)
    claimed(listening, 1.1, got="a")
    assert ["a"] == listening.to_claim(1.1)


def test_without_one_of_its_flags_a_worker_looks_again_after_it_got_something(
    listening: Sleeping,
) -> None:
    """Guards NoLostWakeup (SleepOnOthersFlags): it goes the whole way back to sleep."""
    claimed(listening, got="a", empty="b")
    assert ["a"] == listening.to_claim(0.0)
    claimed(listening, 0.1, empty="ab")
    assert FlagsWanted(raised=("a", "b"), tested=("a", "b")) == listening.ask_flags(0.1)


def test_what_is_heard_during_a_look_is_looked_for_again(listening: Sleeping) -> None:
    """Guards NoLostWakeup: the look may have begun before the commit that notified."""
    go_to_sleep(listening)
    listening.heard("a", 1.0)
    listening.expects("a")
    listening.heard("a", 1.1)
    claimed(listening, 1.1, empty="a")
    assert ["a"] == listening.to_claim(1.1)
    assert listening.expects("a")
    claimed(listening, 1.1, empty="a")
    assert [] == listening.to_claim(1.1)


def test_a_test_that_found_somebody_in_flight_is_made_again(listening: Sleeping) -> None:
    """Guards NoLostWakeup (NoTestAgain): that producer looked before the flag was up."""
    go_to_sleep(listening, in_flight=True)
    assert not listening.heard("a", 0.001)
    claimed(listening, 0.001, got="a")
    assert ["a"] == listening.to_claim(0.001), "what it got need not be all"
    claimed(listening, 0.001, empty="a")
    assert FlagsWanted(raised=(), tested=("a",)) == listening.ask_flags(0.001)


def test_a_worker_that_is_told_too_often_gives_its_flags_up(listening: Sleeping) -> None:
    """Guards producers: their commits wait for each other when they notify."""
    go_to_sleep(listening)
    assert not listening.heard("a", 1.0)
    assert listening.heard("a", 1.001)
    assert set() == listening.flags
    assert not listening.heard("a", 1.002), "there is nothing to give up any more"


def test_a_queue_whose_jobs_come_quickly_is_looked_at_and_not_slept_on(
    listening: Sleeping,
) -> None:
    """Guards producers at a high rate: they find no flag up, and notify nobody."""
    go_to_sleep(listening)
    for now_s in (1.0, 1.005):
        listening.heard("a", now_s)
        gave_up = claimed(listening, now_s, got="a")
        claimed(listening, now_s, empty="b")
    assert not gave_up
    assert set() == listening.flags
    assert [] == listening.to_claim(1.006)
    assert 1.0062 == pytest.approx(listening.next_s(1.006))
    claimed(listening, 1.008, empty="a")
    assert ["a"] == listening.to_claim(1.010)
    claimed(listening, 1.030, empty="a")
    wanted = listening.ask_flags(1.030)
    assert wanted is not None
    assert "a" in wanted.raised, "no job came for four times the usual gap"


def test_a_claim_that_got_all_it_asked_for_is_followed_by_the_next(listening: Sleeping) -> None:
    """Guards the drain of a backlog: there is more, and lingering would be idleness."""
    for now_s in (1.0, 1.001):
        claimed(listening, now_s, got="a", full="a")
        assert "a" in listening.to_claim(now_s)


def test_what_is_heard_while_awake_changes_no_phase(listening: Sleeping) -> None:
    """Guards against flapping: an awake queue is looked at before it sleeps anyway."""
    assert not listening.heard("a", 0.0)
    assert not listening.heard("somebody else's queue", 0.0)


def test_a_worker_without_permits_passes_the_wake_up_on_for_all_its_queues(
    listening: Sleeping,
) -> None:
    """Guards NoLostWakeup: for one queue only, a wake-up was lost."""
    go_to_sleep(listening)
    listening.heard("a", 0.0)
    assert Handover(drop_flags=True, pass_on=("a", "b")) == listening.without_permits(["a"])
    assert Handover(drop_flags=False, pass_on=()) == listening.without_permits(["a"]), "once"


def test_a_worker_without_permits_for_one_queue_sleeps_on_the_other(listening: Sleeping) -> None:
    """Guards against giving a flag up over and over for a queue that has none."""
    go_to_sleep(listening)
    listening.heard("a", 0.0)
    listening.without_permits(["a"])
    claimed(listening, empty="b")
    wanted = listening.ask_flags(0.0)
    assert FlagsWanted(raised=("b",), tested=("b",)) == wanted
    listening.flags_answered(asked=["b"], got=["b"], in_flight=False)
    assert Handover(drop_flags=False, pass_on=()) == listening.without_permits(["a"])
    assert {"b"} == listening.flags


def test_a_worker_that_cannot_take_its_last_look_gives_the_flag_up(listening: Sleeping) -> None:
    """Guards NoLostWakeup: a sleeper without permits would be notified in vain."""
    claimed(listening, empty="a")
    assert listening.ask_flags(0.0) is not None
    listening.flags_answered(asked=["a"], got=["a"], in_flight=False)
    assert Handover(drop_flags=True, pass_on=("a",)) == listening.without_permits(["a"])


@pytest.mark.parametrize(("flags", "full"), [("ab", "a"), ("b", "a"), ("b", "")])
def test_jobs_found_by_the_last_look_wake_the_worker(
    listening: Sleeping, flags: str, full: str
) -> None:
    """Guards work that came between: claiming goes on, with all flags or with none."""
    claimed(listening, empty="ab")
    listening.ask_flags(0.0)
    listening.flags_answered(asked=["a", "b"], got=[*flags], in_flight=False)
    assert claimed(listening, got="a", full=full, empty="b") is (flags == "b")
    assert Phase.AWAKE is listening.queues["a"].phase


def test_busy_is_asked_again_soon_and_is_not_idleness(listening: Sleeping) -> None:
    """Guards contended lanes: another claimer's lane is no reason to sleep."""
    claimed(listening, busy="a", empty="b")
    assert [] == listening.to_claim(0.0)
    assert ["a"] == listening.to_claim(0.002)


def test_a_quiet_queue_is_looked_at_anyway_after_a_while(listening: Sleeping) -> None:
    """Guards against a sleeper that died without passing on: the fallback poll, 5 s."""
    go_to_sleep(listening, flags="a")
    assert 5.0 == listening.next_s(0.0)
    assert None is listening.ask_flags(4.9)
    assert FlagsWanted(raised=("b",), tested=("a", "b")) == listening.ask_flags(5.0)


def test_with_all_flags_a_quiet_queue_is_only_looked_at(listening: Sleeping) -> None:
    """Guards an idle server: what was found out about producers still stands."""
    go_to_sleep(listening)
    assert [] == listening.to_claim(4.9)
    assert None is listening.ask_flags(5.0)
    assert ["a", "b"] == listening.to_claim(5.0)
    claimed(listening, 5.0, empty="ab")
    assert 10.0 == listening.next_s(5.0)


def test_without_a_listener_an_empty_queue_is_polled() -> None:
    """Guards pick-up behind a broken listener: at the poll interval, without flags."""
    sleeping = Sleeping.of(["a"], poll_s=0.2)
    claimed(sleeping, 1.0, empty="a")
    assert None is sleeping.ask_flags(1.0)
    assert [] == sleeping.to_claim(1.1)
    assert ["a"] == sleeping.to_claim(1.2)


def test_a_lost_listener_takes_the_flags_with_it(listening: Sleeping) -> None:
    """Guards sleepers: session locks end with the session, so nobody will be notified."""
    go_to_sleep(listening)
    listening.listener_down(1.0)
    assert set() == listening.flags
    assert ["a", "b"] == listening.to_claim(1.2)
    listening.listener_up()
    assert {Phase.AWAKE} == {queue.phase for queue in listening.queues.values()}


def test_flags_that_come_after_the_worker_was_woken_are_given_up_with_the_next(
    listening: Sleeping,
) -> None:
    """Guards the order of requests: flags asked for, woken, then answered."""
    claimed(listening, empty="a")
    listening.ask_flags(0.0)
    assert listening.heard("a", 0.0), "a request under way may still bring a flag"
    claimed(listening, empty="a")
    assert None is listening.ask_flags(0.0), "its answer would be taken for the next one's"
    listening.flags_answered(asked=["a"], got=["a"], in_flight=False)
    assert set() == listening.flags
    assert FlagsWanted(raised=("a",), tested=("a",)) == listening.ask_flags(0.0)


def test_a_queue_that_waits_for_a_permit_sets_no_timer(listening: Sleeping) -> None:
    """Guards the processor: the loop would turn without end until a permit comes back."""
    assert ["a", "b"] == listening.to_claim(1.0)
    assert float("inf") == listening.next_s(1.0)


def test_what_a_claim_beside_got_wakes_the_queue(listening: Sleeping) -> None:
    """Guards the others of it: a claim that got something may have left some."""
    go_to_sleep(listening)
    assert not listening.got_beside(now_s=1.0, got={"a": 1}), "all flags are up, and stay so"
    assert Phase.AWAKE is listening.queues["a"].phase
    assert Phase.QUIET is listening.queues["b"].phase


def test_what_a_claim_beside_got_ends_a_going_to_sleep(listening: Sleeping) -> None:
    """Guards NoLostWakeup: a flag that comes up after it is given up, and looked for anew."""
    claimed(listening, empty="ab")
    assert listening.ask_flags(0.0) is not None
    assert listening.got_beside(now_s=0.0, got={"a": 1})
    assert {Phase.AWAKE} == {queue.phase for queue in listening.queues.values()}


def test_without_a_listener_what_a_claim_beside_got_ends_the_wait_for_a_poll() -> None:
    """Guards the others of it where nobody is woken."""
    sleeping = Sleeping.of("ab", poll_s=0.2)
    claimed(sleeping, empty="ab")
    assert not sleeping.got_beside(now_s=0.0, got={"a": 1})
    assert "a" in sleeping.to_claim(0.0)
