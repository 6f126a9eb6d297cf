"""Whether a round still goes on: told from what arrives from the server, never by asking it, which would disturb the measurement."""

from collections.abc import Callable
from pathlib import Path

from kit.instrument.load import PULSE
from kit.ports import Connections, Host

LOOKS = 20
"""How often within the limit, at least, it is looked whether something came."""
LONGEST_LOOK_S = 5.0
PATIENCE = 3.0
"""A first token may take this many times as long as it is known to take for the case, whatever the limit; and comments,
with which servers keep a connection open while they work, are waited with for so many limits.
"""

_Signs = tuple[object, ...]


class Vigil:
    """Watches one round. `told` changes with every line of the load generator, and with every piece of a prompt that the
    server's log tells of.

    A long prefill sends nothing: what is known of the case's first token widens the limit, and each such piece is a sign of
    life. What arrives may be comments alone, which only kit's own sender can tell. Where the connections cannot be seen, the load
    generator's own limit counts.
    """

    def __init__(
        self,
        host: Host,
        connections: Connections,
        raw: Path,
        *,
        limit_s: float,
        ttft_s: float | None,
        unseen_s: float,
        told: Callable[[], object],
    ) -> None:
        self._host = host
        self._connections = connections
        self._raw = raw
        self._limit_s = max(limit_s, PATIENCE * ttft_s) if ttft_s is not None else limit_s
        self._unseen_s = max(self._limit_s, unseen_s)
        self._told = told
        self._connected = False
        self._signs: _Signs = ()
        self._words: _Signs = ()
        self._alive_at = self._heard_at = self._looked_at = host.monotonic()

    @property
    def by_server(self) -> bool:
        """Whether it is the server that is waited for: somebody is connected with it."""
        return self._connected

    def stalled(self) -> str | None:
        """Why the round cannot be waited for any longer, or None while it goes on."""
        now = self._host.monotonic()
        if now - self._looked_at < min(LONGEST_LOOK_S, self._limit_s / LOOKS):
            return None
        self._looked_at = now
        seen = self._connections.seen()
        self._connected = bool(seen)
        words = (self._told(), _size(self._raw))
        if words != self._words or not any(self._raw.rglob(PULSE)):
            self._words, self._heard_at = words, now
        elif self._connected and now - self._heard_at >= PATIENCE * self._limit_s:
            waited_s = PATIENCE * self._limit_s
            return (
                f"the server sent nothing but comments for {waited_s:g} s ({PATIENCE:g} x server.stall_limit): it hangs"
            )
        signs = (seen, *words)
        if signs != self._signs:
            self._signs, self._alive_at = signs, now
            return None
        limit_s = self._limit_s if seen is not None else self._unseen_s
        if now - self._alive_at < limit_s:
            return None
        if self._connected:
            return f"nothing arrived from the server for {limit_s:g} s (server.stall_limit): it hangs"
        return f"neither the server nor the load generator did anything for {limit_s:g} s (server.stall_limit)"


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total
