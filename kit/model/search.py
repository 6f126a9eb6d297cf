"""Looking for the highest concurrency that keeps limits: what a profile asks for, and which concurrencies may be tried."""

from typing import Self

from pydantic import Field, model_validator

from kit.model.acceptance import RATES, TIMES, Limit
from kit.model.record import Length, Record
from kit.model.shapes import Shape

MOST_CLIENTS = 100_000

_FALLING = ("tps", "per_stream_throughput")
"""What each client gets less of the more there are; all of them together get more."""

_FINEST = 16
"""An octave is divided into so many steps at most: a concurrency is found to about 6 %, and to 1 up to 32."""


def doubles(most: int) -> tuple[int, ...]:
    """1, 2, 4 … up to `most`, and `most` itself: what a search tries first."""
    return tuple(dict.fromkeys((*(2**power for power in range(most.bit_length())), most)))


def ladder(most: int) -> tuple[int, ...]:
    """The concurrencies up to `most` in the order in which they are tried: doubled first, then ever finer between the doubles.

    Whatever a limit turns out to be, bisecting towards it is to go along this order, past what its results have decided.
    """
    tried = dict.fromkeys(doubles(most))
    parts = 2
    while parts <= _FINEST:
        for start in (2**power for power in range(most.bit_length())):
            if start >= parts:
                tried.update(dict.fromkeys(start + start * part // parts for part in range(1, parts, 2)))
        parts *= 2
    return tuple(number for number in tried if number <= most)


class Find(Record):
    """`{concurrency: 64, limits: [ttft <= 2 s, tpot <= 50 ms]}`: the highest concurrency up to 64 whose means keep all limits, and
    whose requests all succeed."""

    concurrency: int = Field(gt=1, le=MOST_CLIENTS, description="the highest that may be tried")
    limits: tuple[Limit, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _means(self) -> Self:
        for limit in self.limits:
            metric, _, _ = limit.parts()
            if metric not in (*TIMES, *_FALLING):
                more = (
                    ": fewer clients do not keep what more do; put it under acceptance.limits"
                    if metric in RATES
                    else ""
                )
                raise ValueError(f"{limit.limit!r}: a search goes by {', '.join((*TIMES, *_FALLING))}{more}")
            if (limit.input, limit.output, limit.concurrency, limit.rate) != (None, None, None, None):
                raise ValueError(f"{limit.limit!r}: the limits of a search hold for all that it tries")
        return self


class Search(Record):
    """A search of a plan: its lengths, the concurrencies in the order in which they may be tried, and the limits."""

    input: Length
    output: Length
    concurrencies: tuple[int, ...]
    limits: tuple[Limit, ...]
    shape: Shape | None = None
