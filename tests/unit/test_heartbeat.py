"""The numbers of beats, and the channels a worker listens on."""

import pytest

from awa._runtime.heartbeat import WHOLE_LOOK_BEATS, next_beat
from awa._storage.names import NAME_BYTES_MAX, ended_channel


def test_beats_are_numbered_one_by_one() -> None:
    """Guards the counter that observers watch: it moves with every beat."""
    assert 8 == next_beat(7, look_again=False)


@pytest.mark.parametrize("beat", [0, 1, 11, 12, 13, 24])
def test_a_beat_that_is_to_look_again_looks_at_all_calls(beat: int) -> None:
    """Guards what was busy or beyond the bound: the very next beat looks at it, not the twelfth."""
    after = next_beat(beat, look_again=True)
    assert after > beat
    assert 0 == after % WHOLE_LOOK_BEATS


@pytest.mark.parametrize(
    "schema", ["awa", "a" * 57, "a" * 58, "a" * 63, "\N{SNOWMAN}" * 21, "ä" * 31]
)
def test_the_name_of_a_channel_fits(schema: str) -> None:
    """Guards schemas with long names: NOTIFY refuses what is too long, LISTEN cuts it."""
    channel = ended_channel(schema)
    assert len(channel.encode()) <= NAME_BYTES_MAX
    assert channel.endswith(".ended")
    assert schema.startswith(channel.removesuffix(".ended"))
