"""Accelerators: one module per family. Each says what to ask and reads the answers; none of them acts."""

from collections.abc import Callable, Sequence
from typing import Protocol

from kit.accelerators import amd, ascend, hygon, iluvatar, metax, nvidia
from kit.model.accelerator import Device, Family
from kit.model.evidence import Command, Evidence, Question
from kit.model.plan import Grant
from kit.model.telemetry import CardReading


class Accelerator(Protocol):
    """What kit must know of a family to take its inventory."""

    KIND: str
    """Its name in profiles."""
    VENDOR: str
    """The name that stands before a device's own in reports."""
    QUESTIONS: tuple[Question, ...]
    """Commands to run and files to read."""

    SAMPLES: tuple[Command, ...]
    """What to ask while a run goes on: one question for all devices; the next where a tool does not know the first."""
    DETAIL: Command | None
    """What to ask now and then of each card, its number for `{}`."""

    def sample(self, evidence: Evidence) -> tuple[CardReading, ...]:
        """What the answers to these say of every device."""

    def family(self, evidence: Evidence) -> Family:
        """What the answers say. Never raises for what a tool printed."""

    def grant(self, chosen: Sequence[Device], there: Sequence[Device], present: Callable[[str], bool]) -> Grant:
        """What a program needs to use the chosen devices, of all that are there; `present` tells which files exist."""


ACCELERATORS: dict[str, Accelerator] = {
    "ascend": ascend,
    "nvidia": nvidia,
    "metax": metax,
    "iluvatar": iluvatar,
    "hygon": hygon,
    "amd": amd,
}
