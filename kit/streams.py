"""Standard output and standard error that outlive whoever reads them: a closed terminal, or a `| head` that has seen enough.

Kit measures for hours, and all that it finds is in files: that nobody looks any more is no reason to stop.
"""

import errno
import io
import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE = (errno.EPIPE, errno.EIO)
"""What a pipe and a terminal without a reader answer."""
_lost: list[str] = []


def lost() -> str | None:
    """Which of the streams nobody reads any more; None where all are read."""
    return " and ".join(_lost) or None


def lasting(stream: TextIO, title: str) -> TextIO:
    """The same stream, whose writes do not fail once its reader is gone: what nobody reads is dropped."""
    stream.flush()
    buffered = io.BufferedWriter(_Lasting(stream.fileno(), title))
    return io.TextIOWrapper(buffered, stream.encoding, stream.errors, line_buffering=bool(stream.line_buffering))


class _Lasting(io.FileIO):
    def __init__(self, descriptor: int, title: str) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._title = title

    def write(self, content: "ReadableBuffer", /) -> int:
        try:
            return super().write(content)
        except OSError as error:
            if error.errno not in _GONE:
                raise
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self.fileno())
        os.close(null)
        _lost.append(self._title)
        return super().write(content)
