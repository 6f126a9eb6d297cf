"""What is compared, whatever it comes from: its figures by case and round, and what must be alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from kit.engines import flags
from kit.engines import weights as engine_weights
from kit.inventory.comparing import Named
from kit.model import Length
from kit.model.bundle import Weights
from kit.model.rates import CaseKey, Condition, Rate
from kit.model.shapes import Shape

KEYS = (
    *("model", "weights", "lengths", "requests", "generator", "generator_version", "transport", "dataset", "seed"),
    *("rehearsal", "success", "complete"),
)
"""What must be the same for figures to be comparable, or whole (`success`, `complete`)."""
MEASUREMENT, REHEARSAL = "measurement", "rehearsal"
"""What the key `rehearsal` says."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One case: the figures of each of its rounds by metric, and what is known of its requests.

    `requests`: how many a round sends; `sent` and `succeeded`: of all rounds. `tokens_in`, `tokens_out`: the mean of what was measured.
    `steps`: to what a figure was rounded. `errors`: how wrong the instrument may be, as a share of the figure; a metric that
    was not tried is not there. `single`: the values of the requests, where there is only one round.
    """

    input: Length
    output: Length
    concurrency: int
    rounds: int
    values: dict[str, tuple[float | None, ...]]
    requests: int | None = None
    sent: int | None = None
    succeeded: int | None = None
    tokens_in: float | None = None
    tokens_out: float | None = None
    rate: Rate | None = None
    shape: Shape | None = None
    steps: dict[str, float] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    single: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def condition(self) -> Condition:
        return Condition(
            input=self.input, output=self.output, concurrency=self.concurrency, rate=self.rate, shape=self.shape
        )

    @property
    def key(self) -> CaseKey:
        return self.condition.key

    @property
    def name(self) -> str:
        return self.condition.id

    def known(self, metric: str) -> tuple[float, ...]:
        """The figures of all rounds; none where one of them lacks it."""
        found = [value for value in self.values.get(metric, ()) if value is not None and value > 0]
        return tuple(found) if len(found) == self.rounds else ()


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things compared. `keys`: what must be alike, None where it is not told. `weights`: the files that were served."""

    name: str
    kind: Literal["run", "table", "report"]
    keys: dict[str, str | None]
    cases: dict[CaseKey, Measured]
    hardware: str = "—"
    engine: str = "—"
    accelerators: int | None = None
    accelerator: str | None = None
    started: datetime | None = None
    rounds: int = 1
    machine: tuple[Named, ...] = ()
    software: tuple[tuple[str, str], ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    load: tuple[tuple[str, str], ...] = ()
    weights: tuple[Weights, ...] = ()

    @property
    def is_rehearsal(self) -> bool:
        """Whether it says of itself that its figures are those of stand-ins."""
        return self.keys.get("rehearsal") == REHEARSAL


def weights(engine: str | None, argv: Sequence[str]) -> str | None:
    """The folders of the weights and how they are quantised: their places differ between machines, their names do not."""
    if engine is None:
        return None
    quantised = flags.value((argv,), "--quantization")
    named = [path.rstrip("/").rsplit("/", 1)[-1] for path in engine_weights(engine, argv)]
    return " + ".join([*named, *([quantised] if quantised and named else [])]) or None


def arguments(args: Sequence[Sequence[str]]) -> Iterator[tuple[str, str]]:
    for group in args:
        name, equals, value = group[0].partition("=")
        yield name, " ".join((value, *group[1:]) if equals else group[1:]) or "on"


def lengths(cases: Sequence[Measured]) -> str:
    pairs = sorted({(case.input.tokens, case.output.tokens) for case in cases})
    return ", ".join(f"{given}/{made}" for given, made in pairs)


def success(cases: Sequence[Measured]) -> str | None:
    sent, succeeded = sum(case.sent or 0 for case in cases), sum(case.succeeded or 0 for case in cases)
    return f"{succeeded} of {sent} requests" if sent else None
