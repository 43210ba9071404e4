"""A primary and its synchronous standby: the one is killed, the other takes over."""

import shutil
from dataclasses import dataclass
from typing import Final

import trio
from psycopg.conninfo import make_conninfo

from awa._embedded.accounts import give_directory, run_as, server_account
from awa.embedded import Cluster
from correctness.chaos.holding import keep_open
from correctness.chaos.jobs import Mix
from correctness.chaos.preparing import DATABASE, open_session
from correctness.chaos.scenario import Scenario
from correctness.chaos.stage import Stage
from correctness.chaos.ticking import begin_ticking
from tests.facts import wait_until

STANDBY: Final = "standby"
NOTICED_S: Final = 1.0
"""A cluster manager needs some time to see that a primary is gone."""
IN_STEP: Final = """\
select exists (select from pg_stat_replication
               where application_name = %s and sync_state = 'sync' and state = 'streaming')"""


@dataclass(slots=True)
class Pair:
    """Two servers, one of which copies the other."""

    primary: Cluster
    standby: Cluster

    def conninfo(self, given: str) -> str:
        """Return the connection string for whichever of them takes writes."""
        hosts = sorted(str(each.socket_directory) for each in (self.primary, self.standby))
        return make_conninfo(given, host=",".join(hosts), target_session_attrs="read-write")

    def copy(self) -> None:
        """Make the standby anew from the primary, and commit nothing any more without it."""
        account, data = server_account(), self.standby.directory / "data"
        self.standby.stop("immediate")
        shutil.rmtree(data)
        give_directory(data, account)
        # Its roles are those of the primary from now on.
        shutil.copy(self.primary.directory / "password", self.standby.directory / "password")
        source = make_conninfo(self.primary.conninfo(), application_name=STANDBY)
        program = self.primary._postmaster.binaries.program("pg_basebackup")  # noqa: SLF001
        options = ("-R", "-X", "stream", "-c", "fast", "--no-sync")
        run_as(account, [program, "-D", data, "-d", source, *options])
        self.standby.start()
        with open_session(self.primary.conninfo()) as session:
            session.execute(f"alter system set synchronous_standby_names = '{STANDBY}'".encode())
            session.execute("select pg_reload_conf()")
            wait_until(
                lambda: session.execute(IN_STEP, [STANDBY]).fetchone() == (True,),
                what="a standby in step",
            )

    def promote(self) -> None:
        """Have the standby take over; they change roles."""
        with open_session(self.standby.conninfo()) as session:
            assert session.execute("select pg_promote()").fetchone() == (True,)
        self.primary, self.standby = self.standby, self.primary


async def fail_over(stage: Stage) -> None:
    """Kill the primary's main process in the middle of the load, and promote the standby.

    Then the one that was killed becomes the standby, and so on.
    """
    pair = Pair(stage.cluster, keep_open(stage, another_like(stage.cluster)))
    stage.conninfo = pair.conninfo(stage.conninfo)
    await trio.to_thread.run_sync(pair.copy)
    for _ in range(3):
        await stage.start_worker()
    stage.start_producers(2, rate=20.0, mix=Mix(slow=20.0, owning=8.0, noting=4.0))
    await begin_ticking(stage)
    await stage.probe()
    over_s = trio.current_time() + stage.minutes * 60
    while True:
        await trio.sleep(stage.dice.uniform(3.0, 8.0))
        pair.primary.kill()
        at_s = stage.fault("kill -9 of the primary, its standby promoted")
        await trio.sleep(NOTICED_S)
        await trio.to_thread.run_sync(pair.promote)
        promoted_s = stage.seconds_since(at_s)
        stage.admin = pair.primary.conninfo(DATABASE)
        took_s = await stage.probe(at_s)
        worst = "worst s from the promotion to work"
        stage.figures[worst] = max(stage.figures.get(worst, 0.0), round(took_s - promoted_s, 1))
        if trio.current_time() > over_s:
            return
        await trio.to_thread.run_sync(pair.copy)


def another_like(cluster: Cluster) -> Cluster:
    """Start one with the same programs and settings, at a similar place."""
    return Cluster(
        bindir=cluster._postmaster.binaries.directory,  # noqa: SLF001  # a twin
        settings=cluster._settings,  # noqa: SLF001
        below=cluster.directory.parent,
    )


SCENARIOS: Final = (
    Scenario(
        name="failover",
        does="kill -9 of the primary, its synchronous standby promoted; workers know both hosts",
        run=fail_over,
        minutes=0.3,
        counts_hold=False,
        settings={"synchronous_commit": "on", "hot_standby": "on"},
    ),
)
