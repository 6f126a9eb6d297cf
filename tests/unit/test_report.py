"""The report: what it says of a run."""

import io
import re
import string
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from openpyxl import load_workbook

from kit import renderers, stats
from kit.errors import UsageError
from kit.model import (
    Container,
    Mount,
    RoundPlan,
)
from kit.report import building as report
from kit.texts import CATALOGUE, doubt, say
from tests.fakes import BEGIN
from tests.unit.conftest import CheckGolden
from tests.unit.written import PROFILE, Written, failing


def test_rights_beyond_the_least_stand_in_the_report(tmp_path: Path) -> None:
    written = Written(tmp_path)
    read = report.read(written.run)
    assert written.plan.server is not None
    program = written.plan.server.program
    granted = program.model_copy(
        update={
            "mounts": (*program.mounts, Mount(path="/data"), Mount(path="/kept", writable=True)),
            "container": Container(privileged=True, network="host", cap_add=("SYS_NICE",), devices=("/dev/davinci1",)),
        }
    )
    server = written.plan.server.model_copy(update={"program": granted})
    plan = written.plan.model_copy(update={"runtime": "docker", "server": server})
    listed = report.build(replace(read, plan=plan), "en").provenance
    assert (
        "rights of the server's container beyond the least: --privileged, --network host, --cap-add SYS_NICE,"
        " --device /dev/davinci1, --volume /kept:/kept"
    ) in listed
    assert not any("rights" in line for line in report.build(read, "en").provenance)


# --- golden files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_report_of_a_run_is_what_it_was(
    tmp_path: Path, language: Literal["zh-CN", "en"], golden: CheckGolden
) -> None:
    built = Written(tmp_path, change=failing).report(language)
    golden(f"report-{language}.md", renderers.render("md", built))


def test_the_report_of_a_run_cut_short_is_what_it_was(tmp_path: Path, golden: CheckGolden) -> None:
    written = Written(
        tmp_path, missing=["2k-512-c1/round-1", "2k-512-c1/round-2"], state="interrupted", reason="stopped by the user"
    )
    golden("report-interrupted.md", renderers.render("md", written.report()))


def test_the_table_of_rounds_is_what_it_was(tmp_path: Path, golden: CheckGolden) -> None:
    built = Written(tmp_path, change=failing, missing=["2k-512-c1/round-2"], state="incomplete").report()
    golden("results.csv", renderers.render("csv", built))


def sheets(content: bytes) -> bytes:
    """Every cell of a workbook, as text."""
    book = load_workbook(io.BytesIO(content))
    lines = [
        f"{sheet.title}!{cell.coordinate} {cell.value!r}"
        for sheet in book.worksheets
        for cells in sheet.iter_rows()
        for cell in cells
        if cell.value is not None
    ]
    return ("\n".join(lines) + "\n").encode()


def test_the_workbook_holds_what_it_held(tmp_path: Path, golden: CheckGolden) -> None:
    built = Written(tmp_path, change=failing, missing=["2k-512-c1/round-2"], state="incomplete").report()
    golden("results.xlsx.txt", sheets(renderers.render("xlsx", built)))


@pytest.mark.parametrize("name", ["md", "csv", "xlsx"])
def test_the_same_run_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    built = Written(tmp_path).report()
    assert renderers.render(name, built) == renderers.render(name, built)


# --- what it says ------------------------------------------------------------------------------------------------


def test_the_figures_are_means_over_rounds(tmp_path: Path) -> None:
    row = Written(tmp_path).report().rows[0]
    # One request in each round: 29.94 s and 30.94 s.
    assert row.latency_s == pytest.approx(30.44)
    assert row.output_throughput == pytest.approx((512 / 29.94 + 512 / 30.94) / 2)
    assert row.ttft_s == pytest.approx(2.38)
    assert row.notes == ()


def test_csv_holds_the_original_scripts_columns_and_every_digit_that_matters(tmp_path: Path) -> None:
    text = renderers.render("csv", Written(tmp_path).report()).decode("utf-8-sig")
    lines = [line.split(",") for line in text.splitlines()]
    assert lines[0][:8] == [
        "Input Length",
        "Output Length",
        "Loop",
        "Concurrency",
        "Average latency (s)",
        "Output token throughput (tok/s)",
        "Average time to first token (s)",
        "Average time per output token (s)",
    ]
    assert [line[:4] for line in lines[1:]] == [
        ["128", "512", "0", "1"],
        ["128", "512", "1", "1"],
        ["128", "512", "0", "2"],
        ["128", "512", "1", "2"],
        ["2000", "512", "0", "1"],
        ["2000", "512", "1", "1"],
    ]
    assert float(lines[1][5]) == pytest.approx(512 / 29.94, rel=1e-8)


def test_a_round_without_a_result_leaves_no_mean_and_a_note(tmp_path: Path) -> None:
    built = Written(tmp_path, missing=["128-512-c2/round-2"], state="incomplete").report("en")
    row = built.rows[1]
    assert (row.latency_s, row.output_throughput, row.ttft_s, row.tpot_s, row.tps, row.per_stream_throughput) == (
        *(None,) * 6,
    )
    assert [built.notes[number - 1] for number in row.notes] == [
        "128-512-c2: Round 2 has no result; no mean is given for this case."
    ]
    assert built.rows[0].latency_s is not None
    assert built.rounds[2].latency_s is not None
    assert built.rounds[3].latency_s is None
    text = renderers.render("csv", built).decode("utf-8-sig").splitlines()
    assert text[4].startswith("128,512,1,2,,,")
    assert text[4].endswith(',,,2,,no result,"Incomplete test, for information only"')
    assert text[3].endswith(',,,2,0,ok,"Incomplete test, for information only"')


def test_a_workbook_has_no_zero_where_nothing_was_measured(tmp_path: Path) -> None:
    content = renderers.render("xlsx", Written(tmp_path, missing=["128-512-c2/round-2"], state="incomplete").report())
    book = load_workbook(io.BytesIO(content))
    sheet = book.worksheets[0]
    assert [sheet.cell(row=5, column=column).value for column in range(5, 11)] == [None] * 6
    assert not [
        cell for cells in sheet.iter_rows(min_row=2, min_col=5, max_col=12) for cell in cells if cell.value == 0
    ]


def test_notes_are_numbered_through_and_marked_at_their_case(tmp_path: Path) -> None:
    built = Written(tmp_path, change=failing).report("en")
    assert [row.notes for row in built.rows] == [(), (1,), (2, 3)]
    assert built.notes[0].startswith("128-512-c2: Round 2: 1 of 2 requests failed")
    assert "asked 512, measured 500" in built.notes[1]
    assert "1 x stop" in built.notes[2]
    text = renderers.render("md", built).decode()
    marks = re.findall(r"\[\^(\d+)\](?!:)", text)
    assert marks == ["1", "2", "3"]
    assert re.findall(r"^\[\^(\d+)\]:", text, re.MULTILINE) == ["1", "2", "3"]


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_an_incomplete_run_is_marked_as_a_draft(tmp_path: Path, language: Literal["zh-CN", "en"]) -> None:
    written = Written(tmp_path, missing=["2k-512-c1/round-2"], state="incomplete", reason="the server ended\nlog\nlog")
    built = written.report(language)
    assert built.draft == say(language, "draft")
    assert renderers.render("md", built).decode().startswith(f"> **{built.draft}**")
    assert "6" in built.conclusion[0]
    assert "the server ended" in built.conclusion[0]
    assert "log" not in built.conclusion[0]


def test_a_rehearsal_says_so_wherever_a_draft_does(tmp_path: Path) -> None:
    built = Written(tmp_path, "report.rehearsal=true").report("en")
    assert built.draft == say("en", "rehearsal")
    text = renderers.render("md", built).decode()
    assert text.startswith(f"> **{built.draft}**")
    assert f"\\[{built.draft}\\]**" in text
    assert built.draft in renderers.render("html", built).decode().partition("<main")[0]
    short = Written(tmp_path / "short", "report.rehearsal=true", state="incomplete").report("en")
    assert short.draft == f"{say('en', 'draft')}; {say('en', 'rehearsal')}"


def test_a_complete_run_is_no_draft(tmp_path: Path) -> None:
    built = Written(tmp_path).report()
    assert built.draft is None
    assert renderers.render("md", built).decode().startswith("# 1 基本信息")


def test_without_criteria_nothing_is_said_to_meet_them(tmp_path: Path) -> None:
    for language in ("zh-CN", "en"):
        text = " ".join(Written(tmp_path / language).report(language).conclusion)
        assert "符合预期" not in text
        assert "meets" not in text
        assert say(language, "no-criteria") in text


def test_the_sections_are_the_original_reports(tmp_path: Path) -> None:
    text = renderers.render("md", Written(tmp_path).report()).decode()
    assert re.findall(r"^#+ (.*)$", text, re.MULTILINE) == [
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
    ]


def test_what_the_profile_leaves_out_is_filled_from_what_was_found(tmp_path: Path) -> None:
    text = re.sub(r"(?ms)^report:.*?(?=^server:)", "", PROFILE)
    built = Written(tmp_path, text=text).report()
    assert built.project == "tiny"
    assert built.model == built.model_label == "/models/DeepSeek R1"
    assert built.environment_label == "CPU: Huawei Kunpeng 920 7270Z 160 核"


def test_a_machine_that_tells_no_cores_is_not_said_to_have_any(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    built = Written(tmp_path, machine="nothing").report()
    assert built.environment_label == "CPU: ?"
    assert "None" not in renderers.render("md", built).decode()


def test_the_date_is_that_of_the_run_where_it_ran(tmp_path: Path) -> None:
    written = Written(tmp_path)
    local = BEGIN.astimezone()
    assert written.report("zh-CN").date == f"{local.year} 年 {local.month} 月 {local.day} 日"
    assert written.report("en").date == f"{local:%Y-%m-%d}"


def test_the_commands_are_the_ones_that_ran(tmp_path: Path) -> None:
    built = Written(tmp_path).report()
    assert built.start_command == (
        "HCCL_OP_EXPANSION_MODE=AIV /env/sglang/bin/python -m sglang.launch_server "
        "--model-path '/models/DeepSeek R1' --port 8001"
    )
    assert [name for name, _ in built.commands] == [entry.id for entry in Written(tmp_path / "other").plan.rounds]
    assert "perf" in built.load_command


def test_a_report_of_a_run_without_any_result_is_still_one(tmp_path: Path) -> None:
    everything = [f"{case}/round-{number}" for case in ("128-512-c1", "128-512-c2", "2k-512-c1") for number in (1, 2)]
    built = Written(tmp_path, missing=everything, state="incomplete", reason="the server ended").report("en")
    assert built.commands == ()
    assert {row.latency_s for row in built.rows} == {None}
    for name in ("md", "csv", "xlsx"):
        assert renderers.render(name, built)


@pytest.mark.parametrize("name", ["plan.json", "inventory.json", "run.json", "server/argv.txt"])
def test_a_directory_that_is_not_whole_is_named(tmp_path: Path, name: str) -> None:
    written = Written(tmp_path)
    (written.run.path / name).unlink()
    with pytest.raises(UsageError, match=re.escape(name)):
        report.read(written.run)


@pytest.mark.parametrize("name", ["command.txt", "samples.jsonl", "result.json"])
def test_a_round_that_is_not_whole_is_named(tmp_path: Path, name: str) -> None:
    written = Written(tmp_path)
    path = written.run.path / "cases" / "128-512-c1" / "round-1" / name
    path.write_bytes(b"\xff{")
    with pytest.raises(UsageError, match=re.escape(name)):
        report.read(written.run)


# --- texts -------------------------------------------------------------------------------------------------------


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", CATALOGUE)
def test_every_text_has_both_languages_with_the_same_values(key: str) -> None:
    chinese, english = CATALOGUE[key]
    assert chinese or key == "gap", "Chinese sentences follow each other without a blank"
    assert english
    assert fields(chinese) == fields(english)
    assert not re.search(r"[一-鿿]", english)


def test_every_doubt_that_can_be_raised_has_its_text(tmp_path: Path) -> None:
    source = Path(stats.__file__).read_text("utf-8")
    kinds = set(re.findall(r'_doubt\("([a-z-]+)"', source))
    kinds |= {f"{side}-tokens{more}" for side in ("output", "input") for more in ("", "-unknown")}
    kinds |= {f"readings-{name}" for name in ("latency", "ttft", "tpot", "throughput", "succeeded")}
    assert kinds <= set(CATALOGUE)
    for result in report.read(Written(tmp_path, change=failing).run).results:
        for found in result.doubts:
            assert doubt("en", found) != doubt("zh-CN", found)


def test_a_text_without_its_values_is_a_defect() -> None:
    with pytest.raises(KeyError):
        say("en", "ready")


def test_what_is_doubtful_about_the_plan_stands_below_the_performance_table(tmp_path: Path) -> None:
    plain = Written(tmp_path / "sglang").report("en")
    assert "share their seed" not in plain.rounds_note
    settings = ("server.engine=vllm-ascend", "server.model=m", "load.warmup={requests: 2}")
    noted = Written(tmp_path / "vllm", *settings).report("en").rounds_note
    assert "Each case was warmed up first" in noted
    assert "share their seed" in noted


def test_rounds_that_were_needless_are_not_missing(tmp_path: Path) -> None:
    def steady(entry: RoundPlan, _: int) -> dict[str, object]:
        return {"latency_s": 30 + entry.round / 1000}

    missing = [f"{case}/round-{number}" for case in ("128-512-c1", "128-512-c2", "2k-512-c1") for number in (4, 5)]
    built = Written(tmp_path, "load.rounds='auto(2%, min=3, max=5)'", missing=missing, change=steady).report("en")
    assert [len([row for row in built.rounds if row.case.id == case]) for case in ("128-512-c1", "2k-512-c1")] == [3, 3]
    assert built.rows[0].latency_s == pytest.approx(30.002)
    assert "was run 3 times" in built.rounds_note
    assert "at most 2 % of it, 5 times at most" in built.rounds_note
    assert built.notes == ()


def test_rounds_that_drift_are_told_at_their_case(tmp_path: Path) -> None:
    def slower(entry: RoundPlan, _: int) -> dict[str, object]:
        return {"latency_s": 30.0 + entry.round}

    built = Written(tmp_path, "load.rounds=5", change=slower).report("en")
    assert [note.partition(": the throughput")[0] for note in built.notes] == ["128-512-c1", "128-512-c2", "2k-512-c1"]
    assert "goes one way from round to round" in built.notes[0]
    assert built.rows[0].notes == (1,)
