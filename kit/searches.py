"""Looking for the highest concurrency that keeps limits: what its rounds have decided so far, and which it needs next.

A concurrency that keeps the limits is taken to say so of all below it, one that does not of all above; every one that was
tried is kept as a case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kit import stats
from kit.model import Plan, RoundPlan, RoundResult
from kit.model.rates import CaseKey, load_of
from kit.model.search import Search


@dataclass(frozen=True, slots=True)
class Broken:
    """What a concurrency did not keep: a metric, what it was (None: not known), and its bound; without a metric, requests failed."""

    concurrency: int
    metric: str | None = None
    value: float | None = None
    bound: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search has decided: the highest concurrency that keeps the limits (0 where none does), the lowest above it that does
    not (None where all tried do), how many were tried, and whether nothing is left to try."""

    search: Search
    highest: int
    broken: Broken | None
    tried: int
    over: bool


def outcomes(plan: Plan, results: Sequence[RoundResult]) -> tuple[Outcome, ...]:
    """What each search of a plan has decided. The plan may be one without the rounds that were not needed."""
    return tuple(_walk(search, plan.rounds, results)[0] for search in plan.searches)


def narrowed(plan: Plan, rounds: tuple[RoundPlan, ...], results: Sequence[RoundResult]) -> tuple[RoundPlan, ...]:
    """The rounds without those of concurrencies that a search needs not; those of a search by concurrency once it is over."""
    for search in plan.searches:
        outcome, wanted = _walk(search, rounds, results)
        own = [entry for entry in rounds if entry.case.key in _keys(search)]
        ended = {result.case.concurrency for result in results if result.case.key in _keys(search) and _failed(result)}
        there = {(result.case.id, result.round) for result in results}
        kept = [
            entry
            for entry in own
            if entry.case.concurrency in wanted
            and (entry.case.concurrency not in ended or (entry.case.id, entry.round) in there)
        ]
        if outcome.over:
            kept.sort(key=lambda entry: entry.case.concurrency)
        at = rounds.index(own[0])
        others = [entry for entry in rounds if entry.case.key not in _keys(search)]
        before = sum(entry.case.key not in _keys(search) for entry in rounds[:at])
        rounds = (*others[:before], *kept, *others[before:])
    return rounds


def beyond(plan: Plan, results: Sequence[RoundResult]) -> frozenset[str]:
    """The ids of the cases with more clients than keep the limits of their search, where some do: they show where the limits
    end, and what they do not keep is no failure of the run."""
    highest = {key: found.highest for found in outcomes(plan, results) if found.highest for key in _keys(found.search)}
    return frozenset(case.id for case in plan.cases if case.key in highest and case.concurrency > highest[case.key])


def _keys(search: Search) -> set[CaseKey]:
    lengths = search.input.tokens, search.output.tokens
    return {(*lengths, load_of(number, None, search.shape)) for number in search.concurrencies}


def _walk(search: Search, rounds: Sequence[RoundPlan], results: Sequence[RoundResult]) -> tuple[Outcome, set[int]]:
    """Along the order of a search, up to the first concurrency that is needed and not yet measured."""
    planned: dict[int, set[int]] = {}
    for entry in rounds:
        if entry.case.key in _keys(search):
            planned.setdefault(entry.case.concurrency, set()).add(entry.round)
    done: dict[int, dict[int, RoundResult]] = {}
    for result in results:
        if result.case.key in _keys(search):
            done.setdefault(result.case.concurrency, {})[result.round] = result
    highest, broken = 0, None
    for number in search.concurrencies:
        if number <= highest or (broken is not None and number >= broken.concurrency):
            continue
        own = done.get(number, {})
        whole = bool(own) and planned.get(number, set()) <= set(own)
        if not whole and not any(map(_failed, own.values())):
            waiting = {number} if number in planned else set()
            return Outcome(search, highest, broken, len(done), over=False), {*done, *waiting}
        if (found := _broken(search, number, own)) is None:
            highest = number
        else:
            broken = found
    return Outcome(search, highest, broken, len(done), over=True), set(done)


def _broken(search: Search, number: int, results: Mapping[int, RoundResult]) -> Broken | None:
    """The first limit that the means over the rounds do not keep."""
    figures = [result.figures for result in results.values()]
    if any(map(_failed, results.values())):
        return Broken(number)
    for limit in search.limits:
        metric, relation, bound = limit.parts()
        value = stats.mean(stats.metric(metric, found) for found in figures)
        if value is None:
            return Broken(number, metric, None, bound)
        if value > bound if relation == "<=" else value < bound:
            return Broken(number, metric, value, bound)
    return None


def _failed(result: RoundResult) -> bool:
    """Whether a request failed: that decides, whatever further rounds would measure."""
    return result.figures.succeeded < result.figures.requests
