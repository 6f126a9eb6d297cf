"""The tables beyond the original's columns, as text: shared by Markdown, Word and HTML."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kit.formats import figure, percent
from kit.model import Spread
from kit.model.profile import Language
from kit.model.report import CaseDetail, Estimate, Report
from kit.texts import say

FEWEST = {"p50": 1, "p90": 10, "p99": 100}
"""How many samples a percentile needs to say more than their maximum."""

FEW = "†"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts: its title, its column titles, its rows, and what stands below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def stability(report: Report) -> Table:
    """Requests, failures, and means over rounds with their confidence intervals."""
    lang = report.language
    return Table(
        title=say(lang, "stability"),
        columns=(
            *_case_columns(lang),
            *(say(lang, key) for key in ("rounds", "requests", "failures", "success-rate")),
            say(lang, "unit-s", title=say(lang, "latency")),
            say(lang, "unit-rate", title=say(lang, "throughput")),
            say(lang, "unit-s", title=say(lang, "ttft")),
            say(lang, "unit-s", title=say(lang, "tpot")),
        ),
        rows=tuple(
            (
                *_case(detail),
                str(detail.rounds)
                if detail.rounds == detail.rounds_planned
                else f"{detail.rounds}/{detail.rounds_planned}",
                str(detail.requests),
                str(detail.failed),
                percent(detail.succeeded, detail.requests),
                *map(estimate, (detail.latency, detail.output_throughput, detail.ttft, detail.tpot)),
            )
            for detail in report.details
        ),
        notes=(say(lang, "stability-note"),),
    )


def distribution(report: Report) -> Table:
    """Percentiles of single requests, and the prefill speed."""
    lang = report.language
    names = ("latency", "short-ttft", "short-tpot")
    rows = tuple(
        (
            *_case(detail),
            *(
                percentile(spread, name)
                for spread in (detail.latency_s, detail.ttft_s, detail.tpot_s)
                for name in FEWEST
            ),
            figure(detail.prefill_speed),
        )
        for detail in report.details
    )
    few = any(FEW in cell for row in rows for cell in row)
    return Table(
        title=say(lang, "distribution"),
        columns=(
            *_case_columns(lang),
            *(say(lang, "unit-s", title=f"{say(lang, name)} {which}") for name in names for which in FEWEST),
            say(lang, "unit-rate", title=say(lang, "prefill")),
        ),
        rows=rows,
        notes=(say(lang, "distribution-note"), *((say(lang, "few-note"),) if few else ())),
    )


def estimate(value: Estimate) -> str:
    """`26.69 ± 0.32`: the interval with two significant digits, rounded up, and the mean as far; without one the mean alone."""
    if value.mean is None or value.half_width is None:
        return figure(value.mean)
    if value.half_width == 0:
        return f"{figure(value.mean)} ± 0"
    places = min(9, max(0, 1 - math.floor(math.log10(value.half_width))))
    width = math.ceil(value.half_width * 10**places - 1e-9) / 10**places
    return f"{value.mean:.{places}f} ± {width:.{places}f}"


def percentile(spread: Spread | None, name: str) -> str:
    """A percentile, marked where there are too few samples for it."""
    if spread is None:
        return figure(None)
    value = {"p50": spread.p50, "p90": spread.p90, "p99": spread.p99}[name]
    return figure(value) + (FEW if spread.count < FEWEST[name] else "")


def _case_columns(lang: Language) -> Sequence[str]:
    return [say(lang, key) for key in ("col-input", "col-output", "col-concurrency")]


def _case(detail: CaseDetail) -> tuple[str, str, str]:
    return detail.case.input.label, detail.case.output.label, str(detail.case.concurrency)
