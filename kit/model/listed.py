"""Runs as an index lists them, and what is asked of it."""

from dataclasses import dataclass
from datetime import datetime

VERDICTS = ("none", "met", "waived", "not-met", "uncertain")
REHEARSAL = "rehearsal; "
"""What the load of a rehearsal begins with: no server that can be had was measured."""


@dataclass(frozen=True, slots=True)
class Found:
    """A run as the index knows it. Times in UTC."""

    run: str
    place: str
    profile: str
    status: str
    started: datetime
    duration_s: float | None
    rounds_done: int
    rounds_planned: int
    model: str | None
    accelerator: str | None
    accelerators: int | None
    hardware: str | None
    engine: str | None
    verdict: str
    load: str

    @property
    def rehearsal(self) -> bool:
        return self.load.startswith(REHEARSAL)


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for: parts of names in any case, a verdict, and the earliest start."""

    model: str | None = None
    accelerator: str | None = None
    engine: str | None = None
    verdict: str | None = None
    since: datetime | None = None
