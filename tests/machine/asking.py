"""What the machine asks for: jobs with their options, and settles of receipts, right or wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, LiteralString

from psycopg.types.json import Jsonb

from correctness.model import STARTED, Want
from tests.fix_actions import CANCEL_RUNNING, FAIL, RETRY, SNOOZE
from tests.fix_database import Session
from tests.fix_sql import RELEASE, Answers, Row, answers, as_text
from tests.machine.oracle import SCOPE, Oracle, demand
from tests.machine.working import Asked

QUEUE: Final = "q"
PRIORITIES: Final = (2, 3)
"""One lane each, numbered from 1, in the order in which a claim looks at them."""
LATER_S: Final = 3600
_LIFE: Final = ("scheduled", "available", "running", "retryable", "waiting_external")
_MASKS: Final[tuple[tuple[dict[str, object], frozenset[str]], ...]] = (
    ({"until": "finished"}, frozenset(_LIFE)),
    ({"until": "started"}, STARTED),
    ({"states": [*_LIFE, "failed"]}, frozenset({*_LIFE, "failed"})),
)
"""What a job asks, and what the twin calls it. Storage has no key that outlives a completed job,
whose slot may be emptied, or a cancelled one, which may have been replaced."""

Stored = tuple[int | None, str | None, bool, str]
"""What an enqueue answers of a job: id, state, duplicate, answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A job to enqueue. Key 0 is none."""

    lane: int
    later: bool
    hasty: bool
    """Its deadline has passed before anybody looks."""
    key: int
    mask: int
    on_conflict: Literal["raise", "return", "replace", "skip"]

    def document(self) -> dict[str, object]:
        """Answer the element of a document."""
        opts: dict[str, object] = {"queue": QUEUE, "priority": PRIORITIES[self.lane - 1]}
        opts |= {"max_attempts": SCOPE.attempt_max}
        if self.later:
            opts |= {"delay_s": LATER_S}
        if self.hasty:
            opts |= {"deadline_s": 0.001}
        if self.key:
            unique = {"key": f"{self.key:032x}", **_MASKS[self.mask][0]}
            opts |= {"unique": unique, "on_conflict": self.on_conflict}
        return {"kind": "k", "args": {}, "opts": opts}

    def want(self, job: int) -> Want:
        """Answer what the twin calls its key."""
        return Want(job, self.key, _MASKS[self.mask][1])


def stored(session: Session, wishes: Sequence[Wish], *, one: bool) -> list[Stored]:
    """Enqueue a document; or, of a single job, by the function for one."""
    if one:
        only = wishes[0].document()
        rows = session.execute("select * from awa.enqueue('k', '{}', %s)", [Jsonb(only["opts"])])
    else:
        document = Jsonb([wish.document() for wish in wishes])
        rows = session.execute("select * from awa.enqueue_many(%s)", [document])
    return rows.fetchall()


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """What must become of a key that wishes ask for."""

    holder: int | None
    replaced: bool
    first: int
    """The place of the first wish for it; this one decides."""


def keyed(oracle: Oracle, wishes: Sequence[Wish]) -> dict[int, Keyed]:
    """Answer what must become of each key."""
    found: dict[int, Keyed] = {}
    for place, wish in enumerate(wishes):
        if wish.key and wish.key not in found:
            holder = oracle.holder(wish.key)
            pending = holder and oracle.state_of(holder) in {"scheduled", "available", "retryable"}
            found[wish.key] = Keyed(
                holder=holder,
                replaced=bool(pending) and wish.on_conflict == "replace",
                first=place,
            )
    return found


def is_duplicate(keys: dict[int, Keyed], wishes: Sequence[Wish]) -> bool:
    """Whether a wish that is to raise when its key is held will do so."""
    return any(
        wish.key
        and wish.on_conflict == "raise"
        and (keys[wish.key].holder or keys[wish.key].first != place)
        for place, wish in enumerate(wishes)
    )


def demand_stored(oracle: Oracle, wishes: Sequence[Wish], told: Sequence[Stored]) -> None:
    """Demand that an enqueue answered what the keys' holders make of it."""
    keys = keyed(oracle, wishes)
    demand(not is_duplicate(keys, wishes), "a key that is held was no error")
    for place, (wish, answer) in enumerate(zip(wishes, told, strict=True)):
        key = keys.get(wish.key) or Keyed(holder=None, replaced=False, first=place)
        born = "scheduled" if wish.later else "available"
        if key.first == place and (key.holder is None or key.replaced):
            fits = answer[1:] == (born, False, "replaced" if key.holder else "inserted")
        elif wish.on_conflict == "skip":
            fits = answer == (None, None, True, "skipped")
        else:
            fresh = key.holder is None or key.replaced
            older = told[key.first][0] if fresh else key.holder
            state = told[key.first][1] if fresh else oracle.ended_as(key.holder or 0)
            fits = answer == (older, state, True, "existing")
        demand(fits, f"{wish} of {wishes}: {answer}, and of its key: {key}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A receipt, by how long ago it came, and what is asked of it."""

    at: int
    of: Literal["all", "all ", "first", "rest", "strange", "elsewhere", "made up"]

    def item(self, row: Row) -> Asked:
        """Answer the item of a settle."""
        seqs = frozenset(row.seqs)
        asked = Asked(slot=row.slot, token=row.token, part=row.part, seqs=seqs)
        if self.of == "first":
            return replace(asked, seqs=frozenset(row.seqs[:1]))
        if self.of == "rest":
            return replace(asked, seqs=frozenset(row.seqs[1:]))
        if self.of == "strange":
            return replace(asked, seqs=seqs | {n + 1 for n in seqs})
        if self.of == "elsewhere":
            return replace(asked, slot=(row.slot + 1) % 16)
        return replace(asked, token=row.token + 10_000) if self.of == "made up" else asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """A settle call, which may be sent again."""

    name: str
    settle_id: int
    items: tuple[Asked, ...]
    delay_s: float | None

    def send(self, session: Session) -> Answers:
        """Send it, for whatever worker: nothing depends on that."""
        receipts = (
            1,
            self.settle_id,
            [item.slot for item in self.items],
            [item.token for item in self.items],
            [item.part for item in self.items],
            [as_text(sorted(item.seqs)) for item in self.items],
        )
        rows = session.execute(STATEMENTS[self.name], (*receipts, *self._details()))
        return answers(rows.fetchall())

    def _details(self) -> tuple[object, ...]:
        places = [
            (place, seq) for place, item in enumerate(self.items, 1) for seq in sorted(item.seqs)
        ]
        said: tuple[list[Any], ...] = (
            [place for place, _ in places],
            [seq for _, seq in places],
            [Jsonb({"error": "e", "type": "E"}) for _ in places],
        )
        return {
            "complete": said,
            "retry": (*said, [self.delay_s for _ in places]),
            "snooze": ([float(self.delay_s or 0) for _ in self.items],),
            "fail": said,
            "cancel_running": (None,),
        }.get(self.name, ())


COMPLETE: Final = (
    "select * from awa.complete(%s, %s, %s, %s, %s, %s::int8multirange[],"
    " %s::int[], %s::bigint[], %s::jsonb[])"
)
STATEMENTS: Final[dict[str, LiteralString]] = {
    "complete": COMPLETE,
    "release": RELEASE,
    "retry": RETRY,
    "snooze": SNOOZE,
    "fail": FAIL,
    "cancel_running": CANCEL_RUNNING,
}


def distinct(items: Iterable[Asked]) -> tuple[Asked, ...]:
    """A receipt may be named once in a call."""
    return tuple({(item.token, item.part): item for item in items}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An operator's act, which may be sent again."""

    name: str
    settle_id: int
    jobs: tuple[int, ...]
    to: int | None
    """Another priority to come back with."""
    delay_s: int

    @property
    def opts(self) -> dict[str, object]:
        """Answer the options, which dlq_retry alone has."""
        if self.name != "dlq_retry":
            return {}
        return {"delay_s": self.delay_s, **({"priority": self.to} if self.to else {})}
