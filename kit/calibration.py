"""The instrument's own error: what the load path says of a load, beside what the reference server knows of it."""

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kit import stats
from kit.model import Case, Doubt, Figures, RoundResult, Sample
from kit.model.calibration import Calibration, Point, Trial

METRICS = ("ttft", "ttft_p99", "tpot", "latency", "throughput")
LARGEST = 0.01
"""An error of the instrument above this share of the figure is told as a doubt."""
LATE_S = 0.0005
"""A reference server whose p99 is later than this cannot judge others."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the reference server recorded of the requests that it answered whole; seconds of the monotonic clock.

    TTFT from a request's arrival to its first token given to the kernel, TPOT from the first token to the last, latency to the
    last, throughput from the first request's arrival to the last token.
    """

    values: Mapping[str, float]
    requests: int
    tokens: int
    began_s: float
    ended_s: float
    late_p99_s: float


def truth(lines: Iterable[str]) -> Truth:
    """The truth of a record. Raises `ValueError` where it is none, or tells of no request."""
    requests = [line for line in map(json.loads, lines) if line["number"] and line["ended"] == "done"]
    if not requests:
        raise ValueError("the record of the reference server tells of no request")
    sent = [[moment / 1e9 for moment in line["sent_ns"]] for line in requests]
    got = [line["received_ns"] / 1e9 for line in requests]
    late = sorted(
        at - due / 1e9
        for line, left in zip(requests, sent, strict=True)
        for at, due in zip(left, line["due_ns"], strict=True)
    )
    ttft = sorted(left[0] - at for left, at in zip(sent, got, strict=True))
    began, ended = min(got), max(left[-1] for left in sent)
    counts = [int(line["tokens_sent"]) for line in requests]
    tpots = [(left[-1] - left[0]) / (count - 1) for left, count in zip(sent, counts, strict=True) if count > 1]
    values = {
        "ttft": statistics.fmean(ttft),
        "ttft_p99": stats.percentile(ttft, 99),
        "latency": statistics.fmean(left[-1] - at for left, at in zip(sent, got, strict=True)),
        "throughput": sum(counts) / (ended - began),
    }
    if tpots:
        values["tpot"] = statistics.fmean(tpots)
    return Truth(values, len(requests), sum(counts), began, ended, stats.percentile(late, 99))


@dataclass(frozen=True, slots=True)
class Error:
    """One round: what was said and what is true, by metric; `share` is the difference in terms of the truth."""

    seen: Mapping[str, float]
    true: Mapping[str, float]
    late_p99_s: float

    def share(self, metric: str) -> float | None:
        if metric not in self.seen or not self.true.get(metric):
            return None
        return self.seen[metric] / self.true[metric] - 1


def error(case: Case, samples: Sequence[Sample], found: Truth) -> Error:
    """How far the load path's figures are from the truth. Raises `ValueError` where they are not of the same requests."""
    figures = stats.figures(case, samples)
    if not figures.succeeded == case.requests == found.requests:
        msg = f"{figures.succeeded} of {case.requests} requests succeeded, the server answered {found.requests}"
        raise ValueError(msg)
    told = {
        "ttft": figures.ttft_s.mean if figures.ttft_s else None,
        "ttft_p99": figures.ttft_s.p99 if figures.ttft_s else None,
        "tpot": figures.tpot_s.mean if figures.tpot_s else None,
        "latency": figures.latency_s.mean if figures.latency_s else None,
        "throughput": figures.output_throughput,
    }
    return Error({name: value for name, value in told.items() if value is not None}, found.values, found.late_p99_s)


def median(rounds: Sequence[Error], metric: str) -> float | None:
    """The median of a metric's error over rounds; none where a round lacks it."""
    shares = [found.share(metric) for found in rounds]
    known = [share for share in shares if share is not None]
    return statistics.median(known) if known and len(known) == len(shares) else None


def span(rounds: Sequence[Error], metric: str) -> tuple[float, float] | None:
    """The least and the largest error of a metric over rounds."""
    known = [share for share in (found.share(metric) for found in rounds) if share is not None]
    return (min(known), max(known)) if known else None


# --- inside a run ------------------------------------------------------------------------------------------------

LONGEST_TTFT_S = 1.0
"""A longer wait before the first token tells nothing more of the client."""
MOST_TOKENS, LEAST_TOKENS = 128, 8
MOST_TRIALS = 5
_START_S, _BEGIN_S = 1.2, 0.2
"""What the program takes to start, and each trial before its first request and after its last."""


def points(results: Sequence[RoundResult], budget_s: float) -> tuple[Point, ...]:
    """Each concurrency of a run, at the times of its quickest case; what does not fit into the time has a reason.

    The most clients come first: there the error is greatest. Answers are cut short before a concurrency is left out.
    """
    known: dict[int, RoundResult] = {}
    for result in results:
        found = result.figures
        if found.ttft_s is None or found.tpot_s is None:
            continue
        clients = _clients(result.case, found)
        best = known.get(clients)
        if best is None or best.figures.tpot_s is None or found.tpot_s.mean < best.figures.tpot_s.mean:
            known[clients] = result
    wanted = [_point(known[concurrency]) for concurrency in sorted(known, reverse=True)]
    rest = budget_s - _START_S
    chosen: list[Point] = []
    for position, point in enumerate(wanted):
        # What is left is shared among those that are left.
        share = rest / (len(wanted) - position)
        room = max(share, min(rest, _length_s(point, LEAST_TOKENS)))
        tokens = _fitting(point, room)
        if tokens < min(LEAST_TOKENS, point.tokens):
            chosen.append(point.model_copy(update={"reason": Doubt(kind="untried-room")}))
            continue
        fitted = point.model_copy(update={"tokens": tokens})
        rest -= _length_s(fitted, tokens)
        chosen.append(fitted)
    return tuple(sorted(chosen, key=lambda point: point.concurrency))


def _clients(case: Case, found: Figures) -> int:
    """Those of the case; of a rate as many as were under way on average (Little), to the next power of two: no load is tried twice
    for rounds that are alike."""
    if case.rate is None or found.latency_s is None:
        return case.concurrency
    return int(2 ** math.ceil(math.log2(case.rate.under_way(found.latency_s.mean))))


def _point(result: RoundResult) -> Point:
    found, case = result.figures, result.case
    assert found.ttft_s is not None
    assert found.tpot_s is not None
    clients = _clients(case, found)
    return Point(
        concurrency=clients,
        requests=clients * (2 if case.requests >= 2 * clients else 1),
        tokens=max(2, min(MOST_TOKENS, case.output.tokens)),
        asked_ttft_s=min(LONGEST_TTFT_S, found.ttft_s.mean),
        asked_itl_s=found.tpot_s.mean,
    )


def _waves(point: Point) -> int:
    return point.requests // point.concurrency


def _fitting(point: Point, room_s: float) -> int:
    """As many tokens of an answer as there is time for; a server that sends them all at once takes none for them."""
    rest_s, each_s = room_s - _length_s(point, 0), _waves(point) * point.asked_itl_s
    if rest_s >= each_s * point.tokens:
        return point.tokens
    return max(0, int(rest_s / each_s)) if each_s > 0 else 0


def _length_s(point: Point, tokens: int) -> float:
    return _BEGIN_S + _waves(point) * (point.asked_ttft_s + tokens * point.asked_itl_s)


def rounds(fitting: Sequence[Point], budget_s: float) -> int:
    """How often all of these points can be tried in the time there is."""
    once = sum(_length_s(point, point.tokens) for point in fitting)
    return max(1, min(MOST_TRIALS, int((budget_s - _START_S) / once))) if once > 0 else 1


def trial(found: Error, demand: float | None) -> Trial:
    """A round against the reference server as it is kept."""
    return Trial(
        ttft_s=found.seen["ttft"],
        true_ttft_s=found.true["ttft"],
        tpot_s=found.seen.get("tpot"),
        true_tpot_s=found.true.get("tpot"),
        latency_s=found.seen["latency"],
        true_latency_s=found.true["latency"],
        throughput=found.seen["throughput"],
        true_throughput=found.true["throughput"],
        late_p99_s=found.late_p99_s,
        demand=demand,
    )


def shares(calibration: Calibration | None, case: Case, figures: Figures) -> dict[str, float]:
    """The instrument's error in these figures by metric, as a share of each: the median of the trials.

    The seconds by which TTFT, TPOT and latency were wrong in the trial are held against the figure itself; throughput is
    wrong by the same share. A metric that was not tried is not there.
    """
    clients = _clients(case, figures)
    tried = [point for point in calibration.points if point.concurrency == clients] if calibration else []
    trials = [one for point in tried for one in point.trials]
    if not trials:
        return {}
    errors: dict[str, list[float]] = {"throughput": [one.throughput / one.true_throughput - 1 for one in trials]}
    if figures.ttft_s is not None and figures.ttft_s.mean > 0:
        errors["ttft"] = [(one.ttft_s - one.true_ttft_s) / figures.ttft_s.mean for one in trials]
    if figures.latency_s is not None and figures.latency_s.mean > 0:
        errors["latency"] = [(one.latency_s - one.true_latency_s) / figures.latency_s.mean for one in trials]
    if figures.tpot_s is not None and figures.tpot_s.mean > 0:
        differences = [
            one.tpot_s - one.true_tpot_s for one in trials if one.tpot_s is not None and one.true_tpot_s is not None
        ]
        if differences:
            errors["tpot"] = [difference / figures.tpot_s.mean for difference in differences]
    return {name: statistics.median(found) for name, found in errors.items()}


def doubts(found: Mapping[str, float]) -> Iterable[Doubt]:
    """What a reader must know of these errors."""
    for name, share in found.items():
        if abs(share) > LARGEST:
            yield Doubt(kind=f"instrument-{name}", values=(("error", f"{share:+.1%}"),))
