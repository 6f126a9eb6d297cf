"""How the requests of a round lay in time: how many were under way at once, and which came in the burst at the start."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from kit.model import Case, Doubt

STEADY_SHARE = 0.95
"""The share of the clients that must be busy, on average, between the burst and the last request sent."""


class Timed(Protocol):
    """A request, as far as its times go."""

    @property
    def succeeded(self) -> bool: ...

    @property
    def sent_s(self) -> float | None: ...

    @property
    def latency_s(self) -> float | None: ...

    @property
    def ttft_s(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Flow:
    """Requests under way: their mean over the window, their greatest number, and their mean while all clients had work
    (from the last request of the burst to the last one sent; None where nothing was sent after the burst).

    The burst is the requests that were sent before any answer was over, or while a ramp rose. All others met a server that was
    already at work: the TTFT of the successful ones of each kind tells the two apart.
    """

    mean: float
    peak: int
    steady_mean: float | None
    burst: int
    requests: int
    burst_ttfts_s: tuple[float, ...]
    steady_ttfts_s: tuple[float, ...]


def of(case: Case, requests: Sequence[Timed]) -> Flow | None:
    """The flow of one round; None where the beginning or end of a request is not known."""
    # What never got a connection, or should have followed a request that failed, was never sent, nor under way.
    requests = [one for one in requests if one.succeeded or one.sent_s is not None]
    spans = [(one.sent_s, one.sent_s + one.latency_s) for one in requests if one.sent_s is not None and one.latency_s]
    if not spans or len(spans) < len(requests):
        return None
    began, last_sent = min(start for start, _ in spans), max(start for start, _ in spans)
    burst_over = min(end for _, end in spans) if case.ramp_s is None else began + case.ramp_s
    early = [start < burst_over for start, _ in spans]
    burst_sent = max(start for (start, _), burst in zip(spans, early, strict=True) if burst)
    # An answer that ends lets the next request begin: at the same moment ends count first.
    steps = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    ttfts = [(one.ttft_s, burst) for one, burst in zip(requests, early, strict=True) if one.succeeded]
    return Flow(
        mean=_mean(spans, began, max(end for _, end in spans)),
        peak=max(accumulate(step for _, step in steps)),
        steady_mean=_mean(spans, burst_sent, last_sent) if last_sent > burst_sent else None,
        burst=sum(early),
        requests=len(requests),
        burst_ttfts_s=tuple(value for value, burst in ttfts if burst and value is not None),
        steady_ttfts_s=tuple(value for value, burst in ttfts if not burst and value is not None),
    )


def doubts(case: Case, requests: Sequence[Timed]) -> Iterator[Doubt]:
    """Where the load generator did not keep as many requests under way as it was asked to, or all were sent before the load had risen.

    A rate asks for no number.
    """
    found = of(case, requests)
    if found is None:
        return
    if case.ramp_s is not None and found.burst == found.requests:
        yield Doubt(kind="ramp-unfinished", values=(("ramp", f"{case.ramp_s:g}"),))
        return
    if case.rate is not None:
        return
    turns = case.shape.turns.number if case.shape is not None and case.shape.turns is not None else 1
    most = -(-case.requests // turns)
    if most < case.concurrency:
        yield Doubt(kind="concurrency-few", values=(("most", str(most)), ("asked", str(case.concurrency))))
    asked = min(case.concurrency, most, found.requests)
    if found.peak < asked:
        yield Doubt(kind="concurrency-peak", values=(("peak", str(found.peak)), ("asked", str(asked))))
    elif found.steady_mean is not None and found.steady_mean < STEADY_SHARE * asked:
        yield Doubt(kind="concurrency-mean", values=(("mean", f"{found.steady_mean:.3g}"), ("asked", str(asked))))


def _mean(spans: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    """Requests under way between two moments, weighted by time."""
    return math.fsum(max(0.0, min(end, over) - max(begin, start)) for start, over in spans) / (end - begin)
