"""Connections to an endpoint: those that are opened before the clock starts, and those that are needed while it runs."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from kit.instrument.endpoint import ConnectError, Endpoint, connect
from kit.instrument.warming import warmed

if TYPE_CHECKING:
    from aiohttp.http_parser import HttpResponseParser

    from kit.instrument.decoding import Parsers
    from kit.instrument.exchange import Exchange

_OPENERS = 16


class Opener:
    """Opens connections in threads of its own; `bell` can be read where one is there that was asked for while the clock runs."""

    def __init__(self, to: Endpoint, headers: Mapping[str, str], timeout_s: float, parsers: Parsers) -> None:
        self._to = to
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._parsers = parsers
        self._threads = ThreadPoolExecutor(_OPENERS)
        self._late: SimpleQueue[tuple[Exchange, socket.socket | ConnectError]] = SimpleQueue()
        self.bell, self._button = socket.socketpair()
        self.bell.setblocking(False)

    def open(self, number: int) -> list[socket.socket]:
        """So many connections, each of which has carried a small request. Raises `ConnectError`."""
        return list(self._threads.map(lambda _: self._warm(self._parsers.parser()), range(number)))

    def _warm(self, parser: HttpResponseParser) -> socket.socket:
        sock = connect(self._to, self._timeout_s)
        if warmed(sock, self._to, self._headers, parser):
            return sock
        sock.close()
        return connect(self._to, self._timeout_s)

    def begin(self, exchange: Exchange) -> None:
        """Open a connection for an exchange that has none."""
        self._threads.submit(self._open_late, exchange)

    def _open_late(self, exchange: Exchange) -> None:
        try:
            self._late.put((exchange, connect(self._to, self._timeout_s)))
        except ConnectError as error:
            self._late.put((exchange, error))
        self._button.send(b"!")

    def opened(self) -> Iterator[tuple[Exchange, socket.socket | ConnectError]]:
        """Those that are there by now, each with its exchange, or why there is none."""
        with suppress(BlockingIOError):
            self.bell.recv(_OPENERS)
        with suppress(Empty):
            while True:
                yield self._late.get_nowait()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for sock in (self.bell, self._button):
            sock.close()
