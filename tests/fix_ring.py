"""The turning ring in words: thin typed calls of rotate, prune and evacuate."""

from dataclasses import dataclass
from typing import Any, Final

from psycopg import sql

from tests.fix_database import Session
from tests.fix_sql import row

PRUNE: Final = "select * from awa.prune(%s::smallint, %s)"
EVACUATE: Final = "select * from awa.evacuate(%s::smallint, %s)"
RING_TABLES: Final = ("ready", "claims", "closures", "results", "leases")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a prune answered."""

    answer: str
    freed_bytes: int
    reappended: int


def rotate(
    session: Session, max_age_s: float = 5400, max_entries: int = 1_000_000
) -> tuple[str, int]:
    """Turn the ring if its slot is that old or that large; return the answer and the slot."""
    found = row(session, "select * from awa.rotate(%s, %s)", [max_age_s, max_entries])
    return found[0], found[1]


def turn(session: Session) -> int:
    """Turn the ring, whatever the age of its slot, and return the new current one."""
    answer, slot = rotate(session, max_age_s=0)
    assert answer == "turned"
    return slot


def prune(session: Session, slot: int = 0, keep_s: float = 0) -> Pruned:
    """Prune a slot, with no regard for its history unless told otherwise."""
    answer, freed_bytes, reappended = row(session, PRUNE, [slot, keep_s])
    return Pruned(answer=answer, freed_bytes=freed_bytes, reappended=reappended)


def pruned(session: Session, slot: int = 0, keep_s: float = 0) -> str:
    """Prune a slot and return the answer alone."""
    return prune(session, slot, keep_s).answer


def evacuate(session: Session, slot: int = 0, max_entries: int = 10_000) -> tuple[str, int]:
    """Carry a slot's live entries forward and return the answer and how many moved."""
    answer, moved = row(session, EVACUATE, [slot, max_entries])
    return answer, moved


def rows_in(session: Session, slot: int = 0) -> dict[str, int]:
    """Count the rows of a slot, leaving out the tables that have none."""
    counts: dict[str, int] = {}
    for table in RING_TABLES:
        counted = sql.SQL("select count(*) from awa.{} where slot = %s").format(
            sql.Identifier(table)
        )
        counts[table] = _only(session.execute(counted, [slot]).fetchall())
    return {table: n for table, n in counts.items() if n}


def bytes_in(session: Session, slot: int = 0) -> int:
    """Return the size of a slot's five files, rows of transactions that rolled back included."""
    sizes = sql.SQL("select sum(pg_relation_size(t)) from unnest(awa.slot_tables(%s::smallint)) t")
    found = _only(session.execute(sizes, [slot]).fetchall())
    return int(found)


def _only(rows: list[tuple[Any, ...]]) -> Any:
    ((found,),) = rows
    return found
