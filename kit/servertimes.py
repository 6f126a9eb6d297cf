"""What a server says of its own times, and whether the client saw the same.

It says so in its answers, or in histograms that its `/metrics` keeps in Prometheus' text format: what these gained between
two readings is the round's. Histograms are of all requests that the server ended meanwhile, whoever sent them.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from kit import stats
from kit.engines.flags import Histograms
from kit.model import Doubt, Histogram, RoundResult, Sample, ServerTimes

PATH = "/metrics"
LARGEST_BYTES = 8_000_000
"""Of one answer; what is longer is none."""
AGREES = 0.01
"""Beyond the instrument's own error client and server may differ by this share of the figure."""
WAY_S = 0.002
"""What a request and its answer may take on their way within one machine, of which the server knows nothing."""

Reading = Mapping[str, Histogram]

_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)_(?P<part>sum|count)"
    r"(?:\{(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*\})?[ \t]+(?P<value>[^\s]+)(?:[ \t]+-?[0-9]+)?[ \t\r]*"
)


def parse(text: str, names: Collection[str]) -> Reading:
    """The histograms of these names, each over all its labels. What is no number, or none that a histogram can hold, is left out."""
    sums: dict[str, float] = {}
    counts: dict[str, float] = {}
    # Labels may hold other characters that Python takes for ends of lines.
    for line in text.split("\n"):
        if (found := _SAMPLE.fullmatch(line)) is None or found["name"] not in names:
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        if math.isfinite(value) and 0 <= value < 1e15:
            into = sums if found["part"] == "sum" else counts
            into[found["name"]] = into.get(found["name"], 0.0) + value
    return {
        name: Histogram(name=name, count=round(counts[name]), total_s=sums[name]) for name in sums if name in counts
    }


def gained(before: Reading, after: Reading) -> tuple[Histogram, ...]:
    """What each histogram gained between two readings; nothing of one that has lost values: its server began anew."""
    found = []
    for name, now in after.items():
        then = before.get(name, Histogram(name=name, count=0, total_s=0.0))
        if now.count > then.count and now.total_s >= then.total_s:
            found.append(Histogram(name=name, count=now.count - then.count, total_s=now.total_s - then.total_s))
    return tuple(found)


def of_metrics(found: Sequence[Histogram], spelled: Histograms, samples: Sequence[Sample]) -> ServerTimes | None:
    """The server's times by its histograms; None where these tell of no request."""
    known = {histogram.name: histogram for histogram in found}

    def first(names: Sequence[str]) -> Histogram | None:
        return next((known[name] for name in names if name in known), None)

    def mean(names: Sequence[str]) -> float | None:
        histogram = first(names)
        return histogram.total_s / histogram.count if histogram is not None else None

    whole = first(spelled.latency) or first(spelled.ttft)
    if whole is None:
        return None
    tpot = mean(spelled.tpot)
    gaps, tokens = first(spelled.gaps), _later_tokens(samples)
    if tpot is None and gaps is not None and tokens and whole.count == sum(one.succeeded for one in samples):
        # Engines count a gap per step or per token; together they are the time of decoding either way.
        tpot = gaps.total_s / tokens
    return ServerTimes(
        source="metrics",
        requests=whole.count,
        ttft_s=mean(spelled.ttft),
        queue_s=mean(spelled.queue),
        prefill_s=mean(spelled.prefill),
        tpot_s=tpot,
        latency_s=mean(spelled.latency),
        histograms=tuple(histogram for histogram in found if histogram.name in spelled.names),
    )


def _later_tokens(samples: Sequence[Sample]) -> int | None:
    """The tokens after the first of all successful requests; None where those of any are not known."""
    counts = [one.output_tokens for one in samples if one.succeeded]
    return sum(max(0, count - 1) for count in counts if count is not None) if None not in counts else None


def of_answers(samples: Sequence[Sample]) -> ServerTimes | None:
    """The server's times by its answers; None where not every successful one says how long its prefill took."""
    good = [one for one in samples if one.succeeded]
    queue, prefill = stats.mean(one.server_queue_s for one in good), stats.mean(one.server_prefill_s for one in good)
    if prefill is None:
        return None
    decode = stats.mean(one.server_decode_s for one in good)
    return ServerTimes(
        source="answers",
        requests=len(good),
        ttft_s=queue + prefill if queue is not None else None,
        queue_s=queue,
        prefill_s=prefill,
        tpot_s=stats.mean(
            one.server_decode_s / (one.output_tokens - 1)
            if one.server_decode_s is not None and one.output_tokens is not None and one.output_tokens > 1
            else None
            for one in good
        ),
        latency_s=queue + prefill + decode if queue is not None and decode is not None else None,
    )


# --- beside the client's -------------------------------------------------------------------------------------------


def alike(result: RoundResult) -> ServerTimes | None:
    """The server's times of a round where they are of the client's requests and of no others, else None."""
    found, figures = result.server, result.figures
    return found if found is not None and found.requests and found.requests == figures.succeeded else None


def doubts(results: Sequence[RoundResult], errors: Mapping[str, float], *, probes: int) -> Iterator[Doubt]:
    """Where client and server differ by more than the instrument's own error explains (a share of the figure, by metric).

    `results` are the rounds of one case. `probes` is how many requests of its own a load generator may send in a round.
    """
    told = [(result, found) for result in results if (found := result.server) is not None and found.requests]
    for result, found in told:
        sent = result.figures.requests
        if not result.figures.succeeded <= found.requests <= sent + probes:
            values = (("round", str(result.round)), ("requests", str(found.requests)), ("sent", str(sent)))
            yield Doubt(kind="server-requests", values=values)
    for metric in ("ttft", "tpot", "latency"):
        yield from _differing(metric, [(result, found) for result, found in told if alike(result)], errors)


def _differing(
    metric: str, rounds: Sequence[tuple[RoundResult, ServerTimes]], errors: Mapping[str, float]
) -> Iterator[Doubt]:
    server = stats.mean(getattr(found, f"{metric}_s") for _, found in rounds)
    own = stats.mean(stats.metric(metric, result.figures) for result, _ in rounds)
    tokens = stats.mean(found.mean if (found := result.figures.output_tokens) else None for result, _ in rounds)
    if not server or not own:
        return
    # Whether the step that gave the first token counts is the server's choice: of a short answer it is a large part.
    step = WAY_S if metric != "tpot" else own / max(1.0, (tokens or 2.0) - 1)
    if abs(own - server) > own * (abs(errors.get(metric, 0.0)) + AGREES) + step:
        values = {
            "own": f"{own:.4g}",
            "server": f"{server:.4g}",
            "difference": f"{own / server - 1:+.1%}",
            "error": f"{errors[metric]:+.2%}" if metric in errors else "—",
        }
        yield Doubt(kind=f"server-{metric}", values=tuple(values.items()))
