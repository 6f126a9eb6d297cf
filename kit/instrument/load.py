"""How busy the sender was while it sent: whether what it stamped can be trusted to be on time."""

import os
import time
from contextlib import suppress
from heapq import heappush, heappushpop
from pathlib import Path
from typing import IO

PULSE = "sender.pulse"
"""Grows by a byte for every second in which an event or the end of an answer came: comments only keep a connection open."""
PAUSE_NS = 5_000_000
"""A longer time in which the sender neither looked at its connections nor waited for them is a pause."""
_MOST_PAUSES = 1000
_SCHEDULED = Path("/proc/thread-self/schedstat")


class Load:
    """The sender's own share of its processor, from its first request to its last answer, and when it looked away.

    `stamped`: the kernel says when something came, and not whoever reads it.
    """

    def __init__(self, *, stamped: bool = True) -> None:
        self._stamped = stamped
        self.opened = 0
        """Connections that had to be opened while the clock ran."""
        self.again = 0
        """Requests sent once more that the server may have had: it closed their connections just as they came."""
        self.pulse: IO[bytes] | None = None
        """What grows while something is heard, for who waits for this process."""
        self.heard = False
        self._began = self._ended = (0, 0, 0)
        self._looked_ns = self._longest_ns = 0
        self._pauses: list[tuple[int, int, int]] = []
        """The longest, with when they began and ended."""

    def begin(self) -> None:
        self._began = _now()
        self._looked_ns = self._began[0]

    def looked(self, at_ns: int, read_ns: int, waited_s: float) -> None:
        """The connections were looked at, after a wait for them of so long at most, and what was there was read by `read_ns`.

        Whoever has no processor amid a wait is late by more than it: what came since the look before then was not seen.
        """
        if (pause_ns := read_ns - self._looked_ns - int(waited_s * 1e9)) > self._longest_ns:
            self._longest_ns = pause_ns
        if pause_ns > PAUSE_NS:
            keep = heappush if len(self._pauses) < _MOST_PAUSES else heappushpop
            keep(self._pauses, (pause_ns, self._looked_ns, read_ns))
        self._looked_ns = at_ns

    def beat(self) -> None:
        """Tell whether something was heard since the last time."""
        if self.heard and self.pulse is not None:
            self.pulse.write(b".")
        self.heard = False

    def end(self) -> None:
        self._ended = _now()

    def summary(self) -> dict[str, object]:
        """Seconds: of the window, of its own work, and of waiting for a processor (None where the kernel does not count), and the longest
        pause; the begin and the end of the longest ones on the monotonic clock."""
        wall, used, waited = (end - begin for begin, end in zip(self._began, self._ended, strict=True))
        known = self._began[2] >= 0
        return {
            "wall_s": wall / 1e9,
            "cpu_s": used / 1e9,
            "waited_s": waited / 1e9 if known else None,
            "opened_late": self.opened,
            "sent_again": self.again,
            "longest_pause_s": self._longest_ns / 1e9,
            "pauses_ns": sorted((began, ended) for _, began, ended in self._pauses),
            "stamped": self._stamped,
            "process": os.getpid(),
        }


def _now() -> tuple[int, int, int]:
    waited = -1
    with suppress(OSError, ValueError, IndexError):
        waited = int(_SCHEDULED.read_text().split()[1])
    return time.monotonic_ns(), time.thread_time_ns(), waited
