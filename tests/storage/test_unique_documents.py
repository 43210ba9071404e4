"""Unique jobs in documents, and what is refused as a choice of uniqueness."""

import pytest

from awa._core.lifecycle import LIVE
from tests.fix_database import Session
from tests.fix_sql import claim, complete, everything, refused, start_worker, value
from tests.unique_jobs import KEY, keys, new, put, put_many, unique

LIVING = sorted(LIVE)
OTHER_KEY = "f" * 32


def state_of(session: Session, job: int) -> str:
    """Return the state that the jobs' view shows."""
    return str(value(session, "select state from awa.jobs where id = %s", [job]))


@pytest.fixture(autouse=True)
def worker(one: Session) -> None:
    """Start the worker that claims."""
    start_worker(one)


@pytest.mark.parametrize(
    "wrong",
    [
        True,
        [],
        {"key": "abc"},
        {"key": KEY.upper()},
        {"key": 7},
        {"key": KEY, "by_args": True},
        {"key": KEY, "until": "ended"},
        {"key": KEY, "until": "window"},
        {"key": KEY, "until": "window", "until_at": "soon"},
        {"key": KEY, "until": "window", "until_at": -1},
        {"key": KEY, "until": "window", "until_at": 1e300},
        {"key": KEY, "until_at": 4_000_000_000},
        {"key": KEY, "until": "finished", "states": LIVING},
        {"key": KEY, "states": "available"},
        {"key": KEY, "states": [*LIVING, "done"]},
        {"key": KEY, "states": [*LIVING, 7]},
        {"by": "args"},
        {"by": ["kind"]},
        {"by": ["period"]},
        {"by": ["args"], "period_s": 0},
        {"by": ["args"], "period_s": "60"},
    ],
    ids=str,
)
def test_a_wrong_uniqueness_is_refused(one: Session, wrong: object) -> None:
    """Guards other languages: before anything is written, one job at a time and many."""
    before = everything(one)
    with refused("AW001", "unique"):
        put(one, unique=wrong)
    with refused("AW001", "unique"):
        put_many(one, {}, {"unique": wrong})
    assert before == everything(one)


def test_what_depends_on_each_other_is_asked_for_together(one: Session) -> None:
    """Guards typing errors: an answer to conflicts without a key is none."""
    for wrong in ("raise", "ignore", 7):
        with refused("AW001", "on_conflict"):
            put(one, on_conflict=wrong)
    with refused("AW001", "on_conflict"):
        put(one, **unique(on_conflict="ignore"))
    with refused("AW001", "args.n"):
        put(one, args={"n": 1.5}, unique={})


class TestDocuments:
    """Many jobs at once."""

    def test_of_two_with_one_key_the_first_stands(self, one: Session) -> None:
        """Guards UniqueHeldOnce: within a document as between calls, whatever was chosen."""
        found = put_many(
            one,
            unique(on_conflict="return"),
            {},
            unique(on_conflict="return", delay_s=60),
            unique(on_conflict="skip"),
            unique(on_conflict="replace"),
            unique(key=OTHER_KEY, delay_s=60),
        )
        assert ["inserted", "inserted", "existing", "skipped", "existing", "inserted"] == [
            p.answer for p in found
        ]
        assert [found[0].id] * 2 == [found[2].id, found[4].id]
        assert None is found[3].id
        assert ["available"] * 3 + [None, "available", "scheduled"] == [p.state for p in found]
        assert [False, False, True, True, True, False] == [p.duplicate for p in found]
        assert 3 == value(one, "select count(*) from awa.jobs")

    def test_one_duplicate_refuses_them_all(self, one: Session) -> None:
        """Guards all or none: within the document as between calls."""
        before = everything(one)
        with refused("AW008"):
            put_many(one, unique(), unique(key=OTHER_KEY), unique())
        assert before == everything(one)
        job = new(one)
        before = everything(one)
        with refused("AW008", f"job {job}"):
            put_many(one, unique(key=OTHER_KEY, on_conflict="skip"), unique())
        assert before == everything(one)

    def test_each_answers_a_conflict_as_it_was_told(self, one: Session) -> None:
        """Guards answers in the order of the document."""
        jobs = [new(one, key=f"{n:032x}") for n in range(3)]
        complete(one, claim(one, 1, token=1).row)
        answers = ["return", "skip", "replace"]
        found = put_many(
            one,
            *[unique(key=f"{n:032x}", on_conflict=answers[n]) for n in (2, 1, 0)],
        )
        assert ["replaced", "skipped", "inserted"] == [p.answer for p in found]
        assert "cancelled" == state_of(one, jobs[2])
        again = put_many(one, *[unique(key=f"{n:032x}", on_conflict="return") for n in range(3)])
        assert [found[2].id, jobs[1], found[0].id] == [p.id for p in again]

    def test_replacing_and_wanting_the_same_again(self, one: Session) -> None:
        """Guards UniqueHeldOnce: the second of a document meets the first, not the replaced."""
        old = new(one)
        found = put_many(
            one, unique(on_conflict="replace"), unique(on_conflict="return"), unique(key=OTHER_KEY)
        )
        assert ["replaced", "existing", "inserted"] == [p.answer for p in found]
        assert found[0].id == found[1].id != old
        assert [(KEY, found[0].id), (OTHER_KEY, found[2].id)] == keys(one)
