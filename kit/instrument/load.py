"""How busy the sender was while it sent: whether what it stamped can be trusted to be on time."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

PULSE = "sender.pulse"
"""Grows by a byte for every second in which an event or the end of an answer came: comments only keep a connection open."""
_SCHEDULED = Path("/proc/thread-self/schedstat")


class Load:
    """The sender's own share of its processor, from its first request to its last answer."""

    def __init__(self) -> None:
        self.opened = 0
        """Connections that had to be opened while the clock ran."""
        self.again = 0
        """Requests sent once more that the server may have had: it closed their connections just as they came."""
        self.pulse: IO[bytes] | None = None
        """What grows while something is heard, for who waits for this process."""
        self.heard = False
        self._began = self._ended = (0, 0, 0)

    def begin(self) -> None:
        self._began = _now()

    def beat(self) -> None:
        """Tell whether something was heard since the last time."""
        if self.heard and self.pulse is not None:
            self.pulse.write(b".")
        self.heard = False

    def end(self) -> None:
        self._ended = _now()

    def summary(self) -> dict[str, object]:
        """Seconds: of the window, of its own work, and of waiting for a processor (None where the kernel does not count)."""
        wall, used, waited = (end - begin for begin, end in zip(self._began, self._ended, strict=True))
        known = self._began[2] >= 0
        return {
            "wall_s": wall / 1e9,
            "cpu_s": used / 1e9,
            "waited_s": waited / 1e9 if known else None,
            "opened_late": self.opened,
            "sent_again": self.again,
            "process": os.getpid(),
        }


def _now() -> tuple[int, int, int]:
    waited = -1
    with suppress(OSError, ValueError, IndexError):
        waited = int(_SCHEDULED.read_text().split()[1])
    return time.monotonic_ns(), time.thread_time_ns(), waited
