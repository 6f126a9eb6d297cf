"""The smoke profile as a user runs it: a real server, a real load, and what is there afterwards."""

import json
import re
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.model import Plan, RoundResult, Sample
from tests.e2e import instrument
from tests.integration.driver import Done, Kit, await_true, free_port

pytestmark = pytest.mark.xdist_group("smoke")

CASES = ("64-32-c1", "64-32-c2", "64-32-c4", "256-32-c1", "256-32-c2", "256-32-c4")
ROUNDS = 2
ESCAPE = "\x1b"
SECTIONS = (
    "1 基本信息",
    "2 测试环境",
    "2.1 硬件配置",
    "2.2 软件配置",
    "3 测试过程",
    "3.1 启动测试",
    "3.2 性能数据",
    "4 测试结论",
    "5 附件",
    "5.1 硬件详细信息",
    "5.2 测试脚本",
)
COLUMNS = (
    "模型",
    "环境",
    "输入",
    "输出",
    "并发数",
    "端到端时延（s） Avg Latency(s)",
    "系统吞吐 Output token  throughput (tok/s)",
    "平均首 token 时延 Avg TTFT(s)",
    "平均每 token 延迟 Avg TPOT(s)",
    "单个请求每秒生成 token 数 Avg TPS",
    "平均单路吞吐  （tokens/s）",
)


@dataclass(frozen=True)
class Smoke:
    """A finished smoke run."""

    kit: Kit
    done: Done
    port: int

    @property
    def path(self) -> Path:
        return self.kit.the_run

    @property
    def plan(self) -> Plan:
        return Plan.model_validate_json((self.path / "plan.json").read_bytes())

    @property
    def report(self) -> str:
        return (self.path / "report" / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """`kit run smoke`, with nothing changed but the port."""
    kit = Kit(tmp_path_factory.mktemp("smoke"), cache)
    port = free_port()
    done = kit.run("run", "smoke", "--set", f"server.port={port}")
    return Smoke(kit, done, port)


def rounds(path: Path) -> Iterator[Path]:
    """Every round's directory, in the order of the profile."""
    for case in CASES:
        for number in range(1, ROUNDS + 1):
            yield path / "cases" / case / f"round-{number}"


def test_the_smoke_profile_ends_well(run: Smoke) -> None:
    assert run.done.code == 0, run.done.err


def test_the_run_directory_holds_what_the_design_says(run: Smoke) -> None:
    wanted = (
        "profile.yaml",
        "plan.json",
        "run.json",
        "journal.jsonl",
        "inventory.json",
        "server/argv.txt",
        "server/server.log",
        "server/phases.json",
        "report/report.md",
        "report/results.csv",
        "report/results.xlsx",
    )
    assert [name for name in wanted if not (run.path / name).is_file()] == []
    assert len(list(run.path.glob("hardware_info_*_*.txt"))) == 1
    assert list((run.path / "inventory" / "raw").glob("*.txt"))
    for directory in rounds(run.path):
        names = {entry.name for entry in directory.iterdir()}
        assert {"command.txt", "stdout.log", "result.json", "samples.jsonl", "raw"} <= names
        assert len(list(directory.glob("raw/**/benchmark_data.db"))) == 1
    assert not list(run.path.rglob("*.part"))


def test_the_run_tried_its_own_instrument(run: Smoke) -> None:
    instrument.check(run.path)


def test_the_run_directory_holds_every_case_and_round_and_no_other(run: Smoke) -> None:
    assert sorted(path.parent for path in run.path.rglob("result.json")) == sorted(rounds(run.path))


def test_prompts_and_answers_have_the_lengths_that_were_asked(run: Smoke) -> None:
    for directory in rounds(run.path):
        result = RoundResult.model_validate_json((directory / "result.json").read_bytes())
        samples = [Sample.model_validate_json(line) for line in (directory / "samples.jsonl").read_text().splitlines()]
        assert len(samples) == result.case.concurrency
        for sample in samples:
            assert (sample.succeeded, sample.input_tokens, sample.output_tokens) == (True, result.case.input.tokens, 32)
            assert sample.tokens_from == "usage"
        # llama.cpp says in every answer how long prefill and decoding took it.
        assert result.server is not None
        assert result.server.source == "answers"
        assert result.figures.ttft_s is not None
        assert 0 < (result.server.prefill_s or 0) <= result.figures.ttft_s.mean


def test_the_report_has_the_sections_of_the_original_in_their_order(run: Smoke) -> None:
    found = [line.lstrip("#").strip() for line in run.report.splitlines() if re.match(r"#{1,2} [0-9]", line)]
    assert tuple(found) == SECTIONS


def test_the_performance_table_has_the_titles_of_the_original(run: Smoke) -> None:
    (header,) = (line for line in run.report.splitlines() if "Avg Latency(s)" in line)
    assert tuple(cell.strip() for cell in header.strip("|").split(" | ")) == COLUMNS


def test_the_performance_table_has_one_row_per_case(run: Smoke) -> None:
    lines = run.report.splitlines()
    (start,) = (number for number, line in enumerate(lines) if "Avg Latency(s)" in line)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start + 2 : start + 2 + len(CASES)]]
    assert [row[4] for row in rows] == ["1", "2", "4"] * 2
    assert [row[2] for row in rows if row[2]] == ["64", "256"]
    assert all(re.fullmatch(r"[0-9.]+(e-[0-9]+)?(\[\^[0-9]+\])*", cell) for row in rows for cell in row[5:])
    assert not lines[start + 2 + len(CASES)].startswith("|")


def test_the_report_claims_nothing_that_was_not_checked(run: Smoke) -> None:
    assert "符合预期" not in run.report


def test_commands_are_what_was_run_and_a_shell_reads_them_so(run: Smoke) -> None:
    for entry in run.plan.rounds:
        line = (run.path / "cases" / entry.id / "command.txt").read_text("utf-8")
        assignments = dict(word.split("=", 1) for word in shlex.split(line)[: len(entry.program.env)])
        words = shlex.split(line)[len(entry.program.env) :]
        assert assignments == dict(entry.program.env)
        assert (Path(words[0]).name, *words[1:]) == entry.program.argv
        assert Path(words[0]).is_file()
    assert run.plan.server is not None
    words = shlex.split((run.path / "server" / "argv.txt").read_text("utf-8"))
    assert (Path(words[-len(run.plan.server.program.argv)]).name, *words[-len(run.plan.server.program.argv) + 1 :]) == (
        run.plan.server.program.argv
    )


def test_rounds_of_a_case_send_other_prompts(run: Smoke) -> None:
    """The same prompts again would be answered from a prefix cache."""
    seeds = {entry.id: entry.order.seed for entry in run.plan.rounds}
    for case in CASES:
        assert len({seeds[f"{case}/round-{number}"] for number in range(1, ROUNDS + 1)}) == ROUNDS


def test_plain_lines_hold_no_escape_codes(run: Smoke) -> None:
    assert ESCAPE not in run.done.out + run.done.err


def test_the_output_names_every_round_and_the_report(run: Smoke) -> None:
    for case in CASES:
        assert case in run.done.err
    assert f"[{len(CASES) * ROUNDS}/{len(CASES) * ROUNDS}]" in run.done.err
    printed = run.done.out.split("report: ")[1].split()[0]
    assert (run.kit.home / printed).samefile(run.path / "report" / "report.md")


def test_the_journal_tells_the_run_in_order(run: Smoke) -> None:
    events = [json.loads(line) for line in (run.path / "journal.jsonl").read_text("utf-8").splitlines()]
    kinds = [event["kind"] for event in events]
    assert kinds.count("round-start") == kinds.count("round-end") == len(CASES) * ROUNDS
    assert kinds[-1] == "done"
    times = [event["at"] for event in events]
    assert times == sorted(times)


def test_nothing_of_the_run_is_left_running(run: Smoke) -> None:
    pattern = str(run.port).encode()
    left: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--port" in words and pattern in words:
            left.append(str(path))
    assert left == []


def test_runs_lists_the_run_to_two_kits_at_once(run: Smoke) -> None:
    with ThreadPoolExecutor(2) as pool:
        told, as_json = pool.map(lambda words: run.kit.run(*words), [("runs", "--rebuild"), ("runs", "--json")])
    assert told.code == 0, told.err
    assert run.path.name in told.out
    assert "12/12" in told.out
    (listed,) = json.loads(as_json.out)
    assert (listed["run"], listed["status"]) == (run.path.name, "complete")


def test_show_prints_the_figures_of_the_report(run: Smoke) -> None:
    text = run.kit.run("show", "latest")
    assert text.code == 0
    assert f"{run.path.name}: complete, 12 of 12 rounds" in text.out
    shown = json.loads(run.kit.run("show", run.path.name, "--json").out)
    assert [row["case"]["concurrency"] for row in shown["rows"]] == [1, 2, 4, 1, 2, 4]


def test_a_report_written_again_is_the_same_to_the_last_byte(run: Smoke) -> None:
    first = {path.name: path.read_bytes() for path in (run.path / "report").iterdir() if path.is_file()}
    done = run.kit.run("report", "latest")
    assert done.code == 0, done.err
    assert {path.name: path.read_bytes() for path in (run.path / "report").iterdir() if path.is_file()} == first


def test_a_report_goes_where_it_is_asked_to(run: Smoke, tmp_path: Path) -> None:
    done = run.kit.run("report", "latest", "--format", "md", "--lang", "en", "--to", str(tmp_path / "out"))
    assert done.code == 0, done.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.md"]
    assert "Test environment" in (tmp_path / "out" / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def small(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """One round of one of the same cases, told as JSON."""
    kit = Kit(tmp_path_factory.mktemp("small"), cache)
    port = free_port()
    case = "load.cases=[{input: 64, output: 32, concurrency: [1]}]"
    done = kit.run("run", "smoke", "--set", f"server.port={port}", "--set", case, "--set", "load.rounds=1", "--json")
    return Smoke(kit, done, port)


def test_json_events_are_one_object_per_line(small: Smoke) -> None:
    done = small.done
    assert done.code == 0, done.err
    assert ESCAPE not in done.out
    kinds = [event["kind"] for event in done.events]
    assert {"server", "round-start", "round-end", "done"} <= set(kinds)
    (ended,) = (event for event in done.events if event["kind"] == "round-end")
    assert RoundResult.model_validate(ended["result"]).figures.succeeded == 1
    written = done.events[-1]
    assert isinstance(written["files"], list)
    assert all((small.kit.home / str(written["run"]) / name).is_file() for name in written["files"])


def test_runs_are_compared_with_each_other_and_with_a_table(run: Smoke, small: Smoke) -> None:
    words = ("compare", "latest", str(small.path), str(run.path / "report" / "results.csv"))
    refused = run.kit.run(*words)
    assert refused.code == 5
    assert re.search(r"- lengths: .*64/32, 256/32", refused.err)
    assert not (run.kit.home / "comparison").exists()
    done = run.kit.run(*words, "--allow", "lengths", "--format", "md,docx,html,xlsx")
    assert done.code == 0, done.err
    files = [run.kit.home / line for line in done.out.splitlines()]
    assert [path.name for path in files] == [f"comparison.{name}" for name in ("md", "docx", "html", "xlsx")]
    text = files[0].read_text("utf-8")
    assert "--allow" in text.splitlines()[0]
    assert all(path.stat().st_size > 5000 for path in files[1:])
    found = json.loads(run.kit.run(*words, "--allow", "lengths", "--json").out)
    first, second, table = found["contenders"]
    assert [entry["kind"] for entry in (first, second, table)] == ["run", "run", "table"]
    assert [len(entry["against"]) for entry in (second, table)] == [1, len(CASES)]
    # The table holds the run's own figures, rounded, with the same rounds; a single round can be told from nothing.
    for entry in table["against"]:
        assert all(ratio["ratio"] == pytest.approx(1, abs=0.05) for ratio in entry["ratios"])
        assert all(ratio["difference"] != "better" for ratio in entry["ratios"])
    assert {ratio["difference"] for ratio in second["against"][0]["ratios"]} == {"unknown"}


def test_a_command_of_a_run_works_again_in_a_shell(run: Smoke, tmp_path: Path) -> None:
    """Against a server started by the command that the run kept, beside the instrument that lies in the round's folder."""
    shutil.copy(run.path / "cases" / CASES[0] / "round-1" / "raw" / "kit-instrument.pyz", tmp_path)
    serve = shlex.split((run.path / "server" / "argv.txt").read_text("utf-8"))
    load = (run.path / "cases" / CASES[0] / "round-1" / "command.txt").read_text("utf-8")

    def healthy() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{run.port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            await_true(healthy, "the server answers")
            done = subprocess.run(["sh", "-c", load], cwd=tmp_path, capture_output=True, check=False, timeout=120)
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("**/benchmark_data.db"))) == 1
