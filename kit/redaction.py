"""Striking secrets out of everything that kit keeps or prints."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from kit import bounded, databases, looks
from kit.controls import for_terminal
from kit.errors import HostError
from kit.looks import STRUCK
from kit.model import Secret
from kit.spellings import Spellings

R = TypeVar("R", bound=BaseModel)

SHORTEST = 8
_read: set[str] = set()
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s]+@")
_PIECE = 16 * 1024**2
"""Bytes of a file that are looked at together."""
_LARGEST_KEY = 65536


def read_secret(secret: Secret) -> str:
    """The secret that a profile points at. Raises `HostError` when it is not there or too short to be struck out."""
    if secret.env is not None:
        where = f"the environment variable {secret.env}"
        value = os.environ.get(secret.env, "").strip()
        missing = f"{where} is not set"
    else:
        where = f"the file {secret.file}"
        try:
            value = bounded.read(Path(str(secret.file)).expanduser(), _LARGEST_KEY).decode("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise HostError(f"{where} with the API key cannot be read: {error}") from error
        missing = f"{where} is empty"
    if not value:
        # In its own container kit sees only what this variable named.
        named = ", name it in KIT_ENV," if secret.env is not None and "KIT_ENV" in os.environ else ""
        raise HostError(
            f"the profile takes the API key from {where}, but {missing}", hint=f"set it{named} and run again"
        )
    if len(value) < SHORTEST:
        msg = f"the API key in {where} has fewer than {SHORTEST} characters and could not be struck out of logs safely"
        raise HostError(msg, hint="use a longer key, or leave api_key out of the profile if the endpoint needs none")
    if not value.isprintable() or " " in value:
        raise HostError(f"the API key in {where} holds blanks or control characters")
    _read.add(value)
    return value


def without_secrets(text: str) -> str:
    """Text without any secret that this process has read, and without passwords in URLs: the last resort, for tracebacks."""
    return _URL_PASSWORD.sub(f"{STRUCK}@", Redactor(_read).text(text))


class Redactor:
    """Replaces secrets, in the spellings in which programs print them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._spellings = Spellings(secrets)
        self.longest = self._spellings.longest

    def __bool__(self) -> bool:
        """Whether there is any secret to be struck out."""
        return bool(self._spellings)

    def strike(self, content: bytes) -> bytes:
        return self._spellings.replaced(content, STRUCK.encode())

    def text(self, text: str) -> str:
        return self.strike(text.encode(errors="replace")).decode()

    def record(self, record: R) -> R:
        """A record with its texts struck."""
        if not self:
            return record
        whole = record.model_dump_json().encode()
        struck = self.strike(whole)
        return record if struck == whole else type(record).model_validate_json(struck)

    def uncut(self, content: bytes, place: int) -> int:
        """The place, or where a secret begins that lies across it; one that is longer than all before is cut."""
        for match in looks.WRITTEN.finditer(content):
            if 0 < match.start() < place < match.end():
                place = match.start()
        return self._spellings.uncut(content, place)

    def clean_file(self, path: Path) -> bool:
        """Overwrite secrets inside a finished file, byte for byte; true if any was found. Whatever its size it takes little memory.

        In a database the values come first: one that is longer than a page lies in pieces.
        """
        found = bool(self) and databases.rewrite(path, self._spellings.masked)
        for begin, cleaned in self._cleaned(path):
            found = True
            with open(path, "r+b") as out:
                out.seek(begin)
                out.write(cleaned)
        return found

    def finds(self, path: Path) -> bool:
        """Whether a plain file holds a secret."""
        masked = self._spellings.masked
        return any(masked(value) != value for value in databases.values(path)) or any(self._cleaned(path))

    def _cleaned(self, path: Path) -> Iterator[tuple[int, bytes]]:
        """Pieces of a file with the secrets in them masked, each with its place."""
        with bounded.opened(path) as file:
            begin = 0
            # With as much of the next piece as a secret may reach into; without a buffer, since it may have been masked meanwhile.
            while content := os.pread(file.fileno(), _PIECE + self.longest, begin):
                if (cleaned := self._spellings.masked(content)) != content:
                    yield begin, cleaned
                begin += _PIECE

    def clean_folder(self, folder: Path) -> None:
        """Overwrite secrets in every file below a folder, which need not be there."""
        # By name, so that a database comes before its journal, which is none any more when bytes in it were changed.
        for path in sorted(folder.rglob("*")) if self else ():
            if path.is_file() and not path.is_symlink():
                self.clean_file(path)


def clean_lines(chunks: Iterable[bytes], redactor: Redactor, longest_line: int = 65536) -> Iterator[bytes]:
    """Cut a byte stream into lines with secrets struck out; a line without end is handed on in pieces, memory stays bounded."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield looks.struck(redactor.strike(line + b"\n"))
        keep = max(redactor.longest, min(looks.REACH, longest_line // 2))
        if len(rest) > max(longest_line, 2 * keep):
            # What may still become a secret is kept back, and none is cut.
            place = redactor.uncut(rest, len(rest) - keep)
            yield looks.struck(redactor.strike(rest[:place]))
            rest = rest[place:]
    if rest:
        yield looks.struck(redactor.strike(rest))


def plain(text: str) -> str:
    """Text from another program made safe for a terminal: nothing in it acts, no passwords in URLs."""
    return _URL_PASSWORD.sub(f"{STRUCK}@", for_terminal(text)).rstrip()
