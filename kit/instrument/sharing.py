"""The load shared among processes, where one is not enough: each sends its part, from a folder of its own, and the parts become one.

Each has its share of the clients and of the connections, and requests or conversations in that proportion. All read the same clock.
"""

import json
import os
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns

from kit.instrument import arrivals
from kit.instrument import exchange as exchanges
from kit.instrument.arrivals import Clock, Ramp, Times
from kit.instrument.load import PULSE
from kit.instrument.sending import SAID, send
from kit.instrument.wire import Wire
from kit.spellings import NONE

_CLIENTS = 512
"""One process reads the streams of so many clients at 100 tokens per second each (benchmarks/load_error.py)."""

_READY_NS = 500_000_000
"""Until then every process is ready for the first of the times that they share."""


def number(asked: int | None, clients: int) -> int:
    """How many processes send: as many as were asked for, or one per 512 clients, and half of the processors at most."""
    most = asked if asked is not None else min(-(-clients // _CLIENTS), len(os.sched_getaffinity(0)) // 2)
    return max(1, min(most, clients))


class Shared:
    """Processes that send, each at the other end of a wire, and in a folder of its own below `home`.

    It must be made before any thread is started. `above` is closed in them, so that only this process holds it.
    """

    def __init__(self, processes: int, home: Path, above: Wire | None = None) -> None:
        self._home = home
        self._folders = [home / f"sender-{index}" for index in range(processes)]
        self._wires: list[Wire] = []
        self._clients = 1
        self._owners: list[int] = []
        """Of the requests that follow none, each one's process."""
        self._children: list[int] = []
        for folder in self._folders:
            folder.mkdir()
            ours, theirs = socket.socketpair()
            if not (child := os.fork()):
                for wire in (Wire(ours), *self._wires, *((above,) if above is not None else ())):
                    wire.close()
                os.chdir(folder)
                _be(Wire(theirs))
            theirs.close()
            self._wires.append(Wire(ours))
            self._children.append(child)

    def open(self, head: dict[str, object], connections: int) -> dict[str, object]:
        """Let each open its share of the connections; what the first said that could not, or that all are open."""
        self._clients = max(1, connections)
        for index, wire in enumerate(self._wires):
            wire.tell({**head, "connections": self._share(connections, index)})
        said = [wire.hear()[0] for wire in self._wires]
        return next((one for one in said if "refused" in one), {"opened": connections})

    def add(self, head: dict[str, object], body: bytes) -> None:
        """Hand over a request: what goes on with a conversation goes where that is."""
        if "after" not in head:
            self._owners.append(len(self._owners) % self._clients % len(self._wires))
        self._wires[self._owners[-1]].tell(head, body)

    def run(self, head: dict[str, object], clock: Clock | Ramp | None = None) -> None:
        """Let all send, by the clock if there is one, and make one of what came: `sender.json` is of the busiest, with the pauses of all.

        Raises `EOFError` where one ended early.
        """
        begin_ns = monotonic_ns() + _READY_NS
        at_once = int(str(head["at_once"]))
        planned = clock.times(len(self._owners), at_once) if clock is not None else None
        for index, wire in enumerate(self._wires):
            times = arrivals.share(planned, self._own(index, planned), begin_ns) if planned is not None else {}
            wire.tell({**head, "at_once": self._share(at_once, index), **times})
        waiting = {wire.sock: wire for wire in self._wires}
        while waiting:
            for sock in select.select(list(waiting), [], [])[0]:
                waiting.pop(sock).hear()
        with open(self._home / exchanges.OPEN, "wb") as merged:
            for folder in self._folders:
                with open(folder / exchanges.OPEN, "rb") as part:
                    for found, _ in exchanges.read(part):
                        exchanges.write(merged, found, NONE)
                (folder / exchanges.OPEN).unlink()
        said = [json.loads((folder / SAID).read_bytes()) for folder in self._folders]
        busiest = max(said, key=lambda one: (one["cpu_s"] + (one["waited_s"] or 0.0)) / one["wall_s"])
        sums = {name: sum(one[name] for one in said) for name in ("opened_late", "sent_again")}
        pauses = sorted(pause for one in said for pause in one["pauses_ns"])
        longest = max(one["longest_pause_s"] for one in said)
        summary = {**busiest, **sums, "longest_pause_s": longest, "pauses_ns": pauses, "processes": len(said)}
        (self._home / SAID).write_text(json.dumps(summary) + "\n", "utf-8")

    def _own(self, index: int, planned: Times) -> Sequence[int]:
        """Which of the times are those of one process: of its requests, or of its clients."""
        if planned.clients:
            return range(index, len(planned.at_s), len(self._wires))
        return [place for place, owner in enumerate(self._owners) if owner == index]

    def _share(self, whole: int, index: int) -> int:
        processes = len(self._wires)
        return whole // processes + (index < whole % processes)

    def close(self) -> None:
        """End them, and leave nothing of theirs behind."""
        for wire in self._wires:
            wire.close()
        for child in self._children:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
        for folder in self._folders:
            for name in (SAID, PULSE, exchanges.RAW, exchanges.OPEN):
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()


def _be(wire: Wire) -> None:
    """Send, and end this process."""
    status = 1
    try:
        with suppress(EOFError, ConnectionError):
            send(wire, wire.hear()[0])
            status = 0
        wire.close()
    finally:
        os._exit(status)
