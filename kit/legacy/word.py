"""Word documents into blocks, through python-docx. Entities are refused before it opens them; merged cells repeat their text."""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kit.errors import UsageError
from kit.legacy.blocks import MOST_BLOCKS, NUMBER, Block, Code, Grid, Heading, Paragraph, TableRow
from kit.legacy.tables import inspect

if TYPE_CHECKING:
    from docx.document import Document

_HEADING = re.compile(r"(?i)(heading|标题) ?[1-9]")
_CONTENTS = re.compile(r"(?i)toc|目录|contents|caption|题注|title|subtitle")
_CODE = re.compile(r"(?i)code|代码|macro|preformatted")


def read(content: bytes) -> tuple[Block, ...]:
    """The blocks of a Word document. Raises `UsageError` where it is none."""
    from docx import Document
    from docx.opc.exceptions import OpcError

    inspect(content)
    try:
        return tuple(_blocks(Document(io.BytesIO(content))))
    # Whatever a damaged document makes of the library's parsers; there is no common class for it.
    except (OpcError, SyntaxError, KeyError, ValueError, TypeError, AttributeError, IndexError, OSError) as error:
        raise UsageError(f"is not a Word document that can be read: {error}") from error
    except zipfile.BadZipFile as error:
        raise UsageError(f"is not a Word document: {error}") from error


def _blocks(document: "Document") -> Iterator[Block]:
    from docx.table import Table

    tables = paragraphs = 0
    for number, element in enumerate(document.iter_inner_content()):
        if number > MOST_BLOCKS:
            raise UsageError(f"has more than {MOST_BLOCKS} paragraphs")
        if isinstance(element, Table):
            tables += 1
            where = f"table {tables}"
            rows = tuple(
                TableRow(f"{where}, row {at}", tuple(cell.text.strip() for cell in row.cells))
                for at, row in enumerate(element.rows, start=1)
            )
            yield Grid(where, rows)
            continue
        paragraphs += 1
        where, text = f"paragraph {paragraphs}", element.text
        style = str(element.style.name) if element.style is not None and element.style.name else ""
        if not text.strip() or _CONTENTS.search(style):
            continue
        if _HEADING.match(style):
            yield Heading(where, NUMBER.sub("", text.strip()))
        elif _CODE.search(style):
            yield Code(where, text)
        else:
            yield Paragraph(where, text.strip())
