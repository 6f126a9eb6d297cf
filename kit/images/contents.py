"""The content of an image: every path of its final file system, one digest over all, and what differs between two."""

import fnmatch
import gzip
import hashlib
import stat
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

_LARGEST = 512 * 1024**2
"""Bytes of a list unpacked; that of an image with a hundred thousand files has some fifteen million."""
# What an engine puts into every container, what caches and logs hold, and what differs by time or order of installing.
EXCLUDED = (
    ".dockerenv",
    "dev/*",
    "proc/*",
    "sys/*",
    "run/*",
    "tmp/*",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
    "*.pyc",
    "*/__pycache__",
    "var/cache/*",
    "var/log/*",
    "var/lib/dpkg/*-old",
)
_PIECE = 1024 * 1024
_KINDS = {
    tarfile.DIRTYPE: "d",
    tarfile.SYMTYPE: "l",
    tarfile.CHRTYPE: "c",
    tarfile.BLKTYPE: "b",
    tarfile.FIFOTYPE: "p",
}


@dataclass(frozen=True, slots=True)
class Content:
    """The paths of a file system, each with what makes it what it is; `digest` is one for all."""

    entries: Mapping[str, str]
    digest: str

    def packed(self) -> bytes:
        """The list as bytes to keep; the same for the same content."""
        return gzip.compress(_text(self.entries.items()), mtime=0)


def read(stream: IO[bytes]) -> Content:
    """The content of a tar stream of a whole file system. Time stamps, bytecode caches and logs do not count."""
    entries: dict[str, str] = {}
    linked: dict[str, str] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = member.name.removeprefix("./").strip("/")
            if not path or path == ".":
                continue
            line = _entry(archive, member, linked)
            linked[path] = line
            if not any(fnmatch.fnmatchcase(path, pattern) for pattern in EXCLUDED):
                entries[path] = line
    return of(entries)


def of(entries: Mapping[str, str]) -> Content:
    """The content with these entries."""
    ordered = dict(sorted(entries.items()))
    return Content(ordered, f"sha256:{hashlib.sha256(_text(ordered.items())).hexdigest()}")


def unpack(packed: bytes) -> Content:
    """The content that `packed` kept. Raises `ValueError` on anything else."""
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        lines = unpacker.decompress(packed, _LARGEST).decode("utf-8", "surrogateescape").split("\n")[:-1]
    except zlib.error as error:
        raise ValueError("not a list of contents") from error
    if not unpacker.eof:
        raise ValueError(f"not a list of contents: it is cut off, or unpacks to more than {_LARGEST} bytes")
    pairs = [line.partition("\0") for line in lines]
    if not pairs or not all(separator for _, separator, _ in pairs):
        raise ValueError("not a list of contents")
    return of({path: entry for path, _, entry in pairs})


def differences(expected: Content, found: Content) -> Iterator[str]:
    """Every path that is missing, added or changed, with what changed about it."""
    for path in sorted(expected.entries.keys() | found.entries.keys()):
        before, after = expected.entries.get(path), found.entries.get(path)
        if before is None:
            yield f"/{path}: added"
        elif after is None:
            yield f"/{path}: missing"
        elif before != after:
            names = ("kind", "mode", "owner", "size", "content")
            old, new = before.split(" ", 4), after.split(" ", 4)
            changed = [name for name, one, other in zip(names, old, new, strict=True) if one != other]
            yield f"/{path}: changed ({', '.join(changed)})"


def _text(entries: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{path}\0{entry}\n" for path, entry in entries).encode("utf-8", "surrogateescape")


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, linked: Mapping[str, str]) -> str:
    if member.islnk():
        # Which of two names is the file and which the link depends on the order of the archive.
        return linked[member.linkname.removeprefix("./").strip("/")]
    kind = _KINDS.get(member.type, "f")
    size, content = 0, "-"
    if kind == "f":
        size, content = member.size, _digest(archive, member)
    elif kind == "l":
        content = member.linkname
    elif kind in "cb":
        content = f"{member.devmajor}:{member.devminor}"
    return f"{kind} {stat.S_IMODE(member.mode):04o} {member.uid}:{member.gid} {size} {content}"


def _digest(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    total = hashlib.sha256()
    file = archive.extractfile(member)
    while file is not None and (piece := file.read(_PIECE)):
        total.update(piece)
    return total.hexdigest()
