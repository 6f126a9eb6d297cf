"""The instrument's own error: what the load path says of a load, beside what the reference server knows of it."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kit import clocks, stats
from kit.model import Case, Doubt, Figures, Sample
from kit.model.calibration import Calibration, Share, Trial

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
    ttfts = sorted(one.ttft_s for one in clocks.counted(case, samples) if one.succeeded and one.ttft_s is not None)
    if not figures.succeeded == case.requests == found.requests:
        msg = f"{figures.succeeded} of {case.requests} requests succeeded, the server answered {found.requests}"
        raise ValueError(msg)
    told = {
        "ttft": figures.ttft_s.mean if figures.ttft_s else None,
        # Of the same requests on both sides: what they say of others does not matter.
        "ttft_p99": stats.percentile(ttfts, 99) if ttfts else None,
        "tpot": figures.tpot_s.mean if figures.tpot_s else None,
        "latency": figures.latency_s.mean if figures.latency_s else None,
        "throughput": figures.output_throughput,
    }
    return Error({name: value for name, value in told.items() if value is not None}, found.values, found.late_p99_s)


def over(rounds: Sequence[Error], metric: str) -> Share | None:
    """The error of a metric over rounds; none where a round lacks it."""
    shares = [found.share(metric) for found in rounds]
    known = [share for share in shares if share is not None]
    return _share(known) if known and len(known) == len(shares) else None


def _share(found: Sequence[float]) -> Share:
    return Share(median=statistics.median(found), least=min(found), most=max(found))


def trial(found: Error, demand: float | None) -> Trial:
    """A round against the reference server as it is kept in a run."""
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


def shares(calibration: Calibration | None, case: Case, figures: Figures) -> dict[str, Share]:
    """The instrument's error in these figures by metric, as a share of each, over the trials of the same load.

    The seconds by which TTFT, TPOT and latency were wrong in the trial are held against the figure itself; throughput is
    wrong by the same share. A metric that was not tried is not there.
    """
    points = calibration.points if calibration is not None else ()
    trials = [
        one
        for point in points
        if (point.concurrency, point.rate) == (case.concurrency, case.rate)
        for one in point.trials
    ]
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
    return {name: _share(found) for name, found in errors.items()}


def doubts(found: Mapping[str, Share]) -> Iterable[Doubt]:
    """What a reader must know of these errors."""
    for name, share in found.items():
        if abs(share.median) > LARGEST:
            yield Doubt(kind=f"instrument-{name}", values=(("error", f"{share.median:+.1%}"),))
