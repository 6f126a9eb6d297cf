"""Keeping a program's output: secrets struck out, every line told, memory bounded."""

import threading
from collections.abc import Iterable
from typing import IO

from kit.errors import IncompleteError
from kit.ports import OnLine
from kit.redaction import Redactor, clean_lines, plain


class Pump(threading.Thread):
    """Copies chunks of output into a log until they end."""

    def __init__(self, chunks: Iterable[bytes], kept: IO[bytes], redactor: Redactor, on_line: OnLine) -> None:
        super().__init__(daemon=True)
        self._chunks = chunks
        self._kept = kept
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
