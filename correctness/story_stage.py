"""Where a story of traces/accepted/ is told: the sessions of a throw-away server."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, LiteralString

import psycopg

from correctness.recording import Recording
from correctness.traces import write_ndjson

WORKER: Final = 7


@dataclass(slots=True, kw_only=True)
class Stage:
    """The sessions of a story: `main` commits each statement, `late` only when it is told to."""

    conninfo: str
    main: psycopg.Connection[tuple[Any, ...]]
    late: psycopg.Connection[tuple[Any, ...]]
    receipts: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def run(self, statement: LiteralString, *params: object) -> list[tuple[Any, ...]]:
        """Run a statement of the main session."""
        return self.main.execute(statement, params).fetchall()

    def enqueue(self, count: int = 1) -> None:
        """Enqueue this many jobs, each in a transaction of its own."""
        for number in range(count):
            self.run("select * from awa.enqueue('story', to_jsonb(%s::int))", number)

    def enqueue_late(self) -> None:
        """Enqueue one job in the transaction that stays open."""
        self.late.execute("select * from awa.enqueue('story', '{}')")

    def claim_late(self, worker: int, call: int, token: int) -> None:
        """Claim one entry in the transaction that stays open."""
        self.late.execute(
            "select * from awa.claim(%s, %s, %s, '{default}', '{1}')", [worker, call, token]
        )

    def claim(self, call: int, limit: int = 10, *, token: int | None = None) -> None:
        """Claim from the default queue; the token is 100 times the call unless it is repeated."""
        chosen = 100 * call if token is None else token
        rows = self.run(
            "select slot, part from awa.claim(%s, %s, %s, '{default}', array[%s]::int[])"
            " where answer = 'got'",
            WORKER,
            call,
            chosen,
            limit,
        )
        self.receipts[chosen] = [(row[0], row[1]) for row in rows]

    def settle(self, action: LiteralString, settle_id: int, token: int, seqs: str) -> None:
        """Complete or release numbers of the token's first claims row."""
        slot, part = self.receipts[token][0]
        self.run(
            "select * from awa."
            + action
            + "(%s, %s, array[%s]::smallint[], array[%s]::bigint[], array[%s]::smallint[],"
            " array[%s]::int8multirange[])",
            WORKER,
            settle_id,
            slot,
            token,
            part,
            seqs,
        )

    def job(self, options: str = "{}") -> None:
        """Enqueue one job with these options."""
        self.run("select * from awa.enqueue('story', '1', %s::jsonb)", options)

    def snooze(self, settle_id: int, token: int, seqs: str) -> None:
        """Snooze numbers of the token's first claims row for an hour."""
        slot, part = self.receipts[token][0]
        self.run(
            "select * from awa.snooze(%s, %s, array[%s]::smallint[], array[%s]::bigint[],"
            " array[%s]::smallint[], array[%s]::int8multirange[], '{3600}')",
            WORKER,
            settle_id,
            slot,
            token,
            part,
            seqs,
        )

    def note(self, token: int, seq: int, number: int) -> None:
        """Say how far an attempt is; the number of the note is the percentage."""
        _, part = self.receipts[token][0]
        self.run(
            "select * from awa.note_progress(%s, array[%s]::bigint[], array[%s]::smallint[],"
            " array[%s]::bigint[], array[%s]::int[],"
            " array[jsonb_build_object('percent', %s::int)])",
            WORKER,
            token,
            part,
            seq,
            number,
            number,
        )

    def promote(self, *job_ids: int) -> None:
        """Promote these jobs, whatever their time."""
        self.run("select * from awa.promote(job_ids => %s::bigint[])", list(job_ids))

    def turn(self) -> None:
        """Turn the ring, however young the slot."""
        self.run("select * from awa.rotate(max_age_s => 0)")

    def prune(self, slot: int) -> None:
        """Empty the slot, however young its history."""
        self.run("select * from awa.prune(%s::smallint, keep_s => 0)", slot)

    def beat(self, upto: int, named: str) -> None:
        """Send a heartbeat."""
        self.run("select * from awa.heartbeat(%s, 1, %s, %s::int8multirange)", WORKER, upto, named)


Story = Callable[[Stage], None]


def begin(stage: Stage) -> None:
    """Make what each story finds: a lane, and its worker."""
    stage.run("select awa.ensure_lane('default')")
    stage.run("select awa.worker_start(%s, '{}')", WORKER)


def record(conninfo: str, story: Story, file: Path) -> None:
    """Tell one story on an empty, migrated database, and write its trace."""
    recording = Recording(conninfo)
    with (
        psycopg.connect(conninfo, autocommit=True) as main,
        psycopg.connect(conninfo) as late,
    ):
        stage = Stage(conninfo=conninfo, main=main, late=late)
        begin(stage)
        story(stage)
    write_ndjson(file, recording.finish())
