"""When the clock of a request starts: with its sending, or at a rate when it was due, whether it was sent then or not.

A client that waits before it sends, be it for a server that is slow to take a request, would otherwise leave just that wait out.
"""

import math
from collections.abc import Iterator, Sequence

from kit.model import Case, Doubt, Sample

LATE_MATTERS = 0.01
"""From this share of the mean TTFT on, what requests were sent too late is told."""
_SINCE = ("latency_s", "ttft_s", "first_byte_s", "role_s", "last_text_s")


def late_s(case: Case, sample: Sample) -> float | None:
    """How long after it was due a request was sent; none in a closed loop, and where nobody wrote down when it was due."""
    if case.rate is None or sample.scheduled_s is None or sample.sent_s is None:
        return None
    return sample.sent_s - sample.scheduled_s


def counted(case: Case, samples: Sequence[Sample]) -> Sequence[Sample]:
    """The requests with the times that count: at a rate `sent_s` is when each was due, and all that count from it do so."""
    return [_since_due(sample, late_s(case, sample)) for sample in samples] if case.rate is not None else samples


def _since_due(sample: Sample, late: float | None) -> Sample:
    if late is None:
        return sample
    since = {name: value + late for name in _SINCE if (value := getattr(sample, name)) is not None}
    return sample.model_copy(update={"sent_s": sample.scheduled_s, **since})


def reached(case: Case, sent_s: Sequence[float]) -> float | None:
    """Requests per second as they were sent, once a ramp had risen: those before the last burst over the time until then."""
    if case.rate is None or not sent_s:
        return None
    if case.ramp_s is not None:
        risen = min(sent_s) + case.ramp_s
        sent_s = [at for at in sent_s if at >= risen]
    if len(sent_s) <= case.rate.burst:
        return None
    span = max(sent_s) - min(sent_s)
    last = (len(sent_s) - 1) % case.rate.burst + 1
    return (len(sent_s) - last) / span if span > 0 else None


def doubts(case: Case, samples: Sequence[Sample]) -> Iterator[Doubt]:
    """Where requests were sent too late, and where the server never came to answer as many as were sent."""
    if case.rate is None:
        return
    lates = [late for late in (late_s(case, sample) for sample in samples) if late is not None]
    due = counted(case, samples)
    ttfts = [sample.ttft_s for sample in due if sample.succeeded and sample.ttft_s is not None]
    if lates and ttfts:
        mean, ttft = math.fsum(lates) / len(lates), math.fsum(ttfts) / len(ttfts)
        if mean > LATE_MATTERS * ttft:
            values = {"mean": f"{mean * 1000:.3g}", "most": f"{max(lates) * 1000:.3g}", "share": f"{mean / ttft:.1%}"}
            yield Doubt(kind="rate-late", values=tuple(values.items()))
    starts = [sample.sent_s for sample in due if sample.sent_s is not None]
    ends = [one.sent_s + one.latency_s for one in due if one.sent_s is not None and one.latency_s is not None]
    waiting = sum(end > max(starts) for end in ends)
    if len(samples) > 2 * case.rate.burst and waiting > len(samples) / 2:
        yield Doubt(kind="rate-unsettled", values=(("count", str(waiting)), ("of", str(len(samples)))))
