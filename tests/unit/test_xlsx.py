"""The workbook: numbers are numbers, texts are texts, whatever they look like."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import example, given
from openpyxl import load_workbook
from openpyxl.workbook.workbook import Workbook

from kit.model.report import Report
from kit.renderers import xlsx
from kit.renderers.word import clean
from tests.unit.test_docx import any_text
from tests.unit.written import Written, failing


def book(content: bytes) -> Workbook:
    return load_workbook(io.BytesIO(content))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return Written(tmp_path_factory.mktemp("run"), change=failing).report()


def test_the_sheets_are_results_metrics_requests_telemetry_and_environment(built: Report) -> None:
    found = book(xlsx.render(built))
    assert found.sheetnames == ["results", "metrics", "requests", "telemetry", "environment"]
    assert {sheet.freeze_panes for sheet in found.worksheets} == {"A2"}


def test_metrics_hold_every_case_as_numbers(built: Report) -> None:
    rows = list(book(xlsx.render(built))["metrics"].values)
    first = dict(zip(rows[0], rows[1], strict=True))
    assert len(rows) == 1 + len(built.details)
    assert (first["input"], first["output"], first["concurrency"]) == (128, 512, 1)
    assert first["latency_s mean"] == pytest.approx(30.44)
    assert first["latency_s p50"] == "n=2 < 11"
    assert first["latency_s mean of rounds"] == pytest.approx(30.44)
    # Two rounds, 29.94 and 30.94: t(1) x s / sqrt(2) = 12.706 x 0.7071 / 1.4142.
    assert first["latency_s 95% interval ±"] == pytest.approx(6.353)
    assert first["prefill tok/s"] == pytest.approx(128 / 2.38)
    second = dict(zip(rows[0], rows[2], strict=True))
    assert (second["requests"], second["failed"], second["success rate"]) == (4, 1, 0.75)


def test_requests_hold_every_request_with_its_error(built: Report) -> None:
    rows = list(book(xlsx.render(built))["requests"].values)
    lines = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert len(lines) == len(built.requests) == 8
    failed = [line for line in lines if not line["succeeded"]]
    assert [line["error"] for line in failed] == ["HTTP 500: <b>no|room</b>"]
    assert all(isinstance(line["latency_s"], float) for line in lines)
    assert {line["succeeded"] for line in lines} == {True, False}


def test_no_time_of_writing_is_in_the_workbook(built: Report) -> None:
    with zipfile.ZipFile(io.BytesIO(xlsx.render(built))) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert f"{built.started:%Y-%m-%dT%H:%M:%SZ}" in archive.read("docProps/core.xml").decode()


def test_a_text_longer_than_a_cell_goes_on_in_the_next(built: Report) -> None:
    long = "".join(chr(0x4E00 + number % 20_000) for number in range(70_000))
    changed = built.model_copy(update={"project": long})
    row = next(book(xlsx.render(changed))["environment"].iter_rows(min_row=2, max_row=2, values_only=True))
    assert "".join(str(cell) for cell in row[2:] if cell is not None) == long


def test_a_draft_is_marked_in_the_properties(tmp_path: Path) -> None:
    draft = Written(tmp_path, missing=["2k-512-c1/round-2"], state="incomplete").report()
    assert draft.draft is not None
    assert draft.draft in book(xlsx.render(draft)).properties.title


def shown(value: object) -> str:
    """What Excel shows of a stored text."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), str(value or ""))


@given(given_text=any_text)
@example(given_text="=cmd()|' /C calc'!A0")
@example(given_text="+1+1")
@example(given_text="-1")
@example(given_text="@SUM(A1)")
@example(given_text="#N/A")
@example(given_text="1e5")
@example(given_text="_x0041_x0042_ =_x005F_ _x00e9_")
def test_any_text_is_text_and_never_a_formula(built: Report, given_text: str) -> None:
    request = built.requests[0].model_copy(update={"error": given_text, "finish_reason": given_text, "latency_s": None})
    changed = built.model_copy(
        update={
            "hardware": ((given_text, given_text),),
            "requests": (request,),
            "executions": (),
            "rounds": built.rounds[:1],
        }
    )
    found = book(xlsx.render(changed))
    sheet = found["environment"]
    cells = next(row for row in sheet.iter_rows(min_row=2) if row[0].value == "硬件配置")
    sent = {
        str(head.value): cell for head, cell in zip(*found["requests"].iter_rows(min_row=1, max_row=2), strict=True)
    }
    assert sent["latency_s"].value is None
    assert sent["succeeded"].value is True
    assert sent["ttft_s"].value == request.ttft_s
    wanted = clean(given_text)
    for cell in (*cells[1:3], sent["error"], sent["finish reason"]):
        assert shown(cell.value) == wanted
        if wanted:
            assert cell.data_type == "s"
        assert cell.quotePrefix == (wanted[:1] in ("=", "+", "-", "@", "#") and wanted != "")
