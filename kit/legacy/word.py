"""Word documents into blocks. python-docx opens them; the text is gathered here, so that nothing that a person sees is lost.

That is: what stands in content controls, links and accepted or pending insertions is read, what was deleted is not, and a
merged cell repeats its text in every row and column that it covers.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from kit import office
from kit.errors import UsageError
from kit.legacy.blocks import MOST_BLOCKS, NUMBER, Block, Code, Grid, Heading, Paragraph, TableRow
from kit.legacy.tables import MOST_COLUMNS

if TYPE_CHECKING:
    from docx.document import Document
    from docx.oxml.xmlchemy import BaseOxmlElement as Element

_HEADING = re.compile(r"(?i)(heading|标题) ?[1-9]")
_CONTENTS = re.compile(r"(?i)toc|目录|contents|caption|题注|title|subtitle")
_CODE = re.compile(r"(?i)code|代码|macro|preformatted")
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_UNSEEN = frozenset(f"{_W}{name}" for name in ("del", "moveFrom", "pPr", "rPr", "tcPr", "instrText", "delText")) | {
    # The same content once more, for programs of before 2010.
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
}
_CHARACTERS = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}


def read(content: bytes) -> tuple[Block, ...]:
    """The blocks of a Word document. Raises `UsageError` where it is none."""
    return tuple(_blocks(office.document(content)))


def _blocks(document: "Document") -> Iterator[Block]:
    styles = cast("Element", document.styles.element).findall(f"{_W}style")
    names = {style.get(f"{_W}styleId"): _value(style, "name") or "" for style in styles}
    tables = paragraphs = 0
    for number, element in enumerate(_inside(cast("Element", document.element.body))):
        if number > MOST_BLOCKS:
            raise UsageError(f"has more than {MOST_BLOCKS} paragraphs")
        if element.tag == f"{_W}tbl":
            tables += 1
            yield Grid(f"table {tables}", tuple(_rows(element, f"table {tables}")))
            continue
        paragraphs += 1
        where, text = f"paragraph {paragraphs}", _text(element)
        style = names.get(_value(element, "pPr/pStyle") or "", "")
        if not text.strip() or _CONTENTS.search(style):
            continue
        if _HEADING.match(style):
            yield Heading(where, NUMBER.sub("", text.strip()))
        elif _CODE.search(style):
            yield Code(where, text)
        else:
            yield Paragraph(where, text.strip())


def _inside(parent: "Element", *wanted: str) -> "Iterator[Element]":
    """The paragraphs and tables (or what is wanted) of a part, in their order, also inside wrappers such as content controls."""
    tags = {f"{_W}{name}" for name in wanted or ("p", "tbl")}
    for element in parent.iterchildren():
        if element.tag in tags:
            yield element
        elif element.tag not in _UNSEEN:
            yield from _inside(element, *wanted)


def _rows(table: "Element", where: str) -> Iterator[TableRow]:
    """The rows as a person sees them: a cell that is merged with the one above has its text."""
    above: list[str] = []
    for at, row in enumerate(_inside(table, "tr"), start=1):
        if row.find(f"{_W}trPr/{_W}del") is not None:
            continue
        cells: list[str] = [""] * _count(row, "trPr/gridBefore", least=0)
        for cell in _inside(row, "tc"):
            text = "\n".join(map(_text, _inside(cell, "p"))).strip()
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            if merged is not None and merged.get(f"{_W}val") != "restart" and len(cells) < len(above):
                text = above[len(cells)]
            cells += [text] * _count(cell, "tcPr/gridSpan", least=1)
        if len(cells) > MOST_COLUMNS:
            raise UsageError(f"has a table of more than {MOST_COLUMNS} columns ({where}, row {at})")
        yield TableRow(f"{where}, row {at}", tuple(cells))
        above = cells


def _count(element: "Element", path: str, *, least: int) -> int:
    written = _value(element, path) or str(least)
    if not re.fullmatch("[0-9]{1,9}", written) or int(written) > MOST_COLUMNS:
        raise UsageError(f"has a table of more than {MOST_COLUMNS} columns")
    return max(least, int(written))


def _value(element: "Element", path: str) -> str | None:
    found = element.find("/".join(f"{_W}{name}" for name in path.split("/")))
    return found.get(f"{_W}val") if found is not None else None


def _text(paragraph: "Element") -> str:
    parts: list[str] = []
    pending = [paragraph]
    while pending:
        element = pending.pop()
        if element.tag == f"{_W}t":
            parts.append(element.text or "")
        elif element.tag in _CHARACTERS:
            parts.append(_CHARACTERS[str(element.tag)])
        else:
            pending += reversed([child for child in element.iterchildren() if child.tag not in _UNSEEN])
    return "".join(parts)
