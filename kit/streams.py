"""Standard output and standard error that outlive whoever reads them: a closed terminal, a `| head` that has seen enough, or a
log whose disk is full.

Kit measures for hours, and all that it finds is in files: that it cannot be told is no reason to stop.
"""

import errno
import io
import os
import select
import threading
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE = (errno.EPIPE, errno.EIO)
"""What a pipe and a terminal without a reader answer."""
_PATIENCE_MS = 1000
"""For so long a text that is only told waits for a slow reader of what must not block."""
_STANDARD = 3
_lost: dict[str, str] = {}
_only_told = threading.Event()


class UnwrittenError(OSError):
    """The result of a command could not be written."""


def lost() -> str | None:
    """Which of the streams do not take all that is told, and why; None where all do."""
    return "; ".join(_lost.values()) or None


def only_told() -> None:
    """From now on whatever is written is told beside what lies in files: no error of a stream is one of this process."""
    _only_told.set()


def opened(stream: TextIO | None, mode: Literal["r", "w"]) -> TextIO:
    """A stream, or one that nothing comes from and nobody reads where whoever started this process closed it.

    Its number is taken: the next file that is opened would get it, and whatever a library writes there.
    """
    if stream is not None:
        return stream
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < _STANDARD:
        os.set_inheritable(descriptor, True)
    # It stays open: what is made of this stream lives longer than the object.
    return open(descriptor, mode, encoding="utf-8", closefd=False)


def lasting(stream: TextIO, title: str, *, result: bool = False) -> TextIO:
    """The same stream, whose writes do not fail once its reader is gone: what nobody reads is dropped. Neither does one fail
    for any other reason, but for that of a `result` (`UnwrittenError`, once) while there is more than what is `only_told`.
    """
    stream.flush()
    buffered = io.BufferedWriter(_Lasting(stream.fileno(), title, result=result))
    # What the terminal's characters cannot say is no error either.
    errors = "backslashreplace" if stream.errors == "strict" else stream.errors
    return io.TextIOWrapper(buffered, stream.encoding, errors, line_buffering=bool(stream.line_buffering))


class _Lasting(io.FileIO):
    def __init__(self, descriptor: int, title: str, *, result: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._title = title
        self._result = result
        self._full = False

    def write(self, content: "ReadableBuffer", /) -> int:
        try:
            while (written := super().write(content)) is None:
                self._wait()
        except OSError as error:
            self._lose(error)
            return memoryview(content).nbytes
        self._full = False
        return written

    def _wait(self) -> None:
        """Until there is room again in what does not block by itself, which is an ordinary pipe or terminal otherwise."""
        told = _only_told.is_set() or not self._result
        ready = select.poll()
        ready.register(self.fileno(), select.POLLOUT)
        # Once is enough: a reader that hangs would hold up every line after it, too.
        if not ready.poll((0 if self._full else _PATIENCE_MS) if told else None):
            self._full = True
            raise BlockingIOError(errno.EAGAIN, "nobody reads it in time")

    def _lose(self, error: OSError) -> None:
        if error.errno in _GONE:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            _lost.setdefault(self._title, f"nobody reads {self._title} any more")
            return
        known = self._title in _lost
        _lost.setdefault(self._title, f"{self._title} cannot be written: {error.strerror}")
        if self._result and not _only_told.is_set() and not known:
            raise UnwrittenError(error.errno, _lost[self._title]) from error
