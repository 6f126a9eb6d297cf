"""Intervals against scipy and numpy on the same figures, and how often they are right."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from benchmarks.compare_noise import FAMILY, METRICS, MODELS, comparison
from kit import intervals, stats
from kit.intervals import Pair

ROUNDS = (10.2, 9.9, 10.4)


def pair(theirs: tuple[float, ...], ours: tuple[float, ...], requests: int = 4, resolution: float = 0.0) -> Pair:
    return Pair(theirs=theirs, ours=ours, requests=requests, resolution=resolution)


def test_the_interval_of_a_mean_is_students() -> None:
    found = intervals.mean(ROUNDS)
    assert found is not None
    expected = reference.t.interval(0.95, df=2, loc=np.mean(ROUNDS), scale=reference.sem(ROUNDS))
    assert (found.low, found.high) == pytest.approx(expected)
    width = stats.half_width(ROUNDS)
    assert width is not None
    assert found.high - found.low == pytest.approx(2 * width, rel=1e-3)


def test_a_single_round_has_no_interval() -> None:
    assert intervals.mean((10.0,)) is None
    assert intervals.ratios((pair((10.0,), (11.0, 11.1)),)) == (None,)


def test_of_a_single_case_the_ratio_is_welchs() -> None:
    ours = (11.2, 11.0, 11.5, 11.1)
    (found,) = intervals.ratios((pair(ROUNDS, ours),))
    assert found is not None
    expected = reference.ttest_ind(np.log(ours), np.log(ROUNDS), equal_var=False)
    assert found.probability == pytest.approx(expected.pvalue)
    between = expected.confidence_interval(0.95)
    assert (math.log(found.interval.low), math.log(found.interval.high)) == pytest.approx((between.low, between.high))
    assert found.value == pytest.approx(reference.gmean(ours) / reference.gmean(ROUNDS))


def test_a_ratio_turned_round_is_its_inverse() -> None:
    (there,), (back,) = intervals.ratios((pair(ROUNDS, (12.0, 12.3)),)), intervals.ratios((pair((12.0, 12.3), ROUNDS),))
    assert there is not None
    assert back is not None
    assert there.interval.low == pytest.approx(1 / back.interval.high)


def test_cases_lend_to_each_other() -> None:
    """A case whose three rounds agree by luck is not surer than all others; alone it would be."""
    drawn = np.random.default_rng(3).lognormal(0, 0.01, (18, 2, 3))
    lucky = pair((1.0, 1.0001, 0.9999), (1.01, 1.0101, 1.0099))
    others = [pair(tuple(map(float, a)), tuple(map(float, b))) for a, b in drawn]
    (alone,) = intervals.ratios((lucky,))
    among = intervals.ratios((lucky, *others))[0]
    assert alone is not None
    assert among is not None
    assert among.error > 20 * alone.error
    assert among.freedom > alone.freedom


def test_rounding_is_noise_too() -> None:
    """Rounds that are equal because they were rounded are known no better than to their last digit."""
    assert intervals.ratios((pair((1.0, 1.0), (1.1, 1.1)),)) == (None,)
    (found,) = intervals.ratios((pair((1.0, 1.0), (1.1, 1.1), resolution=0.1),))
    assert found is not None
    assert found.error == pytest.approx(0.1 / math.sqrt(12))


def test_cases_together_are_their_geometric_mean() -> None:
    found = [r for r in intervals.ratios((pair(ROUNDS, (11.0, 11.2)), pair(ROUNDS, (20.0, 20.9)))) if r is not None]
    whole = intervals.together(found)
    assert whole is not None
    assert whole.value == pytest.approx(reference.gmean([ratio.value for ratio in found]))
    assert intervals.together(()) is None


@given(st.lists(st.floats(0, 1), max_size=30))
def test_corrected_probabilities_keep_their_order_and_never_shrink(values: list[float]) -> None:
    corrected = intervals.holm(values)
    assert all(own <= found <= 1 for own, found in zip(values, corrected, strict=True))
    ordered = [found for _, found in sorted(zip(values, corrected, strict=True))]
    assert all(first <= second for first, second in pairwise(ordered))


def test_holm_of_three() -> None:
    assert intervals.holm((0.03, 0.01, 0.04)) == pytest.approx((0.06, 0.03, 0.06))


def test_a_percentile_takes_as_many_requests_as_enclose_it() -> None:
    values = tuple(map(float, range(500)))
    assert intervals.percentile(values, 99) is not None
    assert intervals.percentile(values[:20], 99) is None
    assert intervals.percentile((), 50) is None
    assert intervals.percentile((1.0,), 50) is None


def test_requests_of_single_rounds_are_resampled_the_same_way_every_time() -> None:
    rng = np.random.default_rng(5)
    theirs, ours = rng.normal(1.0, 0.1, 40), rng.normal(1.1, 0.1, 40)
    first = intervals.of_requests(tuple(map(float, theirs)), tuple(map(float, ours)))
    assert first == intervals.of_requests(tuple(map(float, theirs)), tuple(map(float, ours)))
    assert first is not None
    # Fieller's theorem, in its simple form for means this well known.
    error = math.sqrt((np.std(ours, ddof=1) / ours.mean()) ** 2 + (np.std(theirs, ddof=1) / theirs.mean()) ** 2)
    width = 1.96 * error / math.sqrt(40) * ours.mean() / theirs.mean()
    assert first.high - first.low == pytest.approx(2 * width, rel=0.15)
    assert intervals.of_requests((1.0, 1.0), (1.0, 2.0)) is None


@pytest.mark.parametrize("noise", MODELS, ids=lambda noise: noise.name)
def test_intervals_hold_the_truth_as_often_as_they_say(noise: object) -> None:
    """A bounded version of benchmarks/compare_noise.py: seeded, so that it says the same every time."""
    model = next(model for model in MODELS if model is noise)
    rng = np.random.default_rng(11)
    clean = [comparison(model, rng, np.ones(18)) for _ in range(25)]
    assert 0.93 <= np.mean([held for _, held in clean]) <= 0.97
    assert sum(min(probabilities) < FAMILY for probabilities, _ in clean) <= 1
    found = [comparison(model, rng, np.full(18, 1.1))[0] for _ in range(5)]
    overall = np.asarray(found).reshape(5, METRICS, 19)[:, :, -1]
    assert (overall < FAMILY).all()


def test_a_percentiles_interval_lies_within_the_one_from_value_to_value() -> None:
    """That of scipy holds the truth at least as often as it says; interpolation takes off what is too much."""
    rng = np.random.default_rng(6)
    for count, percent in ((11, 50), (64, 90), (300, 50), (662, 99), (2000, 99)):
        values = list(map(float, rng.gamma(2, 1, count)))
        found = intervals.percentile(values, percent)
        assert found is not None
        low, high = np.asarray(reference.quantile_test(values, p=percent / 100).confidence_interval(0.95))
        assert low <= found.low <= np.percentile(values, percent) <= found.high <= high
        assert (low, high) != (found.low, found.high)


def test_the_interval_over_requests_holds_the_truth_as_often_as_it_says() -> None:
    """Two single rounds of which nothing differs but their requests."""
    rng = np.random.default_rng(9)
    drawn = rng.lognormal(0, 0.3, (300, 2, 60)).tolist()
    found = [intervals.of_requests(*pair) for pair in drawn]
    assert 0.93 <= np.mean([one is not None and one.low <= 1.0 <= one.high for one in found]) <= 0.97
