"""The spellings in which programs write down a secret, and what stands in their place. Packed with kit's instruments, and so by itself."""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from html.entities import html5

_STAR = b"Kioq"
"""`***` in base64: where it stands in the place of a part, the whole can still be read."""
_WIDEST = 12
"""Bytes that one byte of a secret may become."""
_BYTE, _UNIT, _QUOTE = rb"\\\\{0,3}(?:u00|x)", rb"\\\\{0,3}u", rb"\\\\{0,3}"
_PERCENT, _ENTITY = rb"%(?:25){0,2}", rb"&"
_SIGNS = {_BYTE: b"\\", _UNIT: b"\\", _QUOTE: b"\\", _PERCENT: b"%", _ENTITY: b"&"}
"""What the escapes of a character begin with, also where they are escaped again; and the first byte of it."""
_SIGNS_OF_BASE64 = "+/"
_SIGNED = re.compile(b"[+/]")
_ENTITIES: dict[str, list[bytes]] = {}
for _name, _meant in html5.items():
    if len(_name) < _WIDEST:
        _ENTITIES.setdefault(_meant, []).append(_name.encode())


class Spellings:
    """Some secrets, in all the ways in which programs write them down."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # The longest first, since one may hold another.
        known = sorted(set(filter(None, secrets)), key=len, reverse=True)
        self._patterns = tuple(re.compile(b"".join(map(_spelled, secret))) for secret in known)
        # Base64, where what it stands in escapes the two of its characters that are neither letters nor digits.
        encoded = [word.decode() for secret in known for word, _ in _base64(secret) if _SIGNED.search(word)]
        self._encoded = tuple(
            re.compile(b"".join(_spelled(one) if one in _SIGNS_OF_BASE64 else one.encode() for one in word))
            for word in encoded
        )
        characters = {*"".join(known), *(_SIGNS_OF_BASE64 if encoded else "")}
        escapes = [pair for character in sorted(characters) for pair in _escapes(character)]
        # To look for a byte is quickest, for an escape of any of their characters less so, and for whole secrets slow.
        self._escaped = tuple(
            (_SIGNS[lead], re.compile(lead + b"(?:%s)" % b"|".join(rest for other, rest in escapes if other == lead)))
            for lead in dict.fromkeys(lead for lead, _ in escapes)
        )
        masks = {word: mask for secret in known for word, mask in _of(secret)}
        self._masks = dict(sorted(masks.items(), key=lambda pair: len(pair[0]), reverse=True))
        self.longest = max((_WIDEST * len(word) for word in self._masks), default=1)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def masked(self, content: bytes) -> bytes:
        """Content with every spelling behind a mask that is as long, byte for byte."""
        content = self._sub(self._patterns, _stars, content)
        for word, mask in self._masks.items():
            content = content.replace(word, mask)
        return self._sub(self._encoded, _stars, content)

    def replaced(self, content: bytes, by: bytes) -> bytes:
        """Content with `by` in the place of every spelling."""
        content = self._sub(self._patterns, lambda _: by, content)
        for word in self._masks:
            content = content.replace(word, by)
        return self._sub(self._encoded, lambda _: by, content)

    def uncut(self, content: bytes, place: int) -> int:
        """The place, or where a spelling begins that lies across it."""
        for pattern in (*self._patterns, *self._encoded):
            for found in pattern.finditer(content, max(0, place - self.longest), place + self.longest):
                if 0 < found.start() < place < found.end():
                    place = found.start()
        for word in self._masks:
            begin = content.find(word, max(0, place - len(word) + 1), place + len(word) - 1)
            place = begin if 0 < begin < place else place
        return place

    def _sub(
        self, patterns: Iterable[re.Pattern[bytes]], mask: Callable[[re.Match[bytes]], bytes], content: bytes
    ) -> bytes:
        if any(sign in content and escaped.search(content) for sign, escaped in self._escaped):
            for pattern in patterns:
                content = pattern.sub(mask, content)
        return content


NONE = Spellings(())


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def _spelled(character: str) -> bytes:
    """A pattern of one character, escaped in any way or as it is."""
    return b"(?:%s|%s)" % (b"|".join(map(b"".join, _escapes(character))), re.escape(character.encode()))


def _escapes(character: str) -> Iterator[tuple[bytes, bytes]]:
    """Patterns of one character escaped, each in two parts: in JSON and in programs, in URLs, in HTML."""
    code = f"{ord(character):02x}"
    if len(code) == 2:
        yield _BYTE, _hex(code)
        yield _QUOTE, b"%03o" % ord(character)
    else:
        yield _UNIT, _UNIT.join(map(_hex, character.encode("utf-16-be").hex(" ", -2).split()))
    yield _UNIT, rb"\{0{0,4}%s\}" % _hex(code)
    if character.isascii() and not character.isalnum():
        yield _QUOTE, re.escape(character.encode())
    yield _PERCENT, _PERCENT.join(map(_hex, character.encode().hex(" ").split()))
    yield _ENTITY, b"#(?:0{0,4}%d|[xX]0{0,4}%s);?" % (ord(character), _hex(code))
    for name in sorted(_ENTITIES.get(character, ()), key=len, reverse=True):
        yield _ENTITY, name


def _hex(digits: str) -> bytes:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits).encode()


def _of(secret: str) -> Iterator[tuple[bytes, bytes]]:
    """The spellings in which no character stands for itself, and that of the secret itself; each with its mask, which is as long."""
    raw = secret.encode()
    for word in (raw, raw.hex().encode(), raw.hex().upper().encode()):
        yield word, b"*" * len(word)
    yield from _base64(secret)


def _base64(secret: str) -> Iterator[tuple[bytes, bytes]]:
    raw = secret.encode()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # Alone, and within something longer, where it may begin at each of three places of a group of three bytes.
        alone = encode(raw).rstrip(b"=")
        yield alone, _like(alone, 0)
        for before in range(3):
            whole = encode(bytes(before) + raw)
            # Characters that hold bits of what stands before or after are not known.
            begin, end = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            yield whole[begin:end], _like(whole[begin:end], begin)


def _like(word: bytes, begin: int) -> bytes:
    return bytes(_STAR[(begin + place) % len(_STAR)] for place in range(len(word)))
