"""Pauses between tries, and bodies that a claim's answer lacks."""

from awa._core.bodies import Bodies, Columns
from awa._core.entries import ClaimRow
from awa._core.ranges import Ranges
from awa._runtime.backoff import pause_s
from awa._runtime.claims import missing_bodies


def test_pauses_are_spread_and_bounded() -> None:
    """Guards the server: clients that failed together come back apart."""
    assert 0.5 == pause_s(tries=1, least_s=1, most_s=8, jitter=0.0)
    assert 0.75 == pause_s(tries=1, least_s=1, most_s=8, jitter=0.5)
    assert 4.0 == pause_s(tries=99, least_s=1, most_s=8, jitter=0.0)


def bodies(part: int, seqs: list[int]) -> Bodies:
    """Return entries of this claims row."""
    ones, texts = [1] * len(seqs), [b"{}"] * len(seqs)
    columns = Columns(
        seqs, seqs, ones, ones, ones, ones, ["kind"] * len(seqs), texts, texts, [0.0] * len(seqs)
    )
    return Bodies(slot=0, part=part, lane=1, columns=columns)


def test_claimed_numbers_without_a_body_are_found_by_claims_row() -> None:
    """Guards lost bodies: what cannot be run is released, and nothing else."""
    first, second = (
        ClaimRow(queue="q", slot=0, part=part, lane=1, seqs=Ranges([(1, 4)]), deadline=None)
        for part in (1, 2)
    )
    read = [bodies(1, [1, 2]), bodies(1, [3]), bodies(2, [3, 1])]
    assert [(second, Ranges([(2, 3)]))] == missing_bodies([first, second], read)
