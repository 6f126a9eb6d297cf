"""Accelerators: one module per family. Each says what to ask and reads the answers; none of them acts."""

from collections.abc import Callable, Sequence
from typing import Protocol

from kit.accelerators import amd, ascend, hygon, iluvatar, metax, nvidia
from kit.model.accelerator import Device, Family
from kit.model.evidence import Evidence, Question
from kit.model.plan import Grant


class Accelerator(Protocol):
    """What kit must know of a family to take its inventory."""

    KIND: str
    """Its name in profiles."""
    VENDOR: str
    """The name that stands before a device's own in reports."""
    QUESTIONS: tuple[Question, ...]
    """Commands to run and files to read."""

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
