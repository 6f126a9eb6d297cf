"""What a load generator gives back, in kit's own types."""

from dataclasses import dataclass

from kit.model import NativeSummary, Sample


@dataclass(frozen=True, slots=True)
class Reading:
    """Every request of a round, and the load generator's own summary of it."""

    samples: tuple[Sample, ...]
    native: NativeSummary


class ReadingError(Exception):
    """The load generator left no whole result; says which file lacks what."""
