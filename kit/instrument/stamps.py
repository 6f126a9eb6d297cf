"""When bytes came: the kernel's own stamp of their arrival, so that who reads late does not stamp late.

`SO_TIMESTAMPNS` of socket(7), for TCP in Linux since 4.14: the stamp of the last byte that was read, of the realtime clock. TLS has none, as what
is read there is not what arrived.
"""

import socket
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns, time_ns

_SO_TIMESTAMPNS = 35
"""Of asm-generic/socket.h, which x86_64 and aarch64 share; Python has no name for it."""
_ROOM = socket.CMSG_SPACE(16)
_moment = struct.Struct("qq").unpack


def reader(sock: socket.socket) -> Callable[[int], tuple[bytes, int]]:
    """What reads a socket: at most so many bytes, and when the last of them arrived, on the monotonic clock.

    A stamp earlier than that of the last read, or later than now, is none: somebody set the clock meanwhile. Where the kernel gives
    none, it is the time of the read.
    """
    if isinstance(sock, ssl.SSLSocket):
        return lambda size: (_decrypted(sock, size), monotonic_ns())
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    receive, last = sock.recvmsg, monotonic_ns()

    def read(size: int) -> tuple[bytes, int]:
        nonlocal last
        data, said, _, _ = receive(size, _ROOM)
        now = monotonic_ns()
        if said:
            seconds, nanoseconds = _moment(said[0][2])
            at = now - time_ns() + seconds * 1_000_000_000 + nanoseconds
            if last <= at <= now:
                last = at
                return data, at
        last = now
        return data, now

    return read


def way_ns(sock: socket.socket) -> int:
    """How long the way to the other end and back takes, as the kernel has seen it (`tcpi_rtt`, microseconds); 0 where it does not say."""
    return (_told(sock, "I", 68) or 0) * 1000


def acknowledged(sock: socket.socket) -> int | None:
    """How many bytes the other end's kernel has taken so far (`tcpi_bytes_acked`, Linux since 4.1); None where it is not known.

    The end of a connection acknowledges what had come before it: a request that it does not count had not come.
    """
    return _told(sock, "Q", 120)


def _told(sock: socket.socket, kind: str, at: int) -> int | None:
    """A field of `struct tcp_info` (linux/tcp.h)."""
    with suppress(OSError, struct.error):
        found: int = struct.unpack_from(kind, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 128), at)[0]
        return found
    return None


def over(sock: socket.socket) -> bool:
    """Whether the other end has closed already, and nobody has read that yet."""
    if isinstance(sock, ssl.SSLSocket):
        return False  # it cannot look without taking
    try:
        return not sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _decrypted(sock: ssl.SSLSocket, size: int) -> bytes:
    """What a read gives, and what is decrypted already: no poll of the socket would tell of it."""
    data = sock.recv(size)
    while sock.pending():
        data += sock.recv(size)
    return data
