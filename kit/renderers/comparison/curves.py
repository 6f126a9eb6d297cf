"""The charts of a comparison: what runs share a colour, and what lengths share a marker."""

from collections.abc import Callable, Iterable

from kit.formats import figure
from kit.model.comparison import CaseFigures, Comparison
from kit.renderers.charts import Chart, Point, Series, line
from kit.texts import say

Value = Callable[[CaseFigures], float | None]


def of(found: Comparison) -> tuple[Chart, ...]:
    """The trade of throughput for speed first, then one chart of all sides for each figure against concurrency and against the rate."""
    lang = found.language
    per_card = all(entry.accelerators for entry in found.contenders)
    pareto = _chart(
        found,
        "pareto",
        say(lang, "compare-chart-pareto" if per_card else "compare-chart-pareto-machine"),
        say(lang, "axis-tps"),
        say(lang, "axis-per-accelerator" if per_card else "axis-throughput"),
        lambda case: case.tps,
        (lambda case: case.per_accelerator) if per_card else (lambda case: case.output_throughput),
        figure,
        linear=True,
    )
    curves = [
        _chart(
            found,
            f"{key}{suffix}",
            say(lang, f"chart-{key}{suffix}"),
            say(lang, axis),
            say(lang, f"axis-{key}"),
            across,
            value,
            "{:g}".format,
        )
        for suffix, axis, across in _LOADS
        for key, value in _VALUES
    ]
    return tuple(chart for chart in (pareto, *curves) if chart.series)


def _clients(case: CaseFigures) -> float | None:
    return case.concurrency if case.rate is None else None


def _rate(case: CaseFigures) -> float | None:
    return case.rate.per_second if case.rate is not None else None


_LOADS: tuple[tuple[str, str, Value], ...] = (("", "axis-concurrency", _clients), ("-rate", "axis-rate", _rate))


def _throughput(case: CaseFigures) -> float | None:
    return case.output_throughput


def _latency(case: CaseFigures) -> float | None:
    return case.latency


def _ttft(case: CaseFigures) -> float | None:
    return case.ttft


_VALUES: tuple[tuple[str, Value], ...] = (("throughput", _throughput), ("latency", _latency), ("ttft", _ttft))


def _chart(
    found: Comparison,
    key: str,
    title: str,
    x_title: str,
    y_title: str,
    across: Value,
    up: Value,
    written: Callable[[float], str],
    *,
    linear: bool = False,
) -> Chart:
    lang = found.language
    lines = list(dict.fromkeys(_line(case) for entry in found.contenders for case in entry.cases))
    series: list[Series] = []
    looks: list[tuple[int, int]] = []
    for number, entry in enumerate(found.contenders):
        for position, name in enumerate(lines):
            cases = sorted(
                (case for case in entry.cases if _line(case) == name), key=lambda case: _rate(case) or case.concurrency
            )
            points = tuple(_points(cases, across, up, written))
            if points:
                series.append(Series(f"{entry.letter} · {name}", points))
                looks.append((number, position))
    told = (
        say(
            lang,
            "chart-alt-series",
            name=one.name,
            points=say(lang, "comma").join(f"{p.x_text} → {p.y_text}" for p in one.points),
        )
        for one in series
    )
    alt = say(lang, "chart-alt", title=f"{title}, {x_title} → {y_title}", series=say(lang, "and").join(told))
    return Chart(
        key, title, x_title, y_title, say(lang, "compare-series"), tuple(series), alt, linear=linear, looks=tuple(looks)
    )


def _points(cases: Iterable[CaseFigures], across: Value, up: Value, written: Callable[[float], str]) -> Iterable[Point]:
    for case in cases:
        x, y = across(case), up(case)
        if x is not None and y is not None:
            yield Point(x, y, written(x), figure(y))


def _line(case: CaseFigures) -> str:
    """What a line is of; one never leads from so many clients to a rate."""
    return line(case) if case.rate is None else f"{line(case)} · req/s"
