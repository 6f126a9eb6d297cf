"""The table of results of a hand-made report, also where the values under merged cells slid to the left."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from kit.errors import Problem, UsageError
from kit.legacy import cells, tables
from kit.legacy.blocks import Grid, TableRow
from kit.model import Length
from kit.model.rates import CaseKey, Condition, load_told
from kit.model.table import Row
from kit.texts import CATALOGUE

_MARKS = re.compile(r"\s*(?:\[\^?[0-9]{1,3}\]\s*)+$")
_LABELS = {"model": ("模型", "model"), "environment": ("环境", "environment")}
_AGREE = 0.05
"""How well a slid row must agree with itself before its values are believed to stand under these titles."""


@dataclass(frozen=True, slots=True)
class Performance:
    """The rows, what the merged cells to their left say, and what could not be read."""

    rows: tuple[Row, ...] = ()
    model: str | None = None
    environment: str | None = None
    problems: tuple[Problem, ...] = ()


def performance(grid: Grid) -> Performance:
    """The rows of the table; one whose values cannot be given to their titles for certain is a problem, never a guess."""
    header = grid.rows[0].cells
    merged = [at for at, title in enumerate(header) if _is_merged(title)]
    problems = [
        Problem(grid.where, f"the column {_flat(title)!r} is not one that is known")
        for at, title in enumerate(header)
        if tables.column(title) is None and at not in merged
    ]
    straight: list[tables.Line] = []
    slid: set[str] = set()
    carried: list[str] = [""] * len(merged)
    for row in grid.rows[1:]:
        if not any(row.cells):
            continue
        # Where values slid to is only known where they slid from.
        ordered = merged == list(range(len(merged)))
        whole = (
            _straight(row, len(header), len(merged), carried) if ordered else _filled(row, len(header), merged, carried)
        )
        if whole is None:
            problems.append(Problem(row.where, "its values cannot be given to the titles for certain"))
            continue
        if whole[1]:
            slid.add(row.where)
        carried = [whole[0][at] for at in merged]
        straight.append(tables.Line(row.where, tuple(_MARKS.sub("", cell) for cell in whole[0])))
    straight, labels = _of_one(header, straight, problems)
    try:
        read = tables.table(header, straight)
    except UsageError as error:
        return Performance(problems=(*problems, Problem(grid.where, error.message)))
    problems += read.problems
    rows: list[Row] = []
    seen: set[CaseKey] = set()
    for found in read.rows:
        where = found.cells()[0][1].where.partition(",")[0] if found.cells() else grid.where
        if where in slid and not _agrees(found):
            problems.append(
                Problem(where, "its values slid to the left, and do not fit the titles they would belong to")
            )
        elif found.key in seen:
            problems.append(Problem(where, f"the case {found.name} stands there twice; the first was taken"))
        else:
            seen.add(found.key)
            rows.append(found)
    return Performance(tuple(rows), labels.get("model"), labels.get("environment"), tuple(problems))


def requests(grid: Grid) -> dict[CaseKey, dict[str, int]]:
    """Of one of kit's own tables, how many requests a round of each case sent, how many all its rounds did, and how many failed."""
    titles = [tables.column(title) for title in grid.rows[0].cells]
    rounds, failures = (
        next((at for at, title in enumerate(grid.rows[0].cells) if title in CATALOGUE[key]), None)
        for key in ("rounds", "failures")
    )
    if rounds is None or failures is None or not {"input", "output", "concurrency", "requests"} <= set(titles):
        return {}
    found = {}
    for row in grid.rows[1:]:
        told = dict(zip(titles, row.cells, strict=False))
        with suppress(ValueError, IndexError):
            lengths = {name: Length.model_validate(told[name]) for name in ("input", "output")}
            load = load_told(told["concurrency"]) or {"concurrency": cells.count(told["concurrency"], least=1)}
            sent, done = cells.count(told["requests"], least=1), cells.count(row.cells[rounds], least=1)
            failed = cells.count(row.cells[failures], least=0)
            counts = {"sent": sent, "failed": failed, **({"requests": sent // done} if sent % done == 0 else {})}
            found[Condition.model_validate({**lengths, **load}).key] = counts
    return found


def _is_merged(title: str) -> bool:
    plain = title.strip().lower()
    return tables.column(title) in ("input", "output") or any(plain in titles for titles in _LABELS.values())


def _straight(row: TableRow, width: int, merged: int, carried: Sequence[str]) -> tuple[list[str], bool] | None:
    """The row with every value under its title, and whether the values had slid; None where that is not certain."""
    cells = [*row.cells, *[""] * (width - len(row.cells))]
    if len(cells) > width:
        return None
    below = width - merged
    if cells[-1] and cells[merged]:
        # A cell that repeats what stands to its left only belongs to it while that stays the same.
        return [cells[at] or carried[at] for at in range(merged)] + cells[merged:], False
    values = [cell for cell in cells if cell]
    first = next(at for at, cell in enumerate(cells) if cell)
    new = len(values) - below
    whole = cells[first : first + len(values)] == values
    # Input and output are written together or not at all; a row with one of them could be either.
    if not whole or new not in (0, 2) or merged < 2:
        return None
    kept = merged - new
    return [*carried[:kept], *values], True


def _filled(row: TableRow, width: int, merged: Sequence[int], carried: Sequence[str]) -> tuple[list[str], bool] | None:
    """A row of a table whose titles stand in another order: only taken where no value can have slid, since none is missing."""
    if len(row.cells) != width or not all(cell for at, cell in enumerate(row.cells) if at not in merged):
        return None
    cells = list(row.cells)
    for number, at in enumerate(merged):
        cells[at] = cells[at] or carried[number]
    return cells, False


def _flat(title: str) -> str:
    return " ".join(title.split())[:60]


def _agrees(row: Row) -> bool:
    """Whether what follows from concurrency and throughput stands where it should."""
    total = row.output_throughput
    if total is None or total.value <= 0:
        return False
    if row.per_stream_throughput is not None:
        wanted = total.value / row.concurrency
        return abs(row.per_stream_throughput.value - wanted) <= max(row.per_stream_throughput.step, _AGREE * wanted)
    if row.latency is not None and row.latency.value > 0:
        wanted = row.concurrency * row.output.tokens / row.latency.value
        return abs(total.value - wanted) <= _AGREE * wanted
    return False


def _of_one(
    header: Sequence[str], lines: Sequence[tables.Line], problems: list[Problem]
) -> tuple[list[tables.Line], dict[str, str]]:
    """The lines of the first model and environment that are named, and these names: a profile is for one of each."""
    labels: dict[str, str] = {}
    for name, titles in _LABELS.items():
        at = next((at for at, title in enumerate(header) if title.strip().lower() in titles), None)
        kept = []
        for line in lines:
            said = line.cells[at] if at is not None else ""
            if said and labels.setdefault(name, said) != said:
                problems.append(Problem(line.where, f"is of another {name}, {_flat(said)!r}, and was not taken"))
            else:
                kept.append(line)
        lines = kept
    return list(lines), labels
