"""How many rounds a case takes where that is not fixed beforehand, and what its rounds tell when they are laid side by side.

A plan whose rounds are repeated until an interval is narrow enough, or which looks for a concurrency, holds the most that may
be run. What is needed of it follows from the results alone, so that an interrupted run, its report and a second reading of
it agree.
"""

import math
from collections.abc import Iterator, Sequence

from kit import searches, stats
from kit.model import Case, Doubt, Plan, RoundPlan, RoundResult
from kit.model.repeating import Until

_UNLIKELY = 0.05
"""What chance must fall below before rounds that are alike are said to drift, or one of them to stand out."""

_WORTH_TELLING = 0.02
"""The change of a throughput that is worth telling, whatever its certainty."""


def needed(plan: Plan, results: Sequence[RoundResult]) -> tuple[RoundPlan, ...]:
    """The rounds of a plan that make it whole, as far as these results tell: a round that was run is always one of them."""
    return searches.narrowed(plan, _enough(plan, results), results)


def _enough(plan: Plan, results: Sequence[RoundResult]) -> tuple[RoundPlan, ...]:
    """The rounds without those that come after a case is known well enough."""
    if plan.until is None:
        return plan.rounds
    own: dict[str, dict[int, float | None]] = {}
    for result in results:
        own.setdefault(result.case.id, {})[result.round] = result.figures.output_throughput
    last = {case.id: _last(plan, own.get(case.id, {})) for case in plan.cases}
    return tuple(entry for entry in plan.rounds if entry.round <= last[entry.case.id])


def settled(plan: Plan, results: Sequence[RoundResult]) -> Plan:
    """The plan without the rounds that its results made needless."""
    return plan.model_copy(update={"rounds": needed(plan, results)})


def _last(plan: Plan, done: dict[int, float | None]) -> int:
    """The number of the last round that is needed."""
    assert plan.until is not None
    for number in range(plan.until.least, plan.rounds_per_case + 1):
        values = [done[at] for at in sorted(done) if at <= number]
        known = [value for value in values if value is not None]
        if len(known) == len(values) and enough(plan.until, known):
            return max(number, *done)
    return plan.rounds_per_case


def enough(until: Until, throughputs: Sequence[float]) -> bool:
    """Whether rounds with these throughputs tell their mean well enough."""
    width = stats.half_width(throughputs)
    if width is None or len(throughputs) < until.least:
        return False
    return width <= until.half_width * math.fsum(throughputs) / len(throughputs)


def unreached(plan: Plan, case: Case, results: Sequence[RoundResult]) -> Iterator[Doubt]:
    """Where all rounds that a case may have were run, and its throughput is still not known as well as was asked."""
    throughputs = [result.figures.output_throughput for result in results if result.case.id == case.id]
    known = [value for value in throughputs if value is not None]
    if plan.until is None or len(known) < plan.rounds_per_case or enough(plan.until, known):
        return
    if (width := stats.half_width(known)) is not None and (mean := math.fsum(known) / len(known)) > 0:
        asked, reached = f"{plan.until.half_width:.3g}", f"{width / mean:.1%}"
        yield Doubt(
            kind="rounds-open",
            values=(("count", str(len(known))), ("reached", reached), ("asked", f"{float(asked):.1%}")),
        )


def doubts(case: Case, results: Sequence[RoundResult]) -> Iterator[Doubt]:
    """Where the rounds of a case are not alike: throughput that goes one way from round to round, or one round apart.

    Drift is told by Kendall's rank correlation with the round's number, which takes five rounds at least; a round apart by
    Grubbs' test, which is weak with three. Either only beyond chance, and beyond what is worth telling.
    """
    found = [
        (result.round, result.figures.output_throughput)
        for result in sorted(results, key=lambda result: result.round)
        if result.case.id == case.id
    ]
    rounds = [(number, value) for number, value in found if value is not None]
    values = [value for _, value in rounds]
    # One of nothing is no matter of rounds: what the server counted is told of elsewhere.
    if len(values) < 3 or len(values) < len(found) or min(values) <= 0:
        return
    centre = math.fsum(values) / len(values)
    change = (values[-1] - values[0]) / values[0]
    if len(values) > 4 and abs(change) > _WORTH_TELLING and _drifts(values):
        yield Doubt(
            kind="rounds-drift",
            values=(("change", f"{change:+.1%}"), ("first", f"{values[0]:.6g}"), ("last", f"{values[-1]:.6g}")),
        )
        return  # the first or last round of a drift stands out too: that tells nothing more
    at = max(range(len(values)), key=lambda at: abs(values[at] - centre))
    others = [value for position, value in enumerate(values) if position != at]
    away = values[at] / (math.fsum(others) / len(others)) - 1
    if abs(away) > _WORTH_TELLING and _stands_out(values, at):
        yield Doubt(
            kind="rounds-outlier",
            values=(("round", str(rounds[at][0])), ("difference", f"{away:+.1%}"), ("value", f"{values[at]:.6g}")),
        )


def _drifts(values: Sequence[float]) -> bool:
    from scipy.stats import kendalltau

    return float(kendalltau(range(len(values)), values).pvalue) < _UNLIKELY


def _stands_out(values: Sequence[float], at: int) -> bool:
    """Grubbs' two-sided test of the value furthest from the mean."""
    from scipy.stats import t

    count = len(values)
    centre = math.fsum(values) / count
    deviation = math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (count - 1))
    if deviation == 0:
        return False
    quantile = float(t.isf(_UNLIKELY / (2 * count), count - 2))
    bound = (count - 1) / math.sqrt(count) * math.sqrt(quantile**2 / (count - 2 + quantile**2))
    return abs(values[at] - centre) / deviation > bound
