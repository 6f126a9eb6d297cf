"""How long reads are gathered: never so long that two arrivals of an answer come to be read at once."""

import random

from hypothesis import given
from hypothesis import strategies as st

from kit.instrument.gathering import Gathering

MS = 1_000_000


def learned(gaps_ns: list[int]) -> Gathering:
    found, times = Gathering(), [0, 1]
    for gap in gaps_ns:
        times.append(times[-1] + gap)
        found.learn(times)
    return found


def test_without_a_gap_nothing_is_gathered() -> None:
    assert Gathering().wait_s(1000 * MS) == 0.0
    assert learned([]).wait_s(1000 * MS) == 0.0


def test_where_the_time_of_a_read_is_the_stamp_nothing_is_gathered() -> None:
    found = Gathering(stamped=False)
    for _ in range(50):
        found.learn([0, MS, 11 * MS])
    assert found.wait_s(10_000 * MS) == 0.0


@given(st.integers(50_000, 200 * MS), st.integers(1, 100_000 * MS))
def test_it_stays_below_what_lies_between_two_arrivals(gap_ns: int, answer_ns: int) -> None:
    wait_s = learned([gap_ns] * 50).wait_s(answer_ns)
    assert 0 < wait_s <= min(0.3 * gap_ns / 1e9, answer_ns / 1e9 / 999, 0.002)


@given(st.integers(0, 2**32))
def test_it_follows_the_closest_quarter(seed: int) -> None:
    """As where a server sends some of its tokens in pairs, and where it becomes quicker."""
    source = random.Random(seed)
    paired = learned([MS if source.random() < 0.4 else 10 * MS for _ in range(500)]).wait_s(10**12)
    assert 0.00015 < paired < 0.0006
    quicker = learned([20 * MS] * 100 + [MS] * 60).wait_s(10**12)
    assert quicker < 0.0003
