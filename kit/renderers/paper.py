"""Tables on paper: what stands in their columns says how wide they are."""

import re
import unicodedata
from collections.abc import Container, Sequence

from kit.renderers import word
from kit.renderers.table import Table
from kit.renderers.word import cell, paragraph, run

_HALF_DIGIT = 46  # of a digit of 9 pt, in twentieths of a point
_PADDING = 200
_BETWEEN = re.compile(r"[ \n\t]+")
_NARROW = frozenset(".,:;'|!()[]")
_LONGEST, _WORD, _CHINESE = 88, 32, 16
"""Halves of a digit: no text asks for more in a line; a longer word may be broken; a column of Chinese is not narrower."""


def laid(found: Table, whole: int, texts: Container[int]) -> str:
    """A table with the notes below it, `whole` wide in twentieths of a point; the columns of `texts` are no figures."""
    across = widths(found.columns, found.rows, whole)
    rows = [[cell(title, "KitHead") for title in found.columns]]
    rows += [
        [cell(text) if at in texts else cell(folded(text, across[at]), "KitNumber") for at, text in enumerate(row)]
        for row in found.rows
    ]
    table = word.table(rows, across, about=found.title, whole_rows=word.short(found.rows))
    return table + "".join(paragraph("KitNote", run(note)) for note in found.notes)


def widths(titles: Sequence[str], rows: Sequence[Sequence[str]], whole: int) -> tuple[int, ...]:
    """The widths of the columns of a table, `whole` together, in twentieths of a point.

    Every column has room for its longest word, so that no figure and no interval is broken where the page has room for all of
    them; what is left goes to the columns whose texts would fill it.
    """
    columns = [(title, *(row[at] for row in rows)) for at, title in enumerate(titles)]
    # Titles are bold.
    least = [max(_word(title) * 5 // 4, *map(_word, texts)) * _HALF_DIGIT + _PADDING for title, *texts in columns]
    most = [
        max(low, max(min(_across(text), _LONGEST) for text in column[1:]) * _HALF_DIGIT + _PADDING)
        for column, low in zip(columns, least, strict=True)
    ]
    if sum(least) >= whole:
        shares = [whole * width // sum(least) for width in least]
    elif sum(most) <= whole:
        shares = [width + (whole - sum(most)) // len(most) for width in most]
    else:
        room, asked = whole - sum(least), sum(most) - sum(least)
        shares = [low + room * (high - low) // asked for low, high in zip(least, most, strict=True)]
    return (*shares[:-1], whole - sum(shares[:-1]))


def folded(text: str, width: int) -> str:
    """A figure with its interval, which stands below it where a column of that width has no room for both in a line."""
    value, _, interval = text.partition(" (")
    fits = _across(text) * _HALF_DIGIT + _PADDING <= width
    return text if fits or "–" not in interval else f"{value}\n({interval}"


def _across(text: str) -> int:
    return max(sum(map(_halves, line)) for line in text.split("\n"))


def _word(text: str) -> int:
    """The longest piece that no line breaks; Chinese breaks anywhere."""
    return max(min(_across(piece), _CHINESE if _is_chinese(piece) else _WORD) for piece in _BETWEEN.split(text))


def _is_chinese(piece: str) -> bool:
    return any(_halves(character) == 4 for character in piece)


def _halves(character: str) -> int:
    """A Chinese character takes the room of two digits, a dot or a bracket that of a half."""
    return 4 if unicodedata.east_asian_width(character) in "WF" else 1 if character in _NARROW else 2
