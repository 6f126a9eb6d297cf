"""Tables on paper: what stands in their columns says how wide they are."""

import re
import unicodedata
from collections.abc import Container, Sequence
from itertools import pairwise

from kit.renderers import word
from kit.renderers.table import Table
from kit.renderers.word import cell, paragraph, run

_HALF_DIGIT = 46  # of a digit of 9 pt, in twentieths of a point
_PADDING = 180
_PIECES = re.compile(r"[\u3400-\u9fff]+|[^\s\u3400-\u9fff]+")
_NARROW = frozenset(".,:;'|!()[]")
_LONGEST, _WORD, _IDEOGRAPHS = 88, 36, 16
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

    Room goes first to the longest word of each column, so that no figure and no interval is broken, then to the words of the
    titles, then to whole texts; what is left goes to all columns alike.
    """
    columns = list(zip(*rows, strict=True))
    least = [max(map(_word, texts)) for texts in columns]
    titled = [max(low, _word(title, bold=True)) for low, title in zip(least, titles, strict=True)]
    most = [
        max(low, *(min(_across(text), _LONGEST) for text in texts)) for low, texts in zip(titled, columns, strict=True)
    ]
    levels = [[halves * _HALF_DIGIT + _PADDING for halves in level] for level in (least, titled, most)]
    if sum(levels[0]) >= whole:
        shares = [whole * width // sum(levels[0]) for width in levels[0]]
    else:
        shares = [width + (whole - sum(levels[-1])) // len(titles) for width in levels[-1]]
        for lower, upper in pairwise(levels):
            if sum(lower) < whole <= sum(upper):
                room, asked = whole - sum(lower), sum(upper) - sum(lower)
                shares = [low + room * (high - low) // asked for low, high in zip(lower, upper, strict=True)]
    return (*shares[:-1], whole - sum(shares[:-1]))


def folded(text: str, width: int) -> str:
    """A figure with its interval, which stands below it where a column of that width has no room for both in a line."""
    value, _, interval = text.partition(" (")
    fits = _across(text) * _HALF_DIGIT + _PADDING <= width
    return text if fits or "–" not in interval else f"{value}\n({interval}"


def _across(text: str) -> int:
    return max(sum(map(_halves, line)) for line in text.split("\n"))


def _word(text: str, *, bold: bool = False) -> int:
    """The longest piece that no line breaks; ideographs are no wider in bold, and lines break between them."""
    return max(
        (
            min(_across(piece), _IDEOGRAPHS)
            if "\u3400" <= piece[0] <= "\u9fff"
            else min(_across(piece) * (5 if bold else 4) // 4, _WORD)
            for piece in _PIECES.findall(text)
        ),
        default=0,
    )


def _halves(character: str) -> int:
    """A Chinese character and a percent sign take the room of two digits, a dot or a bracket that of a half."""
    return (
        4 if character == "%" or unicodedata.east_asian_width(character) in "WF" else 1 if character in _NARROW else 2
    )
