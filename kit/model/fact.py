"""`Fact`: a value that says where it was read, or why it could not be."""

from typing import Generic, Self, TypeVar

from pydantic import model_validator

from kit.model.record import Record

T = TypeVar("T")


class Fact(Record, Generic[T]):
    """One value read from `source`, or none with the `reason` why it could not be read. Never a guess."""

    value: T | None = None
    source: str
    reason: str | None = None

    @model_validator(mode="after")
    def _told(self) -> Self:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a fact has either a value or the reason why there is none")
        return self
