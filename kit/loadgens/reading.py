"""What a load generator gives back, in kit's own types."""

from dataclasses import dataclass

from kit.model import Doubt, NativeSummary, Sample
from kit.redaction import plain

_EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Reading:
    """Every request of a round, and the load generator's own summary of it.

    `began_s` is when the first request was sent, on the machine's monotonic clock; None where that is not written.
    """

    samples: tuple[Sample, ...]
    native: NativeSummary
    began_s: float | None = None
    doubts: tuple[Doubt, ...] = ()
    """What must be known of how it was sent and timed."""


class ReadingError(Exception):
    """The load generator left no whole result; says which file lacks what."""


def short(said: str) -> str:
    """What the other side said, on one line and short enough for a table."""
    return " ".join(plain(said).split())[:_EXCERPT]
