"""When a reference server sends what: times fixed or drawn from a named distribution, and faults at chosen places."""

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from kit.instrument.times import ScheduleError, time_s

Draw = Callable[[random.Random], float]
Count = Callable[[str, object], int]
"""The tokens of a prompt; with its messages those of the chat template too."""

_FAULT = re.compile(r"(?P<kind>[a-z0-9-]+)@(?P<first>[0-9]+|\*)(?:-(?P<last>[0-9]+))?(?::(?P<token>[0-9]+))?")
_PAUSE = re.compile(r"(?P<time>[0-9.]+(?:us|ms|s)?)@(?P<token>[0-9]+)")

BEFORE = ("http-400", "http-401", "http-429", "http-500", "http-503", "redirect", "not-a-stream", "empty", "silent")
"""Faults instead of an answer."""
AMID = ("reset", "close", "error", "garbage", "stall")
"""Faults after so many tokens: the connection reset, the stream ended early, an error event, no JSON, nothing more."""


def draw(text: str) -> Draw:
    """A time, or a distribution: `normal:100ms,10ms`, `lognormal:100ms,0.3`, `uniform:50ms,150ms`, `exponential:100ms`.

    The numbers are mean and standard deviation, median and sigma, the two ends, and the mean. No time is below zero.
    """
    name, colon, rest = text.partition(":")
    if not colon:
        fixed = time_s(text)
        return lambda _: fixed
    words = [word.strip() for word in rest.split(",")]
    if name == "lognormal" and len(words) == 2:
        middle, sigma = math.log(time_s(words[0])), float(words[1])
        return lambda source: source.lognormvariate(middle, sigma)
    values = [time_s(word) for word in words]
    match name, values:
        case "fixed", [value]:
            return lambda _: value
        case "normal", [mean, deviation]:
            return lambda source: max(0.0, source.gauss(mean, deviation))
        case "uniform", [low, high] if low <= high:
            return lambda source: source.uniform(low, high)
        case "exponential", [mean] if mean > 0:
            return lambda source: source.expovariate(1 / mean)
    known = "100ms, fixed:T, normal:MEAN,SD, lognormal:MEDIAN,SIGMA, uniform:LOW,HIGH, exponential:MEAN"
    raise ScheduleError(f"{text!r} is none of {known}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with requests `first` to `last`, after `token` tokens where it happens amid a stream."""

    kind: str
    first: int
    last: float
    token: int


def fault(text: str) -> Fault:
    """`reset@3:10`: the third request is reset after 10 tokens; `http-500@*`: every request is refused; `close@7-9`."""
    found = _FAULT.fullmatch(text)
    if found is None or found["kind"] not in (*BEFORE, *AMID):
        raise ScheduleError(f"{text!r} is no fault such as reset@3:10; there are {', '.join((*BEFORE, *AMID))}")
    every = found["first"] == "*"
    first = 1 if every else int(found["first"])
    last = math.inf if every else int(found["last"] or first)
    return Fault(found["kind"], first, last, int(found["token"] or 1))


def pause(text: str) -> tuple[int, float]:
    """`2s@10`: two seconds of silence before the token after the tenth."""
    found = _PAUSE.fullmatch(text)
    if found is None:
        raise ScheduleError(f"{text!r} is no pause such as 2s@10")
    return int(found["token"]), time_s(found["time"])


@dataclass(frozen=True, slots=True)
class Schedule:
    """How every request is answered; the times of a request depend on the seed and its number alone."""

    ttft: Draw
    itl: Draw
    seed: int = 0
    role: Literal["first", "early", "none"] = "first"
    """The chunk that only names the role: with the first token, at once, or not at all."""
    tokens_per_chunk: int = 1
    usage: bool = True
    input_tokens: int | None = None
    count: Count | None = None
    """A quarter of a prompt's characters are taken for its tokens where nothing counts."""
    pauses: tuple[tuple[int, float], ...] = ()
    faults: tuple[Fault, ...] = ()

    def fault_of(self, number: int) -> Fault | None:
        """What goes wrong with a request; probes have the number 0 and always go well."""
        return next((found for found in self.faults if found.first <= number <= found.last and number > 0), None)

    def source(self, number: int) -> random.Random:
        """The random numbers of one request."""
        return random.Random(self.seed * 1_000_003 + number)

    def input_of(self, prompt: str, messages: object) -> int:
        """The tokens of a prompt, or of the messages that it was made from."""
        if self.input_tokens is not None:
            return self.input_tokens
        return self.count(prompt, messages) if self.count is not None else max(1, len(prompt) // 4)

    def gap_s(self, source: random.Random, sent: int, following: int) -> float:
        """From the chunk that ended with token `sent` to the next, which holds `following` tokens."""
        if following == 1 and not self.pauses:
            return self.itl(source)
        gap = sum(self.itl(source) for _ in range(following))
        return gap + sum(length for token, length in self.pauses if sent - self.tokens_per_chunk < token <= sent)


def served(text: str, usual: Schedule) -> tuple[str, Schedule]:
    """A model and how it is answered for: `reference` as usual, `other=1.5s/30ms` with a TTFT and a time from token to token of its own."""
    name, own, times = text.partition("=")
    if not own:
        return name, usual
    ttft, _, itl = times.partition("/")
    return name, replace(usual, ttft=draw(ttft), itl=draw(itl))
