"""Keeping a program's output: secrets struck out, every line told, memory and room on the disk bounded."""

import errno
import io
import os
import stat
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from kit.errors import IncompleteError
from kit.ports import OnLine
from kit.redaction import Redactor, clean_lines, plain

KEPT_BYTES = 64 * 1024 * 1024
"""A log grows so far; then its middle is cut out, since its beginning tells how the program started, its end how it ended."""


def kept(log: Path) -> IO[bytes]:
    """The log of a program, to be appended to; opened before the program starts, which may write into its folder.

    Raises `OSError` for a link, which would lead to a file that somebody else chose, and for what is no plain file.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    file = io.FileIO(log, "a+", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is no plain file", str(log))
    return file


class _Log:
    """A file that is appended to, and whose middle is cut out where it grows too long; a marker says how much."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._head: int | None = None
        self._lines = 0
        self._bytes = 0

    def write(self, line: bytes) -> None:
        self._append(line)
        self._size += len(line)
        if self._head is None and self._size >= KEPT_BYTES // 2:
            self._head = self._size
        if self._size >= KEPT_BYTES and self._head is not None:
            self._cut(self._head)

    def _append(self, content: bytes) -> None:
        # The last write before a disk is full may take a part and say nothing.
        if self._file.write(content) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)

    def _cut(self, head: int) -> None:
        # Never by its name, which may stand for another file by now.
        rest = os.pread(self._file.fileno(), self._size - head, head)
        keep = rest.find(b"\n", len(rest) // 2) + 1
        gone, last = rest[:keep], rest[keep:]
        earlier = gone.startswith(b"[kit: ")
        marker = gone.find(b"\n") + 1 if earlier else 0
        self._lines += gone.count(b"\n") - earlier
        self._bytes += len(gone) - marker
        told = f"[kit: {self._lines} lines ({self._bytes} bytes) were cut out here]\n".encode()
        self._file.truncate(head)
        self._append(told + last)
        self._size = head + len(told) + len(last)


class Pump(threading.Thread):
    """Copies chunks of output into a log until they end."""

    def __init__(self, chunks: Iterable[bytes], kept: IO[bytes], redactor: Redactor, on_line: OnLine) -> None:
        super().__init__(daemon=True)
        self._chunks = chunks
        self._kept = _Log(kept)
        self._redactor = redactor
        self._on_line = on_line
        self._error: OSError | None = None
        self.start()

    def run(self) -> None:
        for line in clean_lines(self._chunks, self._redactor):
            if self._error is not None:
                continue
            try:
                self._kept.write(line)
                if text := plain(line.decode(errors="replace")):
                    self._on_line(text)
            except OSError as error:
                # Keep reading: a full pipe would hang the program instead of ending the run with a reason.
                self._error = error

    def check(self) -> None:
        """Raise `IncompleteError` if the log could not be written."""
        if self._error is not None:
            msg = f"the output of a program could not be written: {self._error.strerror}"
            raise IncompleteError(msg, hint="make room on the disk, then kit run --resume") from self._error
