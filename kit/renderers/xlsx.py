"""results.xlsx: the original script's table first, then metrics, requests, telemetry and environment; the same run gives the same bytes."""

from collections.abc import Iterable

import pandas as pd

from kit import stats
from kit.model import Spread
from kit.model.percentiles import FEWEST
from kit.model.report import CaseDetail, MachineRow, Report
from kit.renderers.book import LONGEST_TEXT, Book, Value
from kit.renderers.columns import frame
from kit.renderers.word import clean
from kit.texts import say

_PERCENTILES = ("mean", "p50", "p90", "p99", "max")
_SPREADS = ("latency_s", "ttft_s", "tpot_s")
_ESTIMATES = ("latency_s", "output_throughput", "ttft_s", "tpot_s")


def render(report: Report) -> bytes:
    book = Book()
    _results(book, report)
    book.sheet("metrics", _METRICS, [_metrics(detail) for detail in report.details], number_format="0.000000")
    late = any(row.late_s is not None for row in report.requests)
    book.long("requests", (*_REQUESTS, *((_LATE,) if late else ()), "error"), _requests(report, late))
    book.sheet("telemetry", _TELEMETRY, map(_telemetry, report.machine))
    book.sheet("environment", ("section", "name", "value"), _environment(report), widths=(18, 24, 100))
    title = clean(report.project)[:200]
    title = f"[{report.draft}] {title}" if report.draft else title
    return book.stored(title, f"kit {report.kit_version}", report.started)


def _results(book: Book, report: Report) -> None:
    rows = frame(report)
    titles = [str(title) for title in rows.columns]
    values = ([None if pd.isna(value) else value for value in line] for line in rows.itertuples(index=False))
    book.sheet("results", titles, values, number_format="0.0000")


_CASE = ("input", "output", "concurrency")
_METRICS = (
    *_CASE,
    *("rounds", "rounds planned", "requests", "failed", "success rate"),
    *(f"{name} {part}" for name in _ESTIMATES for part in ("mean of rounds", "95% interval ±")),
    *(f"{name} {part}" for name in _SPREADS for part in _PERCENTILES),
    "prefill tok/s",
    *(f"{name} {which} {end}" for name in _SPREADS for which in FEWEST for end in ("95% low", "95% high")),
)


def _metrics(detail: CaseDetail) -> list[Value]:
    estimates = (detail.latency, detail.output_throughput, detail.ttft, detail.tpot)
    return [
        *detail.case.key,
        *(detail.rounds, detail.rounds_planned, detail.requests, detail.failed),
        detail.succeeded / detail.requests if detail.requests else None,
        *(value for estimate in estimates for value in (estimate.mean, estimate.half_width)),
        *(value for spread in (detail.latency_s, detail.ttft_s, detail.tpot_s) for value in _percentiles(spread)),
        detail.prefill_speed,
        *(
            value
            for points in (detail.latency_points, detail.ttft_points, detail.tpot_points)
            for within in points or (None,) * len(FEWEST)
            for value in ((within.low, within.high) if within is not None else (None, None))
        ),
    ]


def _percentiles(spread: Spread | None) -> tuple[Value, ...]:
    if spread is None:
        return (None,) * len(_PERCENTILES)
    points = [(spread.percentile(name), fewest) for name, fewest in FEWEST.items()]
    told = (f"n={spread.count} < {fewest}" if value is None else value for value, fewest in points)
    return spread.mean, *told, spread.maximum


_REQUESTS = (
    *(*_CASE, "round", "index", "succeeded", "sent_s", "latency_s", "ttft_s", "tpot_s"),
    *("input tokens", "output tokens", "finish reason"),
)
_LATE = "late_s"
"""How long after it was due, at a rate, a request was sent: its times count from when it was due."""


def _requests(report: Report, late: bool) -> Iterable[list[Value]]:
    for row in report.requests:
        sent = row.sent_s + (row.late_s or 0.0) if row.sent_s is not None else None
        yield [
            *row.case.key,
            *(row.round, row.index, row.succeeded, sent, row.latency_s, row.ttft_s, row.tpot_s),
            *(row.input_tokens, row.output_tokens, row.finish_reason),
            *((row.late_s,) if late else ()),
            *_pieces(row.error or ""),
        ]


_HOST = ("host samples", "cpu mean %", "host memory peak bytes", "load peak", "client peak %")
_TELEMETRY = (
    *(*_CASE, "round", "window", "window_s", "interval_s", "samples", "gaps", "longest gap s"),
    *("power mean W", "power peak W", "energy J", "tokens per joule", "utilisation mean %", "memory peak bytes"),
    *("temperature peak °C", *_HOST, "why nothing"),
)


def _telemetry(row: MachineRow) -> list[Value]:
    told = row.telemetry
    return [
        *(*row.case.key, row.round, told.window, told.window_s, told.interval_s, told.samples),
        *(told.gaps, told.longest_gap_s, told.power_mean_w, told.power_peak_w, told.energy_j, told.tokens_per_joule),
        *(told.utilisation_mean_percent, told.memory_peak_bytes, told.temperature_peak_c),
        *(told.host_samples, stats.mean(told.cpu_mean_percent), told.host_memory_peak_bytes, told.load_peak),
        *(told.client_peak_percent, *_pieces(told.reason or "")),
    ]


def _environment(report: Report) -> Iterable[list[Value]]:
    lang = report.language
    about = (
        ("project", report.project),
        ("model", report.model),
        ("time", report.date),
        ("start-model", report.start_command),
        ("run-test", report.load_command),
    )
    for key, text in about:
        yield [say(lang, "basics"), say(lang, key), *_pieces(text)]
    if report.draft:
        yield [say(lang, "basics"), "draft", report.draft]
    for key, found in (("hardware", report.hardware), ("software", report.software)):
        for name, value in found:
            yield [say(lang, key), name, *_pieces(value)]
    for line in report.provenance:
        yield [say(lang, "provenance"), "", *_pieces(line)]
    for execution in report.executions:
        yield [say(lang, "scripts"), execution.name, *_pieces(execution.command)]
    for number, note in enumerate(report.notes, start=1):
        yield [say(lang, "notes"), f"[{number}]", *_pieces(note)]


def _pieces(text: str) -> list[str | None]:
    """A text as the cells that it needs; an empty one needs an empty cell."""
    return [text[at : at + LONGEST_TEXT] for at in range(0, len(text), LONGEST_TEXT)] or [None]
