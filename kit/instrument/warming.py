"""One small request over a new connection, so that the server has it at hand before anything is measured."""

import socket

from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser

from kit.instrument.endpoint import Endpoint

_PIECE = 16384
_MOST_BYTES = 2**24


def warmed(sock: socket.socket, to: Endpoint, headers: dict[str, str], parser: HttpResponseParser) -> bool:
    """Whether the connection is still of use after the list of models was asked for."""
    path = to.path.partition("?")[0].removesuffix("/completions").removesuffix("/chat") + "/models"
    payload = keep = None
    taken = 0
    try:
        sock.sendall(to.head("GET", path, headers).encode())
        while payload is None or not payload.is_eof():
            data = sock.recv(_PIECE)
            taken += len(data)
            if not data or taken > _MOST_BYTES:
                return False
            for head, body in parser.feed_data(data)[0]:
                payload, keep = body, not head.should_close
            if payload is not None:
                payload.read_nowait()
    except (OSError, HttpProcessingError, ClientError):
        return False
    return bool(keep)
