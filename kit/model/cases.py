"""The cases of a load: written out, or looked for."""

from typing import Self

from pydantic import Field, field_validator, model_validator

from kit.model.record import Counts, Length, Record
from kit.model.search import MOST_CLIENTS, Find, ladder


class CaseGroup(Record):
    """Cases that share input and output length: one case per concurrency, or per concurrency that a search may try."""

    input: Length
    output: Length
    concurrency: Counts = Field(min_length=1)
    find: Find | None = Field(default=None, description="look for the highest concurrency that keeps limits")
    requests: Counts | None = Field(
        default=None, description="one number for each concurrency, where it is no fixed multiple: [10, 20, 20]"
    )

    @model_validator(mode="before")
    @classmethod
    def _laddered(cls, value: object) -> object:
        if not isinstance(value, dict) or "concurrency" in value or not isinstance(value.get("find"), dict):
            return value
        most = value["find"].get("concurrency")
        # Whatever else is wrong with it is told where it stands.
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
        if self.find is not None and self.concurrency != ladder(self.find.concurrency):
            raise ValueError("give either concurrency or find: a search chooses its concurrencies by itself")
        return self

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if self.requests is not None and len(self.requests) != len(self.concurrency):
            raise ValueError(f"{len(self.requests)} numbers of requests for {len(self.concurrency)} of concurrency")
        if self.requests is not None and min(self.requests) < 1:
            raise ValueError(f"requests must be at least 1, found {min(self.requests)}")
        return self

    def numbers(self, per_client: int) -> tuple[int, ...]:
        """The requests of each case: what is written, or so many per client."""
        return self.requests or tuple(concurrency * per_client for concurrency in self.concurrency)


class Case(Record):
    """One working condition: input length x output length x concurrency."""

    input: Length
    output: Length
    concurrency: int = Field(gt=0)
    requests: int = Field(gt=0)

    @property
    def id(self) -> str:
        """The case's name in paths and messages, such as `2k-512-c4`."""
        return f"{self.input}-{self.output}-c{self.concurrency}"

    @property
    def key(self) -> tuple[int, int, int]:
        """What makes two cases the same: tokens in, tokens out, concurrency."""
        return self.input.tokens, self.output.tokens, self.concurrency
