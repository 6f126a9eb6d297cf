"""A document as its blocks, in their order, each with the place where it stands; Markdown and Word become the same."""

import re
from dataclasses import dataclass

MOST_BYTES = 20_000_000
MOST_BLOCKS = 50_000


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, without its number."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One line or paragraph of text."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """A block of code, as it stands."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table: its cells as text."""

    where: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table, its title row like any other."""

    where: str
    rows: tuple[TableRow, ...]


Block = Heading | Paragraph | Code | Grid

NUMBER = re.compile(r"^\s*(?:[0-9]{1,3}(?:\.[0-9]{1,3})*\.?|[一二三四五六七八九十]{1,3}、)\s+")
"""The number before a title: `2.1`, `2.`, `二、`."""
