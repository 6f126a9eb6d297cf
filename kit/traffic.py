"""The door to the kernel's counters of connections: whether anything still arrives from a server, without touching it."""

import ctypes
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

_BY_FAMILY = 20
_DUMP = 0x301
_DONE, _ERROR = 3, 2
_INFO = 2
# All states but LISTEN and TIME_WAIT.
_STATES = 0xFFF & ~(1 << 10) & ~(1 << 6)
# struct tcp_info of the kernel: bytes_acked and bytes_received.
_BYTES = struct.Struct("=QQ")
_BYTES_AT = 120
_NEWNET = 0x40000000

Seen = frozenset[tuple[int, int, int, int]]


class Traffic:
    """The connections with a port, in the network of this process or in that of another one."""

    def __init__(self, port: int, process: int | None = None) -> None:
        self._port = port
        self._socket = _opened(process)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def seen(self) -> Seen | None:
        """Every connection with the bytes that came from the port so far; None where the kernel does not tell.

        What was seen twice is the same while nothing arrived and no connection was opened or closed.
        """
        if self._socket is None:
            return None
        found: set[tuple[int, int, int, int]] = set()
        try:
            for family in (socket.AF_INET, socket.AF_INET6):
                found.update(self._asked(self._socket, family))
        except OSError:
            return None
        return frozenset(found)

    def _asked(self, asked: socket.socket, family: int) -> Iterator[tuple[int, int, int, int]]:
        request = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, _STATES) + bytes(48)
        asked.send(struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, _DUMP, 1, 0) + request)
        while True:
            data = asked.recv(1 << 18)
            while len(data) >= 16:
                length, kind, _, _, _ = struct.unpack_from("=IHHII", data)
                if kind == _DONE:
                    return
                if kind == _ERROR or length < 16:
                    raise OSError("the kernel does not tell of connections")
                if (one := self._one(data[16:length])) is not None:
                    yield one
                data = data[(length + 3) & ~3 :]

    def _one(self, message: bytes) -> tuple[int, int, int, int] | None:
        source, destination = struct.unpack_from(">HH", message, 4)
        if self._port not in (source, destination):
            return None
        at = 72
        while at + 4 <= len(message):
            length, kind = struct.unpack_from("=HH", message, at)
            if kind == _INFO and length >= 4 + _BYTES_AT + _BYTES.size:
                acked, received = _BYTES.unpack_from(message, at + 4 + _BYTES_AT)
                (inode,) = struct.unpack_from("=I", message, 68)
                return source, destination, inode, acked if source == self._port else received
            at += max(4, (length + 3) & ~3)
        return None


def _opened(process: int | None) -> socket.socket | None:
    """A socket that asks the kernel about one network; it stays with that network wherever it is used."""
    found: list[socket.socket] = []

    def open_inside() -> None:
        with suppress(OSError):
            if process is not None and not _same_network(process):
                _enter(process)
            asking = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 4)
            asking.settimeout(5.0)
            found.append(asking)

    # A thread of its own enters the other network, so that no other thread is ever in it.
    thread = threading.Thread(target=open_inside)
    thread.start()
    thread.join()
    return found[0] if found else None


def _same_network(process: int) -> bool:
    return os.stat(f"/proc/{process}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino


def _enter(process: int) -> None:
    descriptor = os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _NEWNET):
            raise OSError(ctypes.get_errno(), "another network cannot be entered")
    finally:
        os.close(descriptor)
