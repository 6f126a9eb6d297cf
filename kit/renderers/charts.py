"""The report's charts as data and geometry: HTML draws them as SVG, Word gets them as pictures."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kit.formats import figure
from kit.model.profile import Language
from kit.model.rates import Condition
from kit.model.report import CaseDetail, PerformanceRow, Report
from kit.model.result import Spread
from kit.texts import say

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#a6761d", "#56b4e9", "#6f4fb0", "#4d4d4d")
"""Told apart by people who see colours differently; the series also differ by their markers."""

MARKERS = ("circle", "square", "diamond", "triangle")

_NUMBER = re.compile(r"[0-9.]+(?:/s)?")


@dataclass(frozen=True, slots=True)
class Point:
    """One measured value, with the texts of its coordinates."""

    x: float
    y: float
    x_text: str
    y_text: str


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together, ascending in x."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A line chart with a y axis from zero. The x axis is logarithmic with a tick at each point, or linear.

    `looks`: colour and marker of each series by number, where they stand for something; in turn where there are none.
    `dense`: very many points, such as over time, which are not drawn as markers.
    """

    key: str
    title: str
    x_title: str
    y_title: str
    series_title: str
    series: tuple[Series, ...]
    alt: str
    linear: bool = False
    dense: bool = False
    looks: tuple[tuple[int, int], ...] = ()

    def colour(self, series: int) -> int:
        """The number of the colour of a series."""
        return (self.looks[series][0] if self.looks else series) % len(COLOURS)

    def marker(self, series: int) -> str:
        """The marker of a series."""
        return MARKERS[(self.looks[series][1] if self.looks else series) % len(MARKERS)]


_FIGURES: tuple[tuple[str, Callable[[PerformanceRow], float | None], Callable[[CaseDetail], Spread | None]], ...] = (
    ("latency", lambda row: row.latency_s, lambda detail: detail.latency_s),
    ("ttft", lambda row: row.ttft_s, lambda detail: detail.ttft_s),
    ("throughput", lambda row: row.output_throughput, lambda _: None),
)
"""What is drawn against the load: the mean over rounds, and how the requests spread where it is a time."""


def of(report: Report, language: Language) -> tuple[Chart, ...]:
    """The charts of a report: against the number of clients, then against the rate; one that would show no line is left out."""
    closed = [row for row in report.rows if row.case.rate is None]
    found = (*_over_clients(closed, language), *_over_rates(report, language))
    return tuple(chart for chart in found if any(len(series.points) > 1 for series in chart.series))


def _over_clients(rows: Sequence[PerformanceRow], language: Language) -> Iterator[Chart]:
    for key, mean, _ in _FIGURES:
        yield _chart(
            language,
            key,
            say(language, f"chart-{key}"),
            say(language, "axis-concurrency"),
            say(language, f"axis-{key}"),
            _series((line(row.case), row.case.concurrency, str(row.case.concurrency), mean(row)) for row in rows),
        )
    # Prompts of other lengths than the case's, or with a part that is known already, tell nothing of prefill by length.
    if plain := [row for row in rows if row.case.shape is None]:
        yield _prefill(plain, min(row.case.concurrency for row in plain), language)


def _over_rates(report: Report, language: Language) -> Iterator[Chart]:
    """A line for each way in which requests arrive; that of a p99 has the colour of its mean."""
    details = {detail.case.id: detail for detail in report.details}
    rows = [
        (line(row.case), row.case.rate.per_second, row, details.get(row.case.id))
        for row in report.rows
        if row.case.rate is not None
    ]
    names = list(dict.fromkeys(name for name, *_ in rows))
    for key, mean, spread in _FIGURES:
        values = [
            (label, names.index(name), at, x, y)
            for name, x, row, detail in rows
            for at, (label, y) in enumerate(
                _mean_and_p99(language, name, mean(row), spread(detail) if detail else None)
            )
        ]
        series = _series((label, x, f"{x:g}", y) for label, _, _, x, y in values)
        looks = {label: (number, 2 * number + at) for label, number, at, _, _ in values}
        yield _chart(
            language,
            f"{key}-rate",
            say(language, f"chart-{key}-rate"),
            say(language, "axis-rate"),
            say(language, f"axis-{key}"),
            series,
            tuple(looks[one.name] for one in series),
        )


def _mean_and_p99(
    language: Language, name: str, mean: float | None, spread: Spread | None
) -> Iterator[tuple[str, float | None]]:
    """The names of a case's lines with its values; where a round is lacking there is no mean, and so no point at all."""
    yield (name if spread is None else say(language, "line-mean", name=name)), mean
    if spread is not None and mean is not None:
        yield f"{name} p99", spread.percentile("p99")


def main(found: Sequence[Chart]) -> Chart | None:
    """The chart that says most: throughput, else the first there is."""
    return next((chart for chart in found if chart.key == "throughput"), found[0] if found else None)


def _prefill(rows: Sequence[PerformanceRow], concurrency: int, language: Language) -> Chart:
    points = (
        (f"{say(language, 'axis-concurrency')} {concurrency}", row.case.input.tokens, row.case.input.label, row.ttft_s)
        for row in rows
        if row.case.concurrency == concurrency
    )
    return _chart(
        language,
        "prefill",
        say(language, "chart-prefill", concurrency=concurrency),
        say(language, "axis-input"),
        say(language, "axis-ttft"),
        _series(points),
    )


def _chart(
    language: Language,
    key: str,
    title: str,
    x: str,
    y: str,
    series: tuple[Series, ...],
    looks: tuple[tuple[int, int], ...] = (),
) -> Chart:
    told = (
        say(
            language,
            "chart-alt-series",
            name=one.name,
            points=say(language, "comma").join(f"{point.x_text} → {point.y_text}" for point in one.points),
        )
        for one in series
    )
    alt = say(language, "chart-alt", title=f"{title}, {x} → {y}", series=say(language, "and").join(told))
    return Chart(key, title, x, y, say(language, "chart-series"), series, alt, looks=looks)


def line(case: Condition) -> str:
    """What a line is of: lengths, and all but the number of the load: `2k/512`, `2k/512 (±50%)`, at a rate `2k/512 constant x8`."""
    return f"{case.input.label}/{case.output.label}{_NUMBER.sub('', str(case.load), count=1)}"


def _series(values: Iterable[tuple[str, float, str, float | None]]) -> tuple[Series, ...]:
    found: dict[str, dict[float, Point]] = {}
    for name, x, x_text, y in values:
        if y is not None:
            # Two cases of one length in the prefill chart differ in their output, which prefill does not see.
            found.setdefault(name, {}).setdefault(x, Point(x, y, x_text, figure(y)))
    return tuple(Series(name, tuple(points[x] for x in sorted(points))) for name, points in found.items())


@dataclass(frozen=True, slots=True)
class Box:
    """The plot area inside a drawing."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where everything of a chart goes: ticks as position and text, series as positions in drawing order."""

    box: Box
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[tuple[tuple[float, float], ...], ...]


def layout(chart: Chart, box: Box, *, apart: float = 30) -> Geometry:
    """The geometry of a chart in a plot area; ticks of the x axis closer than `apart` are left out."""
    points = [point for series in chart.series for point in series.points]
    low, high = min(point.x for point in points), max(point.x for point in points)
    step = nice_step(max(point.y for point in points) / 5)
    top = step * max(1, math.ceil(max(point.y for point in points) / step - 1e-9))

    def across(x: float) -> float:
        if chart.linear:
            share = x / high if high > 0 else 0.5
        else:
            share = math.log(x / low) / math.log(high / low) if high > low else 0.5
        # Points do not sit on the frame.
        return box.left + (box.right - box.left) * (0.04 + 0.92 * share)

    def down(y: float) -> float:
        return box.bottom - (box.bottom - box.top) * y / top

    marks = {point.x: point.x_text for point in points}
    if chart.linear:
        stride = nice_step(high / 6)
        marks = {stride * at: f"{stride * at:g}" for at in range(int(high / stride) + 1)}
    x_ticks: list[tuple[float, str]] = []
    for x, text in sorted(marks.items()):
        if not x_ticks or across(x) - x_ticks[-1][0] >= apart:
            x_ticks.append((across(x), text))
    count = round(top / step)
    return Geometry(
        box=box,
        x_ticks=tuple(x_ticks),
        y_ticks=tuple((down(step * index), f"{step * index:.6g}") for index in range(count + 1)),
        lines=tuple(tuple((across(point.x), down(point.y)) for point in series.points) for series in chart.series),
    )


def nice_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not less than `rough`."""
    if rough <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def marker(kind: str, x: float, y: float, size: float) -> tuple[tuple[float, float], ...]:
    """The corners of a marker around a point; none for a circle."""
    if kind == "square":
        return (x - size, y - size), (x + size, y - size), (x + size, y + size), (x - size, y + size)
    if kind == "diamond":
        return (x, y - 1.4 * size), (x + 1.4 * size, y), (x, y + 1.4 * size), (x - 1.4 * size, y)
    if kind == "triangle":
        return (x, y - 1.3 * size), (x + 1.3 * size, y + size), (x - 1.3 * size, y + size)
    return ()


@dataclass(frozen=True, slots=True)
class Histogram:
    """How values spread: shares of the fullest bin, from `low` to `high`."""

    low: float
    high: float
    bins: tuple[float, ...]


def histogram(values: Sequence[float], bins: int = 24) -> Histogram | None:
    """Bins of equal width; none without values."""
    if not values:
        return None
    low, high = min(values), max(values)
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / (high - low) * bins)) if high > low else bins // 2] += 1
    fullest = max(counts)
    return Histogram(low, high, tuple(count / fullest for count in counts))
