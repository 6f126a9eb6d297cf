"""The baseline beside what was measured: in every format, for every case that either of them has."""

from pathlib import Path

import pytest

from kit import renderers
from kit.legacy import report as reports
from kit.legacy import word
from kit.legacy.blocks import Grid
from kit.model.report import Report
from kit.renderers.details import comparison
from kit.store import BASELINE, write_once
from tests.unit.written import Written

# What `Written` measures for one client: a latency of 30.44 s over two rounds, a TTFT of 2.38 s.
OLD = (
    "input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s,avg_tps,per_stream_tok_s\n"
    "128,512,1,15.22,33.64,4.76,0.02,48.89,33.64\n"
    "4k,512,8,212.03,19.32,143.8,0.17,6.02,2.41\n"
)


def compared(folder: Path, content: str | None) -> Report:
    written = Written(folder, *(("acceptance.baseline=old.csv",) if content else ()))
    if content is not None:
        write_once(written.run.path / BASELINE, content.encode())
    return written.report("en")


def test_old_and_new_stand_side_by_side_with_the_change(tmp_path: Path) -> None:
    found = comparison(compared(tmp_path, OLD))
    rows = {row[:3]: row[3:] for row in found.rows}
    assert rows["128", "512", "1"][0] == "15.22 → 30.44 (+100.0%)"
    assert rows["128", "512", "1"][2] == "4.76 → 2.38 (-50.0%)"
    assert rows["128", "512", "2"][2] == "— → 2.38"
    assert rows["4k", "512", "8"] == (
        "212.03 → —",
        "19.32 → —",
        "143.8 → —",
        "0.17 → —",
        "6.020 → —",
        "2.410 → —",
    )
    assert [row[:3] for row in found.rows] == [
        ("128", "512", "1"),
        ("128", "512", "2"),
        ("2k", "512", "1"),
        ("4k", "512", "8"),
    ]
    assert "old.csv" in found.notes[0]


def test_a_baseline_alone_is_no_criterion(tmp_path: Path) -> None:
    built = compared(tmp_path, OLD)
    assert built.verdict.outcome == "none"
    assert "No acceptance criteria were set" in built.conclusion[0]


def test_without_a_baseline_there_is_nothing_to_compare(tmp_path: Path) -> None:
    assert comparison(compared(tmp_path, None)).rows == ()


@pytest.mark.parametrize("name", ["md", "html"])
def test_pages_show_both(tmp_path: Path, name: str) -> None:
    text = renderers.render(name, compared(tmp_path, OLD)).decode()
    assert "15.22 → 30.44 (+100.0%)" in text
    assert "212.03 → —" in text


def test_a_word_document_shows_both(tmp_path: Path) -> None:
    grids = [block for block in word.read(renderers.render("docx", compared(tmp_path, OLD))) if isinstance(block, Grid)]
    assert "15.22 → 30.44 (+100.0%)" in [cell for grid in grids for row in grid.rows for cell in row.cells]


@pytest.mark.parametrize("name", ["md", "docx"])
def test_a_report_that_compares_is_read_back_without_its_comparison(tmp_path: Path, name: str) -> None:
    built = compared(tmp_path, OLD)
    found = reports.read(renderers.render(name, built), f"new.{name}")
    assert [row.key for row in found.rows] == [(128, 512, 1), (128, 512, 2), (2000, 512, 1)]
    assert not [problem for problem in found.unread if "→" in problem.what or "a table that" in problem.what]
