"""How long a run will take: from a baseline where there is one, else from the cases that are done."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kit.model import Case, RoundPlan
from kit.model.table import Row

OVERHEAD_S = 6.0
"""What one round takes besides its requests, before it is measured: the load generator's own start and end."""

Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one case: mean latency and TTFT in seconds."""

    case: Key
    latency_s: float
    ttft_s: float


def from_rows(rows: Iterable[Row]) -> tuple[Known, ...]:
    """What the rows of a baseline tell: those that have a latency and a TTFT."""
    return tuple(Known(row.key, row.latency.value, row.ttft.value) for row in rows if row.latency and row.ttft)


def seconds(rounds: Sequence[RoundPlan], known: Sequence[Known], overhead_s: float = OVERHEAD_S) -> float | None:
    """Seconds for these rounds, or None while nothing is known.

    A case that is known takes its latency once per wave of requests. Of any other, the nearest known one tells the time to
    prefill a token and to decode one; prefill grows with the tokens in flight, decoding with the root of the clients (a
    guess between "batching is free" and "batching gains nothing", good enough to plan a working day).
    """
    if not known:
        return None
    exact: Mapping[Key, Known] = {entry.case: entry for entry in known}
    total = 0.0
    for entry in rounds:
        case = entry.case
        waves = -(-case.requests // case.concurrency)
        found = exact.get(case.key)
        latency = found.latency_s if found else _scaled(case, known)
        total += waves * latency + overhead_s
    return total


def _scaled(case: Case, known: Sequence[Known]) -> float:
    nearest = min(known, key=lambda entry: _distance(entry.case, case.key))
    given, made, clients = nearest.case
    ttft = nearest.ttft_s * (case.input.tokens * case.concurrency) / (given * clients)
    decode = (nearest.latency_s - nearest.ttft_s) * case.output.tokens / made * math.sqrt(case.concurrency / clients)
    return ttft + decode


def _distance(one: Key, other: Key) -> float:
    return sum(abs(a - b) / max(a, b) for a, b in zip(one, other, strict=True))
