"""The table of results in kit's own HTML report, as a reader sees it."""

from html.parser import HTMLParser

from kit.errors import UsageError
from kit.legacy import tables
from kit.legacy.tables import Line, Table

MOST_SPAN = 1000


def read(content: bytes, name: str) -> Table:
    """The performance table. Raises `UsageError` where the page has none."""
    reader = _Reader()
    reader.feed(content.decode("utf-8", errors="replace"))
    if len(reader.rows) < 2:
        raise UsageError(f"{name} holds no table of results")
    lines = [Line(f"row {number}", tuple(row)) for number, row in enumerate(reader.rows[1:], start=1)]
    return tables.table(reader.rows[0], lines)


class _Reader(HTMLParser):
    """Collects the cells of the table `results`; a cell that stands for several rows is there in each of them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self._inside = False
        self._mark = False
        self._cell: list[str] | None = None
        self._span = 1
        self._below: dict[int, tuple[int, str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self._inside = given.get("id") == "results"
        elif not self._inside:
            return
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._fill()
            span = given.get("rowspan") or "1"
            self._cell, self._span = [], min(int(span), MOST_SPAN) if span.isdecimal() else 1
        elif tag == "sup":  # the number of a note
            self._mark = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "sup":
            self._mark = False
        elif tag == "table":
            self._inside = False
        elif tag in ("td", "th") and self._inside and self._cell is not None and self.rows:
            text = "".join(self._cell).strip()
            if self._span > 1:
                self._below[len(self.rows[-1])] = (self._span - 1, text)
            self.rows[-1].append(text)
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None and not self._mark:
            self._cell.append(data)

    def _fill(self) -> None:
        while self.rows and (found := self._below.get(at := len(self.rows[-1]))) is not None:
            left, text = found
            self.rows[-1].append(text)
            if left == 1:
                del self._below[at]
            else:
                self._below[at] = (left - 1, text)
