"""Characters that act instead of being read: they move a terminal, or turn round the order in which a text is seen."""

import re

# All but tabulator and line feed: C0, DEL and C1 (U+009B begins a sequence as ESC [ does), and the marks that set a direction.
_ACTING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[@-Z\\-_]"
)


def readable(text: str) -> str:
    """Text without the characters that act; every other one stays, also what they would have acted with."""
    return _ACTING.sub("", text)


def for_terminal(text: str) -> str:
    """Text without the characters that act, and without the sequences that they begin."""
    return readable(_SEQUENCE.sub("", text))


def in_json(text: str) -> str:
    """JSON with the characters that act as escapes, which any reader takes back: it is the same data."""
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
