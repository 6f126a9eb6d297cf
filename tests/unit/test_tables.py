"""Tables on terminals of any width: no digit and no key is cut."""

import io
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from kit.cli import image_tables, output, view
from kit.cli.tables import Column, Rows
from kit.events import Event, Seen
from kit.formats import figure, rate
from kit.model import RoundResult
from kit.model.listed import Found
from kit.trend import Point
from kit.workflows.imaging import Listed
from tests.unit.written import Written

NAME = "20261130-154400-my-llama-rehearsal"
FOUND = Found(
    run=NAME,
    place="/runs",
    profile="p",
    status="complete",
    started=datetime(2026, 11, 30, tzinfo=UTC),
    duration_s=95.0,
    rounds_done=18,
    rounds_planned=18,
    model="DeepSeek-R1-0528-w8a8",
    accelerator=None,
    accelerators=None,
    hardware="2 x Intel(R) Xeon(R) Processor",
    engine="llamacpp 2026.10.11549",
    verdict="uncertain",
    load="x",
)
IMAGE = Listed(
    name="evalscope",
    version="1.14.1",
    platform="linux/amd64",
    state="other inputs",
    size_bytes=757_000_000,
    id="sha256:8c66667f013a0",
    content="sha256:d8a23a657a6c0",
    placed=datetime(2026, 11, 30, tzinfo=UTC),
)
WIDTHS = (40, 60, 80, 100, 160)


def shown(what: RenderableType, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def whole(value: str, lines: Sequence[str]) -> bool:
    """Whether a value stands in one piece, and not as the beginning of another one."""
    return any(re.search(rf"(?<!\S){re.escape(value)}(?!\S)", line) for line in lines)


@pytest.fixture(params=WIDTHS)
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Standard output is a terminal of this width."""
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(request.param))
    return int(request.param)


def lines(capsys: pytest.CaptureFixture[str], width: int) -> list[str]:
    found = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, found)) <= width
    assert not any("…" in line for line in found)
    return found


@pytest.mark.parametrize(
    ("prints", "values"),
    [
        (lambda: output.runs([FOUND]), (NAME, "18/18", "complete", "uncertain", "1 min 35 s", "DeepSeek-R1-0528-w8a8")),
        (lambda: output.trend([Point(FOUND, 3, 1065.1234, 0.98765, "worse")]), (NAME, "3", "1065.123", "0.988")),
        (
            lambda: image_tables.listed([IMAGE]),
            ("evalscope/1.14.1", "linux/amd64", "757 MB", "sha256:8c66667f013a", "sha256:d8a23a657a6c"),
        ),
    ],
    ids=["runs", "trend", "images"],
)
def test_keys_and_figures_are_whole_on_terminals_of_any_width(
    prints: Callable[[], None], values: Sequence[str], terminal: int, capsys: pytest.CaptureFixture[str]
) -> None:
    prints()
    found = lines(capsys, terminal)
    assert [value for value in values if not whole(value, found)] == []


def test_the_figures_of_a_run_are_whole_on_terminals_of_any_width(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Written(tmp_path).report("en")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        output.table(report)
        found = lines(capsys, width)
        for row in report.rows:
            figures = (row.latency_s, row.output_throughput, row.ttft_s, row.tpot_s)
            written = (*map(figure, figures), rate(row.tps), rate(row.per_stream_throughput))
            assert [value for value in written if not whole(value, found)] == []


def test_the_last_rounds_of_the_live_view_are_whole(tmp_path: Path) -> None:
    written = Written(tmp_path)
    live = view._Live(written.plan)
    for result in (
        RoundResult.model_validate_json(path.read_bytes()) for path in written.run.path.rglob("result.json")
    ):
        event = Event(kind="round-end", at=FOUND.started, text="", case=result.case.id, position=1, of=2)
        live.observe(Seen(event, result))
    for width in WIDTHS:
        found = shown(live.render(), width)
        assert not any("…" in line for line in found)
        for result in live._last:
            assert whole(f"{result.case.id} #{result.round}", found)
            assert whole(f"{figure(result.figures.output_throughput)} tok/s", found)
            assert whole(f"TPS {rate(result.figures.tps)}", found)


@given(
    st.lists(st.tuples(st.text("0123456789.", min_size=1, max_size=12), st.text("ab 中", max_size=60)), min_size=1),
    st.integers(14, 90),
)
def test_nothing_that_stands_in_a_table_is_lost(rows: list[tuple[str, str]], width: int) -> None:
    found = shown(Rows([Column("n", right=True), Column("text", folds=True)], rows), width)
    kept = "".join(found).replace(" ", "")
    assert all(whole(number, found) for number, _ in rows)
    assert all(kept.count(letter) >= sum(text.count(letter) for _, text in rows) for letter in "b中")


def test_a_table_where_it_fits_and_lines_where_it_does_not() -> None:
    rows = Rows([Column("run"), Column("TTFT\n(s)", right=True)], [(NAME, "0.123")])
    assert shown(rows, 50) == [f"{'':34}   TTFT", f"{'run':34}    (s)", f"{NAME}  0.123"]
    assert shown(rows, 38) == [f"run {NAME}", "  TTFT (s) 0.123"]
