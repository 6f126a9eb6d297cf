"""An open loop: so many requests per second, sent by a clock, whatever is still under way."""

import math
import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from kit.model.record import Length, Record
from kit.model.shapes import Shape, shaped

AHEAD_S = 10.0
MOST_AHEAD = 1000
MOST_REQUESTS = 1_000_000
MOST_PER_SECOND = 10_000

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?")
_LABEL = re.compile(
    r"(?P<number>[0-9]{1,6}(?:\.[0-9]{1,9})?)/s(?: (?P<arrivals>constant))?(?: x(?P<burst>[0-9]{1,4}))?"
)
_LOAD = re.compile(r"(?:(?P<clients>[1-9][0-9]{0,8})|(?P<rate>[^()]+?))(?: \((?P<shape>[^()]*)\))?")

CaseKey = tuple[int, int, int | str]
"""What makes two cases the same: tokens in, tokens out, and the number of clients or the label of a rate, each with that of a shape."""


class Rate(Record):
    """`4`, or `{per_second: 4, arrivals: constant, burst: 8}`: requests per second on average, and how they follow each other.

    `poisson`: by chance, as many users who know nothing of each other; `constant`: at equal distances. With a `burst` so many are
    sent at once, and it is the bursts that arrive like this.
    """

    per_second: float = Field(ge=0.001, le=MOST_PER_SECOND, allow_inf_nan=False)
    arrivals: Literal["poisson", "constant"] = "poisson"
    burst: int = Field(default=1, ge=1, le=MOST_AHEAD)

    @property
    def label(self) -> str:
        """The rate where tables have the number of clients: `4/s`, `0.5/s constant x8`."""
        return f"{self.per_second:g}/s{self._more(' ')}"

    @property
    def id(self) -> str:
        """The rate in paths: `r4`, `r0.5-constant-x8`."""
        return f"r{self.per_second:g}{self._more('-')}"

    def _more(self, between: str) -> str:
        return "".join(
            (
                f"{between}{self.arrivals}" if self.arrivals != "poisson" else "",
                f"{between}x{self.burst}" if self.burst > 1 else "",
            )
        )

    def under_way(self, latency_s: float) -> float:
        """The requests under way on average where an answer takes so long (Little's law), one at least."""
        return max(1.0, self.per_second * latency_s)

    def times(self, factor: float) -> "Rate":
        """That many times as many per second, as far as one may ask for."""
        return self.model_copy(update={"per_second": min(MOST_PER_SECOND, self.per_second * factor)})

    @property
    def connections(self) -> int:
        """As many as are opened beforehand: those of ten seconds, which are under way where an answer takes so long."""
        return min(MOST_AHEAD, max(self.burst, math.ceil(AHEAD_S * self.per_second)))


def labelled(text: str) -> Rate | None:
    """The rate of a label; None for what is none."""
    found = _LABEL.fullmatch(text.strip())
    if found is None:
        return None
    rest = {name: value for name, value in found.groupdict().items() if value is not None and name != "number"}
    return Rate.model_validate({"per_second": float(found["number"]), **rest})


def single(value: object) -> list[object]:
    """One rate or several, as a list of single ones; `per_second` may be a list too."""
    found: list[object] = []
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, dict):
            several = one.get("per_second")
            numbers = several if isinstance(several, list | tuple) and several else [several]
            found += [{**one, **({"per_second": number} if "per_second" in one else {})} for number in numbers]
        elif isinstance(one, int | float | str) and not isinstance(one, bool) and _NUMBER.fullmatch(str(one)):
            found.append({"per_second": one})
        elif isinstance(one, Rate):
            found.append(one)
        else:
            raise ValueError(f"expected requests per second such as 4, or {{per_second: 4}}, found {one!r}")
    return found


Rates = Annotated[
    tuple[Rate, ...], BeforeValidator(single, json_schema_input_type=float | Rate | tuple[float | Rate, ...])
]
"""Rates; profiles may write a single one without a list."""


def load_of(concurrency: int, rate: Rate | None, shape: Shape | None = None) -> int | str:
    """What tables call the load of a case: the number of clients or the label of the rate, and behind it that of a shape."""
    plain = rate.label if rate is not None else concurrency
    return f"{plain} ({shape.label})" if shape is not None else plain


def load_told(text: str) -> dict[str, object] | None:
    """The fields of a condition that a label of its load tells of; None for what is no label."""
    found = _LOAD.fullmatch(text.strip())
    if found is None:
        return None
    shape = shaped(found["shape"]) if found["shape"] is not None else None
    rate = labelled(found["rate"]) if found["rate"] else None
    if (found["shape"] is not None and shape is None) or (found["rate"] and rate is None):
        return None
    concurrency = rate.connections if rate is not None else int(found["clients"])
    return {"concurrency": concurrency, "rate": rate, "shape": shape}


def clients_of(load: int | str) -> int | None:
    """The number of clients of a load; None where it is a rate."""
    found = _LOAD.fullmatch(str(load))
    return int(found["clients"]) if found is not None and found["clients"] else None


class Condition(Record):
    """What makes a case: input length x output length x concurrency, or x rate, and the shape of its requests where it is no usual one.

    With a rate `concurrency` only is the number of connections that are opened beforehand: no bound of any kind.
    """

    input: Length
    output: Length
    concurrency: int
    rate: Rate | None = None
    shape: Shape | None = None

    @property
    def load(self) -> int | str:
        """What tables call its load."""
        return load_of(self.concurrency, self.rate, self.shape)

    @property
    def ramp_s(self) -> float | None:
        """The time in which its load rises, if it does."""
        return self.shape.ramp if self.shape is not None else None

    @property
    def key(self) -> CaseKey:
        """What makes two cases the same."""
        return self.input.tokens, self.output.tokens, self.load

    @property
    def id(self) -> str:
        """Its name in paths and messages, such as `2k-512-c4`, `2k-512-r0.5` or `2k-512-c4-u50-t4`."""
        plain = f"{self.input}-{self.output}-{self.rate.id if self.rate is not None else f'c{self.concurrency}'}"
        return f"{plain}-{self.shape.id}" if self.shape is not None else plain
