"""Workbooks: sheets written from top to bottom, with the same bytes for the same cells; of pandas they know nothing."""

import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from xml.sax.saxutils import escape
from zipfile import ZIP_STORED, ZipFile

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import Cell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.writer.excel import ExcelWriter

from kit.renderers.archive import still
from kit.renderers.word import clean

Value = str | int | float | bool | None

_ACTIVE = ("=", "+", "-", "@", "#")  # how a formula or an error value begins
_CODED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
LONGEST_TEXT = 32_000  # a cell holds 32767 characters; what is longer goes on in the next cell


class Book:
    """A workbook whose sheets are written from top to bottom."""

    def __init__(self) -> None:
        self._book = Workbook(write_only=True)
        self._long: dict[str, bytes] = {}

    def long(self, name: str, titles: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
        """A sheet as `sheet` makes it, of very many rows: written at once, where openpyxl makes an object of every cell."""
        self.sheet(name, titles, ())
        quoted = _text(WriteOnlyCell(self._book.worksheets[-1], value=None), "=").style_id
        letters = [get_column_letter(number) for number in range(1, 100)]
        lines = (
            "".join(_xml(f"{letter}{line}", value, quoted) for letter, value in zip(letters, row, strict=False))
            for line, row in enumerate(rows, start=2)
        )
        written = "".join(f'<row r="{line}">{cells}</row>' for line, cells in enumerate(lines, start=2))
        self._long[f"xl/worksheets/sheet{len(self._book.worksheets)}.xml"] = written.encode()

    def sheet(
        self,
        name: str,
        titles: Sequence[str],
        rows: Iterable[Sequence[Value]],
        *,
        number_format: str | None = None,
        widths: Sequence[int] | None = None,
    ) -> None:
        """A sheet with a frozen header; texts are texts whatever they look like, numbers are numbers."""
        sheet = self._book.create_sheet(name)
        sheet.freeze_panes = "A2"
        for position, title in enumerate(titles, start=1):
            width = widths[position - 1] if widths else max(12, len(title) // 2 + 6)
            sheet.column_dimensions[get_column_letter(position)].width = width
        header = [WriteOnlyCell(sheet, value=title) for title in titles]
        for cell in header:
            cell.font = Font(bold=True)
            cell.alignment = Alignment(wrap_text=True, vertical="center")
        sheet.append(header)

        def written(value: Value) -> Value | Cell:
            if isinstance(value, str):
                text = _plain(value)
                return _text(WriteOnlyCell(sheet, value=None), text) if text.startswith(_ACTIVE) else text
            if number_format is not None and isinstance(value, float):
                cell = WriteOnlyCell(sheet, value=value)
                cell.number_format = number_format
                return cell
            return value

        for row in rows:
            sheet.append([written(value) for value in row])

    def stored(self, title: str, creator: str, at: datetime) -> bytes:
        properties = self._book.properties
        properties.creator = creator
        properties.title = title
        content = io.BytesIO()
        # Stored, not packed: `still` packs it.
        ExcelWriter(self._book, ZipFile(content, "w", ZIP_STORED)).save()
        return still(content.getvalue(), at, self._long)


def _xml(place: str, value: Value, quoted: int) -> str:
    """A cell as its sheet stores it; `quoted` is the style of texts that could be taken for a formula."""
    if value is None:
        return ""
    if isinstance(value, str):
        text = _plain(value)
        style = f' s="{quoted}"' if text.startswith(_ACTIVE) else ""
        return f'<c r="{place}"{style} t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{value:d}</v></c>'
    return f'<c r="{place}"><v>{value:.16g}</v></c>'


def _plain(text: str) -> str:
    """Text as a workbook holds it, where `_x0041_` would be read as the character of that number."""
    return _CODED.sub("_x005F_", clean(text))


def _text(cell: Cell, text: str) -> Cell:
    """A cell that holds this text and never a formula or an error value, not even after someone edits it."""
    cell.value = text
    cell.data_type = "s"
    cell.quotePrefix = True
    return cell
