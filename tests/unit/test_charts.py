"""Charts and the tables beside them: geometry, percentiles with too few samples, intervals."""

import io
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kit import stats
from kit.formats import percent, rate
from kit.model import RoundPlan
from kit.model.percentiles import FEWEST
from kit.model.report import Estimate, Report, Within
from kit.renderers import applied, charts, details, pictures
from kit.renderers.charts import Box
from kit.renderers.comparison import curves
from kit.texts import CATALOGUE
from kit.workflows import comparing
from tests.unit.planted import planted
from tests.unit.written import Written, failing


@pytest.fixture
def built(tmp_path: Path) -> Report:
    return Written(tmp_path, change=failing).report("en")


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_a_step_is_round_and_large_enough(rough: float) -> None:
    step = charts.nice_step(rough)
    assert rough * (1 - 1e-6) <= step <= rough * 2.6
    digits = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(digits - known) for known in (1, 2, 5, 10)) < 1e-6


def test_points_lie_where_their_values_are(built: Report) -> None:
    chart = charts.of(built, "en")[0]
    box = Box(0, 0, 100, 100)
    found = charts.layout(chart, box)
    top = float(found.y_ticks[-1][1])
    for series, line in zip(chart.series, found.lines, strict=True):
        for point, (x, y) in zip(series.points, line, strict=True):
            assert box.left <= x <= box.right
            assert y == pytest.approx(100 * (1 - point.y / top))
    assert found.y_ticks[0] == (100.0, "0")
    assert [text for _, text in found.x_ticks] == ["1", "2"]


def test_a_chart_without_a_line_is_left_out(built: Report) -> None:
    assert [chart.key for chart in charts.of(built, "en")] == ["latency", "ttft", "throughput", "prefill"]
    single = built.model_copy(update={"rows": built.rows[:1]})
    assert charts.of(single, "en") == ()
    assert charts.of(built.model_copy(update={"rows": ()}), "en") == ()


def test_what_was_not_measured_is_no_point(built: Report) -> None:
    rows = (built.rows[0], built.rows[1].model_copy(update={"latency_s": None}), built.rows[2])
    keys = [chart.key for chart in charts.of(built.model_copy(update={"rows": rows}), "en")]
    assert keys == ["ttft", "throughput", "prefill"]


RATES = (
    "load.transport=precise",
    "load.cases=[{input: 2k, output: 512, rate: [0.5, 2], requests: [331, 330]}, {input: 128, output: 512, concurrency: [1, 2]},"
    " {input: 2k, output: 512, rate: {per_second: [1, 2], arrivals: constant, burst: 8}, requests: 50}]",
)


def by_clock(entry: RoundPlan, index: int) -> dict[str, object]:
    """Times that are the rate's tenfold, but for one request in fifty."""
    if entry.case.rate is None:
        return {}
    slow = 1 if index % 50 else 10
    return {"scheduled_s": index, "sent_s": index, "latency_s": 10 * slow * entry.case.rate.per_second, "ttft_s": slow}


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return Written(tmp_path_factory.mktemp("rated"), *RATES, change=by_clock).report("en")


def points(chart: charts.Chart) -> dict[str, list[tuple[float, float]]]:
    return {series.name: [(point.x, round(point.y, 2)) for point in series.points] for series in chart.series}


def test_what_was_sent_at_rates_is_drawn_against_them_with_p99_where_the_samples_carry_it(rated: Report) -> None:
    found = {chart.key: chart for chart in charts.of(rated, "en")}
    assert list(found) == ["latency", "ttft", "throughput", "latency-rate", "ttft-rate", "throughput-rate"]
    assert [*points(found["latency"])] == ["128/512"], "no rate among the numbers of clients"
    latency = found["latency-rate"]
    assert latency.x_title == "Request rate asked for (req/s)"
    assert points(latency) == {
        "2k/512 mean": [(0.5, 5.95), (2, 23.82)],
        "2k/512 p99": [(0.5, 50)],
        "2k/512 constant x8 mean": [(1, 11.8), (2, 23.6)],
    }
    assert [point.x_text for point in latency.series[0].points] == ["0.5", "2"]
    assert points(found["ttft-rate"])["2k/512 p99"] == [(0.5, 10)], "662 requests carry it, 660 do not"
    throughput = [(row.case.load, row.output_throughput) for row in rated.rows if row.case.rate is not None]
    drawn = {name: [y for _, y in line] for name, line in points(found["throughput-rate"]).items()}
    assert drawn == {
        "2k/512": [pytest.approx(value, abs=0.01) for _, value in throughput[:2]],
        "2k/512 constant x8": [pytest.approx(value, abs=0.01) for _, value in throughput[2:]],
    }
    assert "2k/512 p99: 0.5 → 50" in latency.alt


def test_a_p99_has_the_colour_of_its_mean_and_a_marker_of_its_own(rated: Report) -> None:
    latency, throughput = (
        chart for chart in charts.of(rated, "en") if chart.key in ("latency-rate", "throughput-rate")
    )
    assert [latency.colour(at) for at in range(3)] == [0, 0, 1]
    assert [latency.marker(at) for at in range(3)] == ["circle", "square", "diamond"]
    assert [(throughput.colour(at), throughput.marker(at)) for at in range(2)] == [(0, "circle"), (1, "diamond")]


def test_a_rate_that_lacks_a_round_is_no_point_and_no_p99(tmp_path: Path) -> None:
    settings = ("load.transport=precise", "load.cases=[{input: 2k, output: 512, rate: [1, 2, 4], requests: 700}]")
    built = Written(tmp_path, *settings, missing=["2k-512-r2/round-2"], state="incomplete", change=by_clock).report(
        "en"
    )
    latency = charts.of(built, "en")[0]
    assert {name: [x for x, _ in line] for name, line in points(latency).items()} == {
        "2k/512 mean": [1, 4],
        "2k/512 p99": [1, 4],
    }


def test_requests_of_another_shape_have_lines_of_their_own(tmp_path: Path) -> None:
    plain = "input: 2k, output: 512, concurrency: [1, 2]"
    shaped = "input: 128, output: 512, lengths: lognormal 80%"
    cases = (
        f"[{{{plain}}}, {{{plain}, turns: 4}}, {{{shaped}, concurrency: 1}}, {{{shaped}, rate: [1, 2], requests: 4}}]"
    )
    built = Written(tmp_path, "load.transport=precise", "load.requests_per_client=2", f"load.cases={cases}").report(
        "en"
    )
    found = {chart.key: points(chart) for chart in charts.of(built, "en")}
    assert {name: [x for x, _ in line] for name, line in found["ttft"].items()} == {
        "2k/512": [1, 2],
        "2k/512 (4 turns)": [1, 2],
        "128/512 (σ80%)": [1],
    }
    assert {name: [x for x, _ in line] for name, line in found["throughput-rate"].items()} == {"128/512 (σ80%)": [1, 2]}
    assert "prefill" not in found, "their prompts have other lengths than the case, or begin with what is known"


def test_rates_of_a_table_that_knows_no_single_request_have_their_means(rated: Report) -> None:
    latency = next(one for one in charts.of(rated.model_copy(update={"details": ()}), "en") if "latency-r" in one.key)
    assert points(latency) == {
        "2k/512": [(0.5, 5.95), (2, 23.82)],
        "2k/512 constant x8": [(1, 11.8), (2, 23.6)],
    }


def test_a_single_rate_of_each_kind_is_no_chart(tmp_path: Path) -> None:
    rates = "[4, {per_second: 8, arrivals: constant}]"
    built = Written(
        tmp_path, f"load.cases=[{{input: 2k, output: 512, rate: {rates}, requests: 9}}]", "load.transport=precise"
    )
    assert charts.of(built.report("en"), "en") == ()


def test_a_comparison_draws_rates_apart_from_numbers_of_clients(tmp_path: Path) -> None:
    cases = """\
    - {input: 2k, output: 512, concurrency: [1, 4]}
    - {input: 2k, output: 512, rate: [0.5, 2], requests: 8}
    - {input: 2k, output: 512, rate: {per_second: [200, 100], burst: 4}, requests: 8}
"""
    for seed, name in enumerate("ab"):
        planted(tmp_path, name, seed, "load.transport=precise", cases=cases)
    found = {chart.key: chart for chart in curves.of(comparing.compare(("507-a", "507-b"), tmp_path, lang="en"))}
    assert [*found] == ["pareto", *("throughput", "latency", "ttft"), *("throughput-rate", "latency-rate", "ttft-rate")]
    lines = {name: [x for x, _ in line] for name, line in points(found["ttft-rate"]).items()}
    assert lines == {
        f"{side} · 2k/512{kind} · req/s": rates
        for side in "AB"
        for kind, rates in (("", [0.5, 2]), (" x4", [100, 200]))
    }
    assert {name: [x for x, _ in line] for name, line in points(found["ttft"]).items()} == {
        "A · 2k/512": [1, 4],
        "B · 2k/512": [1, 4],
    }
    assert set(points(found["pareto"])) == {*lines, "A · 2k/512", "B · 2k/512"}, "no line leads from clients to a rate"
    assert found["ttft-rate"].x_title == "Request rate asked for (req/s)"


def test_zero_everywhere_is_still_a_chart(built: Report) -> None:
    rows = tuple(row.model_copy(update={"ttft_s": 0.0}) for row in built.rows)
    chart = next(c for c in charts.of(built.model_copy(update={"rows": rows}), "en") if c.key == "ttft")
    assert charts.layout(chart, Box(0, 0, 100, 100)).y_ticks[0][1] == "0"


def test_a_picture_is_the_same_every_time(built: Report) -> None:
    chart = charts.of(built, "en")[0]
    content = pictures.png(chart)
    assert content == pictures.png(chart)
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (pictures.WIDTH, pictures.HEIGHT)
        assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 3


def test_the_font_of_the_pictures_has_every_character_that_charts_say() -> None:
    font = pictures.font()
    missing = bytes(font.getmask("\ue000"))
    words = (text for key, both in CATALOGUE.items() if key.startswith(("axis-", "chart-", "line-")) for text in both)
    characters = {*"".join(words), *map(chr, range(0x21, 0x7F)), *"±σ·"} - {" "}
    assert len(characters) > 120
    assert [one for one in sorted(characters) if bytes(font.getmask(one)) == missing] == []


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=50))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    found = charts.histogram(values)
    if not values:
        assert found is None
        return
    assert found is not None
    assert (found.low, found.high, max(found.bins)) == (min(values), max(values), 1.0)
    fullest = len(values) / sum(found.bins)
    assert fullest == pytest.approx(round(fullest))


# --- tables beyond the original's columns ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (26.6912, 0.3172, "26.69 ± 0.32"),
        (283.98, 21.61, "284 ± 22"),
        (0.0504712, 0.00058, "0.05047 ± 0.00058"),
        (1.0, 0.0, "1 ± 0"),
        (1.2, None, "1.2"),
        (None, None, "—"),
        (0.42, 0.4501, "0.42 ± 0.46"),
        (9.99, 0.0999, "9.990 ± 0.100"),
    ],
)
def test_an_interval_is_rounded_up_to_two_digits(mean: float | None, half_width: float | None, text: str) -> None:
    assert details.estimate(Estimate(mean=mean, half_width=half_width)) == text


def test_an_interval_follows_student_t() -> None:
    assert stats.half_width([]) is None
    assert stats.half_width([1.0]) is None
    assert stats.half_width([1.0, 3.0]) == pytest.approx(12.706)
    assert stats.half_width([1.0, 2.0, 3.0]) == pytest.approx(4.303 / math.sqrt(3))
    assert stats.half_width([5.0] * 4) == 0
    # Beyond the table the interval is a little wider than the true one, never narrower.
    many = [float(number % 2) for number in range(200)]
    assert (stats.half_width(many) or 0) > 1.972 * 0.5013 / math.sqrt(200) * 0.999


def test_prefill_speed_needs_both_of_every_request() -> None:
    tokens, ttft = stats.spread([100, 100]), stats.spread([2.0, 3.0])
    assert stats.prefill_speed(tokens, ttft) == pytest.approx(40)
    assert stats.prefill_speed(stats.spread([100]), ttft) is None
    assert stats.prefill_speed(None, ttft) is None
    assert stats.prefill_speed(tokens, None) is None
    assert stats.prefill_speed(tokens, stats.spread([0.0, 0.0])) is None


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(2, 2, "100%"), (0, 2, "0%"), (2, 3, "66.66%"), (99_999, 100_000, "99.99%"), (0, 0, "—"), (1, 2, "50%")],
)
def test_a_share_that_is_not_whole_never_reads_as_whole(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


@pytest.mark.parametrize(
    ("count", "given"),
    [(10, []), (11, ["p50"]), (63, ["p50"]), (64, ["p50", "p90"]), (661, ["p50", "p90"]), (662, ["p50", "p90", "p99"])],
)
def test_where_the_samples_do_not_carry_a_percentile_their_number_stands(count: int, given: list[str]) -> None:
    spread = stats.spread([1.0] * count)
    cells = {name: details.percentile(spread, name) for name in FEWEST}
    assert cells == {name: "1" if name in given else f"n={count}" for name in cells}


def test_a_percentile_that_is_given_has_its_interval(tmp_path: Path) -> None:
    """Eleven latencies of 1 to 11 s: from value to value the median's interval would be 2 to 10, which holds it 99 times in 100."""
    text = ["load.rounds=1", "load.cases=[{input: 128, output: 512, concurrency: 1, requests: 11}]"]
    built = Written(tmp_path, *text, change=lambda _, index: {"latency_s": index + 1.0}).report("en")
    row = details.distribution(built).rows[0]
    assert row[3:6] == ("6 (2.92–9.08)", "n=11", "n=11")
    assert row[6] == "2.38 (2.38–2.38)"
    assert [len(points) for points in (built.details[0].latency_points, built.details[0].tpot_points)] == [3, 3]


def test_an_interval_never_reads_as_the_percentile_itself() -> None:
    spread = stats.spread([0.002031] * 11)
    within = Within(low=0.002029, high=0.002034)
    assert details.percentile(spread, "p50", rate, within) == "0.002031 (0.002029–0.002034)"


def test_ttft_is_split_where_the_server_says_how_long_prefill_took(tmp_path: Path) -> None:
    """Also of a run whose results were written before they told of the server."""
    table = applied.trust(Written(tmp_path, change=lambda *_: {"server_prefill_s": 2.0}).report("en"))
    assert table.columns[-2:] == ("Prefill (s)", "Rest of TTFT (s)")
    assert table.rows[0][-2:] == ("2", "0.38")


def test_the_burst_is_told_from_what_came_after_it(tmp_path: Path) -> None:
    """Four requests of two clients: the second two are sent when the first are over."""

    def waves(_: RoundPlan, index: int) -> dict[str, object]:
        wave = index // 2
        return {"sent_s": 10.0 * wave, "latency_s": 10.0, "ttft_s": 3.0 - wave, "input_tokens": 128 + index}

    settings = ("load.rounds=1", "load.requests_per_client=2", "load.cases=[{input: 128, output: 512, concurrency: 2}]")
    table = applied.load(Written(tmp_path, *settings, change=waves).report("en"))
    assert table.rows == (("128", "512", "2", "129.5 (128–131)", "512", "2", "2", "50%", "3", "2"),)
    assert len(table.notes) == 1


def test_failures_are_counted_beside_the_figures(built: Report) -> None:
    table = details.stability(built)
    row = table.rows[1]
    assert row[3:7] == ("2", "4", "1", "75%")
    assert details.distribution(built).rows[1][3:12] == ("n=3",) * 9
    assert "p99 662" in details.distribution(built).notes[-1]


def test_a_case_that_lacks_a_round_says_how_many_it_has(tmp_path: Path) -> None:
    built = Written(tmp_path, missing=["2k-512-c1/round-2"], state="incomplete").report("en")
    row = details.stability(built).rows[2]
    assert row[3] == "1/2"
    assert row[7:] == ("—", "—", "—", "—")
