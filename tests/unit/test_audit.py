"""The audit: what is in the original's own figures, and in tables that were tampered with."""

import io
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from kit import audit
from kit.errors import KitError, UsageError
from kit.legacy import report, tables
from kit.model import Length
from kit.model.table import Cell, Row
from kit.model.verdict import Audit
from kit.report import verdicts
from tests.unit.old_reports import BASELINE, figures, markdown

SCRIPT = (
    "Input Length,Output Length,Loop,Concurrency,Average latency (s),Output token throughput (tok/s),"
    "Average time to first token (s),Average time per output token (s)"
)
# As the original script writes them, of a server that takes 0.2 s to the first token and 20 ms for each of 64.
GOOD = ("160,64,0,1,1.4616,43.7784,0.2018,0.02", "160,64,0,2,1.4619,87.4973,0.2018,0.02")


def of(content: bytes, name: str = "t.csv") -> Audit:
    found = tables.read(content, name)
    return audit.table(name, found.rows, map(str, found.problems))


def script(*lines: str) -> Audit:
    return of("\n".join((SCRIPT, *lines)).encode())


def broken(found: Audit) -> dict[str, set[str]]:
    cases: dict[str, set[str]] = {}
    for finding in found.findings:
        cases.setdefault(finding.identity, set()).add(finding.case)
    return cases


# --- the original ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["csv", "markdown"])
def original(request: pytest.FixtureRequest) -> Audit:
    if request.param == "csv":
        return of(BASELINE.read_bytes())
    return audit.table("report", report.read(markdown().encode(), "old.md").rows)


def test_the_original_holds_where_it_holds(original: Audit) -> None:
    checks = {check.identity: check for check in original.checks}
    assert original.rows == 18
    for identity in ("throughput", "per-stream", "tps-tpot", "ttft-latency", "magnitude"):
        assert (checks[identity].rows, checks[identity].broken) == (18, 0), identity
    assert (checks["throughput"].worst or 1) < 0.001
    assert checks["ttft-input"].broken == checks["latency-concurrency"].broken == 0
    assert checks["ttft-input"].rows + checks["latency-concurrency"].rows > 0


def test_the_original_breaks_in_exactly_these_rows(original: Audit) -> None:
    tpot = {f"128-512-c{n}" for n in (1, 2, 4, 8, 16)} | {"1024-512-c4", "2k-512-c2", "2k-512-c4"}
    tpot |= {"4k-512-c2", "4k-512-c4"}
    assert broken(original) == {
        "decode": {"128-512-c1", "128-512-c2", "128-512-c4", "128-512-c16"},
        "tpot": tpot,
        "tps": tpot | {"4k-512-c1", "40k-3k-c1"},
    }
    assert len(tpot) == 10


def test_the_worst_row_of_the_original_is_4k_times_2(original: Audit) -> None:
    worst = max((f for f in original.findings if f.identity == "tps"), key=lambda f: abs(f.size or 0))
    assert worst.case == "4k-512-c2"
    assert worst.found == pytest.approx(6.71)
    assert worst.expected == pytest.approx(13.35, abs=0.005)
    assert worst.size == pytest.approx(-0.497, abs=0.001)
    assert worst.explanation == "rounds"
    assert [name for name, _, _ in worst.cells] == ["tps", "latency", "ttft"]


def test_every_finding_says_where_what_and_why(original: Audit) -> None:
    lines = verdicts.audited(original, "en")
    (line,) = [line for line in lines if line.startswith("4k-512-c2: TPS = ")]
    assert "TPS 6.71 [line " in line
    assert "expected 13.35 (-49.7%)" in line
    assert "different rounds" in line
    assert all(verdicts.audited(original, "zh-CN"))


# --- tables of the original script ---------------------------------------------------------------------------------


def test_what_the_script_measures_right_is_not_found_fault_with() -> None:
    assert script(*GOOD).findings == ()


@pytest.mark.parametrize(
    ("line", "identity", "explanation"),
    [
        ("160,64,0,1,1.4616,44.7784,0.2018,0.02", "throughput", "throughput-above"),
        ("160,64,0,1,1.4616,42.7784,0.2018,0.02", "throughput", "throughput-below"),
        ("160,64,0,4,1.4626,116.5,0.2018,0.02", "throughput", "throughput-below"),
        ("160,64,0,1,1461.6,43.7784,201.8,20", "throughput", "unit"),
        ("160,64,0,1,1.4616,43.7784,0.2018,20", "tpot", "unit"),
        ("160,64,0,1,1.4616,43.7784,0.2018,0.0212", "tpot", "rounds"),
        ("160,64,0,1,1.4616,43.7784,1.9,0.02", "ttft-latency", "unit"),
        ("160,64,0,1,-1,-1,-1,-1", "magnitude", "impossible"),
        ("160,1,0,1,0.2,5,0.2,0", "magnitude", "impossible"),
    ],
    ids=str,
)
def test_a_wrong_figure_is_found(line: str, identity: str, explanation: str) -> None:
    found = [finding for finding in script(line).findings if finding.identity == identity]
    assert [finding.explanation for finding in found[:1]] == [explanation]


@pytest.mark.parametrize("at", range(18))
@pytest.mark.parametrize("name", ["avg_latency_s", "output_throughput_tok_s", "avg_tps", "per_stream_tok_s"])
def test_no_single_figure_of_the_original_can_be_changed_by_a_tenth_unseen(at: int, name: str) -> None:
    rows = figures()
    rows[at][name] = f"{float(rows[at][name]) * 1.1:.2f}"
    content = "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)])
    case = f"{rows[at]['input']}-{rows[at]['output']}-c{rows[at]['concurrency']}"
    assert case in set().union(*broken(of(content.encode())).values())


def test_an_input_that_grows_does_not_make_the_first_token_faster() -> None:
    found = script("160,64,0,1,1.4616,43.7784,0.2018,0.02", "320,64,0,1,1.36,47.06,0.1,0.02")
    assert broken(found) == {"ttft-input": {"320-64-c1#0"}}


def test_more_clients_do_not_make_a_request_faster() -> None:
    found = script("160,64,0,4,1.4616,175.15,0.2018,0.02", "160,64,0,8,1.2616,405.83,0.0018,0.02")
    assert broken(found) == {"latency-concurrency": {"160-64-c8#0"}}


def test_a_workbook_tells_cells_by_their_names() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append([*SCRIPT.split(","), "单轮次 Avg TPS", "所有轮次平均 TPS"])
    sheet.append([160, 64, 0, 1, 1.4616, 43.7784, 0.2018, 0.02, 55, 12])
    stored = io.BytesIO()
    book.save(stored)
    found = of(stored.getvalue(), "t.xlsx")
    assert {cell for finding in found.findings for cell in finding.cells if cell[0] == "tps"} == {("tps", "55", "I2")}


def test_a_table_that_a_spreadsheet_saved_in_chinese_is_read() -> None:
    lines = ["输入,输出,并发数,端到端时延（s）,系统吞吐（tok/s）", "160,64,1,1.4616,43.7784"]
    found = of("\n".join(lines).encode("gb18030"))
    assert (found.rows, found.skipped, found.findings) == (1, (), ())


def test_what_cannot_be_read_is_told_with_its_place() -> None:
    found = script(*GOOD, "160,64,0,four,1,1,1,1", "160,64,0,8,inf,1,1,1")
    assert found.rows == 2
    assert [text.partition(":")[0] for text in found.skipped] == ["line 4, Concurrency", "line 5, Average latency (s)"]


@pytest.mark.parametrize(
    "content",
    [b"", b"a,b\n1,2\n", b"\xff\xfe", b"PK\x03\x04rest", b'"open\n', SCRIPT.encode() + b",Concurrency\n", b"\x00"],
    ids=repr,
)
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        of(content)


# --- any table -----------------------------------------------------------------------------------------------------


def rounded(value: float, places: int) -> float:
    return round(value, places)


@given(
    given_=st.integers(1, 100_000),
    made=st.integers(2, 8192),
    clients=st.integers(1, 512),
    ttft=st.floats(0.01, 500),
    tpot=st.floats(0.02, 1.0),
    places=st.integers(2, 6),
)
def test_a_table_of_true_figures_is_never_found_fault_with(
    given_: int, made: int, clients: int, ttft: float, tpot: float, places: int
) -> None:
    latency = ttft + tpot * (made - 1)
    throughput = clients * made / latency
    values = {
        "latency": latency,
        "output_throughput": throughput,
        "ttft": ttft,
        "tpot": tpot,
        "tps": 1 / tpot,
        "per_stream_throughput": throughput / clients,
    }
    if min(rounded(value, places) for value in values.values()) <= 0:
        return
    cells: dict[str, Any] = {
        name: Cell(value=rounded(value, places), step=10.0**-places, where=name) for name, value in values.items()
    }
    row = Row(input=Length.model_validate(given_), output=Length.model_validate(made), concurrency=clients, **cells)
    assert audit.table("t", [row]).findings == ()


@given(st.text(max_size=300) | st.lists(st.text(max_size=12), min_size=8, max_size=8).map(",".join))
def test_any_text_is_a_table_or_is_refused(text: str) -> None:
    for content in (text.encode(errors="replace"), f"{SCRIPT}\n{text}".encode(errors="replace")):
        try:
            found = of(content)
        except KitError:
            continue
        assert all(verdicts.audited(found, "zh-CN"))


@given(
    st.lists(st.sampled_from(["0", "1", "-1", "1e9", "1e-9", "0.5", "1e99", "64", "nan", ""]), min_size=8, max_size=8)
)
def test_any_figures_are_audited(cells: Iterable[str]) -> None:
    assert all(verdicts.audited(script(",".join(cells)), "en"))
