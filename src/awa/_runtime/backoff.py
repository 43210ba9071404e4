"""Pauses that double, up to a bound, and are spread by chance."""


def pause_s(*, tries: int, least_s: float, most_s: float, jitter: float) -> float:
    """Seconds to wait after so many tries in a row (1 or more) that gave nothing.

    Between half and all of the doubled pause: clients that failed together come back apart.
    """
    assert tries >= 1
    assert 0 < least_s <= most_s
    assert 0.0 <= jitter < 1.0
    doubled = float(min(least_s * 2 ** min(tries - 1, 30), most_s))
    return doubled * (0.5 + jitter / 2)
