"""One connection of the transport, and the exchange that it carries."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from time import monotonic_ns
from typing import TYPE_CHECKING

from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD

if TYPE_CHECKING:
    from kit.instrument.exchange import Exchange
    from kit.instrument.transport import Transport

_PIECE = 16384
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """One connection, used by one exchange after the other."""

    def __init__(self, transport: Transport, sock: socket.socket) -> None:
        self.sock = sock
        self.exchange: Exchange | None = None
        self.last_ns = 0
        self.alive = True
        self.ended = False
        """Whether all that came was read; what was read may still have to be looked at."""
        self._transport = transport
        self._rest = b""
        self._watched = False
        self._parser = transport.parser()
        self._payload = EMPTY_PAYLOAD
        self._headed = False
        self._keep = True

    def send(self, exchange: Exchange) -> None:
        """Send a request; the clock of its TTFT starts here."""
        self.exchange, self._headed = exchange, False
        self._rest = exchange.request
        exchange.sent_ns = self.last_ns = monotonic_ns()
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
        if whole == self._watched:
            self._watched = not whole
            self._transport.watch(self, sending=not whole)

    def read(self) -> bytes | OSError | None:
        """What the socket holds: nothing at the end, the error where it broke, None where there is nothing yet."""
        try:
            data = self.sock.recv(_PIECE)
        except _NOTHING_YET:
            return None
        except OSError as error:
            self._deaf()
            return error
        if not data:
            self._deaf()
        return data

    def _deaf(self) -> None:
        self.ended = True
        self._transport.deaf(self)

    def received(self, data: bytes | OSError, at: int) -> None:
        """Take the HTTP off what was read at that time."""
        if isinstance(data, OSError):
            reset = isinstance(data, ConnectionResetError)
            why = "the server reset the connection" if reset else f"the connection broke: {data.strerror or data}"
            self.broken(why, at)
            return
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
