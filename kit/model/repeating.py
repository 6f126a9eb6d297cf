"""How often the rounds of a case are repeated, and what is sent before them."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from kit.model.record import Record

_ROUNDS = {
    "anyOf": [{"type": "integer", "minimum": 1, "maximum": 1000}, {"type": "string", "pattern": r"^auto\(.*\)$"}],
    "default": 1,
}
_AUTO = re.compile(
    r"auto\(\s*(?P<percent>[0-9]{1,2}(?:\.[0-9]{1,3})?)\s*%\s*(?:,\s*min\s*=\s*(?P<least>[0-9]{1,4})\s*)?(?:,\s*max\s*=\s*(?P<most>[0-9]{1,4})\s*)?\)"
)


_FEWEST = 3
_LEAST = 5
"""Unless the profile says otherwise. Whoever stops where an interval happens to be narrow stops at intervals that are too narrow: from
five rounds on these still hold the truth 93 times in 100 (tests/unit/test_coverage.py)."""


def _number(value: object) -> object:
    if isinstance(value, str) and _AUTO.fullmatch(value.strip()):
        raise ValueError("auto(…) says until when: until cannot be given beside it")
    if isinstance(value, str) and not value.strip().isdigit():
        raise ValueError(f"{value!r}: write a number of rounds, or auto(2%, max=10)")
    return value


Rounds = Annotated[int, BeforeValidator(_number), WithJsonSchema(_ROUNDS)]
"""How often a case is run; profiles may write `auto(2%, max=10)`, which `repeated` reads."""


def repeated(load: object) -> object:
    """The fields of a load, with what `rounds: auto(…)` says in those that hold it; with those set already, it stays as it is."""
    if not isinstance(load, dict) or not isinstance(written := load.get("rounds"), str):
        return load
    found = _AUTO.fullmatch(written.strip())
    if found is None or load.get("until") is not None:
        return load
    most = int(found["most"] or 10)
    least = int(found["least"] or max(_FEWEST, min(_LEAST, most)))
    return {**load, "rounds": most, "until": {"half_width": float(found["percent"]) / 100, "least": least}}


class Until(Record):
    """When the rounds of a case are enough: half the 95 % interval of their mean throughput is at most this share of it."""

    half_width: float = Field(gt=0, lt=1, allow_inf_nan=False)
    least: int = Field(default=_FEWEST, ge=_FEWEST, le=1000)


class Warmup(Record):
    """What is sent before a case's first round, to a server that may be cold: kept as files, in no figure.

    `requests` are sent by themselves and awaited; `rounds` are whole rounds of the case.
    """

    requests: int = Field(default=0, ge=0, le=100_000)
    rounds: int = Field(default=0, ge=0, le=100)
