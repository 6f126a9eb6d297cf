"""A baseline: results to compare with, one row for each case; rounds of the same case count by their mean."""

from collections.abc import Iterator, Sequence

from kit import stats
from kit.errors import Problem, ProfileError, UsageError
from kit.legacy import marks, tables
from kit.model.rates import CaseKey, Condition
from kit.model.table import METRICS, Cell, Row


def read(content: bytes, name: str) -> tuple[Row, ...]:
    """The rows of a baseline, each case once. Raises `ProfileError` with every line that cannot be."""
    try:
        found = tables.read(content, name)
    except UsageError as error:
        raise ProfileError(f"acceptance.baseline: {error.message}", hint=error.hint) from error
    cases: dict[CaseKey, list[Row]] = {}
    for row in found.rows:
        cases.setdefault(row.key, []).append(row)
    problems = [*found.problems, *(problem for rows in cases.values() for problem in _wrong(rows))]
    if problems or not cases:
        raise ProfileError(f"the baseline {name} is not one", problems=problems)
    return tuple(map(_mean, cases.values()))


def is_rehearsal(rows: Sequence[Row]) -> bool:
    """Whether a baseline says of itself that its figures are those of stand-ins."""
    return any(marks.is_rehearsal(row.draft) for row in rows)


def _wrong(rows: Sequence[Row]) -> Iterator[Problem]:
    loops = [row.loop for row in rows]
    if len(rows) > 1 and (None in loops or len(set(loops)) < len(loops)):
        yield Problem(rows[1].name, "stands there twice")
    for row in rows:
        for metric, cell in row.cells():
            if cell.value <= 0:
                yield Problem(cell.where, f"a {metric.replace('_', ' ')} of {cell.value:g} cannot be")
        if row.latency and row.ttft and row.ttft.value > row.latency.value:
            what = f"a latency of {row.latency.value:g} s and a TTFT of {row.ttft.value:g} s cannot be"
            yield Problem(row.ttft.where, what)


def _mean(rows: Sequence[Row]) -> Row:
    """The case as one row; a figure that one of its rounds lacks is none of the case."""
    if len(rows) == 1:
        return rows[0].model_copy(update={"loop": None})
    means = {metric: _cell([getattr(row, metric) for row in rows]) for metric in METRICS}
    first = rows[0]
    condition = {name: getattr(first, name) for name in Condition.model_fields}
    counts = {name: _sum([getattr(row, name) for row in rows]) for name in ("sent", "failed")}
    draft = next((row.draft for row in rows if row.draft), None)
    return Row.model_validate({**condition, **means, **counts, "draft": draft})


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _cell(cells: Sequence[Cell | None]) -> Cell | None:
    known = [cell for cell in cells if cell is not None]
    value = stats.mean(cell.value if cell is not None else None for cell in cells)
    if value is None:
        return None
    return Cell(value=value, step=max(cell.step for cell in known), where=known[0].where)
