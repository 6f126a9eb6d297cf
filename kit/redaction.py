"""Striking secrets out of everything that kit keeps or prints."""

import base64
import json
import os
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

from kit.controls import for_terminal
from kit.errors import HostError
from kit.model import Secret

SHORTEST = 8
STRUCK = "***"
_read: set[str] = set()
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s@]+@")
_NAMES = (
    r"(?:api[-_]?key|(?:access|private|secret)[-_]?key|(?:auth|access|bearer|hf|hub)[-_]?token|password|passwd|secret)"
)
_NAMED = re.compile(rf"(?i)(?:^|[-_]){_NAMES}$")
_KEYS = (
    # What the keys of well-known services look like, and JSON web tokens.
    r"\b(?:sk-[\w-]{20,}|hf_\w{30,}|gh[pousr]_\w{30,}|(?:AKIA|ASIA)[0-9A-Z]{16}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)"
)
_HELD = re.compile(
    # A password in a URL, a field of JSON, a header.
    r"://[^/\s:@]*:[^/\s@]+@"
    rf"|(?i:[\"'](?:[\w-]*[-_])?{_NAMES}[\"']\s*:\s*[\"'][^\"'])"
    r"|(?i:\bauthorization\s*[:=]\s*\w)|(?i:\bbearer\s+\S{8})|" + _KEYS
)
_WRITTEN = re.compile(
    rf"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)|(?i:(?<=authorization: bearer ))\S+|{_KEYS}".encode(),
)


def read_secret(secret: Secret) -> str:
    """The secret that a profile points at. Raises `HostError` when it is not there or too short to be struck out."""
    if secret.env is not None:
        where = f"the environment variable {secret.env}"
        value = os.environ.get(secret.env, "").strip()
        missing = f"{where} is not set"
    else:
        where = f"the file {secret.file}"
        try:
            value = Path(str(secret.file)).expanduser().read_text("utf-8").strip()
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


def names_secret(name: str) -> bool:
    """Whether a variable or flag of that name holds a secret."""
    return _NAMED.search(name.lstrip("-")) is not None


def holds_secret(value: str) -> bool:
    """Whether a value holds what looks like a secret, whatever it is called."""
    return _HELD.search(value) is not None


class Redactor:
    """Replaces secrets, in the spellings in which programs print them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings: set[str] = set()
        for secret in filter(None, secrets):
            spellings |= {
                secret,
                urllib.parse.quote(secret),
                urllib.parse.quote(secret, safe=""),
                json.dumps(secret)[1:-1],
                json.dumps(secret, ensure_ascii=False)[1:-1],
                repr(secret)[1:-1],
                base64.b64encode(secret.encode()).decode().rstrip("="),
                base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
            }
        # The longest first: one spelling may hold another.
        self._spellings = sorted((word.encode() for word in spellings), key=len, reverse=True)
        self.longest = max((len(word) for word in self._spellings), default=1)

    def strike(self, content: bytes) -> bytes:
        for word in self._spellings:
            content = content.replace(word, STRUCK.encode())
        return content

    def text(self, text: str) -> str:
        return self.strike(text.encode()).decode()

    def clean_file(self, path: Path) -> bool:
        """Overwrite secrets inside a finished file, byte for byte, so that databases stay readable; true if any was found."""
        content = path.read_bytes()
        cleaned = content
        for word in self._spellings:
            cleaned = cleaned.replace(word, b"*" * len(word))
        if cleaned == content:
            return False
        path.write_bytes(cleaned)
        return True

    def clean_folder(self, folder: Path) -> None:
        """Overwrite secrets in every file below a folder, which need not be there."""
        for path in folder.rglob("*") if self._spellings else ():
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
        while len(rest) > longest_line:
            # A secret may lie across the cut: strike first, and keep back what may still become one.
            struck = redactor.strike(rest)
            keep = redactor.longest
            yield _unasked(struck[:-keep])
            rest = struck[-keep:]
    if rest:
        yield _unasked(redactor.strike(rest))


def _unasked(line: bytes) -> bytes:
    """A line without what is a secret by its looks: programs write down such of their own, which kit never read."""
    return _WRITTEN.sub(STRUCK.encode(), line)


def plain(text: str) -> str:
    """Text from another program made safe for a terminal: nothing in it acts, no passwords in URLs."""
    return _URL_PASSWORD.sub(f"{STRUCK}@", for_terminal(text)).rstrip()
