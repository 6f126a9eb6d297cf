"""HTTP taken off the answers by aiohttp's parser, read by read as they came, when the last of them is over."""

import asyncio
from array import array
from pathlib import Path

from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser

from kit.instrument import exchange as exchanges
from kit.instrument.exchange import Exchange
from kit.spellings import Spellings

_LARGEST = 2**30


class Parsers:
    """Makes parsers of answers; only they ask for the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._protocol = BaseProtocol(self._loop)

    def parser(self) -> HttpResponseParser:
        # An answer without a length ends where its connection does. None is unpacked: it may hold a thousand times what came.
        return HttpResponseParser(self._protocol, self._loop, _LARGEST, read_until_eof=True, auto_decompress=False)

    def close(self) -> None:
        self._loop.close()


def decode(directory: Path, secrets: Spellings) -> None:
    """Make the open file of the raw one: the bodies alone, with the time and the size of what each read held of them."""
    source = directory / exchanges.RAW
    parsers = Parsers()
    with open(source, "rb") as raw, open(directory / exchanges.OPEN, "wb") as decoded:
        for found, _ in exchanges.read(raw):
            _decode(found, parsers.parser())
            exchanges.write(decoded, found, secrets)
    parsers.close()
    source.unlink()


def _decode(exchange: Exchange, parser: HttpResponseParser) -> None:
    data, begin, payload = exchange.body, 0, None
    times, sizes, pieces = array("q"), array("I"), []
    for at, size in zip(exchange.times_ns, exchange.sizes, strict=True):
        try:
            for head, body in parser.feed_data(data[begin : begin + size])[0]:
                payload = body if head.code >= 200 else None
            piece = payload.read_nowait() if payload is not None else b""
        except (HttpProcessingError, ClientError):
            # The sender told of it already.
            break
        begin += size
        if piece:
            times.append(at)
            sizes.append(len(piece))
            pieces.append(piece)
    exchange.times_ns, exchange.sizes, exchange.pieces = times, sizes, pieces


def plain(answer: bytes, parser: HttpResponseParser) -> bytes:
    """The body of a whole answer."""
    payload = None
    for head, body in parser.feed_data(answer)[0]:
        payload = body if head.code >= 200 else payload
    return payload.read_nowait() if payload is not None else b""
