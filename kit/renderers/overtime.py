"""Charts of the machine's telemetry over the run, for pages that can be walked over."""

import math
from collections.abc import Sequence

from kit.formats import figure
from kit.model.report import Report, Timeline, TimelineKind
from kit.renderers.charts import Chart, Point, Series
from kit.texts import say

_CHARTS: tuple[tuple[str, tuple[TimelineKind, ...]], ...] = (
    ("power", ("power",)),
    ("use", ("utilisation", "cpu", "client")),
)


def of(report: Report) -> tuple[Chart, ...]:
    """Power of each accelerator, and how busy accelerators, processors and the load generator were."""
    lang = report.language
    charts = []
    for key, kinds in _CHARTS:
        lines = [line for kind in kinds for line in report.timelines if line.kind == kind and len(line.points) > 1]
        if not lines:
            continue
        series = tuple(Series(_name(report, line), _points(line)) for line in lines)
        told = say(lang, "and").join(_told(report, one.name, line) for one, line in zip(series, lines, strict=True))
        title, x, y = say(lang, f"chart-{key}"), say(lang, "axis-time"), say(lang, f"axis-{key}")
        alt = say(lang, "chart-alt", title=f"{title}, {x} → {y}", series=told)
        charts.append(Chart(key, title, x, y, say(lang, "chart-series"), series, alt, linear=True, dense=True))
    return tuple(charts)


def note(report: Report) -> str:
    """What each point of these charts is."""
    steps = {line.step_s for line in report.timelines}
    return say(report.language, "step-note", step=f"{max(steps):.2g}") if steps else ""


def _name(report: Report, line: Timeline) -> str:
    if line.card is not None:
        return say(report.language, "line-card", number=line.card)
    return say(report.language, f"line-{line.kind}")


def _points(line: Timeline) -> tuple[Point, ...]:
    return tuple(Point(at / 60, value, figure(at / 60), figure(value)) for at, value in line.points)


def _told(report: Report, name: str, line: Timeline) -> str:
    values: Sequence[float] = [value for _, value in line.points]
    mean = math.fsum(values) / len(values)
    return say(report.language, "line-alt", name=name, mean=figure(mean), peak=figure(max(values)))
