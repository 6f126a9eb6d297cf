"""Facts in words, for a text in Chinese: a value with its unit, or why there is none."""

from typing import Protocol

from kit.formats import gib
from kit.model import Fact


class _Unread(Protocol):
    """A fact of any kind, asked why it has no value."""

    @property
    def reason(self) -> str | None: ...


def unread(found: _Unread) -> str:
    return f"未读到（{found.reason}）"


def said(found: Fact[str] | Fact[int] | Fact[float], unit: str = "") -> str:
    if found.value is None:
        return unread(found)
    return f"{found.value:g}{unit}" if isinstance(found.value, float) else f"{found.value}{unit}"


def listed(found: Fact[tuple[str, ...]] | Fact[tuple[int, ...]]) -> str:
    return unread(found) if found.value is None else " ".join(map(str, found.value))


def in_gib(found: Fact[int]) -> str:
    return unread(found) if found.value is None else gib(found.value)
