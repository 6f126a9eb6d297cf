"""What happens during a run, as values: the live view, the plain lines, `--json` and the journal all show these."""

from dataclasses import dataclass
from typing import Literal

from kit.model import Record, RoundResult, Utc

Kind = Literal[
    "run",  # what is about to start
    "environment",  # progress of making an environment or a model
    "server",  # a start-up phase, or its end
    "estimate",  # how long the rest will take
    "round-start",
    "round-end",
    "round-failed",
    "warmup",
    "warning",
    "done",
    "stopped",
]


class Event(Record):
    """One thing that happened. `rest_s` is the estimated time left, where it is known."""

    at: Utc
    kind: Kind
    text: str
    case: str | None = None
    round: int | None = None
    position: int | None = None
    of: int | None = None
    rest_s: float | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """An event with the result that it is about, for those who show figures."""

    event: Event
    result: RoundResult | None = None
