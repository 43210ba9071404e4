"""Tables for people, on a narrow terminal."""

from datetime import UTC, datetime

import pytest

from awa.cli.showing import show_table

WIDTH = 80
COLUMNS = ("queue", "deadline_s", "aging_s", "enqueue_shards", "dead_letters", "paused_at", "by")
ROW = ("high", 300.0, 2.5, 4, True, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "some.operator")


def test_words_and_times_stay_whole_on_eighty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards readers: a heading cut in the middle is read as another word."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    show_table(COLUMNS, [ROW])
    shown = capsys.readouterr().out
    words = shown.split()
    for word in ("deadline", "enqueue", "shards", "letters", "paused", "300", "2.5", "True"):
        assert word in words
    assert any(word.count(":") in {2, 3} for word in words), "the time of day is one word"
    assert "some.operator" in "".join(line[-13:].strip() for line in shown.splitlines())
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= WIDTH
