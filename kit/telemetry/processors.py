"""The kernel's counters: how busy the sockets are, main memory, load, and how busy the load generator's own thread is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kit.model import HostTick
from kit.ports import Host

_TICKS_PER_S = 100
"""What the kernel counts processor time in, on every architecture that kit knows."""
_CPU = "/sys/devices/system/cpu/cpu{}/topology/physical_package_id"
_LOOK_AGAIN = 10


@dataclass(frozen=True, slots=True)
class _Counted:
    at_s: float
    sockets: dict[int, tuple[int, int]]
    clients: dict[int, int]


class Processors:
    """The host's counters, read one after the other."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._sockets: dict[int, int] = {}
        self._before: _Counted | None = None
        self._words: tuple[str, ...] = ()
        self._clients: tuple[int, ...] = ()
        self._looked = 0

    def follow(self, words: Sequence[str]) -> None:
        """Look for programs whose command line ends with these words; none ends the search."""
        self._words, self._clients, self._looked = tuple(words), (), 0

    def tick(self) -> HostTick:
        """One reading, with what was used since the one before."""
        began, at = self._host.monotonic(), self._host.now()
        now = _Counted(began, self._count_sockets(), self._count_clients())
        before, self._before = self._before, now
        memory = self._read("/proc/meminfo")
        total, free = (_kibibytes(memory, name) for name in ("MemTotal", "MemAvailable"))
        return HostTick(
            at=at,
            began_s=began,
            cpu_percent=_used(before, now),
            memory_used_bytes=total - free if total is not None and free is not None else None,
            load_1m=_number(self._read("/proc/loadavg").partition(" ")[0]),
            client_percent=_busiest(before, now),
            took_s=self._host.monotonic() - began,
        )

    def _read(self, path: str) -> str:
        try:
            return self._host.read(path)
        except OSError:
            return ""

    def _count_sockets(self) -> dict[int, tuple[int, int]]:
        """Busy and all ticks of each socket."""
        found: dict[int, tuple[int, int]] = {}
        for name, values in re.findall(r"^cpu(\d{1,5})((?: \d+){4,})", self._read("/proc/stat"), re.MULTILINE):
            spent = [int(value) for value in values.split()[:8]]
            idle = spent[3] + (spent[4] if len(spent) > 4 else 0)
            busy, whole = found.get(socket := self._socket(int(name)), (0, 0))
            found[socket] = busy + sum(spent) - idle, whole + sum(spent)
        return found

    def _socket(self, cpu: int) -> int:
        if cpu not in self._sockets:
            said = self._read(_CPU.format(cpu)).strip()
            self._sockets[cpu] = int(said) if said.isdigit() else 0
        return self._sockets[cpu]

    def _count_clients(self) -> dict[int, int]:
        """Ticks of the main thread of each load generator's process: that is where it sends and receives."""
        words, clients = self._words, self._clients
        if not words:
            return {}
        # It takes a moment to start. Going through all processes of a large machine takes milliseconds: not at every tick.
        if (not clients and self._looked < _LOOK_AGAIN // 2) or self._looked % _LOOK_AGAIN == 0:
            clients = self._clients = self._look(words)
        self._looked += 1
        found: dict[int, int] = {}
        for pid in clients:
            fields = self._read(f"/proc/{pid}/task/{pid}/stat").rpartition(")")[2].split()
            if len(fields) > 12:
                found[pid] = int(fields[11]) + int(fields[12])
        if not found:
            self._clients = ()
        return found

    def _look(self, words: Sequence[str]) -> tuple[int, ...]:
        end = "\0" + "\0".join(words) + "\0"
        return tuple(
            int(name)
            for name in self._host.names("/proc")
            if name.isdigit() and self._read(f"/proc/{name}/cmdline").endswith(end)
        )


def _used(before: _Counted | None, now: _Counted) -> tuple[float | None, ...]:
    found: list[float | None] = []
    for socket, (busy, whole) in sorted(now.sockets.items()):
        earlier = before.sockets.get(socket) if before is not None else None
        spent = whole - earlier[1] if earlier is not None else 0
        found.append(100 * (busy - earlier[0]) / spent if earlier is not None and spent > 0 else None)
    return tuple(found)


def _busiest(before: _Counted | None, now: _Counted) -> float | None:
    if before is None or now.at_s <= before.at_s:
        return None
    spent = [count - before.clients[pid] for pid, count in now.clients.items() if pid in before.clients]
    return 100 * max(spent) / _TICKS_PER_S / (now.at_s - before.at_s) if spent else None


def _kibibytes(text: str, name: str) -> int | None:
    found = re.search(rf"^{name}:\s*(\d{{1,15}}) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text) else None
