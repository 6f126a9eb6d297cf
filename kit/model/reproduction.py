"""What came of repeating a run: every figure against the original's, and what was different on the way."""

from typing import Literal

from kit.model.record import Record

REPRODUCTION = "reproduction.json"

State = Literal["within", "outside", "open"]


class Repeated(Record):
    """One figure of one case. `ratio` is new over original, with its 95 % interval where both have several rounds.

    `within`: the interval, or without one the ratio, lies inside the tolerance. `open`: the noise is too large to say, or a
    side has no such figure: `reason`.
    """

    case: str
    metric: str
    original: float | None
    repeated: float | None
    tolerance: float
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    state: State
    reason: str | None = None


class Otherwise(Record):
    """Something that was not as it was for the original: None where one side does not know it."""

    name: str
    before: str | None
    after: str | None
    performance: bool


class Reproduction(Record):
    """The comparison of a run with the one that it repeats, as `reproduction.json` holds it.

    `machine_known`: of the original more than its figures is known, so that differences are all that there are.
    """

    schema_version: Literal[1] = 1
    original: str
    source_sha256: str | None
    signed_by: tuple[str, ...]
    machine_known: bool = True
    run: str
    figures: tuple[Repeated, ...]
    differences: tuple[Otherwise, ...]

    @property
    def outcome(self) -> Literal["reproduced", "not-reproduced", "open"]:
        """Not reproduced as soon as one figure is not; reproduced only where every one is within."""
        states = {entry.state for entry in self.figures}
        if "outside" in states:
            return "not-reproduced"
        return "reproduced" if states == {"within"} else "open"

    def cases(self, state: State) -> tuple[str, ...]:
        """The cases with a figure in this state."""
        return tuple(dict.fromkeys(entry.case for entry in self.figures if entry.state == state))
