"""How long a run will take: from a baseline where there is one, else from the cases that are done."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from kit.errors import Problem, ProfileError
from kit.model import Case, Length, RoundPlan

OVERHEAD_S = 6.0
"""What one round takes besides its requests, before it is measured: the load generator's own start and end."""

_COLUMNS = ("input", "output", "concurrency", "avg_latency_s", "avg_ttft_s")

Key = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one case: mean latency and TTFT in seconds."""

    case: Key
    latency_s: float
    ttft_s: float


def from_baseline(content: bytes, name: str) -> tuple[Known, ...]:
    """The cases of a baseline csv (columns input, output, concurrency, avg_latency_s, avg_ttft_s)."""
    try:
        rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    except UnicodeDecodeError as error:
        raise ProfileError(f"the baseline {name} is not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise ProfileError(f"the baseline {name} is not a table: {error}") from error
    known: list[Known] = []
    problems: list[Problem] = []
    for number, row in enumerate(rows, start=2):
        try:
            known.append(_known(row))
        except ValidationError as error:
            problems.append(Problem(f"{name}, line {number}", error.errors()[0]["msg"].removeprefix("Value error, ")))
        except ValueError as error:
            problems.append(Problem(f"{name}, line {number}", str(error)))
    if problems:
        raise ProfileError(f"the baseline {name} is not one", problems=problems)
    return tuple(known)


def _known(row: Mapping[str, str | None]) -> Known:
    """One line of a baseline. Raises `ValueError`."""
    if missing := [column for column in _COLUMNS if not row.get(column)]:
        raise ValueError(f"{missing[0]} is missing")
    given, made, clients, latency, ttft = (str(row[column]) for column in _COLUMNS)
    found = Known((_tokens(given), _tokens(made), int(clients)), float(latency), float(ttft))
    if found.case[2] < 1:
        raise ValueError(f"concurrency {clients} is not 1 or more")
    if not 0 < found.ttft_s <= found.latency_s < math.inf:
        raise ValueError(f"a latency of {latency} s and a TTFT of {ttft} s cannot be")
    return found


def _tokens(label: str) -> int:
    return Length.model_validate(label).tokens


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
