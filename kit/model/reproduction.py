"""What a run repeats, and what came of it: every figure against the original's, and what was different on the way."""

from typing import Literal

from kit.model.cases import Case
from kit.model.rates import CaseKey
from kit.model.record import Record

ORIGINAL = "original.json"
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


class Measured(Record):
    """What is known of one case of an original: the values of each metric, one for each round (None: not measured), and how far
    apart two neighbouring ones are where they were written with few digits; `success` is the part of its requests that succeeded."""

    key: CaseKey
    figures: tuple[tuple[str, tuple[float | None, ...]], ...]
    requests: int
    success: float | None
    step: tuple[tuple[str, float], ...] | None


class Original(Record):
    """What a run repeats, as `original.json` holds it from the run's beginning: whoever ends the run compares by this alone.

    `tolerances` say how far a metric may be off, to either side; `cases` are those of the original's profile; `machine_known`:
    of the original more than its figures is known, so that `differences` are all that there are.
    """

    schema_version: Literal[1] = 1
    name: str
    source_sha256: str | None
    signed_by: tuple[str, ...]
    machine_known: bool
    cases: tuple[Case, ...]
    tolerances: tuple[tuple[str, float], ...]
    measured: tuple[Measured, ...]
    differences: tuple[Otherwise, ...]


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
