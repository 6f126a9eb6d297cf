"""What the report says of the machine while it worked: power, use, and their course over time."""

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from openpyxl import load_workbook

from kit import renderers
from kit.errors import UsageError
from kit.model import CardReading, CardTick, HostTick, RoundPlan, RoundResult, Telemetry
from kit.model.report import Report
from kit.renderers import charts, docx, overtime
from kit.renderers.details import machine
from kit.report import building as report
from kit.report import timelines
from kit.store import RunDir
from kit.texts import say
from tests.fakes import BEGIN
from tests.unit.test_docx import WP, W, body, tables, text
from tests.unit.test_html import page
from tests.unit.written import Written

Told = Callable[[RoundPlan], Telemetry | None]


def telemetry(entry: RoundPlan) -> Telemetry:
    """More power with every round and client."""
    return Telemetry(
        window="requests",
        window_s=40.0,
        interval_s=2.0,
        samples=20,
        power_mean_w=400.0 + 10 * entry.round + entry.case.concurrency,
        power_peak_w=500.0 + entry.round,
        energy_j=16000.0,
        tokens_per_joule=0.032 * entry.round,
        memory_peak_bytes=59 * 1024**3 + entry.round,
        utilisation_mean_percent=80.0,
        temperature_peak_c=60.0 + entry.round,
        host_samples=20,
        cpu_mean_percent=(10.0, 30.0),
        client_peak_percent=12.0 + entry.round,
    )


def ticks(count: int = 10) -> list[CardTick | HostTick]:
    """Two cards and the host, every two seconds."""
    found: list[CardTick | HostTick] = []
    for number in range(count):
        at = BEGIN + timedelta(seconds=2 * number)
        cards = tuple(
            CardReading(card=card, chip=0, power_w=200.0 + 10 * card + number, utilisation_percent=50.0 + card)
            for card in (0, 1)
        )
        found.append(CardTick(at=at, began_s=2.0 * number, took_s=0.1, cards=cards))
        found.append(
            HostTick(at=at, began_s=2.0 * number, took_s=0.01, cpu_percent=(None, 20.0), client_percent=float(number))
        )
    return found


def measured(folder: Path, told: Told = telemetry, count: int = 10) -> RunDir:
    """A run with telemetry."""
    written = Written(folder)
    for entry in written.plan.rounds:
        place = written.run.path / "cases" / entry.id
        result = RoundResult.model_validate_json((place / "result.json").read_bytes())
        (place / "result.json").write_bytes(result.model_copy(update={"telemetry": told(entry)}).to_json())
        if told(entry) is not None and entry.round == 1:
            lines = [tick.model_dump_json() for tick in ticks(count)]
            (place / "telemetry.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return written.run


@pytest.fixture
def built(tmp_path: Path) -> Report:
    return report_of(measured(tmp_path))


def report_of(run: RunDir) -> Report:
    return report.build(report.read(run), "en")


def test_a_case_has_means_over_rounds_and_peaks_of_all(built: Report) -> None:
    use = built.details[1].machine
    assert use is not None
    assert use.power_w == pytest.approx((412 + 422) / 2)
    assert use.power_peak_w == 502
    assert use.tokens_per_joule == pytest.approx(0.048)
    assert use.memory_peak_bytes == 59 * 1024**3 + 2
    assert use.cpu_percent == pytest.approx(20)
    assert use.client_peak_percent == 14
    assert use.reasons == ()


def test_the_table_stands_in_every_format(built: Report) -> None:
    row = ("128", "512", "2", "417", "502", "0.048", "80", "59", "62", "20", "14")
    assert machine(built).rows[1] == row
    assert machine(built).notes == (say("en", "machine-use-note"),)
    assert f"| {' | '.join(row)} |" in renderers.render("md", built).decode()
    assert list(row) in [line for found in tables(docx.render(built)) for line in found]
    lines = [[cell.text for cell in line.all("td")] for line in page(renderers.render("html", built)).all("tr")]
    assert list(row) in lines


def test_what_a_point_over_time_is_stands_below_the_chart_that_it_is_of(built: Report) -> None:
    note, titles = overtime.note(built), {chart.title for chart in overtime.of(built)}
    cells = [text(cell) for cell in body(docx.render(built)).iter(f"{W}tc")]
    assert len(titles) == 2
    assert [note in found for found in cells if any(title in found for title in titles)] == [True, True]
    assert sum(note in found for found in cells) == 2


def test_a_round_without_a_figure_leaves_none_for_its_case(tmp_path: Path) -> None:
    def told(entry: RoundPlan) -> Telemetry | None:
        if entry.id == "128-512-c1/round-2":
            return telemetry(entry).model_copy(update={"power_mean_w": None, "power_peak_w": None, "reason": "no tool"})
        return telemetry(entry) if entry.case.concurrency == 1 else None

    built = report_of(measured(tmp_path, told))
    first, second, _ = (detail.machine for detail in built.details)
    assert first is not None
    assert first.power_w is None
    assert first.power_peak_w is None
    assert first.tokens_per_joule is not None
    assert first.reasons == ("no tool",)
    assert second is None
    assert machine(built).notes[-1] == "Accelerators: no tool"
    assert say("en", "machine-use-few") in machine(built).notes
    assert machine(built).rows[1][3:] == ("—",) * 8


def test_what_was_never_measured_has_no_column(tmp_path: Path) -> None:
    def told(entry: RoundPlan) -> Telemetry:
        bare = Telemetry(
            window="round", window_s=1, interval_s=2, samples=0, reason="the profile names no accelerators"
        )
        return bare.model_copy(update={"cpu_mean_percent": (25.0,), "host_samples": entry.round})

    found = machine(report_of(measured(tmp_path, told)))
    assert found.columns[3:] == ("CPU use (%)",)
    assert found.rows[0] == ("128", "512", "1", "25")
    assert found.notes == ("Accelerators: the profile names no accelerators",), "nothing of columns that are not there"


def test_a_run_without_telemetry_has_no_such_table(tmp_path: Path) -> None:
    built = Written(tmp_path).report("en")
    assert machine(built).rows == ()
    assert overtime.of(built) == ()
    for name in ("md", "html"):
        text = renderers.render(name, built).decode()
        assert say("en", "machine-use") not in text
        assert say("en", "machine-time") not in text


def test_the_workbook_has_a_row_for_every_round(built: Report) -> None:
    sheet = load_workbook(io.BytesIO(renderers.render("xlsx", built)))["telemetry"]
    titles, *lines = sheet.iter_rows(values_only=True)
    assert len(lines) == 6
    by_title = dict(zip(titles, lines[3], strict=False))
    assert (by_title["concurrency"], by_title["round"], by_title["power mean W"]) == (2, 2, 422)
    assert by_title["energy J"] == 16000
    assert by_title["cpu mean %"] == 20
    assert by_title["longest gap s"] is None


# --- over time ---------------------------------------------------------------------------------------------------


def test_lines_over_time_are_one_for_each_card_and_quantity() -> None:
    found = {(line.kind, line.card): line for line in timelines.of(ticks())}
    assert set(found) == {
        ("power", 0),
        ("power", 1),
        ("utilisation", 0),
        ("utilisation", 1),
        ("cpu", None),
        ("client", None),
    }
    assert found["power", 1].points[0] == (1.0, 210.0)
    assert found["power", 1].points[-1] == (19.0, 219.0)
    assert {value for _, value in found["cpu", None].points} == {20.0}


def test_many_readings_are_thinned_to_their_means() -> None:
    many = ticks(5000)
    line = next(line for line in timelines.of(many) if line.kind == "client")
    assert len(line.points) <= timelines.MOST_POINTS + 1
    values = [tick.client_percent or 0.0 for tick in many if isinstance(tick, HostTick)]
    assert min(values) <= line.points[0][1] < line.points[-1][1] <= max(values)
    assert line.step_s == pytest.approx(9998 / timelines.MOST_POINTS)


def test_nothing_read_is_no_line() -> None:
    assert timelines.of([]) == ()
    silent: list[CardTick | HostTick] = [CardTick(at=BEGIN, began_s=0, took_s=0, reason="it hung")]
    silent.append(HostTick(at=BEGIN, began_s=0, took_s=0))
    assert timelines.of(silent) == ()


def test_charts_over_time_are_in_the_page_and_told_in_words(built: Report) -> None:
    power, use = overtime.of(built)
    assert [one.name for one in power.series] == ["Accelerator 0", "Accelerator 1"]
    assert [one.name for one in use.series] == [
        "Accelerator 0",
        "Accelerator 1",
        "CPU",
        "Load generator's thread",
    ]
    assert "Accelerator 1: mean 214.5, peak 219" in power.alt
    found = page(renderers.render("html", built))
    for chart in (power, use):
        figure = found.all("figure", id=f"chart-{chart.key}")[0]
        assert figure.all("svg")[0].attributes["aria-label"] == chart.alt
        points = [point for point in figure.all() if "point" in point.attributes.get("class", "").split()]
        assert len(points) == sum(len(one.points) for one in chart.series)


def test_charts_over_time_are_pictures_in_the_document(built: Report) -> None:
    told = [shown.get("descr") for shown in body(docx.render(built)).iter(f"{WP}docPr")]
    assert told[-2:] == [chart.alt for chart in overtime.of(built)]


def test_a_time_axis_begins_at_zero_and_has_few_ticks(built: Report) -> None:
    drawn = charts.layout(overtime.of(built)[0], charts.Box(0, 0, 600, 300))
    assert drawn.x_ticks[0][1] == "0"
    assert 3 <= len(drawn.x_ticks) <= 8


def test_telemetry_that_is_not_whole_is_named(tmp_path: Path) -> None:
    run = measured(tmp_path)
    (run.path / "cases" / "128-512-c1" / "round-1" / "telemetry.jsonl").write_text('{"kind":"cards"', "utf-8")
    with pytest.raises(UsageError, match=r"telemetry\.jsonl"):
        report_of(run)
