"""Files from elsewhere, read whole: plain ones only, and none that is larger than it may be."""

import errno
import os
import stat
from pathlib import Path


class UnfitError(OSError):
    """A file that is there and is not read; `strerror` says why."""


def read(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes.

    Raises `UnfitError` for what is no plain file, since a device or a pipe may have no end, or none that comes; and, with
    `EFBIG`, for what is larger. Raises `OSError` as `open` does.
    """
    # A pipe without anybody who writes is opened at once by it; to a plain file it means nothing.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise UnfitError(errno.EINVAL, "it is no plain file", str(path))
        # What it says of its size is not all: files of the kernel have none, and another program may still write.
        content = file.read(most + 1) if found.st_size <= most else b""
        if found.st_size > most or len(content) > most:
            raise UnfitError(errno.EFBIG, f"it is larger than {most} bytes", str(path))
        return content
