"""kit's transport: requests go out and answers come in over connections that are open beforehand, and every read is stamped first.

All connections hang on one epoll, and this on the loop of whoever sends. When anything is there to read, every socket is read
and stamped before a single byte is looked at; then HTTP is taken off by aiohttp's parser. Events and JSON are read when the
round is over.
"""

import asyncio
import gc
import select
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from time import monotonic_ns

from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser
from aiohttp.streams import EMPTY_PAYLOAD

from kit.instrument.endpoint import AGENT, ConnectError, Endpoint, connect
from kit.instrument.exchange import Exchange
from kit.instrument.warming import warmed

_PIECE = 16384
_LIMIT = 2**30
_SENDS_BETWEEN_READS = 32
_OPENERS = 16
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """One connection, and the exchange that it carries."""

    def __init__(self, transport: "Transport", sock: socket.socket) -> None:
        self.sock = sock
        self.exchange: Exchange | None = None
        self.last_ns = 0
        self.alive = True
        self._transport = transport
        self._rest = b""
        self._parser = HttpResponseParser(transport.protocol, transport.loop, _LIMIT)
        self._payload = EMPTY_PAYLOAD
        self._headed = False
        self._keep = True

    def send(self, exchange: Exchange) -> None:
        """Send a request; the clock of its TTFT starts here."""
        self.exchange, self._headed = exchange, False
        exchange.sent_ns = self.last_ns = monotonic_ns()
        self._rest = exchange.request
        self.flush()

    def flush(self) -> None:
        """Give the kernel what it takes of the request."""
        try:
            taken = self.sock.send(self._rest)
        except _NOTHING_YET:
            taken = 0
        except OSError as error:
            self.broken(f"the request could not be sent: {error.strerror or error}", monotonic_ns())
            return
        whole = taken == len(self._rest)
        self._rest = b"" if whole else self._rest[taken:]
        self._transport.watch(self, sending=not whole)

    def read(self) -> bytes | None:
        """What the socket holds: nothing at the end, None where there is nothing yet."""
        try:
            return self.sock.recv(_PIECE)
        except _NOTHING_YET:
            return None
        except ConnectionResetError:
            self.broken("the server reset the connection", monotonic_ns())
        except OSError as error:
            self.broken(f"the connection broke: {error.strerror or error}", monotonic_ns())
        return None

    def received(self, data: bytes, at: int) -> None:
        """Take the HTTP off what was read at that time."""
        exchange = self.exchange
        if exchange is None or not data:
            self._ended(at)
            return
        self.last_ns = at
        if exchange.first_byte_ns is None:
            exchange.first_byte_ns = at
        try:
            heads, _, _ = self._parser.feed_data(data)
            for head, payload in heads:
                if head.code >= 200:
                    self._headed, self._payload, self._keep = True, payload, not head.should_close
                    exchange.status = head.code
                    exchange.content_type = head.headers.get("Content-Type", "")
                    exchange.location = head.headers.get("Location", "")
            piece = self._payload.read_nowait() if self._headed else b""
        except (HttpProcessingError, ClientError) as error:
            self.broken(f"the answer is no HTTP: {' '.join(str(error).split())[:120]}", at)
            return
        if piece:
            exchange.times_ns.append(at)
            exchange.sizes.append(len(piece))
            exchange.pieces.append(piece)
        if self._headed and self._payload.is_eof():
            exchange.end_ns = at
            self.exchange = None
            if not self._keep:
                self.close()
            self._transport.finished(self, exchange)

    def _ended(self, at: int) -> None:
        """The server closed: fine for an answer without a length, and for a connection that nobody uses."""
        if self.exchange is not None and self._headed:
            with suppress(HttpProcessingError, ClientError):
                self._parser.feed_eof()
            if self._payload.is_eof() and self._payload.exception() is None:
                exchange, self.exchange = self.exchange, None
                exchange.end_ns = exchange.times_ns[-1] if exchange.times_ns else at
                self.close()
                self._transport.finished(self, exchange)
                return
        self.broken("the server closed the connection before the answer was whole", at)

    def broken(self, why: str, at: int) -> None:
        """The connection is of no more use; the exchange that it carried has failed."""
        exchange, self.exchange = self.exchange, None
        self.close()
        if exchange is not None:
            exchange.error, exchange.end_ns = why, at
            self._transport.finished(self, exchange)

    def close(self) -> None:
        if self.alive:
            self.alive = False
            self._transport.forget(self)
            self.sock.close()


class Transport:
    """All connections to an endpoint, used by one thread with its loop."""

    def __init__(
        self, to: Endpoint, *, headers: dict[str, str], connect_timeout_s: float, read_timeout_s: float
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.protocol = BaseProtocol(self.loop)
        self.over: Callable[[Exchange], None] | None = None
        self._to = to
        self._headers = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._outbox: list[tuple[Exchange, asyncio.Future[Exchange]]] = []
        self._waiting: dict[int, asyncio.Future[Exchange]] = {}
        self._count = 0
        self._collected = False
        self.loop.add_reader(self._epoll.fileno(), self._drain)
        self.loop.call_later(1.0, self._look_for_silence)

    # --- before the clock ----------------------------------------------------------------------------------------

    def open(self, number: int) -> None:
        """Open so many connections and send a small request over each, so that the first one measured finds it warm."""
        with ThreadPoolExecutor(min(_OPENERS, number)) as openers:
            sockets = list(openers.map(lambda _: self._opened(), range(number)))
        for sock in sockets:
            self._idle.append(self._adopt(sock))

    def _opened(self) -> socket.socket:
        sock = connect(self._to, self._connect_timeout_s)
        if warmed(sock, self._to, self._headers, HttpResponseParser(self.protocol, self.loop, _LIMIT)):
            return sock
        sock.close()
        return connect(self._to, self._connect_timeout_s)

    def prepared(self, body: bytes) -> bytes:
        """The bytes of a request."""
        headers = {**self._headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
        return self._to.head("POST", self._to.path, headers).encode() + body

    # --- while it runs -------------------------------------------------------------------------------------------

    def exchange(self, request: bytes) -> "asyncio.Future[Exchange]":
        """Send a request; the result is the exchange, whole or failed. Those asked for in one step go out together."""
        if not self._collected:
            self._collected = True
            gc.collect()
            gc.freeze()
            gc.disable()
        exchange = Exchange(index=self._count, request=request, scheduled_ns=monotonic_ns())
        self._count += 1
        future: asyncio.Future[Exchange] = self.loop.create_future()
        if not self._outbox:
            self.loop.call_soon(self._send)
        self._outbox.append((exchange, future))
        return future

    def _send(self) -> None:
        outbox, self._outbox = self._outbox, []
        for number, (exchange, future) in enumerate(outbox, start=1):
            self._waiting[exchange.index] = future
            while self._idle:
                connection = self._idle.pop()
                if connection.alive:
                    connection.send(exchange)
                    break
            else:
                opening = self.loop.run_in_executor(None, connect, self._to, self._connect_timeout_s)
                opening.add_done_callback(partial(self._late, exchange))
            if number % _SENDS_BETWEEN_READS == 0:
                self._drain()

    def _late(self, exchange: Exchange, opening: "asyncio.Future[socket.socket]") -> None:
        """A connection had to be opened while the clock runs; the request's own clock starts when it is there."""
        try:
            sock = opening.result()
        except ConnectError as error:
            exchange.error, exchange.end_ns = str(error), monotonic_ns()
            self._resolve(exchange)
            return
        self._adopt(sock).send(exchange)

    def _adopt(self, sock: socket.socket) -> Connection:
        sock.setblocking(False)
        connection = Connection(self, sock)
        self._connections[sock.fileno()] = connection
        self._epoll.register(sock, select.EPOLLIN)
        return connection

    def _drain(self) -> None:
        """Read and stamp whatever is there; only then look at it."""
        got: list[tuple[Connection, bytes, int]] = []
        for descriptor, events in self._epoll.poll(0):
            connection = self._connections.get(descriptor)
            if connection is None:
                continue
            if events & select.EPOLLOUT:
                connection.flush()
            if events & ~select.EPOLLOUT and (data := connection.read()) is not None:
                got.append((connection, data, monotonic_ns()))
                if isinstance(connection.sock, ssl.SSLSocket):
                    while connection.sock.pending() and (data := connection.read()) is not None:
                        got.append((connection, data, monotonic_ns()))
        for connection, data, at in got:
            if connection.alive:
                connection.received(data, at)

    def finished(self, connection: Connection, exchange: Exchange) -> None:
        """An exchange is over, and its connection may be free."""
        if connection.alive:
            self._idle.append(connection)
        self._resolve(exchange)

    def _resolve(self, exchange: Exchange) -> None:
        future = self._waiting.pop(exchange.index)
        if self.over is not None:
            self.over(exchange)
        if not future.done():
            future.set_result(exchange)

    def watch(self, connection: Connection, *, sending: bool) -> None:
        self._epoll.modify(connection.sock, select.EPOLLIN | (select.EPOLLOUT if sending else 0))

    def forget(self, connection: Connection) -> None:
        with suppress(OSError):
            self._epoll.unregister(connection.sock)
        self._connections.pop(connection.sock.fileno(), None)

    def _look_for_silence(self) -> None:
        now = monotonic_ns()
        for connection in tuple(self._connections.values()):
            if connection.exchange is not None and now - connection.last_ns > self._read_timeout_s * 1e9:
                connection.broken(f"nothing came for {self._read_timeout_s:g} s", now)
        self.loop.call_later(1.0, self._look_for_silence)

    # --- after it ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection."""
        gc.enable()
        for connection in tuple(self._connections.values()):
            connection.close()
        self._epoll.close()
