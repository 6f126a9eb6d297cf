"""Times that follow what was measured elsewhere: prefill by input length, decoding by concurrency, lines between the points."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from kit.instrument.times import ScheduleError, time_s

_POINT = re.compile(r"(?P<input>[1-9][0-9]*),(?P<streams>[1-9][0-9]*)=(?P<ttft>[^,]+),(?P<itl>[^,]+)")


@dataclass(frozen=True, slots=True)
class Point:
    """The times at one input length and concurrency."""

    input_tokens: int
    streams: int
    ttft_s: float
    itl_s: float


def point(text: str) -> Point:
    """`2000,4=1.5s,30ms`: with 2000 tokens in and 4 streams a TTFT of 1.5 s, and 30 ms from token to token."""
    found = _POINT.fullmatch(text.strip())
    if found is None:
        raise ScheduleError(f"{text!r} is no point such as 2000,4=1.5s,30ms (tokens in, streams, TTFT, ITL)")
    return Point(int(found["input"]), int(found["streams"]), time_s(found["ttft"]), time_s(found["itl"]))


def _level(xs: Sequence[int], ys: Sequence[float], x: int, *, below: bool) -> float:
    """On the line between two neighbours; in proportion above the last, and below the first where `below` says so."""
    if x >= xs[-1]:
        return ys[-1] * x / xs[-1]
    if x <= xs[0]:
        return ys[0] * x / xs[0] if below else ys[0]
    right = bisect_left(xs, x)
    left = right - 1
    return ys[left] + (ys[right] - ys[left]) * (x - xs[left]) / (xs[right] - xs[left])


class Behaviour:
    """Points as a surface, exact at each of them.

    More streams than were measured share what there was: times grow with their number. A longer prompt takes longer in
    proportion, a shorter one less; decoding beyond the lengths measured goes on as at the nearest.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        if not points:
            raise ScheduleError("a behaviour needs at least one point")
        by_input: dict[int, dict[int, Point]] = {}
        for found in points:
            if by_input.setdefault(found.input_tokens, {}).setdefault(found.streams, found) is not found:
                raise ScheduleError(f"the point {found.input_tokens},{found.streams} stands there twice")
        self._inputs = sorted(by_input)
        self._streams = [sorted(by_input[length]) for length in self._inputs]
        self._points = by_input

    def ttft_s(self, input_tokens: int, streams: int) -> float:
        """From a request to its first token."""
        return _level(self._inputs, self._across("ttft_s", streams), input_tokens, below=True)

    def itl_s(self, input_tokens: int, streams: int) -> float:
        """From one token to the next."""
        nearest = min(max(input_tokens, self._inputs[0]), self._inputs[-1])
        return _level(self._inputs, self._across("itl_s", streams), nearest, below=False)

    def _across(self, name: str, streams: int) -> list[float]:
        """The value at each input length, for so many streams."""
        return [
            _level(levels, [getattr(self._points[length][level], name) for level in levels], streams, below=False)
            for length, levels in zip(self._inputs, self._streams, strict=True)
        ]
