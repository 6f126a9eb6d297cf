"""Whom a container runs as: kit's own user, but a load generator never as root, where what it reads allows that."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kit.model import Program

LOADS = frozenset({"load", "warmup", "calibration"})
NOBODY = 65534


@contextmanager
def lent(program: Program, directory: Path, secrets: Path | None) -> Iterator[str]:
    """The user of a program's container, `uid:gid`. Where that is nobody, it owns the working directory and its secrets while
    the context lasts."""
    if program.container.user is not None:
        yield program.container.user
        return
    own = os.getuid(), os.getgid()
    folders = [folder for folder in (directory, secrets) if folder is not None]
    able = _reachable(directory) and all(_open_to_all(Path(one.path)) for one in program.mounts)
    if own[0] != 0 or program.name not in LOADS or not able:
        yield f"{own[0]}:{own[1]}"
        return
    try:
        try:
            _give(folders, NOBODY, NOBODY)
        except OSError:
            # A share on which root is nobody special.
            yield f"{own[0]}:{own[1]}"
            return
        yield f"{NOBODY}:{NOBODY}"
    finally:
        with suppress(OSError):
            _give(folders, *own)


def _give(folders: list[Path], uid: int, gid: int) -> None:
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            with suppress(FileNotFoundError):
                os.chown(path, uid, gid, follow_symlinks=False)


def _reachable(path: Path) -> bool:
    """Whether others than root get to a path in a container: images close the home of root, below which it would lie."""
    return path.absolute().parts[1:2] != ("root",)


def _open_to_all(path: Path) -> bool:
    """Whether everybody may read what is mounted: a directory and the files right in it."""
    if not _reachable(path):
        return False
    try:
        if not path.is_dir():
            return bool(path.stat().st_mode & stat.S_IROTH)
        if path.stat().st_mode & (stat.S_IROTH | stat.S_IXOTH) != stat.S_IROTH | stat.S_IXOTH:
            return False
        return all(file.stat().st_mode & stat.S_IROTH for file in path.iterdir())
    except OSError:
        return False
