"""Files that are there whole or not at all, after a kill and after a loss of power too."""

import errno
import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kit import owners
from kit.errors import IncompleteError, KitError

_FULL = {errno.ENOSPC: "no space is left", errno.EDQUOT: "the quota is used up", errno.EROFS: "it is read-only"}
_NO_LOCKS = (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)
"""What network shares (NFS, Lustre) say that lock no directories."""
HELD = "held"
"""What the file of who writes into a directory would become, if it were to become anything."""
_LOOK_S = 1.0
_UNFINISHED = re.compile(rf"\.(?P<name>.+?)\.(?:(?P<mark>{owners.PATTERN})|[a-z0-9_]{{8}})\.part", re.DOTALL)
"""The names of unfinished files; those of earlier kits do not say whose they are."""

SCARCE_BYTES = 1 << 20
"""With less room than this, a program that failed may well have failed for want of it."""


def write_once(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; an existing file is never touched (`FileExistsError`)."""
    temporary = _write_beside(path, content)
    try:
        os.link(temporary, path)
    except OSError as error:
        # File systems without hard links (exFAT, some network shares): rename is as whole, its check a moment earlier.
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from error
        os.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def replace(path: Path, content: bytes) -> None:
    """Put a new whole file in the place of `path`."""
    temporary = _write_beside(path, content)
    try:
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def make_directory(path: Path) -> None:
    """A directory that is still there after a loss of power, and so are those above it that did not exist yet."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def sync_tree(path: Path) -> None:
    """Make durable what other programs wrote below a directory."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                with suppress(PermissionError):
                    sync(file)
        sync(Path(folder))


@contextmanager
def held(path: Path, busy: Callable[[], object] | None = None) -> Iterator[bool]:
    """Be the only one who writes into a directory while the context lasts. Where somebody else already is, gives False; with
    `busy`, calls it and waits.

    The kernel keeps it for as long as its owner lives: no file stays behind. Where directories cannot be locked, a file in it says
    who writes there.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if busy is None:
                yield False
                return
            busy()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            with _announced(path, busy) as free:
                yield free
            return
        yield True
    finally:
        os.close(descriptor)


@contextmanager
def _announced(path: Path, busy: Callable[[], object] | None) -> Iterator[bool]:
    """Say first that one writes here, and look for others then: of two who come at once none writes, or one."""
    own = _beside(path / HELD)
    try:
        free = _first(path, own)
        if not free and busy is not None:
            busy()
            while not (free := _first(path, own)):
                time.sleep(_LOOK_S)
        yield free
    finally:
        own.unlink(missing_ok=True)


def _first(path: Path, own: Path) -> bool:
    with suppress(OSError):  # where nothing can be written, nobody else writes either
        own.touch(exist_ok=False)
    for name in os.listdir(path):
        found = _UNFINISHED.fullmatch(name)
        if found is None or found["name"] != HELD or found["mark"] is None or name == own.name:
            continue
        if owners.alive(found["mark"]):
            own.unlink(missing_ok=True)
            return False
        (path / name).unlink(missing_ok=True)
    return True


def unfinished(name: str) -> str | None:
    """The name that an unfinished file was to get, by its own; None for a file of any other name."""
    found = _UNFINISHED.fullmatch(name)
    return found["name"] if found is not None else None


def has_owner(name: str) -> bool:
    """Whether the name of an unfinished file says whose it is: what does is certainly kit's own."""
    found = _UNFINISHED.fullmatch(name)
    return found is not None and found["mark"] is not None


def clear(folder: Path, *, below: bool = True, earlier: bool = False) -> tuple[Path, ...]:
    """Remove the unfinished files of kits that are no longer alive from a folder, and from those below it; `earlier`: those of
    earlier kits too, of whom this is not known."""
    removed: list[Path] = []
    for home, folders, names in os.walk(folder):
        if not below:
            folders.clear()
        for name in names:
            found = _UNFINISHED.fullmatch(name)
            if found is None or (owners.alive(found["mark"]) if found["mark"] else not earlier):
                continue
            path = Path(home, name)
            with suppress(FileNotFoundError):
                if stat.S_ISREG(path.lstat().st_mode):
                    path.unlink()
                    removed.append(path)
    return tuple(removed)


def _beside(path: Path) -> Path:
    """An unfinished file beside the one that it is to become; its name says whose it is."""
    return path.with_name(f".{path.name}.{owners.fresh()}.part")


def _write_beside(path: Path, content: bytes) -> Path:
    make_directory(path.parent)
    temporary = _beside(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # only now: what is not whole is nobody else's
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def sync(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_error(error: OSError, path: Path) -> IncompleteError:
    """What an error while writing below `path` means to whoever runs kit."""
    if error.errno in _FULL:
        where = error.filename or path
        return IncompleteError(f"cannot write {where}: {_FULL[error.errno]}", hint="make room, then kit run --resume")
    return IncompleteError(f"the run was cut short: {error}", hint=f"kit run --resume {path}")


def with_room_told(error: KitError, path: Path) -> KitError:
    """The same error, and where hardly anything fits beside `path` any more, that too: programs seldom say it themselves."""
    try:
        free = shutil.disk_usage(path).free
    except OSError:
        return error
    if free >= SCARCE_BYTES:
        return error
    msg = f"{error.message}\nhardly any space is left where {path} lies: {free // 1024} KiB"
    return type(error)(msg, hint="make room, then kit run --resume", problems=error.problems)
