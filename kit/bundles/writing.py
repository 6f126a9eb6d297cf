"""Writing a bundle: the same bytes for the same files, in bounded memory, and whole or not at all."""

import hashlib
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from kit.errors import HostError, UsageError
from kit.model.bundle import BUNDLE, Manifest, Member
from kit.runtimes import notes

BLOCK = 512
PIECE = 1024 * 1024
END = bytes(2 * BLOCK)


def header(name: str, size: int) -> bytes:
    """What stands before a file in a bundle, with nothing in it but its name and size."""
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict")


def padding(size: int) -> int:
    """How many zeros follow a file of a size."""
    return -size % BLOCK


def measure(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a plain file. Raises `UsageError` where it is none."""
    if path.is_symlink() or not path.is_file():
        raise UsageError(f"{path} is no plain file and cannot be bundled")
    total, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            total.update(piece)
            size += len(piece)
    return size, total.hexdigest()


def write(out: Path, manifest: Manifest, sources: Mapping[str, Path]) -> str:
    """Write a bundle from the file of each member; its SHA-256. Raises `HostError` and leaves nothing behind."""
    total = hashlib.sha256()
    with notes.scratch_in(out.parent, "bundle") as scratch:
        with open(scratch / out.name, "xb") as file:
            content = manifest.to_json()
            _put(file, total, header(BUNDLE, len(content)) + content + bytes(padding(len(content))))
            for member in manifest.members:
                _put(file, total, header(member.name, member.size))
                _copy(file, total, member, sources[member.name])
                _put(file, total, bytes(padding(member.size)))
            _put(file, total, END)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch / out.name, out)
    return total.hexdigest()


def _put(file: IO[bytes], total: "hashlib._Hash", content: bytes) -> None:
    file.write(content)
    total.update(content)


def _copy(file: IO[bytes], total: "hashlib._Hash", member: Member, path: Path) -> None:
    own, size = hashlib.sha256(), 0
    with open(path, "rb") as source:
        while piece := source.read(PIECE):
            own.update(piece)
            size += len(piece)
            _put(file, total, piece)
    if (size, own.hexdigest()) != (member.size, member.sha256):
        raise HostError(f"{path} changed while it was bundled", hint="bundle when nothing writes there")
