"""kit's transport: requests go out and answers come in over connections that are open beforehand, each read with its time of arrival.

All connections hang on one epoll, and nothing else runs on its thread: it keeps so many requests under way, and sends the next
one when an answer is whole; or it sends each at its time, whatever is under way. What is there is read before anything is
looked at; HTTP, events and JSON are read when all is over.
"""

from __future__ import annotations

import gc
import select
import socket
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic_ns, sleep
from typing import TYPE_CHECKING

from kit.instrument.arrivals import Times
from kit.instrument.carrying import Connection
from kit.instrument.decoding import Parsers
from kit.instrument.endpoint import AGENT, ConnectError, Endpoint
from kit.instrument.exchange import Exchange
from kit.instrument.gathering import Gathering
from kit.instrument.load import Load
from kit.instrument.opening import Opener

if TYPE_CHECKING:
    from aiohttp.http_parser import HttpResponseParser

_WRITABLE = select.EPOLLOUT
_SENDS_BETWEEN_READS = 16
_LOOKS_BETWEEN_READS = 8
_MANY = 4
_MOST_OVER = 64
"""Exchanges that wait for a quiet moment to be taken."""
_WHOLE = 6
"""An answer may take so many times what its server may be silent, however much comes: by default as long as evalscope's own has."""
_LOOK_S = 1.0
_WAIT_S = 0.01
"""No look at the connections waits longer: one that takes longer tells that this process was not let run."""
_FINE_S = 0.002
"""An epoll waits for whole milliseconds: what is due sooner is waited for otherwise."""
_LOST = 3
"""Connections that ended after an answer, and none that carried a second one: then this server keeps none."""
_MANY_CLIENTS = 24  # with so many, reads are gathered
_LEAST_NAP_S = 0.0002  # a shorter one costs more than it spares

Follow = Callable[[Exchange], Exchange | None]
"""The request that follows one that is over, in its conversation; one that has failed already is not sent."""


class Transport:
    """All connections to an endpoint, used by one thread."""

    def __init__(
        self, to: Endpoint, *, headers: dict[str, str], connect_timeout_s: float, read_timeout_s: float
    ) -> None:
        self.load = Load(stamped=not to.secure)
        self._parsers = Parsers()
        self._to = to
        self._headers = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": "identity", **headers}
        self._opener = Opener(to, self._headers, connect_timeout_s, self._parsers)
        self._read_timeout_s = read_timeout_s
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._kept, self._lost = False, 0
        self._unseen: deque[Connection] = deque()
        self._waiting: deque[Exchange] = deque()
        self._due_ns: deque[int] = deque()
        """When what waits is to be sent, or clients begin that send one request after the other."""
        self._closed = True
        """Whether the end of an answer lets the next request begin."""
        self._follow: Follow | None = None
        self._began_ns = self._took_ns = 0
        self._gathering = Gathering(stamped=not to.secure)
        self._over: deque[Exchange] = deque()
        self._under_way = 0
        self._looked_ns = 0
        self._epoll.register(self._opener.bell, select.EPOLLIN)

    # --- before the clock ----------------------------------------------------------------------------------------

    def open(self, number: int) -> None:
        """Open so many connections and send a small request over each, so that the first one measured finds it warm."""
        for sock in self._opener.open(number):
            self._idle.append(self._adopt(sock, used=True))

    def parser(self) -> HttpResponseParser:
        return self._parsers.parser()

    def prepared(self, body: bytes) -> bytes:
        """The bytes of a request."""
        headers = {**self._headers, "Content-Type": "application/json", "Content-Length": str(len(body))}
        return self._to.head("POST", self._to.path, headers).encode() + body

    # --- while it runs -------------------------------------------------------------------------------------------

    def run(
        self,
        requests: Mapping[int, bytes],
        at_once: int,
        take: Callable[[Exchange], None],
        times: Times | None = None,
        *,
        begin_ns: int | None = None,
        follow: Follow | None = None,
    ) -> None:
        """Send all requests in their order, each with its number, so many at once, or by times from `begin_ns` on, or from now.

        `take` gets each exchange, whole or failed, when there is time; `follow` says which request follows one that is over.
        """
        gc.collect()
        gc.freeze()
        gc.disable()
        self.load.begin()
        now = monotonic_ns()
        self._began_ns = now
        self._waiting.extend(Exchange(number, request, now) for number, request in requests.items())
        self._follow = follow
        if times is not None:
            begin_ns = begin_ns if begin_ns is not None else now
            self._due_ns = deque(begin_ns + round(at_s * 1e9) for at_s in times.at_s)
            self._closed = times.clients
            at_once = 0
        for number in range(1, min(at_once, len(requests)) + 1):
            self._next(now)
            if number % _SENDS_BETWEEN_READS == 0:
                self._read(0)
        while self._under_way or self._waiting:
            began = monotonic_ns()
            if began - self._looked_ns > _LOOK_S * 1e9:
                self._look_for_silence(began)
            self._send_due()
            busy = bool(self._unseen or self._over)
            read = self._read(0 if busy else self._waited_s())
            if self._unseen:
                # More may have come meanwhile, and reading comes first: what is read late is read with what follows it.
                for _ in range(1 if read > _MANY else min(_LOOKS_BETWEEN_READS, len(self._unseen))):
                    self._unseen.popleft().look()
            elif self._over and (not read or len(self._over) > _MOST_OVER):
                take(self._over.popleft())
        self.load.end()
        while self._over:
            take(self._over.popleft())

    def _send_due(self) -> None:
        """Send what is due by now."""
        sent = 0
        while self._due_ns and self._due_ns[0] <= monotonic_ns():
            self._next(self._due_ns.popleft())
            sent += 1
            if sent % _SENDS_BETWEEN_READS == 0:
                self._read(0)

    def _waited_s(self) -> float:
        """How long a read may wait: until a request is due; where there is little time, or much to gather, a part is slept here."""
        rest_s = max(0.0, (self._due_ns[0] - monotonic_ns()) / 1e9) if self._due_ns else _LOOK_S
        if rest_s < _FINE_S or self._under_way >= _MANY_CLIENTS:
            # As long as no answer is over, each takes at least as long as all have been under way.
            took_ns = self._took_ns or monotonic_ns() - self._began_ns
            gathered_s = self._gathering.wait_s(took_ns)
            if rest_s < _FINE_S or gathered_s >= _LEAST_NAP_S:
                nap_s = min(rest_s, max(_LEAST_NAP_S, gathered_s))
                sleep(nap_s)
                rest_s -= nap_s
        return 0 if rest_s < _FINE_S else min(_WAIT_S, rest_s - 0.001)

    def _next(self, due_ns: int) -> None:
        """Send the request that is next; it was due at that time."""
        if self._waiting:
            exchange = self._waiting.popleft()
            exchange.scheduled_ns = due_ns
            self._begin(exchange)

    def _begin(self, exchange: Exchange) -> None:
        self._under_way += 1
        while self._idle:
            connection = self._idle.pop()
            # What a server that keeps none has not ended yet, it ends while the request is on its way.
            keeps = self._kept or self._lost < _LOST
            if connection.usable() and (keeps or not connection.answers):
                connection.send(exchange)
                return
        self._late_for(exchange)

    def again(self, exchange: Exchange, *, untaken: bool) -> None:
        """Send a request once more, over a connection of its own; `untaken`: the server certainly had nothing of it."""
        self.load.again += not untaken
        self._late_for(exchange)

    def _late_for(self, exchange: Exchange) -> None:
        """A connection has to be opened while the clock runs; the request's own clock starts when it is there."""
        self.load.opened += 1
        self._opener.begin(exchange)

    def _take_late(self) -> None:
        for exchange, opened in self._opener.opened():
            if isinstance(opened, ConnectError):
                exchange.error, exchange.end_ns = str(opened), monotonic_ns()
                self._end(exchange)
            else:
                self._adopt(opened, used=False).send(exchange)

    def _adopt(self, sock: socket.socket, *, used: bool) -> Connection:
        sock.setblocking(False)
        connection = Connection(self, sock, used=used)
        self._connections[sock.fileno()] = connection
        self._epoll.register(sock, select.EPOLLIN)
        return connection

    def _read(self, timeout_s: float) -> int:
        """Take whatever is there; tells of how many connections something was."""
        found, looked_ns = self._epoll.poll(timeout_s), monotonic_ns()
        for descriptor, events in found:
            connection = self._connections.get(descriptor)
            if connection is None:
                if descriptor == self._opener.bell.fileno():
                    self._take_late()
                continue
            if events & _WRITABLE:
                connection.flush()
            if events != _WRITABLE and connection.read():
                self._unseen.append(connection)
        if found and (one := self._connections.get(found[0][0])) is not None and one.exchange is not None:
            self._gathering.learn(one.exchange.times_ns)
        self.load.looked(looked_ns, monotonic_ns(), timeout_s)
        return len(found)

    def finished(self, connection: Connection, exchange: Exchange) -> None:
        """An exchange is over, and its connection may be free."""
        self._kept |= connection.answers > 1
        if connection.alive:
            self._idle.append(connection)
        self._end(exchange)

    def lost(self, connection: Connection) -> None:
        """The server ended a connection without having said so."""
        self._lost += connection.answers > 0

    def _end(self, exchange: Exchange) -> None:
        self._under_way -= 1
        self.load.heard = True
        exchange.sizes.extend(map(len, exchange.pieces))
        self._over.append(exchange)
        ended_ns = exchange.end_ns or monotonic_ns()
        self._took_ns = ended_ns - (exchange.sent_ns or ended_ns)
        following = self._follow(exchange) if self._follow is not None else None
        while self._follow is not None and following is not None and following.error is not None:
            self._over.append(following)
            following = self._follow(following)
        if following is not None:
            self._begin(following)
        elif self._closed:
            self._next(ended_ns)

    def watch(self, connection: Connection, *, sending: bool) -> None:
        self._epoll.modify(connection.sock, select.EPOLLIN | (select.EPOLLOUT if sending else 0))

    def deaf(self, connection: Connection) -> None:
        """Nothing more comes from there."""
        with suppress(OSError):
            self._epoll.unregister(connection.sock)

    def forget(self, connection: Connection) -> None:
        self.deaf(connection)
        self._connections.pop(connection.sock.fileno(), None)

    def _look_for_silence(self, now: int) -> None:
        self._looked_ns = now
        for connection in tuple(self._connections.values()):
            self.load.heard |= connection.heard(now)
            if (exchange := connection.exchange) is None:
                continue
            if now - connection.heard_ns > self._read_timeout_s * 1e9:
                connection.broken(f"nothing came for {self._read_timeout_s:g} s", now)
            elif now - (exchange.sent_ns or now) > (whole_s := self._read_timeout_s * _WHOLE) * 1e9:
                connection.broken(f"the answer did not end within {whole_s:g} s", now)
        self.load.beat()

    # --- after it ------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection."""
        gc.enable()
        for connection in tuple(self._connections.values()):
            connection.close()
        self._opener.close()
        self._epoll.close()
        self._parsers.close()
