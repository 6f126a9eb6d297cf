"""The figures of a comparison: ratios with their intervals, judged together; what hardware and money they cost; scaling."""

import math
from collections.abc import Iterable, Sequence

from kit import intervals
from kit.comparing.sides import Measured, Side
from kit.intervals import Pair
from kit.model.comparison import COMPARED, HIGHER, CaseFigures, CaseRatios, Difference, Ratio
from kit.model.rates import CaseKey

FAMILY = 0.01
"""The probability of a false alarm anywhere in a comparison. Not 5 %: what is called a difference is acted upon."""

_SECONDS_PER_HOUR = 3600


def shared(baseline: Side, other: Side) -> list[CaseKey]:
    """The cases that both have, in the baseline's order."""
    return [key for key in baseline.cases if key in other.cases]


def against(baseline: Side, other: Side) -> tuple[tuple[CaseRatios, ...], tuple[Ratio, ...]]:
    """The ratios of every shared case, and those of all shared cases together, none of them judged yet."""
    keys = shared(baseline, other)
    columns: list[list[Ratio]] = []
    overall: list[Ratio] = []
    for metric in COMPARED:
        cases = [(baseline.cases[key], other.cases[key]) for key in keys]
        found = _estimates(metric, cases)
        columns.append([_ratio(metric, *pair, ratio) for pair, ratio in zip(cases, found, strict=True)])
        margins = [sum(case.errors.get(metric, 0.0) for case in pair) for pair in cases]
        overall.append(_overall(metric, columns[-1], found, margins))
    rows = zip(*columns, strict=True)
    return (
        tuple(
            CaseRatios(
                input=baseline.cases[key].input,
                output=baseline.cases[key].output,
                concurrency=baseline.cases[key].concurrency,
                rate=baseline.cases[key].rate,
                shape=baseline.cases[key].shape,
                ratios=tuple(row),
            )
            for key, row in zip(keys, rows, strict=True)
        ),
        tuple(overall),
    )


def _estimates(metric: str, cases: Sequence[tuple[Measured, Measured]]) -> list[intervals.Ratio | None]:
    """The noise of each case as far as both sides have rounds for it."""
    pairs = {
        at: Pair(
            theirs, ours, first.requests or second.requests or first.concurrency, _resolution(metric, first, second)
        )
        for at, (first, second) in enumerate(cases)
        if (theirs := first.known(metric)) and (ours := second.known(metric))
    }
    found = dict(zip(pairs, intervals.ratios(tuple(pairs.values())), strict=True))
    return [found.get(at) for at in range(len(cases))]


def _resolution(metric: str, *cases: Measured) -> float:
    """The coarsest relative step to which the figures were rounded."""
    steps = [case.steps[metric] / min(case.known(metric)) for case in cases if metric in case.steps]
    return max(steps, default=0.0)


def _ratio(metric: str, first: Measured, second: Measured, found: intervals.Ratio | None) -> Ratio:
    theirs, ours = mean(first, metric), mean(second, metric)
    if theirs is None or ours is None:
        return Ratio(metric=metric, baseline=theirs, value=ours, ratio=None)
    if found is None:
        between = (
            intervals.of_requests(first.single[metric], second.single[metric])
            if _single(metric, first, second)
            else None
        )
        low, high = (between.low, between.high) if between else (None, None)
        method = "requests" if between else "none"
        return Ratio(metric=metric, baseline=theirs, value=ours, ratio=ours / theirs, low=low, high=high, method=method)
    # Which is larger may be said only where the instruments could have told them apart.
    error = sum(case.steps.get(metric, 0.0) for case in (first, second)) / 2
    error += first.errors.get(metric, 0.0) * theirs + second.errors.get(metric, 0.0) * ours
    within: Difference = "instrument" if abs(ours - theirs) <= error else "unknown"
    between = found.interval
    return Ratio(
        metric=metric,
        baseline=theirs,
        value=ours,
        ratio=found.value,
        low=between.low,
        high=between.high,
        method="rounds",
        probability=found.probability,
        difference=within,
    )


def _single(metric: str, *cases: Measured) -> bool:
    return all(metric in case.single for case in cases)


def _overall(
    metric: str, ratios: Sequence[Ratio], found: Sequence[intervals.Ratio | None], margins: Sequence[float]
) -> Ratio:
    """The geometric mean over the cases where both sides have the metric; judged only where each of them has its noise.

    `margins`: by which share the instruments may be wrong in each case; always to the same side, so that it does not average out.
    """
    known = [ratio.ratio for ratio in ratios if ratio.ratio is not None]
    if not known:
        return Ratio(metric=metric, baseline=None, value=None, ratio=None)
    centre = geometric(known)
    of_cases = [margin for ratio, margin in zip(ratios, margins, strict=True) if ratio.ratio is not None]
    estimates = [estimate for estimate in found if estimate is not None]
    whole = intervals.together(estimates) if len(estimates) == len(known) else None
    if whole is None:
        return Ratio(metric=metric, baseline=None, value=None, ratio=centre)
    return Ratio(
        metric=metric,
        baseline=None,
        value=None,
        ratio=whole.value,
        low=whole.interval.low,
        high=whole.interval.high,
        method="rounds",
        probability=whole.probability,
        difference="instrument" if abs(math.log(whole.value)) <= math.fsum(of_cases) / len(of_cases) else "unknown",
    )


def judged(ratios: Sequence[Ratio]) -> tuple[Ratio, ...]:
    """All ratios of a comparison with what may be said of them, corrected for how many they are."""
    open_ = [ratio.probability for ratio in ratios if ratio.probability is not None]
    corrected = iter(intervals.holm(open_))
    return tuple(_judged(ratio, next(corrected)) if ratio.probability is not None else ratio for ratio in ratios)


def _judged(ratio: Ratio, probability: float) -> Ratio:
    assert ratio.ratio is not None
    if ratio.difference == "instrument":
        said: Difference = "instrument"
    elif probability >= FAMILY:
        said = "noise"
    else:
        said = "better" if (ratio.ratio > 1) == (ratio.metric in HIGHER) else "worse"
    return ratio.model_copy(update={"probability": probability, "difference": said})


def mean(case: Measured, metric: str) -> float | None:
    """The mean over rounds; None where one of them lacks the figure."""
    values = case.known(metric)
    return math.fsum(values) / len(values) if values else None


def geometric(values: Iterable[float]) -> float:
    """The geometric mean of positive values."""
    logarithms = [math.log(value) for value in values]
    return math.exp(math.fsum(logarithms) / len(logarithms))


def tried(side: Side) -> bool:
    """Whether the instrument's own error is known in all cases and judged metrics of a side."""
    return all(metric in case.errors for case in side.cases.values() for metric in COMPARED if case.known(metric))


def cases(side: Side, hourly: float | None) -> tuple[CaseFigures, ...]:
    """All cases of a side."""
    return tuple(_case(case, side, hourly) for case in side.cases.values())


def _case(case: Measured, side: Side, hourly: float | None) -> CaseFigures:
    throughput, tpot = mean(case, "output_throughput"), mean(case, "tpot")
    alike = [
        other
        for other in side.cases.values()
        if other.key[:2] == case.key[:2] and other.rate is None and other.shape == case.shape
    ]
    least = min(alike, key=lambda other: other.concurrency, default=case)
    first = mean(least, "output_throughput")
    # At a rate the throughput is what is sent.
    more = len(alike) > 1 and case.rate is None and throughput is not None and first is not None
    tps = mean(case, "tps")
    return CaseFigures(
        input=case.input,
        output=case.output,
        concurrency=case.concurrency,
        rate=case.rate,
        shape=case.shape,
        rounds=case.rounds,
        output_throughput=throughput,
        latency=mean(case, "latency"),
        ttft=mean(case, "ttft"),
        tpot=tpot,
        prefill_speed=mean(case, "prefill_speed"),
        tps=tps if tps is not None else 1 / tpot if tpot else None,
        per_accelerator=throughput / side.accelerators if throughput is not None and side.accelerators else None,
        per_joule=mean(case, "per_joule"),
        per_cost=throughput * _SECONDS_PER_HOUR / hourly if throughput is not None and hourly else None,
        scaling=throughput / first if more and throughput is not None and first is not None else None,
        scaling_of=case.concurrency / least.concurrency if more else None,
    )


def efficiency(baseline: Sequence[CaseFigures], other: Sequence[CaseFigures]) -> tuple[tuple[str, float], ...]:
    """Geometric means over the shared cases of what the other gets out of an accelerator, a joule and a unit of money."""
    known = {case.key: case for case in baseline}
    pairs = [(known[case.key], case) for case in other if case.key in known]
    result = []
    for name in ("per_accelerator", "per_joule", "per_cost"):
        values = [(getattr(first, name), getattr(second, name)) for first, second in pairs]
        if values and all(first is not None and second is not None for first, second in values):
            result.append((name, geometric(second / first for first, second in values)))
    return tuple(result)
