"""What a sender that looked away for a while did to the times of answers.

Of what one read brings only the last byte's arrival is known. Where a pause lies between the arrival of an answer's first text and
its being read, and more texts came meanwhile, the first has the time of the last; over TLS, where the time of the read counts, it has a later time
in any case. It came after the pause began, so that TTFT is too high by what had passed of the pause at most, and by about as many
gaps between texts as were read at once.
"""

import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from kit.model import Doubt, Sample
from kit.model.percentiles import FEWEST

MEANS_MATTER, P99_MATTERS = 0.01, 0.1
"""From these shares of the mean and of the p99 of TTFT, or of the mean TPOT on, what pauses may have done to it is told."""
_NS = 1e9


def doubt(said: Mapping[str, object], samples: Sequence[Sample], began_s: float) -> Doubt | None:
    """What `sender.json` tells of pauses, weighed for requests whose first was sent at that time on the monotonic clock.

    None where the sender made none that matters, or did not tell.
    """
    good = [one for one in samples if one.succeeded and one.ttft_s and one.sent_s is not None]
    late = _late_s(said, good, began_s)
    if not any(late):
        return None
    ttfts = [one.ttft_s or 0.0 for one in good]
    early = [ttft - by for ttft, by in zip(ttfts, late, strict=True)]
    ttft = sum(late) / sum(ttfts)
    p99 = 1 - _p99(early) / _p99(ttfts) if len(ttfts) >= FEWEST["p99"] else None
    decoding = [
        (by / (one.output_tokens - 1), (one.latency_s - (one.ttft_s or 0.0)) / (one.output_tokens - 1))
        for one, by in zip(good, late, strict=True)
        if one.latency_s is not None and one.output_tokens is not None and one.output_tokens > 1
    ]
    lost, took = (sum(values) for values in zip(*decoding, strict=True)) if decoding else (0.0, 0.0)
    tpot = lost / (took + lost) if took + lost else 0.0
    if max(ttft, tpot) <= MEANS_MATTER and (p99 or 0.0) <= P99_MATTERS:
        return None
    values = {
        "longest": f"{max(late):.3g}",
        "count": str(sum(by > 0 for by in late)),
        "of": str(len(good)),
        "ttft": f"{ttft:.1%}",
        "p99": f"{p99:.1%}" if p99 is not None else "—",
        "tpot": f"{tpot:.1%}",
    }
    return Doubt(kind="client-paused", values=tuple(values.items()))


def _late_s(said: Mapping[str, object], good: Sequence[Sample], began_s: float) -> list[float]:
    """How much later than it came, at most, the first text of each request was stamped."""
    late, most = [0.0] * len(good), _most_s(good, stamped=bool(said.get("stamped")))
    ordered = sorted((began_s + (one.sent_s or 0.0) + (one.ttft_s or 0.0), index) for index, one in enumerate(good))
    came = [at for at, _ in ordered]
    for begin, end in _pauses(said.get("pauses_ns")):
        for at, index in ordered[bisect_right(came, begin) : bisect_right(came, end)]:
            late[index] = max(late[index], min(at - begin, most[index]))
    return late


def _most_s(good: Sequence[Sample], *, stamped: bool) -> list[float]:
    """How much later the first text of each request can have been stamped by what was read with it, whatever the pause."""
    gaps = [gap for one in good for gap in one.gaps_s]
    gap = sum(gaps) / len(gaps) if gaps else 0.0
    together = [next((at for at, gap in enumerate(one.gaps_s) if gap), len(one.gaps_s)) for one in good]
    return [
        (one.ttft_s or 0.0)
        if not stamped or (not one.gaps_s and one.latency_s == one.ttft_s)
        else min(one.ttft_s or 0.0, number * gap)
        for one, number in zip(good, together, strict=True)
    ]


def _pauses(found: object) -> list[tuple[float, float]]:
    pairs = [pair for pair in found if isinstance(pair, list) and len(pair) == 2] if isinstance(found, list) else []
    whole = ((begin, end) for begin, end in pairs if isinstance(begin, int) and isinstance(end, int))
    return [(begin / _NS, end / _NS) for begin, end in whole if 0 <= begin <= end < 2**63]


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]
