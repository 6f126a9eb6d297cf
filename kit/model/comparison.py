"""A comparison of results as data: what every format of it renders."""

from typing import Literal

from kit.model.profile import Language
from kit.model.rates import Condition
from kit.model.record import Record, Utc

Difference = Literal["better", "worse", "noise", "instrument", "unknown"]
"""What can be said of a ratio: larger than the noise (in the direction that users want or not), within the noise, within the
error of what measured it, or nothing, since a side has no rounds to tell noise from."""

Method = Literal["rounds", "requests", "none"]

HIGHER = ("output_throughput", "prefill_speed", "tps")
COMPARED = ("output_throughput", "latency", "ttft", "tpot")
"""The metrics that are judged; all others follow from them."""


class Ratio(Record):
    """A metric of one side over the baseline's, with its 95 % interval (`rounds`: Student's t over rounds; `requests`: only
    the requests of single rounds are resampled, which is the least it can be). `probability` is corrected for all ratios of
    the comparison together (Holm)."""

    metric: str
    baseline: float | None
    value: float | None
    ratio: float | None
    low: float | None = None
    high: float | None = None
    method: Method = "none"
    probability: float | None = None
    difference: Difference = "unknown"


class CaseRatios(Condition):
    """One case of one side against the baseline."""

    ratios: tuple[Ratio, ...]


class CaseFigures(Condition):
    """One case of one side: means over its rounds. `None`: not measured, or a round lacks it.

    `per_accelerator` is output throughput over the accelerators; `per_joule` tokens per joule of the accelerators (tokens per
    second and watt); `per_cost` tokens for one unit of the currency. `scaling`: output throughput over that of the same
    lengths with the fewest clients, `scaling_of` how many times as many clients there are.
    """

    rounds: int
    output_throughput: float | None = None
    latency: float | None = None
    ttft: float | None = None
    tpot: float | None = None
    prefill_speed: float | None = None
    tps: float | None = None
    per_accelerator: float | None = None
    per_joule: float | None = None
    per_cost: float | None = None
    scaling: float | None = None
    scaling_of: float | None = None


class Contender(Record):
    """One side: a run, a table or an old report, by a letter; its figures, and what they are against the baseline's.

    `efficiency`: geometric means over the shared cases of the ratios of tokens per accelerator, joule and cost, as far as both
    sides know them. `missing`: cases that only one of the two has. `rehearsal`: it says of itself that stand-ins took part.
    """

    letter: str
    name: str
    kind: Literal["run", "table", "report"]
    hardware: str
    engine: str
    accelerators: int | None
    hourly: float | None
    started: Utc | None
    rounds: int
    cases: tuple[CaseFigures, ...]
    against: tuple[CaseRatios, ...] = ()
    overall: tuple[Ratio, ...] = ()
    efficiency: tuple[tuple[str, float], ...] = ()
    missing: tuple[str, ...] = ()
    rehearsal: bool = False


class Differing(Record):
    """A thing in which the sides are not the same: one value each, in the order of the contenders; None: not known."""

    group: Literal["machine", "engine", "arguments", "load"]
    name: str
    values: tuple[str | None, ...]


class Comparison(Record):
    """Everything compared; the first contender is the baseline.

    `allowed`: keys that differ and were admitted, with the values; `unknown`: keys that some side does not tell. `tested`: how
    many ratios were judged together; `family`: the probability of a single false alarm among all of them. `untried`: the sides
    of which nobody knows how wrong the instrument itself was.
    """

    schema_version: Literal[1] = 1
    kit_version: str
    language: Language
    by: Literal["case", "hardware"]
    contenders: tuple[Contender, ...]
    allowed: tuple[Differing, ...] = ()
    unknown: tuple[tuple[str, tuple[str, ...]], ...] = ()
    differences: tuple[Differing, ...] = ()
    currency: str | None = None
    tested: int = 0
    family: float
    untried: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def baseline(self) -> Contender:
        return self.contenders[0]

    @property
    def others(self) -> tuple[Contender, ...]:
        return self.contenders[1:]
