"""How long a run will take: from a baseline where there is one, else from the cases that are done."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kit.model import Case, RoundPlan
from kit.model.rates import CaseKey, Condition
from kit.model.table import Row

OVERHEAD_S = 6.0
"""What one round takes besides its requests, before it is measured: the load generator's own start and end."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one case: mean latency and TTFT in seconds, at so many clients; of a rate as many as were under way."""

    case: CaseKey
    latency_s: float
    ttft_s: float
    clients: float


def from_rows(rows: Iterable[Row]) -> tuple[Known, ...]:
    """What the rows of a baseline tell: those that have a latency and a TTFT."""
    return tuple(known(row, row.latency.value, row.ttft.value) for row in rows if row.latency and row.ttft)


def known(of: Condition, latency_s: float, ttft_s: float) -> Known:
    """What a row or a round of a case tells."""
    clients = of.concurrency if of.rate is None else of.rate.under_way(latency_s)
    return Known(of.key, latency_s, ttft_s, clients)


def seconds(rounds: Sequence[RoundPlan], told: Sequence[Known], overhead_s: float = OVERHEAD_S) -> float | None:
    """Seconds for these rounds, or None while nothing is known.

    A case that is known takes its latency once per wave of requests; at a rate all of them are sent, and the last takes its
    latency. Of any other, the nearest known one tells the time to prefill a token and to decode one; prefill
    grows with the tokens in flight, decoding with the root of the clients (a guess between "batching is free" and "batching
    gains nothing", good enough to plan a working day).
    """
    if not told:
        return None
    exact: Mapping[CaseKey, Known] = {entry.case: entry for entry in told}
    total = 0.0
    for entry in rounds:
        case = entry.case
        found = exact.get(case.key)
        latency = found.latency_s if found else _scaled(case, told)
        sending = (-(-case.requests // case.concurrency) - 1) * latency
        if case.rate is not None:
            sending = case.requests / case.rate.per_second
        if case.ramp_s is not None:
            # Half of what would have been sent meanwhile is sent later.
            sending += case.ramp_s / 2
        total += sending + latency + overhead_s
    return total


def _scaled(case: Case, told: Sequence[Known]) -> float:
    nearest = min(told, key=lambda entry: _distance(entry, case))
    given, made, _ = nearest.case
    # How many a rate will have under way nobody knows yet: as many as there.
    asked = case.concurrency if case.rate is None else nearest.clients
    ttft = nearest.ttft_s * (case.input.tokens * asked) / (given * nearest.clients)
    decode = (nearest.latency_s - nearest.ttft_s) * case.output.tokens / made * math.sqrt(asked / nearest.clients)
    return ttft + decode


def _distance(one: Known, other: Case) -> float:
    mine = (*one.case[:2], one.clients)
    asked = (*other.key[:2], other.concurrency if other.rate is None else one.clients)
    return sum(abs(a - b) / max(a, b) for a, b in zip(mine, asked, strict=True))
