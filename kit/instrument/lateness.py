"""How far from its schedule a reference server sent: the error of the instrument that others are measured against."""

from array import array
from collections.abc import Mapping

BOUND_S = 0.0005


class Lateness:
    """What was sent how long after it was due, over all requests."""

    def __init__(self) -> None:
        self._late_ns = array("q")

    def add(self, late_ns: int) -> None:
        self._late_ns.append(late_ns)

    def summary(self) -> Mapping[str, object]:
        """Number of chunks, and percentiles in milliseconds; `within`: 99 of 100 chunks were less than 0.5 ms late."""
        ordered = sorted(self._late_ns)
        if not ordered:
            return {"chunks": 0, "late_p50_ms": None, "late_p99_ms": None, "late_max_ms": None, "within": None}
        p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
        return {
            "chunks": len(ordered),
            "late_p50_ms": round(p50 / 1e6, 4),
            "late_p99_ms": round(p99 / 1e6, 4),
            "late_max_ms": round(ordered[-1] / 1e6, 4),
            "within": p99 <= BOUND_S * 1e9,
        }

    def sentence(self) -> str:
        """The same for a log."""
        found = self.summary()
        if not found["chunks"]:
            return "no chunk was sent"
        verdict = "within" if found["within"] else "BEYOND"
        return (
            f"{found['chunks']} chunks left late by p50 {found['late_p50_ms']} ms, p99 {found['late_p99_ms']} ms, "
            f"at most {found['late_max_ms']} ms: {verdict} the bound of {BOUND_S * 1000:g} ms for p99"
        )
