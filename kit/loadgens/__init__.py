"""What sends the requests: one module per load generator, which describes commands and reads what they leave."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from kit.loadgens import evalscope
from kit.loadgens.reading import Reading, ReadingError
from kit.model import Case, Doubt, Order
from kit.model.profile import Transport

__all__ = ["GENERATORS", "LoadGenerator", "Reading", "ReadingError"]


class LoadGenerator(Protocol):
    """What kit must know of a load generator."""

    TITLE: str
    IMAGE: str
    """The folder of `images/`; each version has a folder of its own inside."""
    KEY_VARIABLE: str
    """The environment variable in which the command takes an API key."""

    def refuse(self, version: str) -> str | None:
        """Why this version cannot be used, or None where it can."""

    def cannot(self, case: Case, version: str, transport: Transport) -> str | None:
        """What of a case this version cannot send with this transport, or None."""

    def doubts(self, version: str) -> Iterable[Doubt]:
        """What a reader must know of every figure that this version gives."""

    def argv(self, order: Order) -> tuple[str, ...]:
        """The command that sends one round; it writes into its working directory."""

    def env(self, order: Order) -> tuple[tuple[str, str], ...]:
        """The variables that the command needs."""

    def blame(self, lines: Sequence[str]) -> str | None:
        """Why the command gave up, as its last lines tell; None where they tell nothing."""

    def read(self, raw: Path, log: Path, order: Order) -> Reading:
        """What the command left. Raises `ReadingError` where that is no whole result."""


GENERATORS: dict[str, LoadGenerator] = {
    "evalscope": evalscope,
}
