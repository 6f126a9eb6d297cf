"""`kit perf` without a server: what its options mean, which files it takes, and what its tables say of failures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kit.cli.perf import joined
from kit.errors import NotAcceptedError, UsageError
from kit.model import Profile, RoundPlan, Secret
from kit.renderers import csv
from kit.renderers.columns import frame
from kit.report import building as report
from kit.workflows import perf
from tests.unit.written import Written

# The columns of the csv and the workbook that the original script writes.
CSV = (
    "Input Length,Output Length,Loop,Concurrency,Average latency (s),Output token throughput (tok/s),"
    "Average time to first token (s),Average time per output token (s)"
)
XLSX = f"{CSV},单轮次 Avg TPS,单轮次平均单路吞吐（tok/s）,所有轮次平均 TPS,所有轮次平均单路吞吐（tok/s）"
WANTED = perf.Wanted(
    ip="127.0.0.1",
    port="8001",
    parallel="1 2 4 8",
    number="1 2 4 8",
    model="DeepSeek-R1-W8A8",
    tokenizer="/home/model/DeepSeek-R1-W8A8",
    input_length=16000,
    output_length=512,
    read_timeout_s=600,
    seed=42,
    loop=1,
    name="appauto-bench",
)


def made(**changed: object) -> Profile:
    return perf.profile(replace(WANTED, **changed)).profile  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("--parallel 1 2 4 8 --model m", ["--parallel", "1 2 4 8", "--model", "m"]),
        ("--parallel 1 --number 1", ["--parallel", "1", "--number", "1"]),
        ("--parallel=1 2 --number=1 2", ["--parallel=1 2", "--number=1 2"]),
        ("--model m --number 1 2", ["--model", "m", "--number", "1 2"]),
        ("--debug extra --parallel", ["--debug", "extra", "--parallel", ""]),
        ("", []),
    ],
)
def test_the_values_of_a_list_need_no_quotes(typed: str, taken: list[str]) -> None:
    assert joined(typed.split()) == taken


def test_quoted_lists_are_taken_as_they_are() -> None:
    assert joined(["--parallel", "1 2", "--ip", "x"]) == ["--parallel", "1 2", "--ip", "x"]


def test_every_level_that_was_asked_for_is_a_case() -> None:
    found = made()
    assert [(case.id, case.requests) for case in found.load.expanded()] == [
        ("16000-512-c1", 1),
        ("16000-512-c2", 2),
        ("16000-512-c4", 4),
        ("16000-512-c8", 8),
    ]
    assert (found.server.url, found.server.model) == ("http://127.0.0.1:8001", "DeepSeek-R1-W8A8")
    assert (found.load.read_timeout, found.load.seed, found.load.rounds) == (600.0, 42, 1)
    assert not found.acceptance.has_criteria


def test_any_number_of_requests_can_go_with_any_number_of_clients() -> None:
    assert [case.requests for case in made(parallel="1 4 16", number="10 10 8").load.expanded()] == [10, 10, 8]


def test_a_key_is_only_ever_named() -> None:
    assert made(api_key=Secret(env="KEY")).server.api_key == Secret(env="KEY")
    assert made().server.api_key is None


def test_a_name_may_be_anything_and_an_address_of_the_new_kind() -> None:
    found = made(name="夜间 Test 1/2", ip="::1")
    assert (found.name, found.report.project) == ("test-1-2", "夜间 Test 1/2")
    assert found.server.url == "http://[::1]:8001"
    assert made(name="夜间").name == "perf"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"parallel": "1 2 4", "number": "1 2"}, "3 values for --parallel and 2 for --number"),
        ({"parallel": "1,2"}, "--parallel: '1,2' is no list of whole numbers"),
        ({"number": ""}, "--number: '' is no list of whole numbers"),
        ({"parallel": "0 1"}, "--parallel: '0 1' is no list of whole numbers"),
        ({"port": "http"}, "--port: 'http' is not a port"),
        ({"ip": "user@host"}, "server.url: is not a URL"),
        ({"parallel": "2 2", "number": "2 8"}, "the case 16000-512-c2 stands here twice"),
        ({"output_length": 0}, "load.cases.0.output"),
        ({"loop": 0}, "load.rounds"),
    ],
)
def test_options_that_describe_no_test_are_refused(changed: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(**changed)
    assert told in str(caught.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        made(parallel="a", number="b", port="c")
    assert len(caught.value.problems) == 3


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_tests_of_one_second_have_tables_of_their_own(here: Path) -> None:
    for _ in range(2):
        perf.claim(None, None, "20261124_084500")
    names = ["20261124_084500-2.csv", "20261124_084500-2.xlsx", "20261124_084500.csv", "20261124_084500.xlsx"]
    assert files(here) == names


@pytest.mark.parametrize("there", ["night.csv", "night.xlsx"])
def test_a_table_that_exists_is_never_written_into(here: Path, there: str) -> None:
    (here / there).write_text("of an earlier test")
    with pytest.raises(UsageError, match=f"{there} exists already"):
        perf.claim("night", None, "20261124_084500")
    assert files(here) == [there]
    assert (here / there).read_text() == "of an earlier test"


def test_the_name_of_the_workbook_is_honoured(here: Path) -> None:
    found = perf.claim("a.csv", "b", "20261124_084500")
    assert (str(found.csv), str(found.xlsx)) == ("a.csv", "b.xlsx")
    (here / "c").mkdir()
    assert perf.claim("c/d", None, "20261124_084500").xlsx == Path("c/d.xlsx")


def test_names_under_which_nothing_was_written_are_given_back(here: Path) -> None:
    perf.claim("night", None, "20261124_084500").release()
    assert files(here) == []


# --- tables ------------------------------------------------------------------------------------------------------------


def test_the_columns_are_those_of_the_original_script(tmp_path: Path) -> None:
    built = report.build(report.read(Written(tmp_path).run))
    assert csv.script(built).startswith(f"{CSV}\r\n128,512,0,1,".encode())
    _, *lines = csv.script(built).decode().splitlines()
    loops_and_clients = [tuple(line.split(",")[2:4]) for line in lines]
    assert loops_and_clients == [("0", "1"), ("0", "1"), ("0", "2"), ("1", "1"), ("1", "1"), ("1", "2")]
    assert ",".join(frame(built).columns) == XLSX


def failing(case: str, *, every: int) -> Callable[[RoundPlan, int], dict[str, object]]:
    def change(entry: RoundPlan, index: int) -> dict[str, object]:
        failed = entry.case.id == case and index % every == 0
        return {"succeeded": False, "error": "HTTP 500", "latency_s": None, "ttft_s": None} if failed else {}

    return change


def test_a_table_says_which_requests_failed_and_which_round_is_missing(tmp_path: Path) -> None:
    written = Written(
        tmp_path, missing=("2k-512-c1/round-2",), change=failing("128-512-c2", every=2), state="incomplete"
    )
    built = report.build(report.read(written.run))
    head, *lines = csv.script(built).decode().splitlines()
    assert head == f"{CSV},Requests,Failed Requests,Status"
    ends = {tuple(line.split(",")[:4]): line.split(",")[4:] for line in lines}
    assert ends["128", "512", "0", "1"][-3:] == ["1", "0", "ok"]
    assert ends["128", "512", "0", "2"][-3:] == ["2", "1", "partly failed"]
    assert ends["2000", "512", "1", "1"] == ["", "", "", "", "1", "", "no result"]
    assert list(frame(built).columns)[-4:] == ["Requests", "Failed Requests", "Status", "Draft"]
    with pytest.raises(NotAcceptedError, match="2 of 7 requests failed"):
        perf.require_whole(built)


def test_a_level_of_which_every_request_failed_has_no_figures(tmp_path: Path) -> None:
    built = report.build(report.read(Written(tmp_path, change=failing("128-512-c2", every=1)).run))
    lines = [line for line in csv.script(built).decode().splitlines() if line.startswith("128,512,0,2,")]
    assert lines == ["128,512,0,2,,,,,2,2,failed"]


def test_a_table_says_how_many_requests_there_were_where_they_are_not_the_clients(tmp_path: Path) -> None:
    built = report.build(report.read(Written(tmp_path, "load.requests_per_client=3").run))
    assert csv.script(built).decode().splitlines()[1].endswith(",3,0,ok")


def test_where_nothing_failed_there_is_nothing_to_complain_about(tmp_path: Path) -> None:
    perf.require_whole(report.build(report.read(Written(tmp_path).run)))
