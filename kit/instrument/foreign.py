"""JSON that somebody else wrote: a server, or whoever changed a file that it is kept in."""

import json
import re
from itertools import chain

DEEPEST = 100
"""Levels of lists and objects; an answer of the OpenAI API has ten. What walks through them may call itself at each."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def loads(text: str) -> object:
    """What a text says. Raises `ValueError` where it is no JSON, or nested deeper than any answer.

    Halves of characters (lone surrogates), which JSON may hold and no file can, become question marks.
    """
    try:
        found: object = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested without end") from error
    if text.count("[") + text.count("{") > DEEPEST and not tree(found):
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    return whole(found) if _HALF.search(text) else found


def tree(found: object) -> bool:
    """Whether lists and dicts lie no deeper than `DEEPEST`, and each in one place: what is shared doubles wherever it is written out."""
    level: list[object] = [found]
    seen: set[int] = set()
    for _ in range(DEEPEST):
        parts = [part for part in level if isinstance(part, dict | list)]
        if not parts:
            return True
        known = len(seen)
        seen.update(map(id, parts))
        if len(seen) < known + len(parts):
            return False
        level = list(chain.from_iterable(part.values() if isinstance(part, dict) else part for part in parts))
    return False


def whole(found: object) -> object:
    """The same with question marks instead of halves of characters."""
    again: object = json.loads(json.dumps(found, ensure_ascii=False).encode("utf-8", "replace"))
    return again
