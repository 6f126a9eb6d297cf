"""Tables on the terminal in which no key and no digit is ever cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_BETWEEN = 2
_NARROWEST, _LONGEST_WORD = 10, 24


@dataclass(frozen=True, slots=True)
class Column:
    """A column; a text that `folds` may go on in the next line, all else stays in one piece."""

    title: str = ""
    right: bool = False
    folds: bool = False


class Rows:
    """A table as wide as its texts; where the terminal has no room for what may not fold, each row is a few lines of titles
    and values instead."""

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[str | Text]]) -> None:
        self._columns = columns
        self._rows = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]

    def __rich_console__(self, _: object, options: ConsoleOptions) -> RenderResult:
        for between in (_BETWEEN, 1):
            if (widths := self._widths(options.max_width, between)) is not None:
                yield self._table(widths, between)
                return
        yield from self._lines(options.max_width)

    def _table(self, widths: Sequence[int], between: int) -> Table:
        high = max((column.title.count("\n") for column in self._columns), default=0)
        titled = any(column.title for column in self._columns)
        table = Table(box=None, pad_edge=False, padding=(0, between, 0, 0), show_header=titled)
        for column, width in zip(self._columns, widths, strict=True):
            title = "\n" * (high - column.title.count("\n")) + column.title
            table.add_column(title, width=width, justify="right" if column.right else "left", overflow="fold")
        for row in self._rows:
            table.add_row(*row)
        return table

    def _widths(self, room: int, between: int) -> list[int] | None:
        """The width of every column, or None where not even the narrowest ones fit."""
        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._columns)
        whole = [
            max(
                map(cell_len, (*column.title.split("\n"), *(line for cell in cells for line in cell.plain.split("\n"))))
            )
            for column, cells in zip(self._columns, columns, strict=True)
        ]
        widths = [
            min(most, max(_NARROWEST, *(_word(cell.plain) for cell in cells))) if column.folds and cells else most
            for column, cells, most in zip(self._columns, columns, whole, strict=True)
        ]
        spare = room - sum(widths) - between * (len(widths) - 1)
        if spare < 0:
            return None
        for at, most in enumerate(whole):
            more = min(spare, most - widths[at])
            widths[at] += more
            spare -= more
        return widths

    def _lines(self, room: int) -> Iterator[Text]:
        for row in self._rows:
            line = Text()
            for column, cell in zip(self._columns, row, strict=True):
                if not cell.plain:
                    continue
                title = " ".join(column.title.split())
                piece = Text.assemble((f"{title} ", "dim") if title else "", cell)
                if line.plain.strip() and line.cell_len + _BETWEEN + piece.cell_len > room:
                    yield line
                    line = Text("  ").append_text(piece)
                else:
                    line.append(" " * _BETWEEN if line.plain.strip() else "").append_text(piece)
            yield line


def _word(text: str) -> int:
    return min(max(map(cell_len, text.split()), default=0), _LONGEST_WORD)
