"""Which loads are tried against the reference server, and how long each trial takes: those of a run in the time that there is.

A concurrency is tried with two requests of each client, the burst and those that follow; a rate with as many as it sends in a
few seconds. Requests are all alike, whatever the case's are.
"""

import math
from collections.abc import Iterable, Sequence

from kit.model import Case, Doubt, RoundResult
from kit.model.calibration import Point

LONGEST_TTFT_S = 1.0
"""A longer wait before the first token tells nothing more of the client."""
MOST_TOKENS, LEAST_TOKENS = 128, 8
MOST_TRIALS = 5
_SENDS_S, _MOST_REQUESTS = 2.0, 2000
"""For how long a rate is sent, and how many requests at most."""
_START_S, _BEGIN_S = 1.2, 0.2
"""What the program takes to start, and each trial before its first request and after its last."""


def point(case: Case, ttft_s: float, itl_s: float) -> Point:
    """A case's load, against a server that takes so long to the first token, and from each to the next."""
    if case.rate is None:
        requests = case.concurrency * (2 if case.requests >= 2 * case.concurrency else 1)
    else:
        requests = min(
            case.requests, max(2, case.rate.burst, math.ceil(case.rate.per_second * _SENDS_S)), _MOST_REQUESTS
        )
    return Point(
        concurrency=case.concurrency,
        rate=case.rate,
        requests=requests,
        tokens=min(MOST_TOKENS, case.output.tokens),
        asked_ttft_s=min(LONGEST_TTFT_S, ttft_s),
        asked_itl_s=itl_s,
    )


def quickest(points: Iterable[Point]) -> tuple[Point, ...]:
    """Each load once, at its shortest time between tokens, which asks most of a client; the heaviest first."""
    found: dict[tuple[object, ...], Point] = {}
    for one in points:
        best = found.get(place := (one.concurrency, one.rate))
        # Answers of one token have no time between tokens: any other asks more.
        if best is None or (one.tokens == 1, one.asked_itl_s) < (best.tokens == 1, best.asked_itl_s):
            found[place] = one
    return tuple(sorted(found.values(), key=lambda one: (one.under_way, one.concurrency), reverse=True))


def measured(results: Sequence[RoundResult]) -> tuple[Point, ...]:
    """The loads of a run at the times that it measured; the heaviest first."""
    return quickest(
        point(result.case, found.ttft_s.mean, found.tpot_s.mean if found.tpot_s is not None else 0.0)
        for result in results
        if (found := result.figures).ttft_s is not None and (found.tpot_s is not None or result.case.output.tokens == 1)
    )


def within(wanted: Sequence[Point], budget_s: float) -> tuple[Point, ...]:
    """These loads, as far as they fit into the time; what does not has a reason.

    The heaviest comes first: there the error is greatest. Answers are cut short before a load is left out.
    """
    rest = budget_s - _START_S
    chosen: list[Point] = []
    for position, one in enumerate(wanted):
        # What is left is shared among those that are left.
        share = rest / (len(wanted) - position)
        room = max(share, min(rest, length_s(one, LEAST_TOKENS)))
        tokens = _fitting(one, room)
        if tokens < min(LEAST_TOKENS, one.tokens):
            chosen.append(one.model_copy(update={"reason": Doubt(kind="untried-room")}))
            continue
        fitted = one.model_copy(update={"tokens": tokens})
        rest -= length_s(fitted, tokens)
        chosen.append(fitted)
    return tuple(chosen)


def _fitting(one: Point, room_s: float) -> int:
    """As many tokens of an answer as there is time for; a server that sends them all at once takes none for them."""
    # What was added up and taken away again lacks a last bit.
    rest_s, each_s = room_s - length_s(one, 0) + 1e-9, one.waves * one.asked_itl_s
    if rest_s >= each_s * one.tokens:
        return one.tokens
    return max(0, int(rest_s / each_s)) if each_s > 0 else 0


def length_s(one: Point, tokens: int) -> float:
    """How long a trial takes with answers of so many tokens."""
    sends_s = one.requests / one.rate.per_second if one.rate is not None else 0.0
    return _BEGIN_S + sends_s + one.waves * (one.asked_ttft_s + tokens * one.asked_itl_s)


def rounds(fitting: Sequence[Point], budget_s: float) -> int:
    """How often all of these can be tried in the time there is."""
    once = sum(length_s(one, one.tokens) for one in fitting)
    return max(1, min(MOST_TRIALS, int((budget_s - _START_S) / once))) if once > 0 else 1
