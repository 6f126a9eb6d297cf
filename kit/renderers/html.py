"""report.html: one file that is complete without a network; what the reader's browser runs is named by its hash."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kit.model.report import PerformanceRow, Report, RequestRow
from kit.renderers import charts, overtime, repeated
from kit.renderers.charts import Box, Chart, Geometry, Histogram
from kit.renderers.details import beyond, brief_conclusion, criteria, highlights, sign_offs
from kit.renderers.layouts import STANDARD, Layout
from kit.texts import say

WIDTH, HEIGHT = 640, 400
BOX = Box(70, 16, WIDTH - 16, HEIGHT - 52)


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart with its geometry."""

    chart: Chart
    layout: Geometry

    def corners(self, series: int, x: float, y: float) -> str:
        """The points of a marker, or nothing for a circle."""
        found = charts.marker(self.chart.marker(series), x, y, 4.5)
        return " ".join(f"{px:.1f},{py:.1f}" for px, py in found)

    def path(self, series: int) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.layout.lines[series])


@dataclass(frozen=True, slots=True)
class Group:
    """A cell of the performance table that stands for `rows` rows."""

    text: str
    rows: int


def render(report: Report, layout: Layout = STANDARD) -> bytes:
    environment = layout.environment(report)
    environment.autoescape = True
    style, script = layout.text("report.css"), layout.text("report.js")
    found = charts.of(report, report.language)
    values = {
        "style": style,
        "script": script,
        "policy": f"default-src 'none'; style-src '{hashed(style)}'; script-src '{hashed(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        "groups": _groups(report.rows, report),
        "drawings": [Drawing(chart, charts.layout(chart, BOX)) for chart in found],
        "details": beyond(report),
        "over_time": [Drawing(chart, charts.layout(chart, BOX)) for chart in overtime.of(report)],
        "over_time_note": overtime.note(report),
        "highlights": highlights(report),
        "criteria": criteria(report),
        "repeated": repeated.tables(report),
        "sign_offs": sign_offs(report),
        "conclusion": brief_conclusion(report),
        "chart": charts.main(found),
        "histograms": _histograms(report),
        "colours": len(charts.COLOURS),
        "width": WIDTH,
        "height": HEIGHT,
    }
    return layout.rendered(environment, "report.html.j2", values).encode()


def hashed(text: str) -> str:
    """How a content security policy names an inline style or script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _groups(rows: Sequence[PerformanceRow], report: Report) -> list[list[Group | None]]:
    """The first four cells of each row; None where the cell above reaches down."""
    texts = [
        (report.model_label, report.environment_label, row.case.input.label, row.case.output.label) for row in rows
    ]
    result: list[list[Group | None]] = []
    for number, row in enumerate(texts):
        cells: list[Group | None] = []
        for at in range(len(row)):
            if number and texts[number - 1][: at + 1] == row[: at + 1]:
                cells.append(None)
                continue
            below = next((i for i, other in enumerate(texts[number:]) if other[: at + 1] != row[: at + 1]), None)
            cells.append(Group(row[at], below if below is not None else len(texts) - number))
        result.append(cells)
    return result


@dataclass(frozen=True, slots=True)
class Spreads:
    """How the requests of one case spread: a histogram per metric, with how many values it holds."""

    name: str
    cells: tuple[tuple[str, int, Histogram | None], ...]


def _histograms(report: Report) -> list[Spreads]:
    requests: dict[str, list[RequestRow]] = {detail.case.id: [] for detail in report.details}
    for request in report.requests:
        if request.succeeded:
            requests[request.case.id].append(request)
    return [
        Spreads(
            name=f"{detail.case.input.label} / {detail.case.output.label} / {detail.case.load}",
            cells=tuple(
                (say(report.language, key), len(values), charts.histogram(values))
                for key, values in (
                    ("latency", [r.latency_s for r in requests[detail.case.id] if r.latency_s is not None]),
                    ("ttft", [r.ttft_s for r in requests[detail.case.id] if r.ttft_s is not None]),
                    ("tpot", [r.tpot_s for r in requests[detail.case.id] if r.tpot_s is not None]),
                )
            ),
        )
        for detail in report.details
    ]
