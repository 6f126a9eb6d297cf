"""The reference server: an OpenAI-compatible server whose every chunk leaves at a time that is known, and is recorded.

One thread, one epoll, one timer of the kernel, and bytes made beforehand. What is due is sent before anything else is done,
but requests are looked for between sends, so that they are stamped when they come.
"""

import asyncio
import gc
import heapq
import json
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD

from kit.instrument import frames
from kit.instrument.answers import Stream, answer
from kit.instrument.lateness import Lateness
from kit.instrument.schedule import Schedule
from kit.instrument.timers import Alarm

_SENDS_BETWEEN_LOOKS = 16
_SPIN_NS = 80_000
_WAKING_NS = 60_000
"""What waking up takes: the alarm rings that much earlier, and the rest is waited for by looking."""
_PIECE = 262_144
_LARGEST_BODY = 256 * 1024 * 1024


class Connection:
    """One client's connection; `out` holds what it has not taken yet."""

    def __init__(self, server: "Server", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.out = bytearray()
        self.stream: Stream | None = None
        self.open = True
        self.closing = False
        self._parser = HttpRequestParser(server.protocol, server.loop, _LARGEST_BODY)
        self._head: tuple[str, str] | None = None
        self._body = EMPTY_PAYLOAD
        self._pieces: list[bytes] = []

    def send(self, data: bytes) -> None:
        """Send now; what the kernel does not take follows when it can."""
        if not self.open:
            return
        if not self.out:
            try:
                taken = self.sock.send(data)
            except BlockingIOError:
                taken = 0
            except OSError:
                self.close()
                return
            if taken == len(data):
                return
            data = data[taken:]
            self.server.epoll.modify(self.sock, select.EPOLLIN | select.EPOLLOUT)
        self.out += data

    def writable(self) -> None:
        try:
            del self.out[: self.sock.send(self.out)]
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not self.out:
            self.server.epoll.modify(self.sock, select.EPOLLIN)
            if self.closing:
                self.close()

    def readable(self) -> None:
        try:
            data = self.sock.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        at = monotonic_ns()
        if not data:
            self.close()
            return
        try:
            found, _, _ = self._parser.feed_data(data)
        except HttpProcessingError as refused:
            self.send(frames.whole(400, frames.error(str(refused), "BadRequest"), headers="Connection: close\r\n"))
            self.finish()
            return
        for message, body in found:
            self._head, self._body, self._pieces = (message.method, message.path), body, []
        if self._head is None:
            return
        if piece := self._body.read_nowait():
            self._pieces.append(piece)
        if self._body.is_eof():
            (method, path), self._head = self._head, None
            answer(self, method, path, b"".join(self._pieces), at)

    def finish(self) -> None:
        """Close once everything is sent."""
        self.closing = True
        if not self.out:
            self.close()

    def reset(self) -> None:
        """Close so that the client sees the connection reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        if not self.open:
            return
        self.open = False
        with suppress(OSError):
            self.server.epoll.unregister(self.sock)
        self.server.connections.pop(self.sock.fileno(), None)
        self.sock.close()
        if self.stream is not None:
            self.stream.left(monotonic_ns())


class Server:
    """Answers by a schedule until it is stopped; each request's line goes into `record` once it is over."""

    def __init__(self, schedule: Schedule, model: str, listener: socket.socket, record: Path | None) -> None:
        self.schedule = schedule
        self.model = model
        self.loop = asyncio.new_event_loop()  # only the parser asks for it
        self.protocol = BaseProtocol(self.loop)
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.lateness = Lateness()
        self.numbered = 0
        self.streams = 0
        self._listener = listener
        self._alarm = Alarm()
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = 0
        self._over: list[dict[str, object]] = []
        self._record = record
        self._stopping = False
        self._frames = {chat: frames.Frames(model, chat=chat) for chat in (True, False)}

    def frames(self, *, chat: bool) -> frames.Frames:
        return self._frames[chat]

    def at(self, moment_ns: int, do: Callable[[int], None]) -> None:
        """Call `do` with the time at that moment."""
        self._order += 1
        heapq.heappush(self._due, (moment_ns, self._order, do))

    def over(self, line: dict[str, object]) -> None:
        """A request is over: it is written when there is time."""
        self._over.append(line)

    def stop(self) -> None:
        self._stopping = True

    def serve(self) -> None:
        """Answer until `stop` was called."""
        if self._record is not None:
            self._record.write_bytes(b"")
        self._listener.setblocking(False)
        self.epoll.register(self._listener, select.EPOLLIN)
        self.epoll.register(self._alarm.descriptor, select.EPOLLIN)
        gc.collect()
        gc.freeze()
        gc.disable()
        due = self._due
        try:
            while not self._stopping:
                sent = 0
                while due and due[0][0] <= (now := monotonic_ns()) and sent < _SENDS_BETWEEN_LOOKS:
                    heapq.heappop(due)[2](now)
                    sent += 1
                rest = due[0][0] - monotonic_ns() if due else None
                if rest is not None and rest <= _SPIN_NS:
                    self._look(0)
                    continue
                if self._over and (rest is None or rest > 2_000_000):
                    self._write()
                    continue
                if rest is not None:
                    self._alarm.set(due[0][0] - _WAKING_NS)
                if rest is None and not self.streams:
                    gc.collect()
                self._look(None if rest is not None else 1.0)
        finally:
            self._write()
            for connection in tuple(self.connections.values()):
                connection.close()
            self._alarm.close()
            self.epoll.close()
            self.loop.close()

    def _look(self, timeout_s: float | None) -> None:
        for descriptor, events in self.epoll.poll(timeout_s):
            if descriptor == self._alarm.descriptor:
                self._alarm.quiet()
            elif descriptor == self._listener.fileno():
                self._accept()
            elif (connection := self.connections.get(descriptor)) is not None:
                if events & select.EPOLLOUT:
                    connection.writable()
                if connection.open and events & ~select.EPOLLOUT:
                    connection.readable()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[sock.fileno()] = Connection(self, sock)
            self.epoll.register(sock, select.EPOLLIN)

    def _write(self) -> None:
        lines, self._over = self._over, []
        if self._record is not None:
            with open(self._record, "a", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
