"""One case over time: which run changed by more than the noise.

Each run is held against the runs since the last change. Its noise is what the rounds of all runs say, or what neighbouring
runs differ in where that is more: two starts of a server differ even where rounds of one start agree. What the instruments'
own errors may make is no change either.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kit import intervals
from kit.model.comparison import HIGHER
from kit.model.listed import Found

Change = Literal["first", "none", "instrument", "better", "worse", "unknown"]

LEVEL = 0.01
"""The probability of a change being called where there is none, for the whole trend."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run: its mean over rounds, the ratio to the runs since the last change, and whether it is a change itself."""

    run: Found
    rounds: int
    value: float
    ratio: float | None
    change: Change


def of(
    runs: Sequence[Found], rounds: Sequence[tuple[float, ...]], metric: str, errors: Sequence[float] = ()
) -> tuple[Point, ...]:
    """The trend of runs in the order of time; all figures are positive.

    `errors`: how wrong each run's instrument may be, as a share of its figure; 0 where nobody knows.
    """
    points: list[Point] = []
    since: list[tuple[float, ...]] = []
    margin = 0.0
    for run, values, error in zip(runs, rounds, errors or (0.0,) * len(runs), strict=True):
        value = math.fsum(values) / len(values)
        if not since:
            points.append(Point(run, len(values), value, None, "first"))
            since, margin = [values], error
            continue
        ratio, probability = _against(rounds, since, values)
        change: Change = "none"
        if probability is None:
            change = "unknown"
        elif probability < LEVEL / max(1, len(runs) - 1):
            change = "better" if (ratio > 1) == (metric in HIGHER) else "worse"
            if abs(ratio - 1) <= error + margin:
                change = "instrument"
        points.append(Point(run, len(values), value, ratio, change))
        begins = change in ("better", "worse")
        since, margin = ([values], error) if begins else ([*since, values], max(margin, error))
    return tuple(points)


def _against(
    every: Sequence[tuple[float, ...]], since: Sequence[tuple[float, ...]], values: tuple[float, ...]
) -> tuple[float, float | None]:
    """The ratio to the earlier runs, and the probability of one that far from 1 by noise; None where nothing tells noise."""
    before = [value for run in since for value in run]
    ratio = _geometric(values) / _geometric(before)
    known = [found for found in (intervals.of_one_case(every, before, values),) if found is not None]
    if apart := intervals.between_runs([_geometric(run) for run in every], len(since)):
        error, freedom = apart
        known += [intervals.Ratio(ratio, error, freedom)] if error > 0 else []
    return ratio, max((found.probability for found in known), default=None)


def _geometric(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))
