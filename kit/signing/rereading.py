"""The strongest check of a run: its figures, worked out once more from the single requests, and those from the raw output."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from kit import rounds, stats
from kit.errors import Problem
from kit.formats import figure, rate
from kit.legacy import page, tables
from kit.legacy import report as reports
from kit.loadgens import GENERATORS, ReadingError
from kit.model import Plan, RoundPlan, RoundResult, Sample
from kit.model.rates import CaseKey
from kit.model.report import PerformanceRow, Report, RoundRow
from kit.model.table import METRICS, Row
from kit.store import RunDir

_SAME = 1e-9
_FIELDS = dict(
    zip(METRICS, ("latency_s", "output_throughput", "ttft_s", "tpot_s", "tps", "per_stream_throughput"), strict=True)
)
_TEXTS = ("error", "failures")
"""Words about failures, which another version of kit may put otherwise."""
_TAKEN_LATER = ("cached_tokens", "server_queue_s", "server_prefill_s", "server_decode_s", "texts", "last_text_s")
"""What earlier versions of kit did not take from all servers and load generators."""


@dataclass(frozen=True, slots=True)
class Reread:
    """What differs, how many rounds were read again, and how many of them from the load generator's own files."""

    problems: tuple[Problem, ...]
    rounds: int
    from_raw: int


def run(directory: RunDir) -> Reread:
    """Every round of a run."""
    whole = directory.plan()
    plan = rounds.settled(whole, directory.results(whole))
    problems: list[Problem] = []
    read = from_raw = 0
    present = [entry.id for entry in plan.rounds if directory.has(entry)]
    results = dict(zip(present, directory.results(plan), strict=True))
    for entry in plan.rounds:
        if (found := results.get(entry.id)) is None:
            problems.append(Problem(f"cases/{entry.id}", "has no result"))
            continue
        read += 1
        samples = directory.samples(entry)
        problems += _round(entry, found, samples)
        raw = directory.round_directory(entry) / "raw"
        if raw.is_dir():
            from_raw += 1
            problems += _raw(directory, plan, entry, found, samples)
    return Reread(tuple(problems), read, from_raw)


def _round(entry: RoundPlan, result: RoundResult, samples: Sequence[Sample]) -> Iterator[Problem]:
    where = f"cases/{entry.id}/result.json"
    if (result.case, result.round) != (entry.case, entry.round):
        yield Problem(where, f"is of {result.case.id}, round {result.round}")
        return
    for name, stored, again in _different(result.figures, stats.figures(entry.case, samples)):
        yield Problem(where, f"{name} is {stored}, the requests in samples.jsonl give {again}")


def _raw(
    directory: RunDir, plan: Plan, entry: RoundPlan, result: RoundResult, samples: Sequence[Sample]
) -> Iterator[Problem]:
    home, where = directory.round_directory(entry), f"cases/{entry.id}/samples.jsonl"
    try:
        reading = GENERATORS[plan.generator].read(home / "raw", home / "stdout.log", entry.order)
    except ReadingError as error:
        yield Problem(f"cases/{entry.id}/raw", str(error))
        return
    if len(reading.samples) != len(samples):
        yield Problem(where, f"holds {len(samples)} requests, raw/ holds {len(reading.samples)}")
        return
    untaken = [name for name in _TAKEN_LATER if all(getattr(stored, name) is None for stored in samples)]
    for number, (stored, again) in enumerate(zip(samples, reading.samples, strict=True), start=1):
        for name, old, new in _different(stored, again.model_copy(update=dict.fromkeys(untaken))):
            yield Problem(where, f"line {number}: {name} is {old}, raw/ gives {new}")
    for name, old, new in _different(result.native, reading.native):
        yield Problem(f"cases/{entry.id}/result.json", f"native.{name} is {old}, raw/ gives {new}")


def _different(stored: object, again: object, name: str = "") -> Iterator[tuple[str, str, str]]:
    """Where two records differ by more than the last digits of a number: the field, and both values."""
    if isinstance(stored, BaseModel) and isinstance(again, BaseModel) and type(stored) is type(again):
        for field in type(stored).model_fields:
            if field not in _TEXTS:
                yield from _different(
                    getattr(stored, field), getattr(again, field), f"{name}.{field}" if name else field
                )
    elif isinstance(stored, tuple) and isinstance(again, tuple) and len(stored) == len(again):
        for number, (old, new) in enumerate(zip(stored, again, strict=True)):
            yield from _different(old, new, f"{name}.{number}")
    elif not _same(stored, again):
        yield name, _shown(stored), _shown(again)


def _same(stored: object, again: object) -> bool:
    if isinstance(stored, float) and isinstance(again, float | int):
        return math.isclose(stored, again, rel_tol=_SAME, abs_tol=1e-12)
    return stored == again


def _shown(value: object) -> str:
    return "not there" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)[:80]


# --- copies for people -------------------------------------------------------------------------------------------


def copy(name: str, content: bytes, built: Report) -> list[Problem] | None:
    """Where the figures in a copy of the report are not those of the run; None where kit cannot read this format back."""
    kind = name.rpartition(".")[2]
    if kind in ("csv", "xlsx"):
        table = tables.read(content, name)
        rows, unread, expected = table.rows, table.problems, _by_round(built)
    elif kind == "html":
        table = page.read(content, name)
        rows, unread, expected = table.rows, table.problems, _by_case(built)
    elif kind in ("md", "docx"):
        rows, unread, expected = reports.read(content, name).rows, (), _by_case(built)
    else:
        return None
    problems = [Problem(f"{name}: {problem.where}", problem.what) for problem in unread]
    if Counter(map(_key, rows)) != Counter(list(expected)):
        problems.append(Problem(name, f"has {len(rows)} rows, which are not the {len(expected)} of the run"))
        return problems
    return [*problems, *(found for row in rows for found in _row(name, row, expected[_key(row)]))]


_Key = tuple[CaseKey, int]


def _key(row: Row) -> _Key:
    return row.key, -1 if row.loop is None else row.loop


def _by_round(built: Report) -> dict[_Key, PerformanceRow | RoundRow]:
    return {(row.case.key, row.loop): row for row in built.rounds}


def _by_case(built: Report) -> dict[_Key, PerformanceRow | RoundRow]:
    return {(row.case.key, -1): row for row in built.rows}


def _row(name: str, row: Row, expected: PerformanceRow | RoundRow) -> Iterator[Problem]:
    written = dict(row.cells())
    for metric, field in _FIELDS.items():
        cell, value = written.get(metric), getattr(expected, field)
        if cell is None and value is None:
            continue
        # What kit writes of this value; or what somebody else's program wrote, where a half may be rounded either way.
        if cell is not None and value is not None and cell.value in (float(figure(value)), float(rate(value))):
            continue
        if cell is None or value is None or abs(cell.value - value) > cell.step * 0.5001 + abs(value) * 1e-8:
            shown = "nothing" if cell is None else f"{cell.value:.10g}"
            yield Problem(f"{name}: {row.name}", f"{metric} is {shown}, the run gives {_shown(value)}")
