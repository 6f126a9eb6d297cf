"""What the packages of an rpm database are, read from its file: nothing of the image is run, and no rpm is needed here."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kit.runtimes import notes

DATABASES = ("var/lib/rpm/rpmdb.sqlite", "usr/lib/sysimage/rpm/rpmdb.sqlite")
"""Where the database lies, with a write-ahead log beside it (`-wal`); older systems have it in formats that are not read."""

_NAME, _VERSION, _RELEASE, _EPOCH, _LICENCE, _ARCHITECTURE = 1000, 1001, 1002, 1003, 1014, 1022
_NUMBER, _TEXT = 4, 6
_ENTRY = 16


@dataclass(frozen=True, slots=True)
class Package:
    """One package, as `rpm -qa` would name it."""

    name: str
    epoch: int | None
    version: str
    release: str
    architecture: str
    licence: str


def read(database: bytes, log: bytes) -> tuple[Package, ...]:
    """The installed packages. Raises `ValueError` for what is no database of rpm."""
    with notes.scratch("rpm") as scratch:
        path = Path(scratch) / "rpmdb.sqlite"
        path.write_bytes(database)
        path.with_name(f"{path.name}-wal").write_bytes(log)
        try:
            with closing(sqlite3.connect(path)) as opened:
                headers = [bytes(blob) for (blob,) in opened.execute("SELECT blob FROM Packages ORDER BY hnum")]
        except (sqlite3.DatabaseError, TypeError) as error:
            raise ValueError(f"not a database of rpm: {error}") from error
    found = (_package(header) for header in headers)
    return tuple(package for package in found if package is not None)


def _package(header: bytes) -> Package | None:
    """A package from its header; None for the keys that are kept among them, which are for no machine."""
    tags = dict(_tags(header))
    if _ARCHITECTURE not in tags:
        return None
    epoch = tags.get(_EPOCH)
    try:
        return Package(
            name=str(tags[_NAME]),
            epoch=epoch if isinstance(epoch, int) else None,
            version=str(tags[_VERSION]),
            release=str(tags[_RELEASE]),
            architecture=str(tags[_ARCHITECTURE]),
            licence=str(tags.get(_LICENCE, "")),
        )
    except KeyError as error:
        raise ValueError(f"a package without the tag {error}") from error


def _tags(header: bytes) -> Iterator[tuple[int, str | int]]:
    """The single texts and numbers of a header: a count of entries, the size of the data, the entries, the data."""
    try:
        count, size = struct.unpack_from(">II", header)
        begin = 8 + count * _ENTRY
        data = header[begin : begin + size]
        if len(data) != size:
            raise ValueError("a header of rpm is cut short")
        for at in range(8, begin, _ENTRY):
            tag, kind, offset, values = struct.unpack_from(">IIII", header, at)
            if kind == _TEXT:
                yield tag, data[offset : data.index(b"\0", offset)].decode("utf-8", "replace")
            elif kind == _NUMBER and values == 1:
                yield tag, struct.unpack_from(">I", data, offset)[0]
    except struct.error as error:
        raise ValueError(f"not a header of rpm: {error}") from error
