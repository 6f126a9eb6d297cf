"""Tables of results in csv and xlsx: the original script's, baselines, kit's own, and the tables of reports."""

import csv
import io
import math
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from pydantic import ValidationError

from kit.errors import Problem, UsageError
from kit.model import Length
from kit.model.table import METRICS, Cell, Row

LARGEST_BYTES = 20_000_000
MOST_ROWS = 100_000
MOST_COLUMNS = 200

# A title names the first column of which the pattern fits; means over all rounds are no figures of a row.
_TITLES: tuple[tuple[str, str], ...] = (
    ("", r"所有轮次"),
    ("input", r"input( ?length)?|输入( ?长度)?"),
    ("output", r"output( ?length)?|输出( ?长度)?"),
    ("loop", r"loop|轮次"),
    ("concurrency", r"concurrency|并发数?"),
    ("requests", r"requests|number|请求数"),
    ("latency", r"avg_latency_s|(avg|average) ?latency ?\(s\)|端到端时延.*"),
    ("output_throughput", r"output_throughput_tok_s|output ?token ?throughput.*|系统吞吐.*"),
    ("ttft", r"avg_ttft_s|average time to first token \(s\)|avg ?ttft ?\(s\)|平均首 ?token ?时延.*"),
    ("tpot", r"avg_tpot_s|average time per output token \(s\)|avg ?tpot ?\(s\)|平均每 ?token ?延迟.*"),
    ("tps", r"avg_tps|单轮次 ?avg ?tps|.*avg ?tps"),
    ("per_stream_throughput", r"per_stream_tok_s|(单轮次)?平均单路吞吐.*|avg throughput per stream.*"),
)
_CASE = ("input", "output", "concurrency")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([^"']*)["']""")
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
    plain = " ".join(title.replace("*", " ").replace("（", "(").replace("）", ")").split()).lower()
    for name, pattern in _TITLES:
        if re.match(pattern, plain) if not name else re.fullmatch(pattern, plain):
            return name
    return None


def table(header: Sequence[str], lines: Sequence[Line], place: Callable[[Line, int], str] | None = None) -> Table:
    """The rows below a header. A line that cannot be read is a problem and no row."""
    names = [column(title) for title in header]
    for name in (*_CASE, *METRICS):
        if names.count(name) > 1:
            raise UsageError(f"the column for {name.replace('_', ' ')} stands there {names.count(name)} times")
    missing = [name for name in _CASE if name not in names]
    if missing or not any(name in names for name in METRICS):
        wanted = ", ".join(missing) or "any figure such as the latency"
        raise UsageError(f"this is not a table of results: it has no column for {wanted}")
    script = any(title.strip().lower() == _SCRIPT for title in header)
    steps = {name: _step(lines, at, 4 if script else 2) for at, name in enumerate(names) if name in METRICS}
    rows: list[Row] = []
    problems: list[Problem] = []
    for line in lines:
        if not any(cell.strip() for cell in line.cells):
            continue
        found = _row(names, header, line, steps, place)
        if isinstance(found, Row):
            rows.append(found)
        else:
            problems += found
    return Table(tuple(rows), tuple(problems))


def _row(
    names: Sequence[str | None],
    header: Sequence[str],
    line: Line,
    steps: dict[str, float],
    place: Callable[[Line, int], str] | None,
) -> Row | list[Problem]:
    if len(line.cells) > len(names):
        return [Problem(line.where, f"has {len(line.cells)} cells below {len(names)} titles")]
    values: dict[str, object] = {}
    problems: list[Problem] = []
    for at, (name, text) in enumerate(zip(names, line.cells, strict=False)):
        text = text.strip()
        where = place(line, at) if place else f"{line.where}, {' '.join(header[at].split())}"
        try:
            if name in ("input", "output"):
                values[name] = Length.model_validate(text)
            elif name in ("concurrency", "loop", "requests"):
                values[name] = _count(text, least=0 if name == "loop" else 1)
            elif name in METRICS and text not in ("", "—", "-"):
                values[str(name)] = Cell(value=_figure(text), step=steps[str(name)], where=where)
        except ValidationError as error:
            problems.append(Problem(where, error.errors()[0]["msg"].removeprefix("Value error, ")))
        except ValueError as error:
            problems.append(Problem(where, str(error)))
    problems += [Problem(line.where, f"has no {name}") for name in _CASE if name not in values and not problems]
    return problems or Row.model_validate(values)


def _count(text: str, *, least: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}(\.0)?", text) or (number := int(text.removesuffix(".0"))) < least:
        raise ValueError(f"{text[:40]!r} is not a whole number of at least {least}")
    return number


def _figure(text: str) -> float:
    value = float(text) if re.fullmatch(r"[-+]?[0-9]{1,15}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?", text) else math.nan
    if math.isnan(value):
        raise ValueError(f"{text[:40]!r} is not a number")
    return value


def _step(lines: Iterable[Line], at: int, least: int) -> float:
    """The step of a column: its longest fraction without final zeros tells how it was rounded, since `59` stands for 59.00."""
    places = least
    for line in lines:
        try:
            exponent = Decimal(line.cells[at].strip()).normalize().as_tuple().exponent if at < len(line.cells) else 0
        except InvalidOperation:
            continue
        places = max(places, -exponent) if isinstance(exponent, int) else places
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
        for cells in reader:
            lines.append(Line(f"line {reader.line_num}", tuple(cells)))
            if len(lines) > MOST_ROWS or len(cells) > MOST_COLUMNS:
                raise UsageError(f"is too large: at most {MOST_ROWS} rows of {MOST_COLUMNS} columns are read")
    except csv.Error as error:
        raise UsageError(f"is not csv (line {reader.line_num}: {error})") from error
    if not lines:
        raise UsageError("is empty")
    return table(lines[0].cells, lines[1:])


def _xlsx(content: bytes) -> Table:
    from openpyxl import load_workbook
    from openpyxl.utils import get_column_letter

    inspect(content)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        sheet = book.worksheets[0]
        lines = [
            Line(f"row {number}", tuple("" if value is None else str(value) for value in values))
            for number, values in enumerate(
                sheet.iter_rows(max_row=MOST_ROWS, max_col=MOST_COLUMNS, values_only=True), start=1
            )
        ]
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
    return table(lines[0].cells, lines[1:], lambda line, at: f"{get_column_letter(at + 1)}{line.where[4:]}")


def inspect(content: bytes) -> None:
    """Refuse an archive that grows beyond all bounds or brings entities of its own, before any library opens it."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > 2000 or sum(member.file_size for member in members) > 5 * LARGEST_BYTES:
                raise UsageError("is too large once unpacked")
            for member in members:
                with archive.open(member) as file:
                    _refuse_entities(member.filename, file.read(5 * LARGEST_BYTES))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UsageError(f"is not an archive that can be read: {error}") from error


def _refuse_entities(name: str, content: bytes) -> None:
    """Office never writes a document type, and entities can only come from one; nor any encoding but UTF-8 and UTF-16."""
    plain = content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe\0 \t\r\n").replace(b"\0", b"")
    if not plain.startswith(b"<"):
        if name.endswith((".xml", ".rels")) and content:
            raise UsageError(f"{name} is no XML")
        return
    declared = plain.partition(b"?>")[0] if plain.startswith(b"<?xml") else b""
    said = _ENCODING.search(declared)
    if len(declared) > 200 or (said is not None and said[1].lower() not in (b"utf-8", b"utf-16", b"us-ascii")):
        raise UsageError(f"{name} is written in an encoding that no office program uses")
    if b"<!DOCTYPE" in plain.upper():
        raise UsageError(f"{name} declares a document type, which no office program writes")
