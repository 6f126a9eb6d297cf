"""An old report as a `Report`, so that every format can show it again: its texts, its figures, its commands."""

import hashlib
from datetime import UTC, date, datetime

from kit import __version__
from kit.legacy.report import OldReport
from kit.model import Case
from kit.model.report import PerformanceRow, Report, RoundRow
from kit.model.table import Row
from kit.model.verdict import Verdict


def report(found: OldReport, content: bytes) -> Report:
    """The report as it was, in kit's layout; nothing is computed, and nothing is added but where it came from."""
    return Report(
        language=found.language,
        run=found.source,
        draft=found.draft,
        project=found.project or "—",
        model=found.model or "—",
        model_label=found.model_label or "—",
        environment_label=found.environment_label or "—",
        date=found.date or "—",
        hardware=found.hardware,
        software=found.software,
        start_command=found.start_command,
        start_note=None,
        load_example=found.load_example,
        load_command=found.load_command,
        rounds_note="",
        rows=tuple(map(row, found.rows)),
        rounds=tuple(map(_round, found.rows)),
        details=(),
        requests=(),
        notes=(),
        conclusion=found.conclusion,
        verdict=Verdict(outcome="none"),
        hardware_file="\n".join(found.attachments),
        hardware_text="",
        commands=(("", found.script),) if found.script else (),
        executions=(),
        kit_version=__version__,
        started=_day(found),
        provenance=(f"{found.source} sha256:{hashlib.sha256(content).hexdigest()}",),
    )


def _case(row: Row) -> Case:
    return Case(
        input=row.input,
        output=row.output,
        concurrency=row.concurrency,
        rate=row.rate,
        shape=row.shape,
        requests=row.requests or row.concurrency,
    )


def _figures(row: Row) -> dict[str, float]:
    names = {"latency": "latency_s", "ttft": "ttft_s", "tpot": "tpot_s"}
    return {names.get(name, name): cell.value for name, cell in row.cells()}


def row(found: Row) -> PerformanceRow:
    """A row of a table as a row of a report."""
    empty: dict[str, float | None] = dict.fromkeys(
        ("latency_s", "output_throughput", "ttft_s", "tpot_s", "tps", "per_stream_throughput")
    )
    return PerformanceRow.model_validate({"case": _case(found), **empty, **_figures(found)})


def _round(row: Row) -> RoundRow:
    return RoundRow.model_validate({"case": _case(row), "loop": row.loop or 0, **_figures(row)})


def _day(found: OldReport) -> datetime:
    """The report's day for the properties of a file; the beginning of time where it tells none."""
    try:
        day = date(*found.day) if found.day else date(1980, 1, 1)
    except ValueError:
        day = date(1980, 1, 1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
