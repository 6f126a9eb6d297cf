"""Reading the boxes that accelerator tools draw: by their lines, cells and headers, never by column positions."""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kit.model.accelerator import Topology
from kit.model.evidence import UNSAID, Unread

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RULE = re.compile(r"^[+|][-=+|\s]*[-=]{3,}[-=+|\s]*$")
BUS_ID = re.compile(r"\b(?:[0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-7]\b")
_SLOTS = re.compile(
    r"NPU Util\(%\)|[A-Za-z][A-Za-z-]*\([^()]*\)|Process id in container|Process id|Process name|Process memory(?:\([^()]*\))?"
    r"|NPU ID|Slot ID|Chip ID|Phy-ID|Bus-Id|NPU|Name|Chip|Device|Health"
)
NUMBERED = ("NPU", "NPU ID", "Chip", "Chip ID", "Process id")
_FORMS = {"Health": r"-|[A-Za-z][A-Za-z ]*", "Bus-Id": r"-|NA|\S*:\S*"}
_VALUES = re.compile(r"[^\s/]+\s*/\s*[^\s/]+|[^\s/]+")


def lines(text: str) -> list[str]:
    """The lines without colours and without blanks at their ends."""
    return [line.strip() for line in _ESCAPES.sub("", text).splitlines()]


def is_rule(line: str) -> bool:
    """Whether a line is drawn between rows."""
    return bool(_RULE.match(line))


def cells(line: str) -> list[str] | None:
    """The cells of a row; None for anything else, a row that is cut off included."""
    if len(line) < 2 or line[0] != "|" or line[-1] != "|" or is_rule(line):
        return None
    return [cell.strip() for cell in line[1:-1].split("|")]


@dataclass
class Section:
    """A part of a table below its header: for every entry its values by the header's names."""

    headers: list[list[list[str]]]
    entries: list[dict[str, str]] = field(default_factory=list)
    lone: list[str] = field(default_factory=list)
    """Rows of one cell: sentences."""
    cut: bool = False
    """The last entry has no end."""


def sections(text: str) -> Iterator[Section]:
    """Every part of a text whose header names columns that are known, as `npu-smi info` prints them.

    An entry takes as many rows as the header; a row that does not fit is left out with its entry.
    """
    current: Section | None = None
    below = False
    waiting: list[dict[str, str]] = []
    for line in lines(text):
        row = cells(line)
        if row is not None and (header := _header(row)):
            if current is None or below:
                if current is not None:
                    current.cut |= bool(waiting)
                    yield current
                current, below, waiting = Section([]), False, []
            current.headers.append(header)
            continue
        if current is None:
            continue
        if row is None:
            current.cut |= line.startswith("|") and not is_rule(line)
            continue
        below = True
        if len(row) == 1:
            current.lone.append(row[0])
            continue
        found = _entry(current.headers[len(waiting)], row)
        if found is None and waiting:
            waiting = []
            current.cut = True
            found = _entry(current.headers[0], row)
        if found is None:
            continue
        waiting.append(found)
        if len(waiting) == len(current.headers):
            current.entries.append({name: value for part in reversed(waiting) for name, value in part.items()})
            waiting = []
    if current is not None:
        end = next((line for line in reversed(lines(text)) if line[:1] in ("|", "+")), "")
        current.cut |= bool(waiting) or not (is_rule(end) or len(cells(end) or ()) == 1)
        yield current


def _header(row: Sequence[str]) -> list[list[str]] | None:
    """The names above the columns, by cell; a cell with an unknown title is one column. None for rows that hold data."""
    if len(row) < 2 or sum(bool(_SLOTS.search(cell)) for cell in row) < 2 or re.match(r"[0-9]", "".join(row)):
        return None
    return [_titles(cell) for cell in row]


def _titles(cell: str) -> list[str]:
    """The names in a cell: parted by blanks as wide as columns have them, or told by those that are known."""
    apart = re.split(r"\s{2,}", cell)
    if len(apart) > 1 and all(len(_SLOTS.findall(part)) < 2 for part in apart):
        return apart
    if not _SLOTS.search(cell):
        return [cell]
    return re.findall(rf"{_SLOTS.pattern}|\S+", cell)


def _entry(header: Sequence[Sequence[str]], row: Sequence[str]) -> dict[str, str] | None:
    """Values by header names; None where the row has another shape, or what numbers a device is no number."""
    if len(header) != len(row):
        return None
    found: dict[str, str] = {}
    for names, cell in zip(header, row, strict=True):
        values: list[str] = _VALUES.findall(cell)
        if len(names) == 1:
            values = [cell]
        elif len(values) > len(names) and "Name" in names:
            at = names.index("Name")
            more = len(values) - len(names) + 1
            values = [*values[:at], " ".join(values[at : at + more]), *values[at + more :]]
        if len(values) == len(names):
            found.update(zip(names, values, strict=True))
    numbered = [name for names in header for name in names if name in NUMBERED]
    if not all(re.fullmatch(r"[0-9]{1,9}", found.get(name, "")) for name in numbered):
        return None
    # A row in the place of another is none.
    return found if all(re.fullmatch(form, found.get(name, "NA")) for name, form in _FORMS.items()) else None


def comma_separated(text: str) -> list[dict[str, str]] | None:
    """Rows of `--format=csv` by the header's names, with units where they are told; None where there is no header."""
    rows = [[cell.strip() for cell in line.split(",")] for line in lines(text) if "," in line]
    if not rows or any(re.fullmatch(r"-?[\d.]+", cell) for cell in rows[0]):
        return None
    if not text.endswith("\n"):
        rows[-1][-1] = ""  # it may go on
    titles = [re.fullmatch(r"(.*?)(?:\s*\[(.*)\])?", cell) for cell in rows[0]]
    names = [(title[1], title[2]) if title else ("", None) for title in titles]
    return [
        {
            # `nounits` leaves the unit to the title.
            name: f"{cell} {unit}" if unit and re.fullmatch(r"-?[\d.]+", cell) else cell
            for (name, unit), cell in zip(names, row, strict=True)
        }
        for row in rows[1:]
        if len(row) == len(names)
    ]


_AFFINITIES = ("CPU Affinity", "NUMA Affinity", "Node Affinity")
_TITLES = re.compile(r"(?:CPU|NUMA|Node) Affinity|GPU NUMA ID|\S+")


def topology(text: str) -> Topology | None:
    """The matrix of links as `npu-smi info -t topo`, `nvidia-smi topo -m` and their like print it.

    Raises `Unread` for half of one.
    """
    rows = [line.split() for line in lines(text)]
    for at, header in enumerate(rows):
        names = list(itertools.takewhile(lambda word: re.fullmatch(r"[A-Za-z][A-Za-z-]*[0-9]\w*", word), header))
        titles = _TITLES.findall(" ".join(header[len(names) :]))
        if not names or (titles and titles[0] not in _AFFINITIES) or (not titles and len(header) > len(names)):
            continue
        matrix = rows[at + 1 : at + 1 + len(names)]
        if [row[:1] for row in matrix] != [[name] for name in names] or any(len(row) <= len(names) for row in matrix):
            raise Unread("the matrix is not whole")
        if any(row[number + 1] not in ("X", "0") for number, row in enumerate(matrix)):
            continue
        cpus = titles.index("CPU Affinity") if "CPU Affinity" in titles else None
        # A blank cell would shift those behind it: only a row with a value for every title is believed.
        near = [
            row[len(names) + 1 + cpus] if cpus is not None and len(row) == len(names) + 1 + len(titles) else None
            for row in matrix
        ]
        return Topology(
            names=tuple(names),
            links=tuple(tuple(row[1 : len(names) + 1]) for row in matrix),
            cpus=tuple(None if list_ in UNSAID else list_ for list_ in near),
        )
    return None
