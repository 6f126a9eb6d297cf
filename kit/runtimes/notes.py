"""Notes of what a kit has begun outside its own process, so that the next command can clear it up after a kill.

A note is a symbolic link in the cache: its name is a mark, which tells whose it is and whether that kit still lives; where it
points is a run directory, a folder in which something is made, or `docker` for containers and networks. Temporary folders carry
their mark in their own name.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from kit.resources import cache
from kit.runtimes import marks

DOCKER = "docker"
_SCRATCH = re.compile(r"\.?kit-[a-z]+-(?P<mark>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)-.*")


@dataclass(frozen=True, slots=True)
class Note:
    """One note: `what` is the path of a run or of a folder in which something is made, or `DOCKER`."""

    path: Path
    what: str

    def drop(self) -> None:
        """Nothing is left of it."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def take(what: str) -> Note:
    """Note something before it is begun. Where the cache cannot be written there is no note: that stops no run."""
    note = Note(_folder() / marks.fresh(), what)
    with suppress(OSError):
        note.path.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(what, note.path)
    return note


def left() -> tuple[Note, ...]:
    """The notes of kits that are no longer alive."""
    found: list[Note] = []
    try:
        names = sorted(os.listdir(_folder()))
    except OSError:
        return ()
    for name in names:
        with suppress(OSError):
            if not marks.owner_alive(name):
                found.append(Note(_folder() / name, os.readlink(_folder() / name)))
    return tuple(found)


def scratch(name: str) -> "tempfile.TemporaryDirectory[str]":
    """A temporary folder that is removed when it is no longer needed, or by the next command if kit is killed before."""
    return tempfile.TemporaryDirectory(prefix=f"kit-{name}-{marks.fresh()}-")


@contextmanager
def scratch_in(parent: Path, name: str) -> Iterator[Path]:
    """As `scratch`, in a folder of its own: for what is too large for others, or moves from there to its place at once."""
    path = parent.absolute() / f".kit-{name}-{marks.fresh()}-"
    note = take(str(path))
    try:
        path.mkdir(mode=0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            note.drop()


def is_scratch(what: str) -> bool:
    """Whether a note is of a folder in which something was made."""
    return _SCRATCH.fullmatch(os.path.basename(what)) is not None


def sweep_scratch() -> None:
    """Remove the temporary folders of kits that are no longer alive: they may hold secrets."""
    base = tempfile.gettempdir()
    with suppress(OSError):
        for entry in os.scandir(base):
            found = _SCRATCH.fullmatch(entry.name)
            if found is None or marks.owner_alive(found["mark"]):
                continue
            if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                shutil.rmtree(entry.path, ignore_errors=True)


def _folder() -> Path:
    return cache() / "notes"
