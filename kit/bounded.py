"""Files from elsewhere: only plain ones are opened, and none is read whole that is larger than it may be."""

import errno
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEXT_BYTES = 64 * 1024**2
"""Of a text or a list that has no bound of its own; what any program writes of that kind is far below."""


class UnfitError(OSError):
    """A file that is there and is not read; `strerror` says why."""


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """A file to read from, piece by piece.

    Raises `UnfitError` for what is no plain file, since a device or a pipe may have no end, or none that comes. Raises
    `OSError` as `open` does.
    """
    # A pipe without anybody who writes is opened at once by it; to a plain file it means nothing.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise UnfitError(errno.EINVAL, "it is no plain file", str(path))
        yield file


def read(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes.

    Raises `UnfitError` as `opened` does; and, with `EFBIG`, for what is larger. Raises `OSError` as `open` does.
    """
    with opened(path) as file:
        # What it says of its size is not all: files of the kernel have none, and another program may still write.
        large = os.fstat(file.fileno()).st_size > most
        content = b"" if large else file.read(most + 1)
        if large or len(content) > most:
            raise UnfitError(errno.EFBIG, f"it is larger than {most} bytes", str(path))
        return content
