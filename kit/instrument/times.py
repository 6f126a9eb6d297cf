"""Times as a reference server is told them."""

import re

_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}
_TIME = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>us|ms|s|)")


class ScheduleError(ValueError):
    """A schedule that cannot be understood; says which words are known."""


def time_s(text: str) -> float:
    """A time such as `100ms`, `5s` or `0.02` (seconds)."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ScheduleError(f"{text!r} is not a time such as 100ms or 0.1")
    return float(found["number"]) * _UNITS_S[found["unit"]]
