"""Files that are there whole or not at all, after a kill and after a loss of power too."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kit.errors import IncompleteError, KitError

_FULL = {errno.ENOSPC: "no space is left", errno.EDQUOT: "the quota is used up", errno.EROFS: "it is read-only"}

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

    The kernel keeps it for as long as its owner lives: no file stays behind.
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
            # Network shares that lock no directories: there the lock of the machine must do.
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
        yield True
    finally:
        os.close(descriptor)


def _write_beside(path: Path, content: bytes) -> Path:
    make_directory(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp makes 0600, which a colleague cannot read
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
