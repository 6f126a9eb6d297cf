"""One request and its answer as they crossed the socket, and the file in which they are kept until they are read.

A record of the file is one line of JSON, then the times of the body's pieces (nanoseconds, 8 bytes each), their sizes (4 bytes
each), and the body. All numbers are little-endian; all times are of `time.monotonic_ns()`.
"""

import gzip
import json
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kit.instrument import foreign
from kit.spellings import NONE, Spellings

RAW = "exchanges.raw"
"""As it came, with the HTTP around it."""
OPEN = "exchanges.part"
FILE = "exchanges.bin.gz"
LARGEST, MOST_READS = 2**29, 2**23
"""Bytes of one answer, and reads that it came in: twice what the sender takes."""
_LONGEST_LINE = 2**20


@dataclass(slots=True)
class Exchange:
    """What happened, when; None: it did not happen. `error` says why the answer is not whole."""

    index: int
    request: bytes
    scheduled_ns: int
    sent_ns: int | None = None
    first_byte_ns: int | None = None
    end_ns: int | None = None
    status: int | None = None
    content_type: str = ""
    location: str = ""
    error: str | None = None
    times_ns: "array[int]" = field(default_factory=lambda: array("q"))
    sizes: "array[int]" = field(default_factory=lambda: array("I"))
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


_FIELDS = ("index", "scheduled_ns", "sent_ns", "first_byte_ns", "end_ns", "status", "content_type", "location", "error")


def write(
    file: IO[bytes] | gzip.GzipFile,
    exchange: Exchange,
    secrets: Spellings,
    more: Mapping[str, object] | None = None,
) -> None:
    """Append a record, with what is told of it beside; a key that the server sent back is behind its mask, byte for byte."""
    body = secrets.masked(exchange.body)
    head = {name: getattr(exchange, name) for name in _FIELDS}
    head |= {"pieces": len(exchange.times_ns), "bytes": len(body)}
    head |= more or {}
    line = secrets.masked(json.dumps(head).encode())
    file.write(b"".join((line, b"\n", _little(exchange.times_ns), _little(exchange.sizes), body)))


def _little(numbers: "array[int]") -> bytes:
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()


def read(
    file: IO[bytes] | gzip.GzipFile, most_bytes: int | None = None
) -> Iterator[tuple[Exchange, Mapping[str, object]]]:
    """The records of a file, with all that their lines say.

    Raises `ValueError` where it is none, is cut off, or holds more than so many bytes.
    """
    taken = 0
    while line := file.readline(_LONGEST_LINE):
        head = foreign.loads(line.decode()) if line.endswith(b"\n") else None
        if not isinstance(head, dict):
            raise ValueError("a record without a head")
        if not (_within(head["pieces"], MOST_READS) and _within(head["bytes"], LARGEST)):
            raise ValueError("a record of an impossible size")
        times, sizes = array("q"), array("I")
        taken += len(line) + head["pieces"] * (times.itemsize + sizes.itemsize) + head["bytes"]
        if most_bytes is not None and taken > most_bytes:
            raise ValueError(f"it holds more than {most_bytes} bytes")
        times.frombytes(file.read(head["pieces"] * times.itemsize))
        sizes.frombytes(file.read(head["pieces"] * sizes.itemsize))
        if sys.byteorder == "big":
            times.byteswap()
            sizes.byteswap()
        body = file.read(head["bytes"])
        if len(body) != head["bytes"] or sum(sizes) != len(body):
            raise ValueError("a record is cut off")
        found = Exchange(
            request=b"", times_ns=times, sizes=sizes, pieces=[body], **{name: head[name] for name in _FIELDS}
        )
        yield found, head


def _within(number: object, most: int) -> bool:
    return isinstance(number, int) and 0 <= number <= most


def pack(directory: Path, told: Callable[[Exchange], Mapping[str, object]] | None = None) -> None:
    """Make the kept file of the open one, with what is told of each record."""
    source = directory / OPEN
    with (
        open(source, "rb") as plain,
        open(directory / FILE, "wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
    ):
        for found, _ in read(plain):
            write(packed, found, NONE, told(found) if told is not None else None)
    source.unlink()
