"""Archives inside a bundle: whether what they unpack to is what they say, before anything unpacks them."""

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import IO

from kit.model.bundle import Member

MOST_RATIO = 200
"""Images and wheels are packed to a third or so; more than this is made to fill a disk."""
MOST_FILES = 60_000
LARGEST_DIRECTORY = 32_000_000
_SLACK = 1_000_000
_PIECE = 1024 * 1024
_END = b"PK\x05\x06"
_END_BYTES = 22


def unfit(member: Member) -> str | None:
    """What a member says of itself and cannot be right."""
    if (member.kind == "image") != (member.unpacked_bytes is not None):
        return "does not say what it unpacks to" if member.kind == "image" else "says what it unpacks to"
    if member.unpacked_bytes is not None and member.unpacked_bytes > member.size * MOST_RATIO + _SLACK:
        return f"says that it unpacks to {member.unpacked_bytes} bytes, more than {MOST_RATIO} times its size"
    return None


def unpacked(path: Path) -> int:
    """What a gzip file comes to, read in pieces."""
    with open(path, "rb") as file:
        found = _unpacked(file, None)
    assert found is not None
    return found


def wrong(file: IO[bytes], place: int, member: Member) -> str | None:
    """Why an archive may not be unpacked; None where it may, or is none."""
    section = io.BufferedReader(Section(file, place, member.size), _PIECE)
    if member.kind == "image" and member.unpacked_bytes is not None:
        try:
            found = _unpacked(section, member.unpacked_bytes)
        except (OSError, EOFError, zlib.error) as error:
            return f"is no gzip file: {error}"
        if found is None:
            return f"unpacks to more than the {member.unpacked_bytes} bytes that it says"
        if found != member.unpacked_bytes:
            return f"unpacks to {found} bytes, not to the {member.unpacked_bytes} that it says"
    if member.name.endswith(".whl"):
        return _wheel(section, member.size)
    return None


def _unpacked(file: IO[bytes], most: int | None) -> int | None:
    """How many bytes come out; None as soon as they are more than `most`."""
    count = 0
    with gzip.GzipFile(fileobj=file) as source:
        while piece := source.read(_PIECE):
            count += len(piece)
            if most is not None and count > most:
                return None
    return count


def _wheel(file: IO[bytes], size: int) -> str | None:
    """A wheel by its directory; nothing that reads zip files gives out more than is said there."""
    file.seek(max(0, size - _END_BYTES - 0xFFFF))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        return "is no zip file"
    listed = int.from_bytes(tail[at + 12 : at + 16], "little")
    if listed > LARGEST_DIRECTORY:
        return f"has a directory of {listed} bytes, and at most {LARGEST_DIRECTORY} are read"
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        return f"is no whole zip file: {error}"
    if len(entries) > MOST_FILES:
        return f"holds {len(entries)} files, and at most {MOST_FILES} are taken"
    total = sum(entry.file_size for entry in entries)
    if total > size * MOST_RATIO + _SLACK:
        return f"unpacks to {total} bytes, more than {MOST_RATIO} times its size"
    return None


class Section(io.RawIOBase):
    """A part of a file as a file."""

    def __init__(self, file: IO[bytes], place: int, size: int) -> None:
        super().__init__()
        self._file, self._place, self._size, self._at = file, place, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError("before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        self._file.seek(self._place + self._at)
        piece = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        memoryview(buffer)[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
