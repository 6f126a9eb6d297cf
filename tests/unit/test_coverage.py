"""How often the 95 % intervals of a report hold the truth, by simulation with a fixed seed; and scipy on the same samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import expon, lognorm, norm, sem
from scipy.stats import t as student

from kit import intervals, profile, rounds, stats
from kit.model.percentiles import FEWEST
from tests.unit.written import PROFILE

TRIALS = 500


@pytest.mark.parametrize("rounds", [2, 3, 5, 10])
def test_the_interval_of_a_mean_over_rounds_holds_it_95_times_in_100(rounds: int) -> None:
    drawn = np.random.default_rng(7).normal(100, 5, (4 * TRIALS, rounds))
    held = [abs(values.mean() - 100) <= (stats.half_width(values.tolist()) or 0) for values in drawn]
    assert 0.93 <= np.mean(held) <= 0.97


@pytest.mark.parametrize("percent", [1, 3])
def test_the_interval_at_which_rounds_end_holds_the_mean_as_often(percent: float) -> None:
    """Rounds that vary by so much, repeated until half their interval is 2 % of the mean, ten times at most."""
    load = profile.parse(PROFILE, "p.yaml", ["load.rounds=auto(2%)"]).profile.load
    assert load.until is not None
    held = []
    for drawn in np.random.default_rng(7).normal(100, percent, (30 * TRIALS, load.rounds)).tolist():
        counts = range(load.until.least, load.rounds)
        values = drawn[: next((count for count in counts if rounds.enough(load.until, drawn[:count])), load.rounds)]
        held.append(abs(sum(values) / len(values) - 100) <= (stats.half_width(values) or 0))
    assert 0.925 <= np.mean(held) <= 0.97, "93 times at the worst"


@pytest.mark.parametrize("spread", ["normal", "lognormal", "exponential"])
@pytest.mark.parametrize(("percent", "requests"), [(50, 11), (50, 200), (90, 64), (90, 200), (99, 662), (99, 2000)])
def test_the_interval_of_a_percentile_holds_it_95_times_in_100(spread: str, percent: int, requests: int) -> None:
    """From the fewest requests on that carry the percentile, and whatever their distribution."""
    law = {"normal": norm(100, 5), "lognormal": lognorm(0.5), "exponential": expon()}[spread]
    drawn = law.rvs((3 * TRIALS, requests), random_state=np.random.default_rng(7)).tolist()
    truth = float(law.ppf(percent / 100))
    found = [intervals.percentile(values, percent) for values in drawn]
    assert 0.93 <= np.mean([one is not None and one.low <= truth <= one.high for one in found]) <= 0.97


@given(st.lists(st.floats(0.001, 1e4), min_size=2, max_size=40))
def test_half_an_interval_is_that_of_scipy(values: list[float]) -> None:
    expected = float(student.isf(0.025, len(values) - 1) * sem(values))
    found = stats.half_width(values)
    assert found is not None
    if len(values) <= 31:
        assert found == pytest.approx(expected, rel=5e-4, abs=1e-9)
    else:  # beyond the table it is never narrower
        assert expected * (1 - 1e-9) <= found + 1e-9 <= expected * 1.02 + 2e-9


@given(st.lists(st.floats(0.001, 1e4), min_size=1, max_size=800))
def test_a_spread_is_that_of_numpy(values: list[float]) -> None:
    found = stats.spread(values)
    assert found is not None
    assert [found.mean, found.maximum] == pytest.approx([np.mean(values), max(values)], rel=1e-9)
    for percent in (50, 90, 99):
        carried = len(values) >= FEWEST[f"p{percent}"]
        expected = pytest.approx(np.percentile(values, percent), rel=1e-9) if carried else None
        assert found.percentile(f"p{percent}") == expected
