"""One connection of the transport, and the exchange that it carries.

What is read is kept as it came, and only looked at where an answer may be over: HTTP is taken off it afterwards, by `decoding`.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from time import monotonic_ns
from typing import TYPE_CHECKING

from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD

from kit.instrument import stamps

if TYPE_CHECKING:
    import socket

    from kit.instrument.exchange import Exchange
    from kit.instrument.transport import Transport

_PIECE = 16384
_NOTHING_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LAST = b"\r\n\r\n"
"""The four bytes that an answer in chunks ends with; few other pieces do."""
CROSSED_NS = 50_000_000
"""A used connection whose end comes so soon after a request, or within three times the way there and back, and without a byte of
an answer, was closed before the request came."""
LARGEST = 256 * 1024 * 1024
"""Bytes of an answer: more than any length that can be asked for, and a bound for a server that never ends."""
MOST_READS = 2**22
"""Reads of an answer, which bring a token each where a server is slow."""
_MOST_UNSEEN = 256
"""Pieces after which an answer is looked at in any case: what is no HTTP is told soon."""


class Connection:
    """One connection, used by one exchange after the other."""

    def __init__(self, transport: Transport, sock: socket.socket, *, used: bool) -> None:
        self.sock = sock
        self.exchange: Exchange | None = None
        self.last_ns = self.heard_ns = 0
        self.alive = True
        self.ended = False
        """Whether nothing more comes."""
        self._used = used
        self.answers = 0
        """Whole ones that came over it since the clock started."""
        self._take = stamps.reader(sock)
        self._way_ns = stamps.way_ns(sock)
        self._acknowledged: int | None = None
        """By the other end, before it had anything of this request."""
        self._error: OSError | None = None
        self._transport = transport
        self._rest = b""
        self._watched = False
        self._parser = transport.parser()
        self._payload = EMPTY_PAYLOAD
        self._headed = False
        self._chunked = False
        self._keep = True
        self._seen = self._size = self._heard = 0

    def usable(self) -> bool:
        """Whether a request may be sent here: neither side has ended it, as far as anybody can know before the request is there."""
        return self.alive and not self.ended and not stamps.over(self.sock)

    def send(self, exchange: Exchange) -> None:
        """Send a request; the clock of its TTFT starts here."""
        self.exchange, self._headed, self._chunked, self._seen, self._size = exchange, False, False, 0, 0
        self._rest, self._heard = exchange.request, 0
        self._acknowledged = stamps.acknowledged(self.sock) if self._used else None
        exchange.sent_ns = self.last_ns = self.heard_ns = monotonic_ns()
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

    def read(self) -> bool:
        """Take what the socket holds, with the time of its arrival; tells whether it is to be looked at."""
        try:
            data, at = self._take(_PIECE)
        except _NOTHING_YET:
            return False
        except OSError as error:
            self._error, data, at = error, b"", monotonic_ns()
        self.last_ns = at
        if not data:
            self.ended = True
            self._transport.deaf(self)
            return True
        exchange = self.exchange
        if exchange is None:
            # Nobody asked for it: the connection is of no more use.
            self.ended = True
            return True
        exchange.times_ns.append(at)
        exchange.pieces.append(data)
        # Also where it ends in this piece, and began in the one before.
        if not self._chunked or _LAST.endswith(data[-4:]):
            return True
        return len(exchange.pieces) - self._seen >= _MOST_UNSEEN

    def heard(self, now: int) -> bool:
        """Whether an event came since this was asked last; one that the network cut in its name counts with the next."""
        pieces = self.exchange.pieces if self.exchange is not None else []
        new, self._heard = pieces[self._heard :], len(pieces)
        # Comments only keep a connection open.
        if any(b"data" in piece for piece in new):
            self.heard_ns = now
            return True
        return False

    def look(self) -> None:
        """See whether the answer is over, or the connection."""
        exchange, at = self.exchange, self.last_ns
        if not self.alive:
            return
        if exchange is not None and self._seen < len(exchange.pieces):
            self._look_at(exchange, at)
        if self.ended and self.alive:
            self._close_of(at)

    def _look_at(self, exchange: Exchange, at: int) -> None:
        data = b"".join(exchange.pieces[self._seen :])
        self._seen = len(exchange.pieces)
        self._size += len(data)
        if self._seen > MOST_READS:
            self.broken(f"the answer did not end within {MOST_READS} reads", at)
            return
        if self._size > LARGEST:
            self.broken(f"the answer did not end within {LARGEST >> 20} MiB", at)
            return
        if exchange.first_byte_ns is None:
            exchange.first_byte_ns = exchange.times_ns[0]
        try:
            heads, _, _ = self._parser.feed_data(data)
            packed = ""
            for head, payload in heads:
                if head.code >= 200:
                    self._headed, self._payload, self._keep = True, payload, not head.should_close
                    self._chunked = head.chunked
                    exchange.status = head.code
                    exchange.content_type = head.headers.get("Content-Type", "")
                    exchange.location = head.headers.get("Location", "")
                    packed = head.headers.get("Content-Encoding", "")
        except (HttpProcessingError, ClientError) as error:
            self.broken(f"the answer is no HTTP: {' '.join(str(error).split())[:120]}", at)
            return
        if packed.lower() not in ("", "identity"):
            self.broken(f"HTTP {exchange.status} in the encoding {packed[:40]!r}, which was not asked for", at)
            return
        if self._headed and self._payload.is_eof():
            self._over(exchange, at)

    def _over(self, exchange: Exchange, at: int) -> None:
        exchange.end_ns = at
        # With all that it holds: to read that piece by piece would cost as much as to parse it.
        self._payload = EMPTY_PAYLOAD
        self.exchange, self._used = None, True
        self.answers += 1
        if not self._keep:
            self.close()
        self._transport.finished(self, exchange)

    def _close_of(self, at: int) -> None:
        """The connection is over: fine for an answer without a length, and where nobody uses it."""
        if self._error is not None:
            reset = isinstance(self._error, ConnectionResetError)
            why = f"the connection broke: {self._error.strerror or self._error}"
            self.broken("the server reset the connection" if reset else why, at)
            return
        if self.exchange is not None and self._headed:
            with suppress(HttpProcessingError, ClientError):
                self._parser.feed_eof()
            if self._payload.is_eof() and self._payload.exception() is None:
                self._keep = False
                self._over(self.exchange, self.exchange.times_ns[-1])
                return
        self.broken("the server closed the connection before the answer was whole", at)

    def broken(self, why: str, at: int) -> None:
        """The connection is of no more use; the exchange that it carried has failed."""
        exchange, self.exchange = self.exchange, None
        untaken = self._untaken()
        self.close()
        if exchange is None:
            self._transport.lost(self)
            return
        crossed_ns = max(CROSSED_NS, 3 * self._way_ns)
        if self._used and not exchange.times_ns and (untaken or at - (exchange.sent_ns or at) < crossed_ns):
            # The server let go of the connection while the request was on its way: as any client may, it is sent once more.
            self._transport.lost(self)
            self._transport.again(exchange, untaken=untaken)
        else:
            exchange.error, exchange.end_ns = why, at
            self._transport.finished(self, exchange)

    def _untaken(self) -> bool:
        """Whether it is certain that nothing of the request came before the end of the connection."""
        # What resets a connection acknowledges nothing.
        known = self._error is None and self._acknowledged is not None
        return known and stamps.acknowledged(self.sock) == self._acknowledged

    def close(self) -> None:
        if self.alive:
            self.alive = False
            self._transport.forget(self)
            self.sock.close()
