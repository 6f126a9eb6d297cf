"""How long a reader of many connections waits before it reads: to be woken for each arrival costs more than to read it.

A next request is later by as much at most. What the kernel stamps is not, as long as each read brings one arrival: of two that are read
at once there is but the later stamp. So it stays well below what lies between two arrivals of an answer. Over
TLS the time of the read is the stamp, and nothing is gathered.
"""

from collections.abc import Sequence

_MOST_S = 0.002
_OF_ANSWER, _OF_GAP = 0.001, 0.25
_SHORTER, _LONGER = 0.9, 1.035
"""Steps at which an estimate moves that a quarter of what is seen is shorter than."""


class Gathering:
    """What was seen of the gaps between the reads of an answer; as long as nothing was, nothing is gathered.

    `stamped`: the kernel says when something came, and not whoever reads it.
    """

    def __init__(self, *, stamped: bool = True) -> None:
        self._stamped = stamped
        self._gap_ns = 0.0

    def learn(self, times_ns: Sequence[int]) -> None:
        """From the times of an answer's reads, the last two of which are looked at."""
        if self._stamped and len(times_ns) > 2:
            gap_ns = times_ns[-1] - times_ns[-2]
            self._gap_ns = self._gap_ns * (_LONGER if gap_ns > self._gap_ns else _SHORTER) or float(gap_ns)

    def wait_s(self, answer_ns: int) -> float:
        """Seconds, where an answer takes that long."""
        return min(_MOST_S, _OF_ANSWER * answer_ns / 1e9, _OF_GAP * self._gap_ns / 1e9)
