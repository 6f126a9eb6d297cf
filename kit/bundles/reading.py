"""Reading a bundle, which is hostile until proven otherwise: every file is looked at before anything is written.

A bundle is what kit would write for its manifest, byte for byte: whatever is not, is named and refused.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from kit import bounded
from kit.bundles import names, packed
from kit.bundles.names import shown
from kit.bundles.writing import BLOCK, END, PIECE, header, padding
from kit.errors import HostError, Problem, UsageError, VerificationError
from kit.model.bundle import BUNDLE, FOLDERS, Manifest, Member
from kit.ports import Progress

MOST_MEMBERS = 100_000
LARGEST_MANIFEST = 64_000_000
LARGEST_TEXT = 16_000_000
_SMALL = ("profile", "baseline", "lock")
_MOST_PROBLEMS = 50
_LONGEST_HEADER = 4096
_KINDS = {
    tarfile.SYMTYPE: "is a link",
    tarfile.LNKTYPE: "is a hard link",
    tarfile.CHRTYPE: "is a device file",
    tarfile.BLKTYPE: "is a device file",
    tarfile.FIFOTYPE: "is a pipe",
    tarfile.DIRTYPE: "is a folder",
}
_REFUSED = "ask whoever sent it for another copy"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose list and headers were checked; `places` says where in the file each member begins."""

    path: Path
    manifest: Manifest
    places: tuple[int, ...]

    @contextmanager
    def open(self, member: Member) -> Iterator[IO[bytes]]:
        """A member as a file, not compared with anything."""
        with open(self.path, "rb") as file:
            yield io.BufferedReader(packed.Section(file, self._place(member), member.size), PIECE)

    def _place(self, member: Member) -> int:
        return self.places[self.manifest.members.index(member)]

    def content(self, member: Member) -> bytes:
        """A small member, compared with its digest."""
        with open(self.path, "rb") as file:
            file.seek(self._place(member))
            found = file.read(member.size)
        if hashlib.sha256(found).hexdigest() != member.sha256:
            raise _refused(self.path, [Problem(member.name, "is not what the list says")])
        return found


def is_bundle(path: Path) -> bool:
    """Whether a file begins as a bundle does; nothing is checked."""
    try:
        with bounded.opened(path) as file:
            return file.read(len(BUNDLE) + 1) == BUNDLE.encode() + b"\0"
    except OSError:
        return False


def look(path: Path) -> Bundle:
    """The list of a bundle, after every header was compared with it; contents are not read.

    Raises `UsageError` where it is none, and `VerificationError` naming everything in it that may not be.
    """
    try:
        with bounded.opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            manifest, begin = _manifest(path, file, size)
            if problems := list(_unfit(manifest)):
                raise _refused(path, problems)
            places, problems = _headers(file, size, begin, manifest.members)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if problems:
        raise _refused(path, problems)
    return Bundle(path, manifest, tuple(places))


def check(bundle: Bundle, progress: Progress) -> None:
    """Read every file and compare it with the list; archives inside are measured. Raises `VerificationError`."""
    problems: list[Problem] = []
    with open(bundle.path, "rb") as file:
        for member, place in zip(bundle.manifest.members, bundle.places, strict=True):
            if member.size > 50_000_000:
                progress(f"{bundle.path.name}: reading {member.name}")
            if _digest(file, place, member.size) != member.sha256:
                problems.append(Problem(member.name, "was modified: its SHA-256 is not that of the list"))
            elif found := packed.wrong(file, place, member):
                problems.append(Problem(member.name, found))
    if problems:
        raise _refused(bundle.path, problems)


def extract(bundle: Bundle, members: Sequence[Member], to: Path, below: str = "") -> None:
    """Write members into an empty folder, without the folder `below` that their names begin with; each compared again."""
    index = {member.name: place for member, place in zip(bundle.manifest.members, bundle.places, strict=True)}
    try:
        with open(bundle.path, "rb") as file:
            for member in members:
                target = to / member.name.removeprefix(below).lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                file.seek(index[member.name])
                total, left = hashlib.sha256(), member.size
                descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
                with os.fdopen(descriptor, "wb") as out:
                    while left and (piece := file.read(min(PIECE, left))):
                        total.update(piece)
                        out.write(piece)
                        left -= len(piece)
                if total.hexdigest() != member.sha256:
                    raise _refused(bundle.path, [Problem(member.name, "changed while it was read")])
    except OSError as error:
        raise HostError(f"{error.filename or to} cannot be written: {error.strerror}", hint="make room") from error


# --- the list ----------------------------------------------------------------------------------------------------


def _manifest(path: Path, file: IO[bytes], size: int) -> tuple[Manifest, int]:
    """The list at the beginning, and where the first file's header stands."""
    block = file.read(BLOCK)
    try:
        first = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        first = tarfile.TarInfo("")
    if first.name != BUNDLE or not 0 < first.size <= size:
        raise UsageError(f"{path} is no bundle", hint="kit bundle makes one")
    if first.size > LARGEST_MANIFEST or block != header(BUNDLE, first.size):
        raise _refused(path, [Problem(BUNDLE, "is not as kit writes it")])
    content = file.read(first.size)
    try:
        found = Manifest.model_validate_json(content)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        where = shown(".".join(map(str, wrong["loc"])))
        raise _refused(path, [Problem(f"{BUNDLE}: {where}", wrong["msg"])]) from error
    rest = file.read(padding(first.size))
    if found.to_json() != content or rest.strip(b"\0"):
        raise _refused(path, [Problem(BUNDLE, "is not as kit writes it")])
    return found, file.tell()


def _unfit(manifest: Manifest) -> Iterator[Problem]:
    """What the list names and no bundle may hold."""
    members = manifest.members
    if len(members) > MOST_MEMBERS:
        yield Problem(BUNDLE, f"names {len(members)} files, and a bundle has at most {MOST_MEMBERS}")
        return
    for member in members:
        if found := names.wrong(member.name):
            yield Problem(shown(member.name), found)
        elif not member.name.startswith(FOLDERS[member.kind]):
            yield Problem(shown(member.name), f"is no place for a file of the kind {member.kind}")
        if member.kind in _SMALL and member.size > LARGEST_TEXT:
            yield Problem(shown(member.name), f"has {member.size} bytes: too many for a {member.kind}")
        if found := packed.unfit(member):
            yield Problem(shown(member.name), found)
    yield from names.clashes((BUNDLE, *(member.name for member in members)))
    if manifest.run is not None and (names.wrong(manifest.run) or "/" in manifest.run):
        yield Problem(f"{BUNDLE}: run", "is no name of a run")
    if len(manifest.of("profile")) != 1:
        yield Problem("profile.yaml", "must be there once")


# --- the headers -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """A header in the file: what it says, its bytes, and where its content begins."""

    name: str
    kind: str | None
    size: int
    raw: bytes
    place: int
    end: int


def _headers(file: IO[bytes], size: int, begin: int, members: Sequence[Member]) -> tuple[list[int], list[Problem]]:
    """Where each member begins; and all that is there and should not be, or is missing."""
    found: list[_Found] = []
    problems: list[Problem] = []
    expected = {member.name: member for member in members}
    seen: set[str] = set()
    for entry in _walk(file, size, begin, problems):
        if wrong := _wrong(file, entry, expected.get(entry.name), seen):
            problems.append(Problem(shown(entry.name), wrong))
        seen.add(entry.name)
        found.append(entry)
        if len(problems) >= _MOST_PROBLEMS:
            return [], problems
    problems += [Problem(name, "is missing") for name in expected if name not in seen][:_MOST_PROBLEMS]
    end = found[-1].end if found else begin
    if not problems and [entry.name for entry in found] != list(expected):
        problems.append(Problem(BUNDLE, "names the files in another order than they stand in"))
    if not problems and (size - end != len(END) or _nonzero(file, end, len(END))):
        problems.append(Problem("", "something stands behind the last file"))
    return [entry.place for entry in found], problems


def _wrong(file: IO[bytes], entry: _Found, wanted: Member | None, seen: set[str]) -> str | None:
    if entry.kind is not None:
        return entry.kind
    if found := names.wrong(entry.name):
        return found
    if entry.name in seen or entry.name == BUNDLE:
        return "stands there twice"
    if wanted is None:
        return "is not in the list"
    if wanted.size != entry.size:
        return f"has {entry.size} bytes, and {wanted.size} are in the list"
    if entry.raw != header(wanted.name, wanted.size) or _nonzero(file, entry.place + entry.size, padding(entry.size)):
        return "is not stored as kit stores it"
    return None


def _walk(file: IO[bytes], size: int, begin: int, problems: list[Problem]) -> Iterator[_Found]:
    """Every header from `begin` on, in bounded memory; what cannot be read further is one of the problems."""
    position, long_name, prefix = begin, "", b""
    while True:
        file.seek(position)
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            problems.append(Problem("", "the file is cut short"))
            return
        if not block.strip(b"\0"):
            return
        try:
            entry = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            problems.append(Problem("", f"byte {position} begins no file: {error}"))
            return
        place = position + BLOCK
        position = place + entry.size + padding(entry.size)
        if entry.size < 0 or position > size:
            problems.append(Problem(shown(entry.name), "says that it is longer than the whole bundle"))
            return
        if entry.type == tarfile.GNUTYPE_LONGNAME and not prefix and entry.size <= _LONGEST_HEADER:
            content = file.read(position - place)
            long_name = content[: entry.size].rstrip(b"\0").decode("utf-8", "surrogateescape")
            prefix = block + content
            continue
        kind = None if entry.type == tarfile.REGTYPE else _KINDS.get(entry.type, "is no plain file")
        target = f" to {shown(entry.linkname)}" if entry.linkname and kind is not None else ""
        told = f"{kind}{target}" if kind is not None else None
        yield _Found(long_name or entry.name, told, entry.size, prefix + block, place, position)
        long_name, prefix = "", b""


def _nonzero(file: IO[bytes], place: int, count: int) -> bool:
    file.seek(place)
    return bool(file.read(count).strip(b"\0"))


def _digest(file: IO[bytes], place: int, size: int) -> str:
    file.seek(place)
    total, left = hashlib.sha256(), size
    while left and (piece := file.read(min(PIECE, left))):
        total.update(piece)
        left -= len(piece)
    return total.hexdigest()


def _refused(path: Path, problems: Sequence[Problem]) -> VerificationError:
    return VerificationError(
        f"the bundle {path.name} is refused: nothing was written", problems=problems, hint=_REFUSED
    )
