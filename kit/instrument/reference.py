"""The reference server: an OpenAI-compatible server whose every chunk leaves at a time that is known, and is recorded.

One thread, one epoll, one timer of the kernel, and bytes made beforehand. What is due is sent before anything else is done,
but requests are looked for between sends, so that they are stamped when they come: what is there is read and stamped first, and
looked at when there is time. Lines of the record are written when nothing is due soon.
"""

import asyncio
import gc
import heapq
import json
import select
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from aiohttp.streams import EMPTY_PAYLOAD

from kit.instrument import frames, stamps
from kit.instrument.answers import Stream, answer
from kit.instrument.lateness import Lateness
from kit.instrument.schedule import Schedule
from kit.instrument.timers import Alarm

_SENDS_BETWEEN_LOOKS = 4
_MANY = 4
_LINE_NS = 1_000_000
"""A line of the record is only written where so much time is left."""
_SPIN_NS = 80_000
_WAKING_NS = 60_000
"""What waking up takes: the alarm rings that much earlier, and the rest is waited for by looking."""
_NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_UNREAD_NS = 10_000_000
"""A request waits no longer to be looked at for the sake of what is due."""
_PIECE = 16_384
"""A larger piece costs a mapping of memory at each read."""
_LARGEST_BODY = 256 * 1024 * 1024


class Connection:
    """One client's connection; `out` holds what it has not taken yet."""

    def __init__(self, server: "Server", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self._take = stamps.reader(sock)
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
            except _NOT_YET:
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
        except _NOT_YET:
            return
        except OSError:
            self.close()
            return
        if not self.out:
            self.server.epoll.modify(self.sock, select.EPOLLIN)
            if self.closing:
                self.close()

    def read(self) -> tuple[bytes, int] | None:
        """What the socket holds, and when it arrived: nothing at the end, None where there is nothing yet."""
        try:
            return self._take(_PIECE)
        except _NOT_YET:
            return None
        except OSError:
            return b"", monotonic_ns()

    def received(self, data: bytes, at: int) -> None:
        """Take what was read at that time for a request."""
        if not self.open:
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
    """Answers for each of its models by the model's schedule until it is stopped; each request's line goes into `record` once it
    is over. It speaks TLS where there is a `secure` context."""

    def __init__(
        self,
        models: Mapping[str, Schedule],
        listener: socket.socket,
        record: Path | None,
        secure: ssl.SSLContext | None = None,
    ) -> None:
        self.models = models
        self.loop = asyncio.new_event_loop()  # only the parser asks for it
        self.protocol = BaseProtocol(self.loop)
        self.epoll = select.epoll()
        self.connections: dict[int, Connection] = {}
        self.lateness = Lateness()
        self.numbered = 0
        self.streams = 0
        self._listener = listener
        self._secure = secure
        self._alarm = Alarm()
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = 0
        self._over: deque[dict[str, object]] = deque()
        self._unread: deque[tuple[Connection, bytes, int]] = deque()
        self._record = open(record, "w", encoding="utf-8") if record is not None else None  # noqa: SIM115
        self._stopping = False
        self._frames = {(model, chat): frames.Frames(model, chat=chat) for model in models for chat in (True, False)}

    def frames(self, model: str, *, chat: bool) -> frames.Frames:
        return self._frames[model, chat]

    def at(self, moment_ns: int, do: Callable[[int], None]) -> None:
        """Call `do` with the time at that moment."""
        self._order += 1
        heapq.heappush(self._due, (moment_ns, self._order, do))

    def over(self, line: dict[str, object]) -> None:
        """A request is over: it is written when there is time."""
        self._over.append(line)

    def stop(self) -> None:
        self._stopping = True
        self._alarm.set(monotonic_ns())

    def serve(self) -> None:
        """Answer until `stop` was called."""
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
                if self._unread:
                    # Many at once: more may have come meanwhile, and stamps come first; then what is due.
                    many = self._look(0) > _MANY
                    now = monotonic_ns()
                    if many or (due and due[0][0] <= now < self._unread[0][2] + _UNREAD_NS):
                        continue
                    connection, data, at = self._unread.popleft()
                    connection.received(data, at)
                    continue
                rest = due[0][0] - monotonic_ns() if due else None
                if rest is not None and rest <= _SPIN_NS:
                    self._look(0)
                    continue
                if self._over and (rest is None or rest > _LINE_NS):
                    self._write(self._over.popleft())
                    continue
                if rest is not None:
                    self._alarm.set(due[0][0] - _WAKING_NS)
                elif not self.streams:
                    gc.collect()
                    self._flush()
                self._look(None if rest is not None else 1.0)
        finally:
            while self._over:
                self._write(self._over.popleft())
            self._flush()
            for connection in tuple(self.connections.values()):
                connection.close()
            self._alarm.close()
            self.epoll.close()
            self.loop.close()
            if self._record is not None:
                self._record.close()

    def _look(self, timeout_s: float | None) -> int:
        """Read and stamp whatever is there; tells of how many connections something was."""
        found = self.epoll.poll(timeout_s)
        for descriptor, events in found:
            if descriptor == self._alarm.descriptor:
                self._alarm.quiet()
            elif descriptor == self._listener.fileno():
                self._accept()
            elif (connection := self.connections.get(descriptor)) is not None:
                if events & select.EPOLLOUT:
                    connection.writable()
                if connection.open and events & ~select.EPOLLOUT and (data := connection.read()) is not None:
                    if data[0]:
                        self._unread.append((connection, *data))
                    else:
                        connection.close()
        return len(found)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure is not None:
                try:
                    # The handshake is done as what belongs to it is read.
                    sock = self._secure.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                except OSError:
                    sock.close()
                    continue
            self.connections[sock.fileno()] = Connection(self, sock)
            self.epoll.register(sock, select.EPOLLIN)

    def _write(self, line: dict[str, object]) -> None:
        if self._record is not None:
            self._record.write(json.dumps(line) + "\n")

    def _flush(self) -> None:
        if self._record is not None:
            self._record.flush()
