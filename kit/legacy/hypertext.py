"""Tables written in HTML, as a reader sees them: a cell that covers several rows or columns is there in each of them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

from kit.errors import UsageError

MOST_SPAN = 1000
MOST_CELLS = 1_000_000


@dataclass(slots=True)
class Written:
    """A table: its id where it has one, and its rows with the line that each begins in."""

    id: str | None
    line: int
    rows: list[tuple[int, list[str]]] = field(default_factory=list)


def tables(text: str, *, without: str = "") -> list[Written]:
    """All tables of a text in their order; elements named `without` are left out. Raises `UsageError` where they are too large."""
    reader = _Reader(without)
    # Not closed: what begins and never ends, such as a comment, is left out as in browsers. The parser would look for each such
    # end again from the next beginning on, which takes the square of their number.
    reader.feed(text)
    return reader.found


class _Reader(HTMLParser):
    def __init__(self, without: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Written] = []
        self._without = without
        self._left_out = 0
        self._depth = 0
        self._cell: list[str] | None = None
        self._spans = (1, 1)
        self._below: dict[int, tuple[int, str]] = {}
        self._cells = 0

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """A section that is none of SGML's is a comment, as in browsers, and no failed assertion."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self._depth += 1
            if self._depth == 1:
                self.found.append(Written(given.get("id"), self.getpos()[0]))
                self._below.clear()
        elif tag == self._without:
            self._left_out += 1
        elif tag == "br" and self._cell is not None:
            self._cell.append("\n")
        if self._depth != 1:  # a table inside a cell is text of that cell
            return
        if tag == "tr":
            self._end_cell()
            self._end_row()
            self.found[-1].rows.append((self.getpos()[0], []))
        elif tag in ("td", "th") and self.found[-1].rows:
            self._end_cell()
            self._fill()
            self._cell, self._spans = [], (_span(given.get("rowspan")), _span(given.get("colspan")))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._without:
            self._left_out = max(0, self._left_out - 1)
        elif tag == "p" and self._cell is not None:
            self._cell.append("\n")
        if self._depth == 1 and tag in ("td", "th", "tr", "table"):
            self._end_cell()
            if tag in ("tr", "table"):
                self._end_row()
        if tag == "table":
            self._depth = max(0, self._depth - 1)

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not self._left_out:
            self._cell.append(data)

    def _end_cell(self) -> None:
        if self._cell is None:
            return
        text, (down, across) = "".join(self._cell).strip(), self._spans
        self._cell = None
        for _ in range(across):
            row = self.found[-1].rows[-1][1]
            if down > 1:
                self._below[len(row)] = (down - 1, text)
            self._add(text)

    def _end_row(self) -> None:
        if self.found and self.found[-1].rows:
            self._fill()

    def _fill(self) -> None:
        """The cells of rows above that reach down to where the row stands now."""
        row = self.found[-1].rows[-1][1]
        while (reaching := self._below.get(at := len(row))) is not None:
            left, text = reaching
            self._add(text)
            if left == 1:
                del self._below[at]
            else:
                self._below[at] = (left - 1, text)

    def _add(self, text: str) -> None:
        self._cells += 1
        if self._cells > MOST_CELLS:
            raise UsageError(f"has tables of more than {MOST_CELLS} cells")
        self.found[-1].rows[-1][1].append(text)


def _span(written: str | None) -> int:
    return max(1, min(int(written[:6]), MOST_SPAN)) if written and written.isascii() and written.isdecimal() else 1
