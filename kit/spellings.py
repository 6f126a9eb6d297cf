"""The spellings in which programs write down a secret, and what stands in their place. Packed with kit's instruments, and so by itself."""

import base64
import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

_STAR = b"Kioq"
"""`***` in base64: where it stands in the place of a part, the whole can still be read."""


def masks(secrets: Iterable[str]) -> dict[bytes, bytes]:
    """Each spelling of each secret with its mask, which is as long; the longest first, since one may hold another."""
    found = {word: mask for secret in filter(None, secrets) for word, mask in _of(secret)}
    return dict(sorted(found.items(), key=lambda pair: len(pair[0]), reverse=True))


def masked(content: bytes, found: Mapping[bytes, bytes]) -> bytes:
    """Content with every spelling behind its mask, byte for byte."""
    for word, mask in found.items():
        content = content.replace(word, mask)
    return content


def _of(secret: str) -> Iterator[tuple[bytes, bytes]]:
    raw = secret.encode()
    for text in (
        secret,
        urllib.parse.quote(secret),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        raw.hex(),
        raw.hex().upper(),
    ):
        yield text.encode(), b"*" * len(text.encode())
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
