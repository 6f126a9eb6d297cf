"""Tables of results in csv and xlsx: the original script's, baselines, kit's own, and the tables of reports."""

import csv
import io
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from kit import office
from kit.errors import Problem, UsageError
from kit.legacy import cells
from kit.legacy.cells import Column
from kit.model import Length
from kit.model.rates import load_told
from kit.model.table import METRICS, Cell, Row

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

LARGEST_BYTES = 20_000_000
MOST_ROWS = 100_000
MOST_COLUMNS = 200

_CASE = ("input", "output", "concurrency")
_TALLEST = 20
"""How many lines of text may stand above a table."""
_MERGED_BYTES = 500_000
"""Up to here the cells of a workbook are looked at one by one, which takes long."""
_NOTHING = ("", "—", "-")
_SCRIPT = "average time per output token (s)"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: where it stands, and its cells as written."""

    where: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What was read, and what could not be."""

    rows: tuple[Row, ...]
    problems: tuple[Problem, ...] = ()


def column(title: str) -> str | None:
    """What a column holds, by its title; None for a title that is not known, empty for one that is known and not used."""
    found = cells.column(title)
    return found.name if found is not None else None


def table(header: Sequence[str], lines: Sequence[Line], place: Callable[[Line, int], str] | None = None) -> Table:
    """The rows below a header. A line that cannot be read is a problem and no row."""
    columns = [cells.column(title) for title in header]
    names = [one.name if one is not None else None for one in columns]
    for name in (*_CASE, *METRICS):
        if names.count(name) > 1:
            raise UsageError(f"the column for {name.replace('_', ' ')} stands there {names.count(name)} times")
    missing = [name for name in _CASE if name not in names]
    if missing or not any(name in names for name in METRICS):
        wanted = ", ".join(missing) or "any figure such as the latency"
        raise UsageError(f"this is not a table of results: it has no column for {wanted}")
    script = any(title.strip().lower() == _SCRIPT for title in header)
    steps = {
        one.name: _step(lines, at, one, 4 if script else 2)
        for at, one in enumerate(columns)
        if one is not None and one.name in METRICS
    }
    rows: list[Row] = []
    problems: list[Problem] = []
    for line in lines:
        if not any(cell.strip() for cell in line.cells):
            continue
        found = _row(columns, header, line, steps, place)
        if isinstance(found, Row):
            rows.append(found)
        else:
            problems += found
    return Table(tuple(rows), tuple(problems))


def _row(
    columns: Sequence[Column | None],
    header: Sequence[str],
    line: Line,
    steps: dict[str, float],
    place: Callable[[Line, int], str] | None,
) -> Row | list[Problem]:
    if len(line.cells) > len(columns):
        return [Problem(line.where, f"has {len(line.cells)} cells below {len(columns)} titles")]
    values: dict[str, object] = {}
    problems: list[Problem] = []
    for at, (column, text) in enumerate(zip(columns, line.cells, strict=False)):
        if column is None:
            continue
        name = column.name
        where = place(line, at) if place else f"{line.where}, {' '.join(header[at].split())}"
        try:
            if name in ("input", "output"):
                values[name] = Length.model_validate(cells.length(text))
            elif name == "concurrency" and (load := load_told(text)) is not None:
                values |= load
            elif name in ("status", "draft"):
                values[name] = text.strip() or None
            elif name == "failed" and text.strip() in _NOTHING:
                continue
            elif name in ("concurrency", "loop", "requests", "failed"):
                values[name] = cells.count(text, least=0 if name in ("loop", "failed") else 1)
            elif name in METRICS and text.strip() not in _NOTHING:
                figure = cells.figure(text, column)
                values[name] = Cell(value=figure.value, step=steps[name], where=where)
        except ValidationError as error:
            problems.append(Problem(where, error.errors()[0]["msg"].removeprefix("Value error, ")))
        except ValueError as error:
            problems.append(Problem(where, str(error)))
    problems += [Problem(line.where, f"has no {name}") for name in _CASE if name not in values and not problems]
    sent, failed = values.get("requests"), values.get("failed")
    if isinstance(sent, int) and isinstance(failed, int):
        values["sent"] = sent
        if failed > sent:
            problems.append(Problem(line.where, f"has {failed} failed requests of {sent}"))
    return problems or Row.model_validate(values)


def _step(lines: Iterable[Line], at: int, column: Column, least: int) -> float:
    """The step of a column: its longest fraction without final zeros tells how it was rounded, since `59` stands for 59.00."""
    places = least
    for line in lines:
        if at < len(line.cells) and line.cells[at].strip() not in _NOTHING:
            with suppress(ValueError):
                places = max(places, cells.figure(line.cells[at], column).places)
    return 10.0 ** -min(places, 15)


def read(content: bytes, name: str) -> Table:
    """The table in a csv or xlsx file. Raises `UsageError` where it holds none."""
    if len(content) > LARGEST_BYTES:
        raise UsageError(f"{name} has {len(content)} bytes; a table has at most {LARGEST_BYTES}")
    try:
        return _xlsx(content) if content.startswith(b"PK\x03\x04") else _csv(content)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from error


def _csv(content: bytes) -> Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        try:
            # As spreadsheets on Chinese machines save it.
            text = content.decode("gb18030")
        except UnicodeDecodeError:
            raise UsageError(f"is not UTF-8 text (byte {error.start}), nor GB 18030") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[Line] = []
    try:
        for written in reader:
            lines.append(Line(f"line {reader.line_num}", tuple(written)))
            if len(lines) > MOST_ROWS or len(written) > MOST_COLUMNS:
                raise UsageError(f"is too large: at most {MOST_ROWS} rows of {MOST_COLUMNS} columns are read")
    except csv.Error as error:
        raise UsageError(f"is not csv (line {reader.line_num}: {error})") from error
    if not lines:
        raise UsageError("is empty")
    return _below(lines)


def _xlsx(content: bytes) -> Table:
    from openpyxl import load_workbook
    from openpyxl.utils import get_column_letter

    office.inspect(content)
    try:
        with warnings.catch_warnings():
            # What the library leaves out of a workbook (validations, extensions) is nothing that is read here.
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            sheet = book.worksheets[0]
            lines = [
                Line(f"row {number}", tuple("" if value is None else str(value) for value in values))
                for number, values in enumerate(
                    sheet.iter_rows(max_row=MOST_ROWS, max_col=MOST_COLUMNS, values_only=True), start=1
                )
            ]
            if len(content) <= _MERGED_BYTES and any("" in line.cells for line in lines):
                lines = _unmerged(lines, load_workbook(io.BytesIO(content), data_only=True).worksheets[0])
    # Whatever a damaged workbook makes of the library's parsers; there is no common class for it.
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        OSError,
        SyntaxError,
        zipfile.BadZipFile,
    ) as error:
        raise UsageError(f"is not a workbook that can be read: {error}") from error
    if not lines:
        raise UsageError("its first sheet is empty")
    return _below(lines, lambda line, at: f"{get_column_letter(at + 1)}{line.where[4:]}")


def _unmerged(lines: Sequence[Line], sheet: "Worksheet") -> list[Line]:
    """The lines with the text of a merged cell in every cell that it covers."""
    rows = [list(line.cells) for line in lines]
    for merged in sheet.merged_cells.ranges:
        # A note over the whole width is none of any column.
        if merged.min_col < merged.max_col:
            continue
        at, first = merged.min_col - 1, merged.min_row - 1
        for number in range(first, min(merged.max_row, len(rows))):
            if at < len(rows[number]) and at < len(rows[first]):
                rows[number][at] = rows[first][at]
    return [Line(line.where, tuple(row)) for line, row in zip(lines, rows, strict=True)]


def _below(lines: Sequence[Line], place: Callable[[Line, int], str] | None = None) -> Table:
    """The table, which may begin below some lines of text; these are told."""
    start = next((at for at, line in enumerate(lines[:_TALLEST]) if _is_header(line)), 0)
    above = [
        Problem(line.where, "stands above the table and was not read") for line in lines[:start] if any(line.cells)
    ]
    found = table(lines[start].cells, lines[start + 1 :], place)
    return Table(found.rows, (*above, *found.problems))


def _is_header(line: Line) -> bool:
    return set(_CASE) <= {column(title) for title in line.cells}
