"""What the requests of a case are like, where they are not all of one length, independent, random, and sent at once."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, field_validator, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from kit.model.record import SHORTEST_S, Length, Record, Seconds

MOST_TURNS = 100

_VARIED = re.compile(r"(?:(?P<distribution>uniform|lognormal)\s+)?(?P<percent>[0-9]{1,3}(?:\.[0-9]{1,3})?)\s*%")
_MOST_PERCENT = 100.0
"""Of a wider lognormal distribution more than a few would be cut off (`asking.LONGEST`), and the mean were no longer that of the case."""
_MARKS = {"uniform": "±", "lognormal": "σ"}
_BETWEEN = " · "
_DIGEST = r"^[0-9a-f]{8}(?:[0-9a-f]{56})?$"
_PART = re.compile(
    r"(?P<side>in |out )?(?P<mark>[±σ])(?P<percent>[0-9.]{1,7})%"
    r"|prefix (?P<prefix>[0-9.kK]{1,20})"
    r"|(?P<turns>[0-9]{1,3}) turns(?: of (?P<each>[0-9.kK]{1,20}))?"
    r"|ramp (?P<ramp>[0-9.e+-]{1,20})s"
    r"|file (?P<file>[^·()@]{1,255})(?:@(?P<digest>[0-9a-f]{8}))?"
)


class Variation(Record):
    """`50%` or `uniform 50%`: any length from half to one and a half times that of the case; `lognormal 80%`: a standard deviation of
    80 % of it, with few very long ones. The mean is the length of the case in both."""

    distribution: Literal["uniform", "lognormal"]
    percent: float = Field(gt=0, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        found = _VARIED.fullmatch(value.strip())
        if found is None:
            raise ValueError(f"{value!r}: write 50%, uniform 50%, or lognormal 80%")
        return {"distribution": found["distribution"] or "uniform", "percent": float(found["percent"])}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.percent > _MOST_PERCENT:
            raise ValueError(f"{self}: {_MOST_PERCENT:g}% at most")
        return self

    @model_serializer
    def _write(self) -> str:
        return str(self)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        del schema, handler
        return {
            "title": "Variation",
            "type": "string",
            "pattern": f"^{_VARIED.pattern.replace('?P<distribution>', '').replace('?P<percent>', '')}$",
        }

    def __str__(self) -> str:
        return f"{self.distribution} {self.percent:g}%"

    @property
    def label(self) -> str:
        """`±50%`, `σ80%`."""
        return f"{_MARKS[self.distribution]}{self.percent:g}%"

    @property
    def id(self) -> str:
        """`u50`, `l80`."""
        return f"{self.distribution[0]}{self.percent:g}"


class Lengths(Record):
    """How the lengths of prompts and of answers vary; a single variation is that of both."""

    input: Variation | None = None
    output: Variation | None = None

    @model_validator(mode="before")
    @classmethod
    def _both(cls, value: object) -> object:
        return {"input": value, "output": value} if isinstance(value, str | Variation) else value

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.input is None and self.output is None:
            raise ValueError("say how input, output, or both vary: 50%, or {output: lognormal 80%}")
        return self

    def parts(self) -> tuple[tuple[str, Variation], ...]:
        """Each variation with its side; with none where both sides have the same."""
        if self.input == self.output and self.input is not None:
            return (("", self.input),)
        both = (("in", self.input), ("out", self.output))
        return tuple((side, found) for side, found in both if found is not None)


class Turns(Record):
    """`4`, or `{number: 4, input: 256}`: conversations of so many requests. Each holds all before it, with the server's own answers, and
    a new message of `input` tokens; without it, of as many as the first."""

    number: int = Field(ge=2, le=MOST_TURNS)
    input: Length | None = None


class Prompts(Record):
    """A file of prompts, one JSON object a line: `{"prompt": "…"}` or `{"messages": […]}`, and `"output_tokens": 128` where an answer is
    not to have the length of the case. A path is relative to the profile; `sha256` is known once the file was read, and its first
    eight digits where a table tells them."""

    path: str = Field(min_length=1, max_length=4096)
    sha256: str | None = Field(default=None, pattern=_DIGEST)

    @field_validator("path")
    @classmethod
    def _plain(cls, value: str) -> str:
        if any(ord(character) < 32 for character in value) or not PurePosixPath(value).name.strip("."):
            raise ValueError(f"{value!r} is not the path of a file")
        return value

    @property
    def label(self) -> str:
        """The file's name without folder and end, and how its digest begins."""
        stem = re.sub(r'[·()@,"]', "_", PurePosixPath(self.path).stem)
        return f"{stem}@{self.sha256[:8]}" if self.sha256 else stem


def _turns(value: object) -> object:
    return {"number": value} if isinstance(value, int) and not isinstance(value, bool) else value


def _prompts(value: object) -> object:
    return {"path": value} if isinstance(value, str) else value


class ShapeFields(Record):
    """What may be other than usual about the requests of a case. `prefix` is the part of every prompt that all requests of a round share;
    with `ramp` the clients begin one after the other within that time, or a rate rises to its height in it."""

    lengths: Lengths | None = Field(default=None, description="how lengths vary: 50%, or {output: lognormal 80%}")
    prefix: Length | None = Field(default=None, description="tokens of the input that all requests of a round share")
    turns: Annotated[Turns, BeforeValidator(_turns, json_schema_input_type=int | Turns)] | None = None
    prompts: Annotated[Prompts, BeforeValidator(_prompts, json_schema_input_type=str | Prompts)] | None = None
    ramp: Seconds | None = Field(default=None, description="the time in which the load rises")


class Shape(ShapeFields):
    """The shape of a case."""

    def hurried(self, speed: float) -> "Shape":
        """The same in that much less time."""
        return self.model_copy(update={"ramp": max(SHORTEST_S, self.ramp / speed) if self.ramp is not None else None})

    @property
    def label(self) -> str:
        """What tables say of it: `±50% · prefix 1k · 4 turns · ramp 30s`. `shaped` reads it."""
        return _BETWEEN.join(
            (
                *(f"{side} {found.label}".strip() for side, found in (self.lengths.parts() if self.lengths else ())),
                *((f"prefix {self.prefix}",) if self.prefix else ()),
                *(
                    (f"{self.turns.number} turns" + (f" of {self.turns.input}" if self.turns.input else ""),)
                    if self.turns
                    else ()
                ),
                *((f"file {self.prompts.label}",) if self.prompts else ()),
                *((f"ramp {self.ramp:g}s",) if self.ramp else ()),
            )
        )

    @property
    def id(self) -> str:
        """The same in paths: `u50-p1k-t4-ramp30`."""
        digest = (self.prompts.sha256 or "")[:8] if self.prompts else ""
        return "-".join(
            (
                *(f"{side}{found.id}" for side, found in (self.lengths.parts() if self.lengths else ())),
                *((f"p{self.prefix}",) if self.prefix else ()),
                *(
                    (f"t{self.turns.number}" + (f"x{self.turns.input}" if self.turns.input else ""),)
                    if self.turns
                    else ()
                ),
                *((f"file{digest}",) if self.prompts else ()),
                *((f"ramp{self.ramp:g}",) if self.ramp else ()),
            )
        )


def shaped(text: str) -> Shape | None:
    """The shape of a label; None for what is none."""
    said: dict[str, object] = {}
    for part in text.split(_BETWEEN):
        found = _PART.fullmatch(part.strip())
        if found is None:
            return None
        if mark := found["mark"]:
            name = next(name for name, known in _MARKS.items() if known == mark)
            varied = f"{name} {found['percent']}%"
            sides = {"in ": ("input",), "out ": ("output",)}.get(found["side"], ("input", "output"))
            lengths = said.setdefault("lengths", {})
            assert isinstance(lengths, dict)
            lengths |= dict.fromkeys(sides, varied)
        elif prefix := found["prefix"]:
            said["prefix"] = prefix
        elif turns := found["turns"]:
            said["turns"] = {"number": int(turns), "input": found["each"]}
        elif ramp := found["ramp"]:
            said["ramp"] = float(ramp)
        else:
            # A table tells no end of the name: a dot in it begins none.
            end = ".jsonl" if found["digest"] else ""
            said["prompts"] = {"path": f"{found['file']}{end}", "sha256": found["digest"]}
    try:
        return Shape.model_validate(said)
    except ValueError:
        return None
