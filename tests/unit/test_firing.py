"""What a schedule does with the instants that have passed."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from awa._core.cron import Every, checked_cron
from awa._core.firing import MissedFires, Plan, Timing, fire_at, next_fires, plan

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOURLY = checked_cron("0 * * * *", "UTC")


def timing(
    missed: str = "coalesce",
    *,
    late_max_s: float | None = None,
    catch_up_max: int = 100,
    jitter_s: float = 0.0,
) -> Timing:
    """Return an hourly schedule's timing."""
    return Timing(
        rule=HOURLY,
        key="default\nhourly",
        missed=MissedFires(missed),
        late_max_s=late_max_s,
        catch_up_max=catch_up_max,
        jitter_s=jitter_s,
    )


def after_an_outage(chosen: Timing, *, hours: float = 5.5) -> Plan:
    """Return the plan when nobody looked for so long; the last look was at noon."""
    return plan(chosen, since=NOON, now=NOON + timedelta(hours=hours))


def hours(found: Plan) -> list[int]:
    """Return the hours of the day that are fired."""
    return [at.hour for at in found.fires]


def test_a_schedule_that_is_not_due_only_learns_when_to_look() -> None:
    """Guards the timer: no instant is dealt with before it has come."""
    found = after_an_outage(timing(), hours=0.5)
    assert Plan(fires=(), upto=None, next_at=NOON + timedelta(hours=1)) == found


def test_missed_fires_are_coalesced_caught_up_on_or_skipped() -> None:
    """Guards the policies after an outage of five and a half hours."""
    five = NOON + timedelta(hours=5)
    assert [17] == hours(after_an_outage(timing()))
    assert [13, 14, 15, 16, 17] == hours(after_an_outage(timing("catch_up")))
    assert [] == hours(after_an_outage(timing("skip")))
    assert {five} == {after_an_outage(timing(m)).upto for m in ("coalesce", "catch_up", "skip")}


def test_a_late_leader_still_fires_what_is_to_be_skipped() -> None:
    """Guards skip: a failover that takes seconds is no outage."""
    assert [17] == hours(after_an_outage(timing("skip"), hours=5.01))
    assert [17] == hours(after_an_outage(timing("skip", late_max_s=3600)))


def test_lateness_and_number_bound_what_is_caught_up_on() -> None:
    """Guards the burst after a long outage: the newest are fired, the others are let go."""
    assert [16, 17] == hours(after_an_outage(timing("catch_up", late_max_s=2 * 3600)))
    assert [15, 16, 17] == hours(after_an_outage(timing("catch_up", catch_up_max=3)))
    assert [] == hours(after_an_outage(timing("coalesce", late_max_s=60)))
    year = after_an_outage(timing("catch_up", catch_up_max=1000), hours=24 * 365)
    assert 1000 == len(year.fires)


@given(
    st.sampled_from(list(MissedFires)),
    st.integers(1, 30),
    st.floats(0, 1e5),
    st.floats(0, 7200),
    st.lists(st.floats(0, 40), min_size=1, max_size=12),
)
def test_looks_at_any_times_fire_each_instant_once_and_in_order(
    missed: MissedFires, most: int, late_s: float, jitter_s: float, gaps_h: list[float]
) -> None:
    """Guards at most once, and the policy, whenever leaders happen to look."""
    chosen = timing(missed, late_max_s=late_s, catch_up_max=most, jitter_s=jitter_s)
    since = now = NOON
    fired: list[datetime] = []
    for gap_h in gaps_h:
        now += timedelta(hours=gap_h)
        found = plan(chosen, since=since, now=now)
        assert all(fire_at(chosen, at) <= now for at in found.fires)
        assert len(found.fires) <= chosen.most()
        assert found.next_at is not None
        assert found.next_at > now
        assert all((now - at).total_seconds() <= late_s + jitter_s for at in found.fires)
        fired += found.fires
        since = found.upto or since
    assert fired == sorted(set(fired))


@given(st.floats(0, 1e5), st.integers(0, 500))
def test_jitter_is_an_instants_own_and_keeps_the_order(jitter_s: float, hour: int) -> None:
    """Guards leaders that agree without asking: the same instant always fires at the same time."""
    chosen = timing(jitter_s=jitter_s)
    due = NOON + timedelta(hours=hour)
    at = fire_at(chosen, due)
    assert at == fire_at(chosen, due)
    assert due <= at <= due + timedelta(seconds=jitter_s)
    assert at <= due + timedelta(hours=1) <= fire_at(chosen, due + timedelta(hours=1))


def test_jitter_spreads_schedules() -> None:
    """Guards a thousand daily jobs at midnight: each has its own delay."""
    late = {
        fire_at(Timing(rule=HOURLY, key=f"a\n{n}", jitter_s=600), NOON) - NOON for n in range(100)
    }
    assert len(late) == 100
    assert max(late) > timedelta(seconds=500)
    assert min(late) < timedelta(seconds=100)


def test_next_fires_are_told_in_advance() -> None:
    """Guards what people see of a schedule."""
    found = next_fires(timing(), after=NOON, count=3)
    assert tuple(NOON + timedelta(hours=n) for n in (1, 2, 3)) == found


def test_every_interval_is_dealt_with_after_a_restart_without_drift() -> None:
    """Guards `every`: a late look moves nothing, and the next instant is where it always was."""
    chosen = Timing(rule=Every(every_s=90), key="k", missed=MissedFires.COALESCE)
    found = plan(chosen, since=NOON, now=NOON + timedelta(seconds=1000))
    assert (NOON + timedelta(seconds=990),) == found.fires
    assert NOON + timedelta(seconds=1080) == found.next_at
