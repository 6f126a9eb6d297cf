"""What a profile expects of the results: a baseline with tolerances, limits, a success rate, and waivers."""

import re
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from kit.model.rates import CaseKey, clients_of
from kit.model.record import Counts, Length, Record

Relation = Literal["<=", ">="]

TIMES = ("latency", "ttft", "tpot")
RATES = ("output_throughput", "tps", "per_stream_throughput")
PERCENTILES = tuple(f"{name}_p{percent}" for name in TIMES for percent in (50, 90, 99))
SUCCESS_RATE = "success_rate"

_LIMIT = re.compile(
    r"(?P<metric>[a-z][a-z0-9_]*)\s*(?P<relation><=|>=|≤|≥|=)\s*(?P<number>[0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(?P<unit>\S{0,10})"
)
_PERCENT = re.compile(r"(?P<sign>[-+]?)(?P<number>[0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")
_SECONDS = {"": 1.0, "s": 1.0, "ms": 0.001}
_PER_SECOND = ("", "tok/s", "token/s", "tokens/s")


def relation(metric: str) -> Relation:
    """Which side of a limit is good: of a time the lower one, of a rate the higher one."""
    return "<=" if metric in (*TIMES, *PERCENTILES) else ">="


class Where(Record):
    """The cases that something concerns: those that fit every field given; all of them where none is."""

    input: Length | None = None
    output: Length | None = None
    concurrency: Counts | None = Field(default=None, min_length=1)
    rate: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="only what is sent at so many per second"
    )

    def fits(self, key: CaseKey) -> bool:
        """Whether it concerns the case of `key`: tokens in, tokens out, concurrency or rate."""
        return (
            (self.input is None or self.input.tokens == key[0])
            and (self.output is None or self.output.tokens == key[1])
            and (self.concurrency is None or clients_of(key[2]) in self.concurrency)
            and (self.rate is None or str(key[2]).startswith(f"{self.rate:g}/s"))
        )

    def hurried(self, speed: float) -> Self:
        """The same where everything is so many times as quick."""
        return self.model_copy(update={"rate": self.rate * speed if self.rate is not None else None})


class Limit(Where):
    """A bound on one metric: `ttft <= 3 s`, `output_throughput >= 15`, `success_rate = 100 %`; for all cases or some."""

    limit: str

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"limit": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.parts()
        return self

    @model_serializer(mode="wrap")
    def _write(self, handler: SerializerFunctionWrapHandler) -> object:
        written = {name: value for name, value in handler(self).items() if value is not None}
        return self.limit if set(written) == {"limit"} else written

    def hurried(self, speed: float) -> Self:
        """The same where everything is so many times as quick: a time is as much shorter, a rate as much higher."""
        metric, side, bound = self.parts()
        if metric in RATES:
            text = f"{metric} {side} {_plain(bound * speed)}"
        else:
            text = self.limit if metric == SUCCESS_RATE else f"{metric} {side} {_plain(bound * 1000 / speed)} ms"
        return super().hurried(speed).model_copy(update={"limit": text})

    @property
    def in_seconds_unsaid(self) -> bool:
        """Whether it bounds a time and names no unit: seconds, as runs of before have it."""
        found = _LIMIT.fullmatch(self.limit.strip())
        return found is not None and not found["unit"] and found["metric"] in (*TIMES, *PERCENTILES)

    def parts(self) -> tuple[str, Relation, float]:
        """Metric, relation, and the bound in seconds, tokens per second, or as a share of 1."""
        found = _LIMIT.fullmatch(self.limit.strip())
        if found is None:
            raise ValueError(f"{self.limit!r} is not a limit; write for example ttft <= 3 s or output_throughput >= 15")
        metric, unit = found["metric"], found["unit"]
        if metric not in (*TIMES, *PERCENTILES, *RATES, SUCCESS_RATE):
            known = ", ".join((*TIMES, *RATES, SUCCESS_RATE))
            raise ValueError(
                f"there is no metric {metric!r}; there are {known}, and ttft_p50, ttft_p90, ttft_p99 and so on"
            )
        good = relation(metric)
        said = {"≤": "<=", "≥": ">="}.get(found["relation"], found["relation"])
        # A rate of exactly 100 % is what "at least 100 %" says; for anything measured, equality is never meant.
        if said != good and not (said == "=" and metric == SUCCESS_RATE):
            raise ValueError(f"{self.limit!r}: for {metric} write {good}")
        return metric, good, _bound(self.limit, metric, float(found["number"]), unit)


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _bound(text: str, metric: str, number: float, unit: str) -> float:
    if metric == SUCCESS_RATE:
        if unit != "%" or not 0 < number <= 100:
            raise ValueError(f"{text!r}: a success rate is written in percent, above 0 % and up to 100 %")
        return number / 100
    if metric in RATES:
        if unit not in _PER_SECOND:
            raise ValueError(f"{text!r}: {metric} is in tokens per second, not in {unit!r}")
        factor = 1.0
    else:
        if unit not in _SECONDS:
            raise ValueError(f"{text!r}: {metric} is in s or ms, not in {unit!r}")
        factor = _SECONDS[unit]
    if number == 0:
        raise ValueError(f"{text!r}: a limit of 0 decides nothing")
    return number * factor


class Tolerance(Record):
    """How far a metric may be from the baseline: 0.1 allows 10 % more, -0.05 allows 5 % less."""

    metric: str
    change: float


def _tolerances(value: object) -> object:
    if not isinstance(value, dict):
        return value
    found = []
    for metric, written in value.items():
        if metric not in (*TIMES, *RATES):
            raise ValueError(f"there is no metric {metric!r} in a baseline; there are {', '.join((*TIMES, *RATES))}")
        read = _PERCENT.fullmatch(str(written).strip())
        if read is None:
            raise ValueError(f"{metric}: {str(written)!r} is not a percentage such as +10%")
        number = float(read["number"]) / 100
        wanted = "+" if relation(metric) == "<=" else "-"
        if number and read["sign"] != wanted:
            better = "lower" if wanted == "+" else "higher"
            raise ValueError(
                f"{metric}: a {better} value is better, so what is allowed is written {wanted}{read['number']}%"
            )
        if number >= 1 and wanted == "-":
            raise ValueError(f"{metric}: {written} would allow anything")
        found.append({"metric": metric, "change": -number if wanted == "-" else number})
    return tuple(found)


def _percents(value: tuple[Tolerance, ...]) -> dict[str, str]:
    return {entry.metric: f"{round(entry.change * 100, 6):+g}%" for entry in value}


Tolerances = Annotated[
    tuple[Tolerance, ...],
    BeforeValidator(_tolerances, json_schema_input_type=dict[str, str]),
    PlainSerializer(_percents, return_type=dict[str, str]),
]
"""Metric to allowed change: `{output_throughput: -5%, ttft: +10%}`."""


class Waiver(Where):
    """A criterion that is known not to be met and accepted all the same: why, by whom, and until when."""

    metric: str
    reason: str = Field(min_length=3)
    name: str = Field(min_length=2)
    expires: date

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.metric not in (*TIMES, *PERCENTILES, *RATES, SUCCESS_RATE):
            raise ValueError(f"there is no metric {self.metric!r}")
        return self


def _rate(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _PERCENT.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a percentage such as 100%")
    return _bound(value, SUCCESS_RATE, float(found["number"]), "%")


Rate = Annotated[
    float,
    BeforeValidator(_rate, json_schema_input_type=str),
    PlainSerializer(lambda value: f"{round(value * 100, 9):g}%", return_type=str),
]
"""A share of 1, written as a percentage."""


class Acceptance(Record):
    """What the results are held against. Without tolerances, limits and success rate there is no criterion."""

    baseline: str | None = Field(default=None, description="csv with results to compare against")
    tolerance: Tolerances = ()
    limits: tuple[Limit, ...] = ()
    success_rate: Rate | None = Field(
        default=None, gt=0, le=1, description="share of requests that must succeed in every case: 100%"
    )
    least_requests: int = Field(
        default=2, gt=0, description="successful requests of a case below which nothing is decided from them"
    )
    waivers: tuple[Waiver, ...] = ()

    @property
    def has_criteria(self) -> bool:
        return bool(self.tolerance or self.limits or self.success_rate is not None)
