"""`kit perf` with real evalscope: what the script that it stands for got wrong, and the same columns."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from openpyxl import load_workbook

from kit.model.verdict import Audit
from tests.integration.driver import Done, Kit
from tests.stub_server import Behaviour, Request, Stub, serving
from tests.unit.test_perf import CSV, XLSX

pytestmark = pytest.mark.xdist_group("evalscope-1.0.1")
INPUT, OUTPUT = 64, 16
DISTURBED = {"latency-concurrency", "ttft-input"}
"""What a machine that does other work meanwhile may break."""
KEY = "sk-perf-canary-0123456789"


@dataclass(frozen=True)
class Outcome:
    """A finished `kit perf`, the folder it ran in, and what the stub saw."""

    done: Done
    home: Path
    requests: list[Request]

    def rows(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO((self.home / name).read_text("utf-8"))))


def words(stub: Stub, tokenizer: Path, model: str, *extra: str, output: int = OUTPUT) -> list[str]:
    port = stub.url.rpartition(":")[2]
    own = ("--port", port, "--model", model, "--tokenizer-path", str(tokenizer), "--input-length", str(INPUT))
    return ["perf", *own, "--output-length", str(output), *extra]


@pytest.fixture(scope="module")
def good(cache: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Two levels, unquoted, twice, the second with more requests than clients; a key; a role-only chunk long before the first text; a token every 3 ms."""
    home = tmp_path_factory.mktemp("good")
    with serving(Behaviour(key=KEY, input_tokens=INPUT, first_text_s=1.0, gap_s=0.003)) as stub:
        asked = [
            "--parallel",
            "1",
            "2",
            "--number",
            "1",
            "3",
            "--loop",
            "2",
            "--output-csv",
            "night",
            "--output-xlsx",
            "other",
            "--api-key",
        ]
        done = Kit(home, cache).run(*words(stub, tokenizer, "good", *asked, KEY))
        return Outcome(done, home, list(stub.log.measured))


def test_every_level_is_tested_unquoted_and_in_every_loop(good: Outcome) -> None:
    assert good.done.code == 0, good.done.err
    assert (good.home / "night.csv").read_text("utf-8").splitlines()[0] == f"{CSV},Requests,Failed Requests,Status"
    rows = good.rows("night.csv")
    assert [(row["Loop"], row["Concurrency"]) for row in rows] == [("0", "1"), ("0", "2"), ("1", "1"), ("1", "2")]
    assert len(good.requests) == 2 * (1 + 3)
    # Level by level, loop by loop. A prompt of an earlier loop would be answered from a prefix cache.
    loops = [0, 1, 0, 0, 0, 1, 1, 1]
    sent = [{request.prompt for request, at in zip(good.requests, loops, strict=True) if at == loop} for loop in (0, 1)]
    assert not sent[0] & sent[1]


def test_the_first_token_is_text_and_not_the_role(good: Outcome) -> None:
    for row in good.rows("night.csv"):
        ttft, latency = float(row["Average time to first token (s)"]), float(row["Average latency (s)"])
        assert ttft >= 1.0
        tpot = float(row["Average time per output token (s)"])
        assert tpot == pytest.approx((latency - ttft) / (OUTPUT - 1), rel=1e-6)


def test_rates_come_from_times_that_were_not_rounded(good: Outcome) -> None:
    sheet = load_workbook(good.home / "other.xlsx").worksheets[0]
    head, *rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    assert ",".join(map(str, head)) == f"{XLSX},Requests,Failed Requests,Status"
    assert len(rows) == 4
    for row in rows:
        tpot, tps = row[7], row[8]
        assert isinstance(tpot, float)
        assert isinstance(tps, float)
        assert tps == pytest.approx(1 / tpot, rel=1e-9)
        assert round(tpot, 4) != tpot


def test_the_key_is_used_and_stands_nowhere(good: Outcome) -> None:
    assert {request.authorization for request in good.requests} == {f"Bearer {KEY}"}
    written = [path for path in good.home.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert written == []
    assert KEY not in good.done.out + good.done.err


def test_the_tables_satisfy_the_audit(good: Outcome, cache: Path) -> None:
    for name in ("night.csv", "other.xlsx"):
        found = Audit.model_validate_json(Kit(good.home, cache).run("audit", name, "--json").out)
        assert (found.rows, found.skipped) == (4, ())
        assert {finding.identity for finding in found.findings} <= DISTURBED


def test_a_table_that_exists_stops_a_test_before_it_starts(good: Outcome, cache: Path, tokenizer: Path) -> None:
    before = (good.home / "night.csv").read_bytes()
    with serving() as stub:
        done = Kit(good.home, cache).run(*words(stub, tokenizer, "good", "--output-csv", "night"))
        assert stub.log.requests == []
    assert done.code == 2
    assert "night.csv exists already" in done.err
    assert (good.home / "night.csv").read_bytes() == before


def test_failures_are_rows_and_an_exit_code(cache: Path, tokenizer: Path, tmp_path: Path) -> None:
    """One of three requests fails in the first level, all in the second, none in the third."""
    with serving(Behaviour(input_tokens=INPUT)) as stub:
        asked = ["--parallel", "1", "2", "4", "--number", "3", "2", "4", "--output-csv", "partly", "--debug"]
        done = Kit(tmp_path, cache).run(*words(stub, tokenizer, "http-500@3,http-500@4-5", *asked))
    assert done.code == 4
    assert "64-16-c2, round 1 of 1: no request succeeded" in done.err
    assert "results: partly.csv" in done.out
    assert "the stub says 500" in done.err
    rows = Outcome(done, tmp_path, []).rows("partly.csv")
    assert [row["Status"] for row in rows] == ["partly failed", "failed", "ok"]
    assert [(row["Requests"], row["Failed Requests"]) for row in rows] == [("3", "1"), ("2", "2"), ("4", "0")]
    figures = CSV.split(",")[4:]
    assert [rows[1][name] for name in figures] == [""] * 4
    assert all(float(rows[at][name]) > 0 for at in (0, 2) for name in figures)


def test_two_tests_of_one_second_in_one_folder_do_not_mix(cache: Path, tokenizer: Path, tmp_path: Path) -> None:
    """And an answer of one token has a latency, but no time per token and no rate of any."""
    both = Kit(tmp_path, cache)
    with serving(Behaviour(input_tokens=INPUT)) as stub, ThreadPoolExecutor() as pool:
        started = [
            pool.submit(
                both.run, *words(stub, tokenizer, "good", "--parallel", number, "--number", number, output=output)
            )
            for output, number in ((1, "1"), (OUTPUT, "3"))
        ]
        assert [one.result().code for one in started] == [0, 0]
    tables = {path.name: path.read_text("utf-8").splitlines() for path in tmp_path.glob("*.csv")}
    assert len(tables) == len(list(tmp_path.glob("*.xlsx"))) == len(list((tmp_path / "runs").iterdir())) == 2
    (one,) = [lines for lines in tables.values() if lines[1].startswith("64,1,0,1,")]
    (three,) = [lines for lines in tables.values() if lines[1].startswith("64,16,0,3,")]
    assert (len(one), len(three)) == (2, 2)
    assert one[0] == CSV
    cells = one[1].split(",")
    assert float(cells[4]) > 0
    assert cells[7] == ""
    sheets = [load_workbook(path).worksheets[0] for path in tmp_path.glob("*.xlsx")]
    (of_one,) = [sheet for sheet in sheets if sheet["B2"].value == 1]
    assert of_one["I2"].value is None


def test_lists_that_do_not_match_are_refused(cache: Path, tokenizer: Path, tmp_path: Path) -> None:
    with serving() as stub:
        asked = ["--parallel", "1", "2", "4", "8", "--number", "1", "2"]
        done = Kit(tmp_path, cache).run(*words(stub, tokenizer, "good", *asked))
        assert stub.log.requests == []
    assert done.code == 2
    assert "4 values for --parallel and 2 for --number" in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_endpoint_that_does_not_answer_leaves_no_table(cache: Path, tokenizer: Path, tmp_path: Path) -> None:
    with serving() as stub:
        done = Kit(tmp_path, cache).run(*words(stub, tokenizer, "http-500"))
    assert done.code == 3
    assert list(tmp_path.glob("*.csv")) == list(tmp_path.glob("*.xlsx")) == []


def test_an_option_that_is_misspelt_is_refused(cache: Path, tokenizer: Path, tmp_path: Path) -> None:
    with serving() as stub:
        done = Kit(tmp_path, cache).run(*words(stub, tokenizer, "good", "--paralel", "1"))
        assert stub.log.requests == []
    assert done.code == 2
    assert "--paralel" in done.err
