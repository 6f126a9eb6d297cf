"""Confidence intervals: how far a figure may be from what more rounds or more requests would give.

Which one, and why:

* a mean over rounds, `mean`: Student's t. Rounds are few, and a bootstrap of three values has too few different samples:
  its intervals miss far more often than they say (benchmarks/compare_noise.py measures it beside these).
* the ratio of two runs, `ratios`: t on the logarithms of the rounds' figures. A round is resampled as a whole or not at all
  (Davison & Hinkley, Bootstrap Methods, 1997, 3.8): requests of one round wait for each other, and the spread between rounds
  holds theirs already. With three rounds the variance of one case is hardly known, so all cases of a comparison lend to each
  other (Smyth, Stat. Appl. Genet. Mol. Biol. 3(1), 2004: moderated t, with the number of requests as the trend).
* the ratio of two single rounds, `of_requests`: bias-corrected bootstrap over the requests (Efron 1987, scipy.stats.bootstrap). It
  knows nothing of what differs from round to round and is therefore the least that the interval can be.
* a percentile of requests, `percentile`: order statistics, interpolated (Nyblom 1992), which assume no distribution; none
  where the requests are too few to enclose it.

What is random is seeded: the same figures give the same intervals.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

LEVEL = 0.95
"""Of every interval, for itself."""

_SEED = 20251229
_RESAMPLES = 1999
_FEWEST_CASES = 3
_FEWEST_FOR_TREND = 6
_FEWEST_RUNS = 5
_MEDIAN_STEP = 0.9539  # of the difference of two normal values with a standard deviation of 1

Method = Literal["rounds", "requests", "order"]


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`: by Student's t over rounds, by bootstrap over requests, or between order statistics."""

    low: float
    high: float
    method: Method


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as large a figure is, with its interval and the probability of so large a difference by noise alone.

    `error`: standard error of the ratio's logarithm; `freedom`: its degrees of freedom.
    """

    value: float
    error: float
    freedom: float

    @property
    def interval(self) -> Interval:
        from scipy.special import stdtrit

        # Beyond that no float holds the bounds, and nothing is known anyway.
        width = min(float(stdtrit(self.freedom, (1 + LEVEL) / 2)) * self.error, 300.0)
        return Interval(self.value * math.exp(-width), self.value * math.exp(width), "rounds")

    @property
    def probability(self) -> float:
        return self.beyond(1.0)

    def beyond(self, bound: float) -> float:
        """The two-sided probability of a value this far from `bound`, were the true ratio `bound`."""
        from scipy.special import stdtr

        return 2 * float(stdtr(self.freedom, -abs(math.log(self.value / bound)) / self.error))


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure of one case in the rounds of both runs, and how many requests a round has. All figures are positive.

    `resolution` is the relative step to which figures are known: noise is not taken to be smaller than rounding makes it.
    """

    theirs: tuple[float, ...]
    ours: tuple[float, ...]
    requests: int
    resolution: float = 0.0

    @property
    def value(self) -> float:
        """The ratio of the geometric means over rounds."""
        return math.exp(_mean(self._logarithms(self.ours)) - _mean(self._logarithms(self.theirs)))

    @property
    def variances(self) -> tuple[float, float] | None:
        """Of the logarithm of either mean; None with fewer than two rounds on a side."""
        if len(self.ours) < 2 or len(self.theirs) < 2:
            return None
        least = self.resolution**2 / 12
        found = [max(_variance(self._logarithms(values)), least) / len(values) for values in (self.theirs, self.ours)]
        return found[0], found[1]

    @staticmethod
    def _logarithms(values: Sequence[float]) -> list[float]:
        return [math.log(value) for value in values]


def mean(values: Sequence[float]) -> Interval | None:
    """Of the mean over rounds; None for fewer than two."""
    from scipy.special import stdtrit

    if len(values) < 2:
        return None
    centre = _mean(values)
    width = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * math.sqrt(_variance(values) / len(values))
    return Interval(centre - width, centre + width, "rounds")


def percentile(values: Sequence[float], percent: float) -> Interval | None:
    """Of a percentile of independent requests; None where they are too few to enclose it at this level."""
    share, ordered = percent / 100, sorted(values)
    below = _rank(len(ordered), share)
    # The upper bound is the lower one of the same values turned upside down.
    above = _rank(len(ordered), 1 - share)
    if below is None or above is None:
        return None
    return Interval(_between(ordered, below), _between(ordered[::-1], above), "order")


@functools.cache
def _rank(count: int, share: float) -> tuple[int, float] | None:
    """The lower bound of a quantile: the number of the value in ascending order, and how far it lies towards the next one.

    Between two values the bound is interpolated as Nyblom (Stat. Probab. Lett. 14, 1992) has it, so that the interval holds the
    truth as often as it says, and not more often as one from value to value does.
    """
    from scipy.stats import binom

    tail = (1 - LEVEL) / 2
    number = int(binom.ppf(tail, count, share)) if count else 0
    if not 1 <= number < count:
        return None
    less, more = float(binom.cdf(number - 1, count, share)), float(binom.cdf(number, count, share))
    # A tail of exactly this size needs no interpolation.
    if less >= tail:
        return number, 0.0
    return number, 1 / (1 + number * (1 - share) * (more - tail) / ((count - number) * share * (tail - less)))


def _between(ordered: Sequence[float], rank: tuple[int, float]) -> float:
    number, part = rank
    return ordered[number - 1] + part * (ordered[number] - ordered[number - 1])


def of_requests(theirs: Sequence[float], ours: Sequence[float]) -> Interval | None:
    """Of the ratio of the means of two rounds' requests; None where a side has fewer than two different ones."""
    import numpy as np
    from scipy.stats import bootstrap

    if len(set(theirs)) < 2 or len(set(ours)) < 2:
        return None
    found = bootstrap(
        (np.asarray(ours), np.asarray(theirs)),
        lambda a, b, axis: np.mean(a, axis=axis) / np.mean(b, axis=axis),
        n_resamples=_RESAMPLES,
        confidence_level=LEVEL,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return Interval(float(found.low), float(found.high), "requests")


def ratios(pairs: Sequence[Pair]) -> tuple[Ratio | None, ...]:
    """The ratio of every case; None where a side has fewer than two rounds, or no round differs from another."""
    spread = [pair.variances for pair in pairs]
    known = [at for at, found in enumerate(spread) if found is not None and sum(found) > 0]
    if not known:
        return (None,) * len(pairs)
    variances = {at: found for at in known if (found := spread[at]) is not None}
    freedom = _satterthwaite(pairs, variances)
    own = [sum(variances[at]) for at in known]
    moderated, freedoms = _moderated(own, [freedom[at] for at in known], [pairs[at].requests for at in known])
    result: list[Ratio | None] = [None] * len(pairs)
    for at, variance, degrees in zip(known, moderated, freedoms, strict=True):
        result[at] = Ratio(pairs[at].value, math.sqrt(variance), degrees)
    return tuple(result)


def of_one_case(runs: Sequence[Sequence[float]], theirs: Sequence[float], ours: Sequence[float]) -> Ratio | None:
    """The ratio of two sets of rounds of one case, with the noise that the rounds of all its runs have; None without any."""
    several = [[math.log(value) for value in run] for run in runs if len(run) > 1]
    freedom = sum(len(run) - 1 for run in several)
    squares = math.fsum(_variance(run) * (len(run) - 1) for run in several)
    if squares <= 0:
        return None
    pair = Pair(theirs=tuple(theirs), ours=tuple(ours), requests=1)
    return Ratio(pair.value, math.sqrt(squares / freedom * (1 / len(theirs) + 1 / len(ours))), freedom)


def between_runs(means: Sequence[float], before: int) -> tuple[float, float] | None:
    """The standard error of one more run against the mean of some before it, and its degrees of freedom, by what runs differ in.

    From the median step between neighbours, which a few true changes do not move (as control charts of single values have it);
    None for fewer than five runs, of which the median step says nothing.
    """
    if len(means) < _FEWEST_RUNS:
        return None
    steps = sorted(abs(math.log(second / first)) for first, second in pairwise(means))
    middle = (steps[(len(steps) - 1) // 2] + steps[len(steps) // 2]) / 2
    return middle / _MEDIAN_STEP * math.sqrt(1 + 1 / before), len(steps) / 2


def together(found: Sequence[Ratio]) -> Ratio | None:
    """The geometric mean of the ratios of several cases."""
    if not found:
        return None
    variances = [ratio.error**2 for ratio in found]
    total = math.fsum(variances)
    freedom = total**2 / math.fsum(v**2 / ratio.freedom for v, ratio in zip(variances, found, strict=True))
    centre = math.exp(_mean([math.log(ratio.value) for ratio in found]))
    return Ratio(centre, math.sqrt(total) / len(found), freedom)


def holm(probabilities: Sequence[float]) -> tuple[float, ...]:
    """Probabilities corrected for how many differences are looked at together (Holm, Scand. J. Stat. 6, 1979).

    Whoever calls those below a level differences is wrong anywhere among them with at most that probability.
    """
    order = sorted(range(len(probabilities)), key=lambda at: probabilities[at])
    result = [0.0] * len(order)
    least = 0.0
    for rank, at in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * probabilities[at]))
        result[at] = least
    return tuple(result)


def _satterthwaite(pairs: Sequence[Pair], variances: dict[int, tuple[float, float]]) -> dict[int, float]:
    """Degrees of freedom of each case's variance (Welch); how the noise is shared between the sides is taken over all."""
    theirs = _mean([first for first, _ in variances.values()])
    ours = _mean([second for _, second in variances.values()])
    return {
        at: (theirs + ours) ** 2 / (theirs**2 / (len(pairs[at].theirs) - 1) + ours**2 / (len(pairs[at].ours) - 1))
        for at in variances
    }


def _moderated(
    variances: Sequence[float], freedoms: Sequence[float], requests: Sequence[int]
) -> tuple[list[float], list[float]]:
    """Every variance drawn towards what all of them say; the less they agree beyond chance, the less."""
    import numpy as np
    from scipy.special import digamma, polygamma

    if len(variances) < _FEWEST_CASES:
        return list(variances), list(freedoms)
    own, degrees = np.asarray(variances), np.asarray(freedoms)
    floored = np.maximum(own, 1e-5 * np.median(own))
    centred = np.log(floored) - digamma(degrees / 2) + np.log(degrees / 2)
    trend = len(variances) >= _FEWEST_FOR_TREND and len(set(requests)) >= _FEWEST_CASES
    terms = np.vander(np.log(np.asarray(requests, dtype=float)), 2 if trend else 1)
    fitted = terms @ np.linalg.lstsq(terms, centred, rcond=None)[0]
    left = len(variances) - terms.shape[1]
    excess = float(((centred - fitted) ** 2).sum() / left - np.mean(polygamma(1, degrees / 2)))
    total = float(degrees.sum())
    if excess <= 0:
        return [float(value) for value in np.exp(fitted)], [total] * len(variances)
    lent = 2 * _inverse_trigamma(excess)
    prior = np.exp(fitted + digamma(lent / 2) - math.log(lent / 2))
    moderated = (lent * prior + degrees * own) / (lent + degrees)
    return [float(value) for value in moderated], [min(float(d) + lent, total) for d in degrees]


def _inverse_trigamma(value: float) -> float:
    """By Newton's method, which converges from this start for every positive value (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    found = 0.5 + 1 / value
    for _ in range(50):
        here = float(polygamma(1, found))
        step = here * (1 - here / value) / float(polygamma(2, found))
        found += step
        if abs(step) < 1e-8 * found:
            break
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    centre = _mean(values)
    return math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
