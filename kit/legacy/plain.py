"""Text written into YAML by hand, so that the profile of an import reads like one that a person wrote."""

import json
import re

_PLAIN = re.compile(r"(?:/|--?)?[A-Za-z](?:[A-Za-z0-9/_.+-]|=(?=[A-Za-z0-9]))*|0|[1-9][0-9]{0,8}|[0-9]+\.[0-9.]*[0-9]")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "nan", "inf"))


def text(value: str) -> str:
    """A text as YAML reads it back, plain where nothing in it acts."""
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else _escape(character) for character in quoted)


def _escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"
