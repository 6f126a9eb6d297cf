"""The report: what it says of a run, and that every text comes out as itself."""

import io
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal
from zipfile import ZipFile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from openpyxl import load_workbook

from kit import inventory, profile, renderers, stats
from kit import plan as plans
from kit.errors import UsageError
from kit.model import (
    Container,
    Mount,
    NativeSummary,
    Phase,
    Plan,
    RoundPlan,
    RoundResult,
    RunStatus,
    Sample,
    ServerStart,
    ServerTimes,
)
from kit.model.report import Report
from kit.renderers.markdown import block, code, escape
from kit.report import building as report
from kit.store import RunDir, write_once
from kit.texts import CATALOGUE, doubt, say
from tests.fakes import BEGIN, FakeHost, FakeRuntime
from tests.unit.conftest import CheckGolden

RECORDED = Path(__file__).parent / "recorded"
PROFILE = """\
schema: 1
name: tiny
report:
  project: 基于 2 卡测试 DeepSeek R1
  model: DeepSeek R1（671B）
  model_label: DeepSeek-R1-0528-w8a8
server:
  engine: sglang
  version: 0.5.3
  image: sglang
  port: 8001
  env: {HCCL_OP_EXPANSION_MODE: AIV}
  args:
    - [--model-path, /models/DeepSeek R1]
    - [--port, "{port}"]
load:
  rounds: 2
  transport: evalscope
  tokenizer: /models/DeepSeek R1
  cases:
    - {input: 128, output: 512, concurrency: [1, 2]}
    - {input: 2k, output: 512, concurrency: 1}
"""

Change = Callable[[RoundPlan, int], dict[str, object]]


def sample(entry: RoundPlan, index: int, **changed: object) -> Sample:
    """One request of a round that went as asked; later rounds are a little slower."""
    values: dict[str, object] = {
        "index": index,
        "succeeded": True,
        "sent_s": 0.0,
        "latency_s": 28.94 + entry.round + index,
        "ttft_s": 2.38,
        "input_tokens": entry.case.input.tokens,
        "output_tokens": entry.case.output.tokens,
        "tokens_from": "usage",
        "finish_reason": "length",
    }
    return Sample.model_validate({**values, **changed})


class Written:
    """A run directory as a run leaves it."""

    def __init__(
        self,
        folder: Path,
        *settings: str,
        missing: Sequence[str] = (),
        change: Change | None = None,
        machine: str = "kunpeng-7270z",
        state: Literal["complete", "incomplete", "interrupted"] = "complete",
        reason: str | None = None,
        text: str = PROFILE,
        pin: plans.Pin | None = None,
        server: Callable[[RoundPlan, list[Sample]], ServerTimes] | None = None,
    ) -> None:
        self._server = server
        runtime = FakeRuntime()
        loaded = profile.parse(text, "p.yaml", settings)
        self.plan: Plan = plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime="process",
            pin=pin or runtime.pin,
            models=Path("/cache/models"),
            version=runtime.version,
        )
        self.run = RunDir(folder / "20261123-210507-tiny")
        collected = inventory.collect(FakeHost(RECORDED / machine)).inventory
        # Python's own version is read from the running one.
        system = collected.system.model_copy(
            update={"python": collected.system.python.model_copy(update={"value": "3.11.7"})}
        )
        path = self.run.path
        write_once(path / "inventory.json", collected.model_copy(update={"system": system}).to_json())
        write_once(path / "profile.yaml", profile.resolved(loaded.profile))
        write_once(path / "plan.json", self.plan.to_json())
        done = [entry for entry in self.plan.rounds if entry.id not in missing]
        for entry in done:
            self._round(runtime, entry, change)
        if self.plan.server is not None:
            command = runtime.command(self.plan.server.program, None)
            write_once(path / "server" / "argv.txt", f"{command}\n".encode())
            phases = (Phase(name="ready", at_s=60.0, line="ready"),)
            start = ServerStart(started=BEGIN, ready_s=61.25, phases=phases)
            write_once(path / "server" / "phases.json", start.to_json())
        self.run.write_status(
            RunStatus(
                run=self.run.name,
                status=state,
                kit_version="0.1.0",
                profile="tiny",
                started=BEGIN,
                ended=BEGIN,
                duration_s=3725.0,
                rounds_planned=len(self.plan.rounds),
                rounds_done=len(done),
                reason=reason,
            )
        )

    def _round(self, runtime: FakeRuntime, entry: RoundPlan, change: Change | None) -> None:
        changes = [change(entry, index) if change is not None else {} for index in range(entry.case.requests)]
        samples = [sample(entry, index, **changed) for index, changed in enumerate(changes)]
        found = stats.figures(entry.case, samples)
        native = NativeSummary()
        result = RoundResult(
            case=entry.case,
            round=entry.round,
            started=BEGIN,
            duration_s=40.0,
            command=runtime.command(entry.program, self.plan.target.api_key),
            figures=found,
            native=native,
            doubts=tuple(stats.doubts(entry.case, samples, found, native)),
            server=self._server(entry, samples) if self._server is not None else None,
        )
        self.run.write_round(entry, result, samples)

    def report(self, language: Literal["zh-CN", "en"] | None = None) -> Report:
        return report.build(report.read(self.run), language)


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


def failing(entry: RoundPlan, index: int) -> dict[str, object]:
    """In the second round with two clients the second request fails, and one answer comes short."""
    if entry.case.concurrency == 2 and entry.round == 2 and index == 1:
        return {"succeeded": False, "error": "HTTP 500: <b>no|room</b>", "finish_reason": None, "output_tokens": None}
    if entry.case.input.label == "2k" and entry.round == 1:
        return {"output_tokens": 500, "finish_reason": "stop"}
    return {}


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
    assert chinese
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


# --- escaping ----------------------------------------------------------------------------------------------------

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def expected(text: str) -> str:
    """What a reader must see: control characters gone, lines joined, blanks around it gone as in every table cell."""
    return CONTROL.sub("", " ".join(re.split(r"\r\n?|\n", text))).strip()


def cells(row: str) -> list[str]:
    """The cells of a Markdown table's row: cut at bars without a backslash, escapes taken back."""
    parts = re.split(r"(?<!\\)\|", row.strip())
    assert parts[0] == parts[-1] == ""
    return [re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", part).strip() for part in parts[1:-1]]


def shown(cell: str) -> list[tuple[str, str]]:
    """How CommonMark with tables and strike-through reads the first cell of a row: the kind and content of each piece."""
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = reader.parse(f"| {cell} | end |\n| --- | --- |\n")
    inner = [token for token in tokens if token.type == "inline"]
    assert [token.content for token in inner[1:]] == ["end"], cell
    return [(child.type, child.content) for child in inner[0].children or ()]


nasty = st.text(
    st.one_of(
        st.sampled_from("|<>`*_[]()~\\#&;:!$\n\r\t \x00\x1b\x7f\x9b-+=^@/.aA1中é😀\u200b\u2028\u202e\u0301"),
        st.characters(codec="utf-8"),
    ),
    max_size=40,
)


@given(nasty)
@example("a|b")
@example("\\|")
@example("\\\\|")
@example("a\\")
@example("~struck~ ~~struck~~")
@example("*a* **b** _c_ __d__ a_b_c * 20")
@example("<b>&amp;&#65;</b><!-- x -->")
@example("[x](http://y) ![z](w) <http://v>")
@example("$x$ `code` ``")
@example("\r\n| --- |")
def test_any_text_in_a_table_comes_out_as_that_text(text: str) -> None:
    cell = escape(text)
    assert "\n" not in cell
    if not expected(text):
        return
    pieces = shown(cell)
    assert {kind for kind, _ in pieces} <= {"text"}
    # Readers drop blanks around a cell, whichever blanks they know.
    assert "".join(content for _, content in pieces).strip() == expected(text)
    assert cells(f"| {cell} | 2 |") == [expected(text), "2"]


@given(nasty)
@example("a|b")
@example("`")
@example("a\\|b")
@example("`a`` b")
@example("\r")
def test_any_command_in_a_table_comes_out_as_that_command(text: str) -> None:
    wanted = expected(text)
    if not wanted:
        return
    assert shown(code(text)) == [("code_inline", wanted)]


@given(nasty, st.sampled_from(["", "bash"]))
@example("```\nx\n```", "")
@example("~~~\n    x", "bash")
def test_any_text_in_a_block_stays_inside_it(text: str, language: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{block(text, language)}\n\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].info == language
    normal = CONTROL.sub("", re.sub(r"\r\n?", "\n", text)).rstrip()
    assert tokens[0].content.rstrip() == normal


hostile = "a|b <img src=x> `c` *d* _e_ [f](g) ~h~ \\ $i$ &amp; \x1b[31m 中 é 😀\nnext"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Report:
    built = Written(tmp_path_factory.mktemp("whole"), change=failing).report("en")
    return built.model_copy(update={"rows": built.rows[:2], "executions": built.executions[:1]})


PLACE = "P0"


def filled(built: Report, text: str) -> str:
    """The report with this text wherever a text may come from outside."""
    row = built.rows[0].model_copy(update={"notes": (1,)})
    found = built.model_copy(
        update={
            **dict.fromkeys(("draft", "project", "model", "model_label", "environment_label", "hardware_file"), text),
            **dict.fromkeys(("start_command", "load_command", "load_example", "start_note"), text),
            **dict.fromkeys(("hardware", "software", "commands"), ((text, text),)),
            **dict.fromkeys(("conclusion", "provenance"), (text, f"x {text.strip()}")),
            # A note always begins with its case.
            "notes": (f"case: round {text.strip()}",),
            "hardware_text": text,
            "rows": (row, *built.rows[1:]),
            "executions": (),
        }
    )
    return renderers.render("md", found).decode()


def outline(text: str) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Every piece of a document as a reader of CommonMark sees it: what it is, and its text."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    found = []
    for token in tokens:
        pieces: list[tuple[str, str]] = []
        for child in token.children or ():
            if pieces and child.type == pieces[-1][0] == "text":
                pieces[-1] = ("text", pieces[-1][1] + child.content)
            elif child.type != "text" or child.content:
                pieces.append((child.type, child.content))
        content = re.sub(r"\r\n?", "\n", token.content) if token.type == "fence" else ""
        # How many blanks there are is not seen.
        found.append(
            (token.type, content, tuple((kind, " ".join(re.split("[ \t]+", part)).strip(" ")) for kind, part in pieces))
        )
    return found


@settings(max_examples=20)
@given(nasty)
@example("# x")
@example("- x")
@example("1. x")
@example("12) x")
@example("> x")
@example(">x")
@example("---")
@example("- - -")
@example("* * *")
@example("===")
@example("    x")
@example("~~~")
@example("| - |")
@example("=cmd()|' /C calc'!A0")
@example("<script>alert(1)</script>")
@example("a\n# b\n\n- c")
@example("x" * 5000)
def test_any_text_anywhere_in_the_document_is_that_text_and_changes_nothing_else(whole: Report, text: str) -> None:
    wanted = " ".join(re.split("[ \t]+", expected(text))).strip(" ")
    if not wanted or "\r" in text:
        return
    fenced = CONTROL.sub("", text).rstrip()
    model = [
        (kind, content.replace(PLACE, fenced), tuple((name, part.replace(PLACE, wanted)) for name, part in pieces))
        for kind, content, pieces in outline(filled(whole, PLACE))
    ]
    assert outline(filled(whole, text)) == model


def test_a_hostile_profile_and_server_change_no_line_of_the_report(tmp_path: Path) -> None:
    def change(entry: RoundPlan, index: int) -> dict[str, object]:
        del entry, index
        return {"succeeded": False, "error": hostile}

    written = Written(tmp_path, change=change, state="incomplete", reason=hostile)
    words = written.plan.report.model_copy(
        update={"project": hostile, "model": hostile, "model_label": hostile, "environment": hostile}
    )
    plan = written.plan.model_copy(update={"report": words})
    (written.run.path / "plan.json").write_bytes(plan.to_json())
    built = written.report("en")
    text = renderers.render("md", built).decode()
    assert "\x1b" not in text
    plain = expected(hostile)
    by_title = {row[0]: row for line in text.splitlines() if line.startswith("|") for row in [cells(line)]}
    assert by_title["**Project**"] == ["**Project**", plain]
    assert by_title["**Model**"] == ["**Model**", plain]
    assert by_title[plain][:5] == [plain, plain, "128", "512", "1"]
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    assert "<img" not in html
    assert "<em>" not in html
    assert "<s>" not in html
    assert 'href="g"' not in html
    widths = {len(cells(line)) for line in text.splitlines() if line.startswith("|") and plain in cells(line)[:1]}
    assert widths == {11}


@pytest.mark.parametrize("name", renderers.STANDARD)
def test_no_format_holds_a_character_that_acts_on_its_reader(whole: Report, name: str) -> None:
    acting = "a\x1b[31m \x9b2J \u202eb \u2066 \u200f \u061c\x7f\x85"
    found = whole.model_copy(
        update={
            **dict.fromkeys(("project", "model", "environment_label", "start_command"), acting),
            **dict.fromkeys(("hardware", "software", "commands"), ((acting, acting),)),
            **dict.fromkeys(("conclusion", "provenance", "notes"), (acting,)),
            "hardware_text": acting,
            "requests": tuple(row.model_copy(update={"error": acting}) for row in whole.requests),
        }
    )
    content = renderers.render(name, found)
    if name in ("docx", "xlsx"):
        with ZipFile(io.BytesIO(content)) as packed:
            texts = [packed.read(part).decode() for part in packed.namelist() if part.endswith((".xml", ".rels"))]
    else:
        texts = [content.decode("utf-8-sig")]
    assert not [CONTROL.findall(text) for text in texts if CONTROL.search(text.replace("\r\n", "\n"))]


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
