"""How a baseline says that its server behaves: the times of each case, and what a load comes to that is answered like this."""

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from kit import stats
from kit.instrument import arrivals, asking
from kit.model import Case, Figures, RoundPlan
from kit.model.acceptance import relation
from kit.model.rates import CaseKey, Condition
from kit.model.table import Row

LARGEST = 0.02
"""A figure that is worse than what stands in the baseline by a larger share misses it."""
_SETTLING = 32
"""So often the requests under way at a rate are reckoned from the latency that they themselves lead to."""


@dataclass(frozen=True, slots=True)
class Times:
    """From a request to its first token, and from each token to the next."""

    ttft_s: float
    itl_s: float


def times(row: Row) -> Times | None:
    """The times with which each answer of a case has the TTFT and the latency of the row; None where it does not tell them.

    From token to token takes what latency and TTFT leave, since an old report's TPOT has two digits; where answers differ in length
    it takes the TPOT, which does not depend on their lengths.
    """
    if row.ttft is None:
        return None
    ttft, gaps = row.ttft.value, row.output.tokens - 1
    if gaps == 0:
        return Times(ttft, 0.0)  # waited for by nobody: there is no next token
    if row.tpot is not None and (row.latency is None or row.uneven):
        return Times(ttft, row.tpot.value)
    return Times(ttft, (row.latency.value - ttft) / gaps) if row.latency is not None else None


class Behaviour:
    """The times of a baseline's own cases as they are, and of any other case on straight lines between them.

    More clients than were measured share what there was: times grow with their number. A longer prompt takes longer in proportion,
    a shorter one less; decoding beyond the lengths measured goes on as at the nearest.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        """Raises `ValueError` where no row tells of times from token to token."""
        self._known: dict[CaseKey, Times] = {}
        points: dict[float, dict[float, Times]] = {}
        # Where two fall on one place the plainest tells most about another case.
        for row in sorted(rows, key=lambda row: (row.rate is not None, row.shape is not None)):
            if (found := times(row)) is None:
                continue
            self._known[row.key] = found
            if row.output.tokens > 1:
                clients = row.concurrency if row.rate is None else row.rate.under_way(_latency_s(row, found))
                points.setdefault(_prompt(row), {}).setdefault(clients, found)
        if not points:
            raise ValueError("no case has TTFT and latency or TPOT")
        self._inputs = sorted(points)
        self._levels = [(sorted(points[length]), points[length]) for length in self._inputs]

    def of(self, case: Case) -> Times:
        """The times of a case."""
        if (found := self._known.get(case.key)) is not None:
            return found
        if case.rate is None:
            return self._between(_prompt(case), case.concurrency)
        clients = 1.0
        for _ in range(_SETTLING):
            found = self._between(_prompt(case), clients)
            clients = min(case.requests, case.rate.under_way(_latency_s(case, found)))
        return self._between(_prompt(case), clients)

    def _between(self, tokens: float, clients: float) -> Times:
        ttft, itl = (
            [_level(at, [getattr(there[x], name) for x in at], clients, below=False) for at, there in self._levels]
            for name in Times.__slots__
        )
        nearest = min(max(tokens, self._inputs[0]), self._inputs[-1])
        return Times(_level(self._inputs, ttft, tokens, below=True), _level(self._inputs, itl, nearest, below=False))


def _level(xs: Sequence[float], ys: Sequence[float], x: float, *, below: bool) -> float:
    """On the line between two neighbours; in proportion above the last, and below the first where `below` says so."""
    if x >= xs[-1]:
        return ys[-1] * x / xs[-1]
    if x <= xs[0]:
        return ys[0] * x / xs[0] if below else ys[0]
    right = bisect_left(xs, x)
    left = right - 1
    return ys[left] + (ys[right] - ys[left]) * (x - xs[left]) / (xs[right] - xs[left])


def _prompt(case: Condition) -> float:
    """The tokens of a prompt, on average: in a conversation with the messages and answers before it."""
    turns = case.shape.turns if case.shape is not None else None
    if turns is None:
        return case.input.tokens
    later = (turns.input or case.input).tokens + case.output.tokens
    return case.input.tokens + later * (turns.number - 1) / 2


def _latency_s(case: Condition, found: Times) -> float:
    return found.ttft_s + (case.output.tokens - 1) * found.itl_s


# --- what comes of it --------------------------------------------------------------------------------------------


def figures(entry: RoundPlan, told: Times) -> Mapping[str, float]:
    """The means of a round in which every answer takes these times, and a client none; without those that depend on prompts of a file."""
    case = entry.case
    found = {"ttft": told.ttft_s}
    if case.output.tokens > 1:
        found["tpot"] = told.itl_s
        found |= {"tps": 1 / told.itl_s} if told.itl_s > 0 else {}
    clock, words = arrivals.told(entry.program.argv)
    wanted, _ = asking.told(words)
    if wanted is not None and wanted.file is not None:
        return found
    if wanted is None:
        made = [case.output.tokens] * case.requests
    else:
        made = [one.output for one in wanted.requests(case.requests)]
    took = [told.ttft_s + (tokens - 1) * told.itl_s for tokens in made]
    window_s = _window_s(case, took, clock, wanted.turns if wanted is not None else 1)
    throughput = sum(made) / window_s
    found |= {"per_stream_throughput": throughput / case.concurrency} if case.rate is None else {}
    return {**found, "latency": fmean(took), "output_throughput": throughput}


def _window_s(case: Case, took: Sequence[float], clock: arrivals.Clock | arrivals.Ramp | None, turns: int) -> float:
    """From the first request to the end of the last answer. A client that is free sends what is next: a conversation, one turn after the
    other."""
    begins = clock.times(len(took), case.concurrency).at_s if clock is not None else (0.0,) * case.concurrency
    if case.rate is not None:
        return max(at + seconds for at, seconds in zip(begins, took, strict=True))
    free = list(begins)
    for begin in range(0, len(took), turns):
        heapq.heapreplace(free, free[0] + sum(took[begin : begin + turns]))
    return max(free)


def missed(row: Row, found: Mapping[str, float]) -> Mapping[str, float]:
    """The figures of a row that these do not reach, each with the share by which they miss it. What is written is as good as its
    digits: a TPOT of 0.05 is anything up to 0.055."""
    written = ((metric, cell, found[metric]) for metric, cell in row.cells() if metric in found)
    shares = {metric: value / min(max(value, cell.low), cell.high) - 1 for metric, cell, value in written}
    return {metric: share for metric, share in shares.items() if _worse(metric, share) > LARGEST}


def slowed(measured: Iterable[tuple[RoundPlan, Figures]], known: Behaviour) -> tuple[str, str, float] | None:
    """The figure that is furthest from what the server's times make it, for the worse: its case, the metric and the share that the
    machine takes itself. None where no share is above `LARGEST`."""
    shares = [
        (entry.case.id, metric, value / expected - 1)
        for entry, found in measured
        for metric, expected in figures(entry, known.of(entry.case)).items()
        if expected > 0 and (value := stats.metric(metric, found)) is not None
    ]
    worst = max(shares, key=lambda share: _worse(*share[1:]), default=None)
    return worst if worst is not None and _worse(*worst[1:]) > LARGEST else None


def _worse(metric: str, share: float) -> float:
    """By what share a figure is worse, where it is by that share above what it should be."""
    return share if relation(metric) == "<=" else -share
