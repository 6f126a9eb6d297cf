"""report.md: the original report's sections and tables. Text from outside is escaped where Markdown would act on it."""

import re
from collections.abc import Sequence

from kit.formats import figure, rate
from kit.model.report import PerformanceRow, Report
from kit.renderers import charts, repeated
from kit.renderers.details import beyond, brief_conclusion, criteria, highlights, sign_offs
from kit.renderers.layouts import STANDARD, Layout
from kit.renderers.word import clean

# Only where Markdown acts: a star between blanks (`DDR5 64 GB * 20`) and an underscore inside a word stay as they are.
_ACTIVE = re.compile(
    r"[`\[\]<>|$]|\*(?=\S|$)|(?<=\S)\*|^\*|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|~(?=\S|$)|(?<=\S)~|^~|\\(?=[!-/:-@\[-`{-~]|$)|&(?=#?\w+;)"
)
# What would begin a heading, a list, a quotation or a rule, where a text begins a line.
_BEGINNING = re.compile(
    r"(?P<number>[0-9]{1,9}(?=[.)](?:\s|$)))|(?=(?:#{1,6}|[-+*>])(?:\s|$)|>|[-=*_+:](?:\s*[-=*_+:|])+\s*$|~~~)"
)


def render(report: Report, layout: Layout = STANDARD) -> bytes:
    environment = layout.environment(report, code=code, block=block, text=escape)
    values = {
        "rows": table(report),
        "details": beyond(report),
        "highlights": highlights(report),
        "criteria": criteria(report),
        "repeated": repeated.tables(report),
        "sign_offs": sign_offs(report),
        "conclusion": brief_conclusion(report),
        "chart": charts.main(charts.of(report, report.language)),
        "executions": {execution.name: execution for execution in report.executions},
    }
    return layout.rendered(environment, "report.md.j2", values).encode()


def table(report: Report) -> list[tuple[str, ...]]:
    """The performance table; what repeats in a column stays blank below, each figure under its own title."""
    lines: list[tuple[str, ...]] = []
    before: tuple[str, ...] = ()
    for row in report.rows:
        merged = (report.model_label, report.environment_label, row.case.input.label, row.case.output.label)
        shown = tuple("" if merged[: i + 1] == before[: i + 1] else merged[i] for i in range(len(merged)))
        lines.append((*map(escape, shown), str(row.case.load), *_figures(row)))
        before = merged
    return lines


def _figures(row: PerformanceRow) -> Sequence[str]:
    marks = "".join(f"[^{number}]" for number in row.notes)
    return (
        figure(row.latency_s),
        figure(row.output_throughput),
        figure(row.ttft_s),
        figure(row.tpot_s),
        rate(row.tps),
        rate(row.per_stream_throughput) + marks,
    )


def escape(text: str) -> str:
    """Text as itself: nothing in it formats, links, begins a list, or ends a cell."""
    flat = _one_line(text).strip()
    begun = _BEGINNING.match(flat)
    at = begun.end() if begun is not None else 0
    first = f"{flat[:at]}\\{flat[at]}" if begun is not None else ""
    return first + _ACTIVE.sub(r"\\\g<0>", flat[at + 1 :] if begun is not None else flat)


def _one_line(text: str) -> str:
    return " ".join(clean(text).split("\n"))


def code(text: str) -> str:
    """A command inside a table cell, as code: a bar needs its backslash even there."""
    flat = _one_line(text).strip()
    fence = "`" * (max((len(run) for run in re.findall(r"`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat.replace('|', chr(92) + '|')}{pad}{fence}"


def block(text: str, language: str = "") -> str:
    """A fenced block whose fence is longer than any in the text."""
    text = clean(text)
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
