import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from awa._bench.draining import require_all_done, require_possible, time_of
from awa._bench.figures import DRAINS, FIGURES, MEASUREMENTS, Samples, chosen_measurements
from awa._bench.processes import family_cpu_s, process_times
from awa._bench.running import turns
from awa.embedded import Cluster
from awa.errors import ConfigurationError, InternalError
from tests.fix_database import Session

AWA: Final = Path(sys.executable).with_name("awa")
JOBS: Final = 200
RUN_S_MAX: Final = 600


def bench(*options: str) -> "subprocess.CompletedProcess[str]":
    """Run `awa bench`."""
    return subprocess.run(
        [AWA, "bench", *options], capture_output=True, text=True, timeout=RUN_S_MAX, check=False
    )


@pytest.fixture(scope="module")
def report(cluster: Cluster) -> dict[str, Any]:
    """Return the JSON of a small run on the tests' server."""
    done = bench("--json", "--jobs", str(JOBS), "--url", cluster.conninfo())
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_report_has_every_figure_with_its_unit_and_samples(report: dict[str, Any]) -> None:
    """Guards readers of the JSON: no figure is missing, renamed or without its unit."""
    # A server that was given is not started anew.
    expected = [figure for figure in FIGURES if figure.name != "recovery.restart_s"]
    assert [figure.name for figure in expected] == list(report["figures"])
    assert {figure.name: figure.unit for figure in expected} == report["units"]
    assert {1} == {len(values) for values in report["samples"].values()}
    assert all(value >= 0 for value in report["figures"].values())


def test_the_report_says_under_which_circumstances(report: dict[str, Any]) -> None:
    """Guards comparing: jobs, repetitions, server settings, versions, how fast the machine was."""
    assert (JOBS, 1) == (report["jobs"], report["repeat"])
    assert {"fsync", "synchronous_commit", "shared_buffers"} <= set(report["settings"])
    assert {"awa-trio", "postgresql", "psycopg", "python", "trio"} <= set(report["versions"])
    assert 1 == len(report["calibration_ms"])


def test_figures_agree_with_each_other(report: dict[str, Any]) -> None:
    """Guards the arithmetic: ratios and sums are those of the figures beside them."""
    samples = report["samples"]
    ratio, bare, single = (
        samples[name][0]
        for name in (
            "enqueue.single_ratio_to_bare_insert",
            "limit.bare_insert_per_s",
            "enqueue.single_per_s",
        )
    )
    assert ratio == pytest.approx(single / bare, rel=1e-3)
    figures = report["figures"]
    assert figures["total.wal_bytes_per_job"] > figures["drain.wal_bytes_per_job"]


def test_a_plain_job_updates_nothing(report: dict[str, Any]) -> None:
    """Guards the promise of ranges: rows change for workers and queues, never for each job."""
    assert report["figures"]["drain.updated_deleted_rows"] < JOBS / 10


def test_the_databases_of_a_run_are_dropped(report: dict[str, Any], one: Session) -> None:
    """Guards a given server: it is left as it was."""
    found = one.execute("select datname from pg_database where datname like 'awa_bench%'")
    assert [] == found.fetchall()


def test_without_a_url_a_durable_server_is_thrown_away_afterwards() -> None:
    """Guards the default: settings that lose nothing, on a server that is nobody's."""
    done = bench("--json", "--jobs", "50", "--only", "limit.roundtrip_per_s")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "throw-away" in found["server"]
    assert "throw-away" in done.stderr
    assert ("on", "on") == (found["settings"]["fsync"], found["settings"]["synchronous_commit"])
    assert {"limit.roundtrip_per_s", "limit.copy_per_s"} == set(found["figures"])


def test_for_people_the_report_is_a_table_with_what_was_wanted(cluster: Cluster) -> None:
    """Guards the terminal: the figures, and whether each target was reached."""
    done = bench("--jobs", "50", "--only", "bulk", "--repeat", "2", "--url", cluster.conninfo())
    assert done.returncode == 0, done.stderr
    assert "median" in done.stdout
    assert "enqueue.bulk_per_s" in done.stdout
    assert "wanted at least 60,000" in done.stdout


def test_a_figure_that_does_not_exist_is_refused() -> None:
    """Guards against measuring for minutes what nobody asked for."""
    done = bench("--only", "speed")
    assert 2 == done.returncode
    assert "no figure 'speed'" in done.stderr


def test_a_figure_is_chosen_by_name_or_group() -> None:
    """Guards --only: names of figures, their first parts, measurements, and all by default."""
    assert MEASUREMENTS == chosen_measurements(())
    assert ("drain",) == chosen_measurements(("drain.jobs_per_s",))
    assert ("single", "bulk") == chosen_measurements(("enqueue",))
    with pytest.raises(ConfigurationError):
        chosen_measurements(("drain.nothing",))


def test_drains_are_compared_with_plain_ones_right_beside_them() -> None:
    """Guards the ratios: a machine differs more from minute to minute than what is compared."""
    order = turns(MEASUREMENTS)
    assert set(MEASUREMENTS) == {name for turn in order for name in turn}
    assert all("drain" in turn for turn in order if set(turn) & set(DRAINS))
    beside = [turn for turn in order if "beside" in turn]
    assert 3 == len(beside)
    assert beside[0] == beside[1][::-1]
    assert [("drain",), ("steady",)] == turns(("drain", "steady"))
    assert [("pinned",)] == turns(("pinned",))
    assert [("drain", "backlog", "drain")] == turns(("drain", "backlog"))


def test_a_drain_is_no_faster_than_the_database_showed_it() -> None:
    """Guards every rate: a worker's first word that comes late makes no drain twice as fast."""
    told_in_time = time_of(1000, first_s=10.0, look_s=10.5, done_then=100, done_s=20.0)
    assert told_in_time == pytest.approx(9.5 / 0.9)
    assert 10.0 == time_of(1000, first_s=10.0, look_s=10.5, done_then=0, done_s=20.0)
    told_late = time_of(1000, first_s=15.0, look_s=15.1, done_then=500, done_s=20.0)
    assert told_late == pytest.approx(9.8)
    nothing_was_left = time_of(1000, first_s=10.0, look_s=11.0, done_then=1000, done_s=11.5)
    assert nothing_was_left == pytest.approx(1.5)


def test_more_work_than_time_makes_the_run_fail() -> None:
    """Guards every rate: a wrong clock gives no figure."""
    require_possible(2.0, 3.9, workers=2)
    require_possible(0.01, 0.02, workers=1)
    require_possible(1.0, None, workers=1)
    with pytest.raises(InternalError, match="a clock of this machine is wrong"):
        require_possible(0.64, 1.12, workers=1)


def test_jobs_that_are_left_make_the_run_fail(one: Session) -> None:
    """Guards every rate: a drain that did not complete each job is an error, not a figure."""
    one.execute("select awa.enqueue('bench_job', '{}')")
    with pytest.raises(InternalError, match="not every one of 1 jobs"):
        require_all_done(one, 1, runs=1)


def test_handlers_that_ran_twice_make_the_run_fail(one: Session) -> None:
    """Guards every rate: more runs than jobs is an error, though each job is completed."""
    one.execute("select awa.ensure_lane('default')")
    require_all_done(one, 0, runs=0)
    with pytest.raises(InternalError, match="0 jobs took 1 handler runs"):
        require_all_done(one, 0, runs=1)


def test_the_middle_of_the_repetitions_is_reported() -> None:
    """Guards against one lucky or unlucky repetition."""
    samples = Samples()
    for rate in (3.0, 1000.0, 1.0):
        samples.add({"drain.jobs_per_s": rate})
    assert {"drain.jobs_per_s": 3.0} == samples.medians()


def test_processor_time_counts_a_process_and_its_children() -> None:
    """Guards telling worker and server apart: a child's time belongs to its family only."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        times = process_times(child.pid)
        assert times is not None
        family = family_cpu_s(times.parent)
        assert family is not None
        assert family >= times.own_s
    assert process_times(child.pid) is None
