"""Statistics of one round, from its single requests. Every metric is defined here and nowhere else.

Only requests that succeeded enter a time, a token count or a percentile; failed ones are counted beside them.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from kit import clocks, flow
from kit.model import Case, Doubt, Failure, Figures, NativeSummary, Sample, Spread
from kit.model.shapes import Shape

READINGS_AGREE = 0.01
MEANS_AGREE = 0.1
"""So far the mean of lengths that differ may be from the length that names the case."""
CHUNKS_AGREE = 1.1
"""So many tokens per chunk are told as such: a last token often brings no text, and half a character waits for its rest."""
TAIL_MATTERS, TAIL_S = 0.02, 0.005
"""From this share of the time of decoding on, and these seconds, it is told that answers end so long after their last text."""
TOGETHER = 0.05
"""Of the answers whose first two texts were read at once, so large a share is told."""


# Two-sided 95 % quantiles of Student's t for 1, 2, 3… degrees of freedom; beyond the table the last one, which is larger
# than the true one: an interval is never shown narrower than it is.
_STUDENT_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def figures(case: Case, samples: Sequence[Sample]) -> Figures:
    """All metrics of a round."""
    samples = clocks.counted(case, samples)
    good = [sample for sample in samples if sample.succeeded]
    window = window_s(samples)
    throughput = output_throughput(good, window)
    tpots = [value for value in map(tpot_s, good) if value is not None]
    tpot = spread(tpots)
    reasons = Counter(sample.finish_reason or "none" for sample in good)
    failures = Counter(sample.error or "unknown" for sample in samples if not sample.succeeded)
    return Figures(
        requests=len(samples),
        succeeded=len(good),
        failures=tuple(Failure(reason=reason, requests=count) for reason, count in failures.most_common()),
        latency_s=spread(sample.latency_s for sample in good),
        ttft_s=spread(sample.ttft_s for sample in good),
        tpot_s=tpot,
        itl_s=spread(gap for sample in good for gap in sample.gaps_s),
        window_s=window,
        output_throughput=throughput,
        per_stream_throughput=throughput / case.concurrency if throughput is not None and case.rate is None else None,
        tps=1 / tpot.mean if tpot is not None and tpot.mean > 0 else None,
        input_tokens=spread(sample.input_tokens for sample in good),
        output_tokens=spread(sample.output_tokens for sample in good),
        finish_reasons=tuple(sorted(reasons.items())),
    )


def tpot_s(sample: Sample) -> float | None:
    """Time per output token: (latency - TTFT) / (output tokens - 1); none for a request of one token or without a first."""
    if sample.latency_s is None or sample.ttft_s is None or sample.output_tokens is None or sample.output_tokens < 2:
        return None
    return (sample.latency_s - sample.ttft_s) / (sample.output_tokens - 1)


def window_s(samples: Sequence[Sample]) -> float | None:
    """From the first request sent to the last answer received (failed requests took their part of that time too)."""
    sent = [sample.sent_s for sample in samples if sample.sent_s is not None]
    ended = [s.sent_s + s.latency_s for s in samples if s.sent_s is not None and s.latency_s is not None]
    return max(ended) - min(sent) if ended and max(ended) > min(sent) else None


def output_throughput(good: Sequence[Sample], window: float | None) -> float | None:
    """Output tokens of all successful requests per second of the window; none when a request's tokens are not known."""
    tokens = [sample.output_tokens for sample in good]
    if not tokens or window is None or any(count is None for count in tokens):
        return None
    return sum(count for count in tokens if count is not None) / window


def spread(values: Iterable[float | None]) -> Spread | None:
    """Mean and percentiles of what was measured; none where nothing was."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    return Spread(
        count=len(known),
        mean=math.fsum(known) / len(known),
        p50=percentile(known, 50),
        p90=percentile(known, 90),
        p99=percentile(known, 99),
        maximum=known[-1],
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Linear interpolation between the closest ranks, as numpy's default; `ordered` ascends and is not empty."""
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = math.ceil(position)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean over rounds, or none when a round lacks the value: an average must not hide a hole."""
    known = list(values)
    if not known or any(value is None for value in known):
        return None
    return math.fsum(value for value in known if value is not None) / len(known)


def half_width(values: Sequence[float]) -> float | None:
    """Half of the 95 % confidence interval of the mean over rounds (Student's t); none for fewer than two rounds."""
    if len(values) < 2:
        return None
    centre = math.fsum(values) / len(values)
    variance = math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1)
    return _STUDENT_T[min(len(values) - 1, len(_STUDENT_T)) - 1] * math.sqrt(variance / len(values))


def prefill_speed(input_tokens: Spread | None, ttft: Spread | None) -> float | None:
    """Mean input tokens over mean TTFT of the same requests: with several clients the time in the server's queue counts too."""
    if input_tokens is None or ttft is None or input_tokens.count != ttft.count or ttft.mean <= 0:
        return None
    return input_tokens.mean / ttft.mean


_RATES: dict[str, Callable[[Figures], float | None]] = {
    "output_throughput": lambda found: found.output_throughput,
    "tps": lambda found: found.tps,
    "per_stream_throughput": lambda found: found.per_stream_throughput,
}
_TIMES: dict[str, Callable[[Figures], Spread | None]] = {
    "latency": lambda found: found.latency_s,
    "ttft": lambda found: found.ttft_s,
    "tpot": lambda found: found.tpot_s,
}


def metric(name: str, found: Figures) -> float | None:
    """A metric of one round: the mean of its requests, or a percentile of them, where they carry it."""
    if name in _RATES:
        return _RATES[name](found)
    time, _, point = name.partition("_")
    if (spread := _TIMES[time](found)) is None:
        return None
    return spread.percentile(point) if point else spread.mean


def counted(name: str, found: Figures) -> int:
    """How many requests of a round have the value that a metric is made of: an answer of one token has no TPOT."""
    if name in ("output_throughput", "per_stream_throughput"):
        return found.succeeded
    spread = _TIMES["tpot" if name == "tps" else name.partition("_")[0]](found)
    return spread.count if spread is not None else 0


def doubts(case: Case, samples: Sequence[Sample], found: Figures, native: NativeSummary) -> Iterator[Doubt]:
    """What a reader of these figures must know."""
    good = [sample for sample in samples if sample.succeeded]
    for failure in found.failures:
        yield _doubt("failed", count=failure.requests, of=found.requests, reason=failure.reason)
    yield from _token_doubts("output", [(_asked(case, one, "output"), one.output_tokens) for one in good])
    yield from _token_doubts("input", [(_asked(case, one, "input"), one.input_tokens) for one in good])
    if case.shape is not None and (case.shape.lengths or case.shape.prompts):
        yield from _mean_doubts(case, case.shape, good)
    yield from flow.doubts(case, samples)
    yield from clocks.doubts(case, samples)
    if counted := sum(sample.tokens_from == "tokenizer" for sample in good):
        yield _doubt("no-usage", count=counted, of=len(good))
    odd = [(reason, count) for reason, count in found.finish_reasons if reason != "length"]
    if odd:
        yield _doubt("finish", reasons=", ".join(f"{count} x {reason}" for reason, count in odd))
    if cached := [sample.cached_tokens for sample in good if sample.cached_tokens]:
        yield _doubt("cached-tokens", count=len(cached), of=len(good), tokens=sum(cached))
    yield from _chunk_doubts(good)
    yield from _tail_doubts(good)
    yield from _reading_doubts(found, native)


def _chunk_doubts(good: Sequence[Sample]) -> Iterator[Doubt]:
    """Where the server's count of tokens and the chunks that came do not belong together."""
    pairs = [
        (sample.output_tokens, sample.texts)
        for sample in good
        if sample.tokens_from == "usage" and sample.output_tokens is not None and sample.texts
    ]
    if fewer := sum(tokens < texts for tokens, texts in pairs):
        yield _doubt("usage-below-chunks", count=fewer, of=len(pairs))
    tokens, texts = (sum(values) for values in zip(*pairs, strict=True)) if pairs else (0, 0)
    if tokens > texts * CHUNKS_AGREE:
        yield _doubt("tokens-per-chunk", tokens=f"{tokens / texts:.2f}")
    firsts = [sample.gaps_s[0] for sample in good if sample.gaps_s]
    if (together := sum(gap == 0 for gap in firsts)) > TOGETHER * len(firsts):
        yield _doubt("first-together", count=together, of=len(firsts))


def _tail_doubts(good: Sequence[Sample]) -> Iterator[Doubt]:
    """Where much time passes between the last text of an answer and its end, be it for `usage`: TPOT divides that among its tokens."""
    ends = [
        (one.latency_s - one.last_text_s, one.latency_s - one.ttft_s)
        for one in good
        if one.latency_s is not None and one.last_text_s is not None and one.ttft_s is not None
    ]
    tail, decoding = (math.fsum(values) for values in zip(*ends, strict=True)) if ends else (0.0, 0.0)
    if ends and tail > TAIL_MATTERS * decoding and tail / len(ends) > TAIL_S:
        yield _doubt("answer-tail", tail=f"{tail / len(ends):.3g}", share=f"{tail / decoding:.1%}")


def _asked(case: Case, sample: Sample, side: str) -> int | None:
    """The tokens that a request asked for; None where nobody could know them before."""
    own, length = (sample.input_asked, case.input) if side == "input" else (sample.output_asked, case.output)
    shape = case.shape
    if own is not None or shape is None:
        return own if own is not None else length.tokens
    varied = shape.lengths is not None and getattr(shape.lengths, side) is not None
    grows = side == "input" and shape.turns is not None
    return None if varied or grows or shape.prompts is not None else length.tokens


def _token_doubts(side: str, pairs: Sequence[tuple[int | None, int | None]]) -> Iterator[Doubt]:
    """Where requests have other tokens than they asked for; pairs of what was asked and what was measured."""
    if unknown := sum(count is None for _, count in pairs):
        yield _doubt(f"{side}-tokens-unknown", count=unknown)
    wrong = [(asked, count) for asked, count in pairs if None not in (asked, count) and asked != count]
    if wrong:
        asked, measured = (_range([one[at] for one in wrong]) for at in (0, 1))
        yield _doubt(f"{side}-tokens", count=len(wrong), of=len(pairs), asked=asked, measured=measured)


def _mean_doubts(case: Case, shape: Shape, good: Sequence[Sample]) -> Iterator[Doubt]:
    """Where lengths that differ are, on average, not those by which tables name the case."""
    sides = (("input", case.input, shape.turns is None), ("output", case.output, True))
    for side, length, named in sides:
        found = mean(getattr(sample, f"{side}_tokens") for sample in good)
        if named and found is not None and abs(found / length.tokens - 1) > MEANS_AGREE:
            yield _doubt(f"{side}-mean", asked=length.tokens, measured=f"{found:.4g}")


def _range(values: Sequence[int | None]) -> str:
    known = sorted(value for value in values if value is not None)
    return f"{known[0]}" if known[0] == known[-1] else f"{known[0]}–{known[-1]}"


def _reading_doubts(found: Figures, native: NativeSummary) -> Iterator[Doubt]:
    pairs = (
        ("latency", _mean(found.latency_s), native.latency_s),
        ("ttft", _mean(found.ttft_s), native.ttft_s),
        ("tpot", _mean(found.tpot_s), native.tpot_s),
        ("throughput", found.output_throughput, native.output_throughput),
        ("succeeded", float(found.succeeded), native.succeeded),
    )
    for name, own, other in pairs:
        if own is None or other is None or own == other:
            continue
        if name in ("ttft", "tpot") and abs(other - own) <= native.step_s * 0.501:
            continue  # the same value, rounded
        difference = (other - own) / own if own else math.inf
        if abs(difference) > READINGS_AGREE:
            yield _doubt(f"readings-{name}", difference=f"{difference:+.1%}", other=f"{other:.6g}", own=f"{own:.6g}")


def _doubt(kind: str, **values: object) -> Doubt:
    return Doubt(kind=kind, values=tuple((name, str(value)) for name, value in values.items()))


def _mean(values: Spread | None) -> float | None:
    return values.mean if values else None
