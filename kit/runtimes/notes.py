"""Notes of what a kit has begun outside its own process, so that the next command can clear it up after a kill.

A note is a symbolic link in the cache: its name is a mark, which tells whose it is and whether that kit still lives; where it
points is a run directory, a folder in which something is made, one into which files are written, or `docker` for containers and
networks. Temporary folders carry their mark in their own name too, for where no note could be taken. The cache may lie on a share that several machines use: what a kit
of another one notes is left to the kits there.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from kit import owners
from kit.resources import cache

DOCKER = "docker"
_WRITING = "writing:"
_SCRATCH = re.compile(rf"\.?kit-[a-z]+-(?P<mark>{owners.PATTERN})-.*")


@dataclass(frozen=True, slots=True)
class Note:
    """One note: `what` is the path of a run or of a folder in which something is made, `DOCKER`, or what `writing` noted."""

    path: Path
    what: str

    def drop(self) -> None:
        """Nothing is left of it."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def take(what: str) -> Note:
    """Note something before it is begun. Where the cache cannot be written there is no note: that stops no run."""
    note = Note(_folder() / owners.fresh(), what)
    with suppress(OSError):
        note.path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(what, note.path)
    return note


def left() -> tuple[Note, ...]:
    """The notes of kits that are no longer alive."""
    return tuple(note for note in _all() if not owners.alive(note.path.name))


def in_use(what: str) -> bool:
    """Whether a kit that may still be alive, here or on another machine, has noted the same."""
    return any(note.what == what and owners.alive(note.path.name) for note in _all())


def _all() -> Iterator[Note]:
    try:
        names = sorted(os.listdir(_folder()))
    except OSError:
        return
    for name in names:
        with suppress(OSError):
            yield Note(_folder() / name, os.readlink(_folder() / name))


@contextmanager
def scratch(name: str) -> Iterator[str]:
    """A temporary folder that is removed when it is no longer needed, or by the next command if kit is killed before, wherever that
    one has its own."""
    with _made(Path(tempfile.gettempdir()) / f"kit-{name}-{owners.fresh()}-{token_hex(4)}") as path:
        yield str(path)


@contextmanager
def scratch_in(parent: Path, name: str) -> Iterator[Path]:
    """As `scratch`, in a folder of its own: for what is too large for others, or moves from there to its place at once."""
    with _made(parent / f".kit-{name}-{owners.fresh()}-") as path:
        yield path


@contextmanager
def _made(path: Path) -> Iterator[Path]:
    path = path.absolute()
    note = take(str(path))
    try:
        path.mkdir(mode=0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            note.drop()


@contextmanager
def writing(*folders: Path) -> Iterator[None]:
    """Files are written into folders, whole or not at all: what a kill leaves unfinished in them the next command removes."""
    taken = [take(f"{_WRITING}{folder.absolute()}") for folder in dict.fromkeys(folders)]
    try:
        yield
    finally:
        for note in taken:
            note.drop()


def written_into(what: str) -> Path | None:
    """The folder of a note that `writing` took; None for another."""
    return Path(what.removeprefix(_WRITING)) if what.startswith(_WRITING) else None


def is_scratch(what: str) -> bool:
    """Whether a note is of a folder in which something was made."""
    return _SCRATCH.fullmatch(os.path.basename(what)) is not None


def sweep_scratch() -> None:
    """Remove the temporary folders of kits that are no longer alive: they may hold secrets."""
    base = tempfile.gettempdir()
    with suppress(OSError):
        for entry in os.scandir(base):
            found = _SCRATCH.fullmatch(entry.name)
            if found is None or owners.alive(found["mark"]):
                continue
            if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                shutil.rmtree(entry.path, ignore_errors=True)


def _folder() -> Path:
    return cache() / "notes"
