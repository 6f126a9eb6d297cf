"""Striking secrets out of everything that kit keeps or prints."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from kit import bounded, databases
from kit.controls import for_terminal
from kit.errors import HostError
from kit.model import Secret
from kit.spellings import Spellings

R = TypeVar("R", bound=BaseModel)

SHORTEST = 8
STRUCK = "***"
_read: set[str] = set()
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s]+@")
_WORDS = (
    r"(?:(?:api|access|private|secret|auth|admin)[-_]?keys?"
    r"|(?:auth|access|bearer|api|hf|hub|git\w{0,8}|refresh|session|user|secret)[-_]?token"
    r"|passw(?:or)?d|passphrase|secret|credentials?)"
)
_NAMED = re.compile(rf"(?i)(?:^|[-_]){_WORDS}$|^(?:token|pwd|pass|\w+password)$")
_VARIABLE = re.compile(r"(?i)(?:^|_)(?:token|key|pwd|pass)$")
"""Of variables, whose names say less; flags such as `--pad-token` name no secret."""
_NONE = r"(?i:\d{0,7}|true|false|none|null|empty|dummy)"
"""A value that says that there is no secret."""
_KEYS = (
    # What the keys of well-known services look like, and JSON web tokens.
    r"\b(?:sk-[\w-]{20,}|hf_\w{30,}|gh[pousr]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{30,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|eyJ[\w-]{8,2000}\.eyJ[\w-]{8,2000}\.[\w-]+)"
)
_AFTER = (
    # What stands before a secret: a name, be it a field, a header, a parameter of a URL or a flag.
    rf"(?i:{_WORDS}[\"']?\s{{0,9}}[:=]\s{{0,9}}[\[\"']{{0,3}}"
    r"|[\"']token[\"']\s{0,9}:\s{0,9}[\"']|[?&](?:token|key)="
    rf"|(?<!\S)--(?:(?:[\w-]{{0,40}}-)?{_WORDS}|token)(?:=|\s{{1,9}})"
    r"|\b(?:proxy-)?authorization[\"']?\s{0,9}[:=]\s{0,9}[\[\"']{0,3}(?:(?:bearer|basic|token)\s{1,9})?"
    r"|\b(?:bearer|basic)\s{1,9}(?=[^\s\d]{0,200}\d))"
    rf"(?!{_NONE}(?:[\s\"',;&\])}}]|$))"
)
_VALUE = r"[^\s\"',;&\])}]"
_HELD = re.compile(rf"://[^/\s@]+@|{_AFTER}{_VALUE}|{_KEYS}|-----BEGIN [A-Z ]*PRIVATE KEY-----")
_WRITTEN = re.compile(rf"(?<=://)[^/\s:@]*:[^/\s]+(?=@)|({_AFTER}){_VALUE}+|{_KEYS}".encode())
_HINTS = tuple(
    b"key passw passphrase secret credential -token _token token= token' token\" authoriz bearer basic :// sk- hf_ ghp_ gho_ ghu_ ghs_"
    b" ghr_ github_pat glpat xox aiza akia asia eyj".split()
)
"""What is in every line of which a part is struck: to look for these first is quick, and most lines have none."""
_PIECE = 16 * 1024**2
"""Bytes of a file that are looked at together."""
_LARGEST_KEY = 65536
_REACH = 4096
"""A secret that is known by its looks is not longer, with what stands before it."""


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
        raise HostError(f"the profile takes the API key from {where}, but {missing}", hint="set it and run again")
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


def names_secret(name: str, *, variable: bool = False) -> bool:
    """Whether a flag, or a variable, of that name holds a secret."""
    return _NAMED.search(name.lstrip("-")) is not None or (variable and _VARIABLE.search(name) is not None)


def says_none(value: str) -> bool:
    """Whether a value says that there is no secret, whatever its name."""
    return re.fullmatch(_NONE, value) is not None


def holds_secret(value: str) -> bool:
    """Whether a value holds what looks like a secret, whatever it is called."""
    return _HELD.search(value) is not None


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
        for match in _WRITTEN.finditer(content):
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
            yield _unasked(redactor.strike(line + b"\n"))
        keep = max(redactor.longest, min(_REACH, longest_line // 2))
        if len(rest) > max(longest_line, 2 * keep):
            # What may still become a secret is kept back, and none is cut.
            place = redactor.uncut(rest, len(rest) - keep)
            yield _unasked(redactor.strike(rest[:place]))
            rest = rest[place:]
    if rest:
        yield _unasked(redactor.strike(rest))


def _unasked(line: bytes) -> bytes:
    """A line without what is a secret by its looks: programs write down such of their own, which kit never read."""
    low = line.lower()
    if not any(hint in low for hint in _HINTS):
        return line
    return _WRITTEN.sub(lambda found: (found[1] or b"") + STRUCK.encode(), line)


def plain(text: str) -> str:
    """Text from another program made safe for a terminal: nothing in it acts, no passwords in URLs."""
    return _URL_PASSWORD.sub(f"{STRUCK}@", for_terminal(text)).rstrip()
