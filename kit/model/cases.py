"""The cases of a load: written out, or looked for."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Self

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from kit.model.rates import MOST_REQUESTS, Condition, Rate, Rates
from kit.model.record import Counts, Length, Record
from kit.model.search import MOST_CLIENTS, Find, ladder
from kit.model.shapes import Shape, ShapeFields

_RATES: TypeAdapter[tuple[Rate, ...]] = TypeAdapter(Rates)


class _Conditions(Record):
    """The fields that a group begins with."""

    input: Length
    output: Length
    concurrency: Counts = Field(min_length=1)
    rate: Rates | None = Field(
        default=None, min_length=1, description="requests per second, sent by a clock, whatever is still under way"
    )
    find: Find | None = Field(default=None, description="look for the highest concurrency that keeps limits")
    requests: Counts | None = Field(
        default=None,
        description="one number for each concurrency, where it is no fixed multiple: [10, 20, 20]; for rates one will do",
    )


class CaseGroup(ShapeFields, _Conditions):
    """Cases that share input and output length: one per concurrency, per concurrency that a search may try, or per rate. What is other
    than usual about their requests stands beside."""

    @model_validator(mode="before")
    @classmethod
    def _laddered(cls, value: object) -> object:
        if not isinstance(value, dict) or "concurrency" in value:
            return value
        # Whatever else is wrong with it is told where it stands.
        if value.get("rate") is not None:
            rates: tuple[Rate, ...] = ()
            with suppress(ValidationError):
                rates = _RATES.validate_python(value["rate"])
            return {**value, "concurrency": tuple(rate.connections for rate in rates) or (1,)}
        if not isinstance(value.get("find"), dict):
            return value
        most = value["find"].get("concurrency")
        return {**value, "concurrency": ladder(most) if isinstance(most, int) and 1 < most <= MOST_CLIENTS else (1,)}

    @field_validator("concurrency")
    @classmethod
    def _above_zero(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [number for number in value if not 1 <= number <= MOST_CLIENTS]:
            raise ValueError(f"concurrency must be between 1 and {MOST_CLIENTS}, found {wrong[0]}")
        return value

    @model_validator(mode="after")
    def _searched(self) -> Self:
        if self.find is not None and self.requests is not None:
            raise ValueError("requests: a search sends as many as load.requests_per_client says")
        if self.find is not None and (self.rate or self.concurrency != ladder(self.find.concurrency)):
            raise ValueError("give either concurrency or find: a search chooses its concurrencies by itself")
        return self

    @model_validator(mode="after")
    def _by_clock(self) -> Self:
        if self.rate is None or self.find is not None:
            return self
        if self.concurrency != tuple(rate.connections for rate in self.rate):
            raise ValueError("give either concurrency or rate: at a rate as many are under way as there come to be")
        if self.requests is None:
            raise ValueError("requests: a rate needs a number of requests, such as 200, or one for each rate")
        if max(self.requests, default=0) > MOST_REQUESTS:
            raise ValueError(f"requests must be at most {MOST_REQUESTS}, found {max(self.requests)}")
        return self

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if self.requests is not None and len(self.requests) != len(self.concurrency):
            if self.rate is None:
                raise ValueError(f"{len(self.requests)} numbers of requests for {len(self.concurrency)} of concurrency")
            if len(self.requests) != 1:
                raise ValueError(f"{len(self.requests)} numbers of requests for {len(self.rate)} rates")
        if self.requests is not None and min(self.requests) < 1:
            raise ValueError(f"requests must be at least 1, found {min(self.requests)}")
        return self

    @model_validator(mode="after")
    def _shaped(self) -> Self:
        if self.prefix is not None and self.prefix.tokens >= self.input.tokens:
            raise ValueError(f"prefix: {self.prefix} of {self.input} tokens leave none that differ")
        if self.prompts is not None and (beside := [n for n in ("lengths", "prefix", "turns") if getattr(self, n)]):
            raise ValueError(f"{', '.join(beside)}: what prompts from a file are like, the file says")
        if self.turns is not None and self.rate is not None:
            raise ValueError(
                "turns: a conversation is held by a client, and at a rate there are none: give a concurrency"
            )
        if self.turns is not None and (odd := [n for n in self.requests or () if n % self.turns.number]):
            raise ValueError(f"requests: {odd[0]} are no whole conversations of {self.turns.number} turns")
        if self.ramp is not None and self.find is not None:
            raise ValueError("ramp: a search compares loads at their height")
        return self

    @property
    def shape(self) -> Shape | None:
        """What is other than usual about its requests, if anything is."""
        found = Shape.model_validate({name: getattr(self, name) for name in ShapeFields.model_fields})
        return found if found != Shape() else None

    def cases(self, per_client: int) -> Iterator["Case"]:
        """Its cases in their order, each with the requests that are written, or so many (or conversations) per client."""
        rates = self.rate or (None,) * len(self.concurrency)
        each = per_client * (self.turns.number if self.turns is not None else 1)
        requests = self.requests or tuple(concurrency * each for concurrency in self.concurrency)
        if len(requests) < len(rates):
            requests *= len(rates)
        for concurrency, rate, number in zip(self.concurrency, rates, requests, strict=True):
            yield Case(
                input=self.input,
                output=self.output,
                concurrency=concurrency,
                requests=number,
                rate=rate,
                shape=self.shape,
            )


class Case(Condition):
    """One working condition, and how many requests are sent in it."""

    concurrency: int = Field(gt=0)
    requests: int = Field(gt=0)
