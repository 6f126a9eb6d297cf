"""`Record`: the base of everything that crosses a file or a layer, and the units that profiles may write."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_LENGTH = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?)(?P<unit>[kK]?)")
_DURATION = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h|)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_SIZE = re.compile(r"(?P<number>[0-9]+)(?P<unit>[kKmMgGtT]?)")
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
LONGEST_TOKENS = 10_000_000
SHORTEST_S = 0.001


def _counts(value: object) -> object:
    """One number or several, as a list."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    raise ValueError(f"expected a whole number or a list of them such as [1, 2, 4], found {value!r}")


Counts = Annotated[tuple[int, ...], BeforeValidator(_counts, json_schema_input_type=int | tuple[int, ...])]
"""Numbers; profiles may write a single one without a list."""


class Record(BaseModel):
    """A frozen value with a closed set of fields; to change one, make another."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, ser_json_inf_nan="constants")

    def to_json(self) -> bytes:
        """The record as indented UTF-8 JSON with a final newline: the stored form."""
        return (self.model_dump_json(indent=2) + "\n").encode()


class Length(Record):
    """A number of tokens and the label its author wrote: `2k` is 2000 tokens (k = 1000), shown as `2k`.

    Two lengths with different labels and the same tokens are equal in what they test: compare `tokens`.
    """

    tokens: int
    label: str

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if isinstance(value, dict | Length):
            return value
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("expected a number of tokens such as 1024 or 2k")
        label = str(value).strip()
        found = _LENGTH.fullmatch(label)
        if not found:
            raise ValueError(f"{label!r} is not a number of tokens; write 1024 or 2k (k = 1000)")
        # Not as a float, where 1.001k is not quite 1001.
        tokens = Decimal(found["number"]) * (1000 if found["unit"] else 1)
        if tokens != tokens.to_integral_value():
            raise ValueError(f"{label!r} is not a whole number of tokens")
        return {"tokens": int(tokens), "label": label}

    @model_validator(mode="after")
    def _sane(self) -> "Length":
        if not 0 < self.tokens <= LONGEST_TOKENS:
            raise ValueError(f"{self.label!r} must be between 1 and {LONGEST_TOKENS} tokens")
        return self

    @model_serializer
    def _write(self) -> str:
        return self.label

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema, handler
        return {
            "title": "Length",
            "description": "tokens: 1024, or 2k for 2000",
            "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": f"^{_LENGTH.pattern}$"}],
        }

    def __str__(self) -> str:
        return self.label


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if not found:
        raise ValueError(f"{value!r} is not a duration; write 90s, 60m or 2h")
    return float(found["number"]) * _SECONDS[found["unit"]]


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise ValueError(f"{value!r} is not a size; write 512m, 16g")
    return int(found["number"]) * _BYTES[found["unit"].lower()]


def _positive(value: float) -> float:
    if not SHORTEST_S <= value <= 30 * 24 * 3600:
        raise ValueError("must be at least 1 ms and at most 30 days")
    return value


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its zone")
    return value


Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=float | str), AfterValidator(_positive)]
"""A duration; profiles may write `90s`, `60m`, `2h`, or a plain number of seconds."""

Bytes = Annotated[int, BeforeValidator(_bytes, json_schema_input_type=int | str)]
"""A size in bytes; profiles may write `512m`, `16g` (powers of 1024)."""

Utc = Annotated[datetime, AfterValidator(_utc)]
"""A point in time with its zone."""


def _pairs(value: Any) -> object:
    if isinstance(value, dict):
        return tuple((str(key), "" if item is None else item) for key, item in value.items())
    return value


def _text(value: object) -> object:
    """Numbers on a command line are text: keep what was written as far as YAML leaves it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[str, BeforeValidator(_text, json_schema_input_type=str | int | float | bool)]
_Written = dict[str, str | int | float | bool | None]
Pairs = Annotated[tuple[tuple[str, Text], ...], BeforeValidator(_pairs, json_schema_input_type=_Written)]
"""An ordered mapping of text to text; a mapping in YAML, pairs in a frozen record."""
