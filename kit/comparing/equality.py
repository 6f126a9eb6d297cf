"""Whether one run repeats another: every figure within its tolerance, as far as the noise lets that be said.

For whoever reproduces a run or a baseline: `agreement(original, again, tolerance)`, with sides from `files.read` (any reference)
or `runs.of_run` (a run's directory).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kit.comparing import figures
from kit.comparing.sides import Side
from kit.model.comparison import COMPARED, Ratio

TOLERANCE = 0.05
"""Where nobody says otherwise: figures of the same machine on another day lie that close."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One figure of one case. `equal`: the whole 95 % interval of the ratio lies within the tolerance; `different`: all of it
    lies outside, and so does 1 after the correction for how many figures there are; `undecided`: neither. Without an interval (single rounds, tables) the ratio alone decides, and
    `sure` is false. `missing`: one of the two lacks the figure or the case."""

    case: str
    metric: str
    tolerance: float
    outcome: Literal["equal", "different", "undecided", "missing"]
    ratio: Ratio | None = None
    sure: bool = True


def agreement(original: Side, again: Side, tolerance: Mapping[str, float] | float = TOLERANCE) -> tuple[Agreement, ...]:
    """Every figure of every case of the original, by metric; a tolerance of 0.05 admits ratios from 1/1.05 to 1.05."""
    rows, _ = figures.against(original, again)
    judged = figures.judged([ratio for row in rows for ratio in row.ratios])
    names = [row.name for row in rows for _ in row.ratios]
    result = []
    for name, ratio in zip(names, judged, strict=True):
        within = tolerance if isinstance(tolerance, float | int) else tolerance.get(ratio.metric, TOLERANCE)
        result.append(_one(name, ratio, float(within)))
    shared = set(figures.shared(original, again))
    for key, case in original.cases.items():
        if key not in shared:
            result += [Agreement(case.name, metric, 0.0, "missing", sure=False) for metric in COMPARED]
    return tuple(result)


def reproduced(found: tuple[Agreement, ...]) -> bool | None:
    """True: every figure is equal. False: at least one is different. None: it cannot be decided for all of them."""
    outcomes = {entry.outcome for entry in found}
    return False if "different" in outcomes else True if outcomes == {"equal"} else None


def _one(case: str, ratio: Ratio, tolerance: float) -> Agreement:
    if ratio.ratio is None:
        # What the original does not know either is no difference.
        return Agreement(case, ratio.metric, tolerance, "missing", ratio, sure=False)
    least, most = 1 / (1 + tolerance), 1 + tolerance
    if ratio.method != "rounds" or ratio.low is None or ratio.high is None:
        equal = least <= ratio.ratio <= most
        return Agreement(case, ratio.metric, tolerance, "equal" if equal else "different", ratio, sure=False)
    if least <= ratio.low and ratio.high <= most:
        return Agreement(case, ratio.metric, tolerance, "equal", ratio)
    if (ratio.high < least or ratio.low > most) and ratio.difference in ("better", "worse"):
        return Agreement(case, ratio.metric, tolerance, "different", ratio)
    return Agreement(case, ratio.metric, tolerance, "undecided", ratio)
