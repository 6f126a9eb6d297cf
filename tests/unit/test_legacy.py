"""Old reports read back: the profile that kit keeps of the original, and nothing that the report does not say."""

import io
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from docx import Document
from hypothesis import given
from hypothesis import strategies as st

from kit import profile, renderers
from kit.errors import KitError, UsageError
from kit.formats import figure, rate
from kit.legacy import again, hypertext, lines, report
from kit.legacy import markdown as reading
from kit.legacy import profiles as writing
from kit.legacy.blocks import Block, Grid, Heading, Paragraph, TableRow
from kit.legacy.report import OldReport
from kit.legacy.word import read as word_blocks
from kit.renderers.markdown import code, escape
from kit.resources import folder
from kit.workflows import judging
from tests.unit.old_reports import (
    BASELINE,
    EXAMPLE,
    LABELS,
    LOAD,
    PROFILE,
    SCRIPT,
    START,
    TITLES,
    line,
    markdown,
    slid,
    written,
)


def read(text: str | bytes, name: str = "old.md") -> OldReport:
    return report.read(text.encode() if isinstance(text, str) else text, name)


def rows(found: OldReport) -> list[tuple[str, ...]]:
    """Every row with the eleven cells that a report writes."""
    result = []
    for row in found.rows:
        cells = {name: cell.value for name, cell in row.cells()}
        shown = [figure(cells.get(name)) for name in ("latency", "output_throughput", "ttft", "tpot")]
        shown += [rate(cells.get(name)) for name in ("tps", "per_stream_throughput")]
        result.append((*LABELS, row.input.label, row.output.label, str(row.concurrency), *shown))
    return result


def problems(found: OldReport) -> list[str]:
    return [str(problem) for problem in writing.imported(found).problems]


# --- the original ------------------------------------------------------------------------------------------------


def test_every_figure_of_the_original_stands_under_its_title() -> None:
    found = read(markdown())
    assert rows(found) == written()
    assert len(found.rows) * len(TITLES) == 18 * 11
    assert found.unread == ()


def test_everything_else_that_the_original_says_is_kept() -> None:
    found = read(markdown())
    assert (found.start_command, found.load_example, found.load_command) == (START, EXAMPLE, LOAD)
    assert (found.model_label, found.environment_label) == LABELS
    assert found.hardware[1] == ("GPU", "Huawei Ascend 910B4（64 GiB）* 2")
    assert found.software[3] == ("测试工具", "evalscope v1.0.1")
    assert found.conclusion == ("经测试，上述测试性能符合预期",)
    assert found.attachments == ("hardware_info_20251208_115831.txt",)
    assert found.script == SCRIPT.removesuffix("\n")


def test_the_profile_of_the_original_is_the_one_that_comes_with_kit(tmp_path: Path) -> None:
    path = tmp_path / "old.md"
    path.write_text(markdown(), "utf-8")
    taken = judging.take(path, tmp_path / "out")
    assert taken.problems == ()
    kept: dict[str, Any] = yaml.safe_load((folder("profiles") / f"{PROFILE}.yaml").read_text("utf-8"))
    made: dict[str, Any] = yaml.safe_load(taken.profile.read_text("utf-8"))
    assert made["name"] == kept["name"]
    for section in ("report", "machine", "server", "load"):
        both = {name: value for name, value in kept[section].items() if name in made[section]}
        assert both == {name: made[section][name] for name in both}
        assert set(both) == set(kept[section]), f"{section} lacks what the report says"
    whole, original = profile.load(str(taken.profile)).profile, profile.load(PROFILE).profile
    assert whole.server == original.server
    assert whole.machine == original.machine
    assert whole.load.expanded() == original.load.expanded()
    (baseline,) = (tmp_path / "out" / "baselines").iterdir()
    assert baseline.name.endswith("-2025-12-29.csv")
    assert baseline.read_bytes() == BASELINE.read_bytes()


def test_an_example_that_is_no_case_of_the_table_is_told() -> None:
    other = LOAD.replace("--input-length 4000", "--input-length 16000")
    (told,) = problems(read(markdown(load=other)))
    assert told == "line 33: the load command sends 16000 tokens and asks for 512: no case of the table does"


# --- the round trip ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["md", "docx"])
def test_the_original_comes_back_from_what_is_rendered_of_it(name: str) -> None:
    content = markdown().encode()
    found = read(content)
    back = read(renderers.render(name, again.report(found, content)), f"again.{name}")
    assert rows(back) == written()
    for field in ("project", "model", "date", "hardware", "software", "start_command", "load_example", "load_command"):
        assert getattr(back, field) == getattr(found, field), field
    assert (back.model_label, back.environment_label, back.conclusion) == (*LABELS, found.conclusion)
    assert (back.attachments, back.script) == (found.attachments, found.script)
    assert back.unread == ()
    assert writing.imported(back).baseline == writing.imported(found).baseline


def test_sections_and_titles_come_back_in_their_order() -> None:
    content = markdown().encode()
    text = renderers.render("md", again.report(read(content), content)).decode()
    headings = [text_.lstrip("# ") for text_ in text.splitlines() if text_.startswith("#")]
    wanted = "1 基本信息,2 测试环境,2.1 硬件配置,2.2 软件配置,3 测试过程,3.1 启动测试,3.2 性能数据,4 测试结论,5 附件"
    assert headings[:11] == [*wanted.split(","), "5.1 硬件详细信息", "5.2 测试脚本"]
    assert f"| {' | '.join(TITLES)} |" in text


def test_sections_and_titles_come_back_in_their_order_in_word() -> None:
    content = markdown().encode()
    blocks = word_blocks(renderers.render("docx", again.report(read(content), content)))
    headings = [block.text for block in blocks if isinstance(block, Heading)]
    wanted = "基本信息,测试环境,硬件配置,软件配置,测试过程,启动测试,性能数据,测试结论,附件,硬件详细信息,测试脚本"
    assert headings[:11] == wanted.split(",")
    first = [block.rows[0].cells for block in blocks if isinstance(block, Grid)]
    assert [cells[0] for cells in first[:4]] == ["项目", "硬件", "软件名称", "启动模型"]
    assert TITLES in [tuple(cells) for cells in first]


# --- Word with merged cells ------------------------------------------------------------------------------------------


def word(cells: Sequence[tuple[str, ...]]) -> bytes:
    """A document as people make them: numbered headings by style, a table with cells merged downwards."""
    document = Document()
    document.add_heading("测试环境", 1)
    document.add_heading("软件配置", 2)
    software = document.add_table(rows=0, cols=2)
    for name, value in (
        ("软件名称", "版本信息"),
        ("推理引擎", "Ftransformers v3.3.1"),
        ("测试工具", "evalscope v1.0.1"),
    ):
        added = software.add_row().cells
        added[0].text, added[1].text = name, value
    document.add_heading("启动测试", 2)
    start = document.add_table(rows=2, cols=2)
    for at, (name, value) in enumerate((("启动模型", START), ("执行测试", EXAMPLE + LOAD))):
        start.cell(at, 0).text, start.cell(at, 1).text = name, value
    document.add_heading("性能数据", 2)
    table = document.add_table(rows=len(cells) + 1, cols=len(TITLES))
    for column, title in enumerate(TITLES):
        table.cell(0, column).text = title
    for number, row in enumerate(cells, start=1):
        for column, value in enumerate(row):
            if column > 3 or number == 1 or row[: column + 1] != cells[number - 2][: column + 1]:
                table.cell(number, column).text = value
    for column in range(4):
        number = 1
        while number <= len(cells):
            last = number
            while last < len(cells) and cells[last][: column + 1] == cells[number - 1][: column + 1]:
                last += 1
            if last > number:
                table.cell(number, column).merge(table.cell(last, column))
            number = last + 1
    stored = io.BytesIO()
    document.save(stored)
    return stored.getvalue()


def test_merged_cells_of_a_word_document_are_read() -> None:
    found = read(word(written()), "old.docx")
    assert rows(found) == written()
    assert (found.start_command, found.load_command) == (START, LOAD)
    assert found.unread == ()


def rezipped(content: bytes, member: str, change: bytes) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, change + data.partition(b"?>")[2] if name == member else data)
    return result.getvalue()


@pytest.mark.parametrize("member", ["word/document.xml", "word/styles.xml", "[Content_Types].xml"])
def test_entities_are_refused_before_they_grow(member: str) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    with pytest.raises(UsageError, match="document type"):
        read(rezipped(word(written()[:1]), member, bomb), "old.docx")


@pytest.mark.parametrize(
    "text",
    [
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE x+AD4-<x/>',
        b'<?xml version="1.0"' + b" " * 300 + b'encoding="UTF-7"?><x/>',
        "<?xml version='1.0' encoding='IBM037'?><!DOCTYPE x><x/>".encode("cp037"),
        "<?xml version='1.0'?><!DOCTYPE x><x/>".encode("utf-16"),
    ],
    ids=["utf-7", "far", "ebcdic", "utf-16"],
)
def test_entities_cannot_hide_in_an_encoding(text: bytes) -> None:
    with pytest.raises(UsageError, match=r"encoding|is no XML|document type"):
        read(rezipped(word(written()[:1]), "word/document.xml", text + b"<!--"), "old.docx")


def replaced(content: bytes, old: str, new: str) -> bytes:
    """A Word document with a part of its body's XML replaced."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name)
            if name == "word/document.xml":
                assert old.encode() in text
                text = text.replace(old.encode(), new.encode())
            target.writestr(name, text)
    return result.getvalue()


def body(xml: str) -> tuple[Block, ...]:
    """The blocks of a Word document with this in its body."""
    document = Document()
    document.add_paragraph("HERE")
    stored = io.BytesIO()
    document.save(stored)
    return word_blocks(replaced(stored.getvalue(), "<w:p><w:r><w:t>HERE</w:t></w:r></w:p>", xml))


def cell(inner: str, properties: str = "") -> str:
    return f"<w:tc><w:tcPr>{properties}</w:tcPr><w:p>{inner}</w:p></w:tc>"


def said(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def test_what_a_person_sees_in_a_word_document_is_read() -> None:
    """Content controls, links and pending insertions are text like any other; deletions and moved-away text are gone."""
    link = f"<w:hyperlink>{said('linked ')}</w:hyperlink>"
    inserted = f"<w:ins>{said('in')}</w:ins><w:del><w:r><w:delText>out</w:delText></w:r></w:del>"
    moved = f"<w:moveFrom>{said('away')}</w:moveFrom><w:smartTag>{said(' kept')}</w:smartTag>"
    control = f"<w:sdt><w:sdtContent><w:p>{link}{inserted}{moved}</w:p></w:sdtContent></w:sdt>"
    (found,) = body(control)
    assert found == Paragraph("paragraph 1", "linked in kept")


def test_rows_that_were_deleted_are_not_read_and_those_in_controls_are() -> None:
    gone = f"<w:tr><w:trPr><w:del/></w:trPr>{cell(said('gone'))}</w:tr>"
    wrapped = (
        f"<w:sdt><w:sdtContent><w:tr>{cell(said('1'))}{cell(said('.94') + said('5'))}</w:tr></w:sdtContent></w:sdt>"
    )
    (found,) = body(f"<w:tbl>{gone}{wrapped}</w:tbl>")
    assert found == Grid("table 1", (TableRow("table 1, row 2", ("1", ".945")),))


def test_cells_merged_in_both_directions_repeat_their_text() -> None:
    merged = cell(said("a"), '<w:gridSpan w:val="2"/><w:vMerge w:val="restart"/>')
    below = cell("", '<w:gridSpan w:val="2"/><w:vMerge/>')
    rows = "".join(
        f"<w:tr>{first}{cell(said(last))}</w:tr>" for first, last in ((below, "0"), (merged, "1"), (below, "2"))
    )
    (found,) = body(f"<w:tbl>{rows}</w:tbl>")
    assert isinstance(found, Grid)
    assert [row.cells for row in found.rows] == [("", "", "0"), ("a", "a", "1"), ("a", "a", "2")]


@pytest.mark.parametrize("width", ["201", "3000000", "-1", "x"])
def test_a_cell_that_spans_more_than_any_table_has_is_refused(width: str) -> None:
    with pytest.raises(UsageError, match="columns"):
        body("<w:tbl><w:tr>" + cell(said("a"), f'<w:gridSpan w:val="{width}"/>') + "</w:tr></w:tbl>")


def test_a_column_merged_over_thousands_of_rows_is_read() -> None:
    rows = "".join(f"<w:tr>{cell('', '<w:vMerge/>')}{cell(said(str(at)))}</w:tr>" for at in range(3000))
    (found,) = body(f"<w:tbl>{rows}</w:tbl>")
    assert isinstance(found, Grid)
    assert found.rows[-1].cells == ("", "2999")


def test_an_archive_that_grows_beyond_bounds_is_refused() -> None:
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * 150_000_000)
    with pytest.raises(UsageError, match="too large once unpacked"):
        read(stored.getvalue(), "old.docx")


# --- values that slid ------------------------------------------------------------------------------------------------


def test_aligned_rows_are_read_as_they_stand() -> None:
    found = read(markdown(written()))
    assert rows(found) == written()


def test_a_slid_row_that_does_not_fit_its_titles_is_told_and_not_guessed() -> None:
    changed = slid(written())
    # A figure is gone, so that the rest of the row moved one further.
    changed[6] = (*changed[6][:3], *changed[6][4:], "")
    found = read(markdown(changed))
    assert len(found.rows) == 17
    assert [problem.what for problem in found.unread] == ["its values cannot be given to the titles for certain"]
    assert found.unread[0].where == "line 45"


def test_a_row_with_two_figures_missing_is_not_taken_for_one_of_another_case() -> None:
    changed = slid(written())
    # Input, output, concurrency and four figures: as many values as a row that only lacks the merged cells.
    changed[5] = (*changed[5][:9], "", "")
    found = read(markdown(changed))
    assert len(found.rows) == 17 - 2 or all(row.concurrency < 1000 for row in found.rows)
    assert any("do not fit the titles" in problem.what for problem in found.unread)


def test_a_case_that_stands_there_twice_is_told() -> None:
    twice = [*written()[:2], written()[1]]
    found = read(markdown(twice))
    assert len(found.rows) == 2
    assert "twice" in found.unread[0].what


# --- what a report may say besides -----------------------------------------------------------------------------------


def test_what_was_not_understood_is_listed_with_its_line() -> None:
    text = markdown().replace("1. # 测试结论", "1. # 风险\n\n散热不足\n\n1. # 测试结论")
    text = text.replace("| **内存** |", "| | 空 |\n| **内存** |")
    assert [str(problem) for problem in read(text).unread] == [
        "line 16: a row that says '| 空'",
        "line 59: the section '风险' is not one of the layout",
        "line 61: a text that says '散热不足'",
    ]


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (f"{START} > log 2>&1 &", "not taken, since it needs a shell: > log 2 >& 1 &"),
        (START.replace("--port 8001", "--port $PORT"), "a shell would change '$PORT'; kept as it stands"),
        (f"{START} --api-key abcdef", "the argument --api-key looks like a secret and was left out"),
        (f"export HF_TOKEN=abcdef {START}", "the variable HF_TOKEN looks like a secret and was left out"),
        ("./start.sh --fast", "no engine that kit knows starts with: ./start.sh --fast"),
        ("python -m 'sglang", "the command cannot be taken apart: No closing quotation"),
    ],
    ids=["shell", "variable", "secret", "secret-variable", "unknown", "quotation"],
)
def test_a_command_that_cannot_be_taken_whole_is_told(start: str, told: str) -> None:
    found = read(markdown(start=start.replace("|", "\\|")))
    made = writing.imported(found)
    assert f"line 31: {told}" in [str(problem) for problem in made.problems]
    assert "abcdef" not in made.profile


def test_a_profile_that_lacks_something_says_what(tmp_path: Path) -> None:
    path = tmp_path / "old.md"
    path.write_text(markdown(load="bash run.sh"), "utf-8")
    taken = judging.take(path, tmp_path / "out")
    told = [str(problem) for problem in taken.problems]
    assert "line 33: load.tokenizer is not told and must be added" in told
    assert any("load.tokenizer" in text and "is missing" in text for text in told)


def test_arguments_are_taken_in_their_order_and_quoted_ones_whole() -> None:
    found = lines.server("A=1 python3 -m sglang.launch_server --json '{\"a\": 1}' --x=-1 --neg -1 --flag --two a b")
    assert found.env == (("A", "1"),)
    assert found.args == (("--json", '{"a": 1}'), ("--x=-1",), ("--neg", "-1"), ("--flag",), ("--two", "a", "b"))
    assert found.problems == ()


def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "old.md"
    path.write_text(markdown(), "utf-8")
    first = judging.take(path, tmp_path)
    before = first.profile.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        judging.take(path, tmp_path)
    assert first.profile.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"# title\n", b"\xff\xfe", b"PK\x03\x04...", b"| a |\n"], ids=repr)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(UsageError):
        read(content)


def test_a_truncated_word_document_is_refused() -> None:
    whole = word(written()[:2])
    for length in range(0, len(whole), 997):
        with pytest.raises(UsageError):
            read(whole[:length], "old.docx")


# --- any text --------------------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=60)


@given(TEXTS, TEXTS, TEXTS)
def test_any_text_in_a_report_becomes_a_profile_that_says_it_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, project: str, start: str, load: str
) -> None:
    flat = [" ".join(text.split()).replace("|", "\\|").replace("<br>", "") for text in (project, start, load)]
    text = markdown(start=f"{START} {flat[1]}", load=f"{LOAD} {flat[2]}").replace("基于 2 卡", flat[0] or "基于")
    home = tmp_path_factory.mktemp("any")
    try:
        found = report.read(text.encode(errors="replace"), "old.md")
        made = writing.imported(found)
    except KitError:
        return
    (home / "baselines").mkdir()
    (home / made.baseline_name).write_text(made.baseline, "utf-8")
    try:
        loaded = profile.parse(made.profile, str(home / "p.yaml"))
    except KitError as error:
        # What the report says may be no possible test; what it is written in must be YAML.
        assert error.problems, made.profile  # noqa: PT017
        return
    assert loaded.profile.report.project == found.project
    shutil.rmtree(home)


@given(
    st.lists(
        st.sampled_from([*markdown().splitlines(), "|", "```", "| a |", "# x", line(TITLES), "\\|", "`"]), max_size=40
    )
)
def test_any_order_of_lines_is_a_report_or_is_refused(shuffled: list[str]) -> None:
    try:
        found = read("\n".join(shuffled))
    except UsageError:
        return
    writing.imported(found)


@given(st.text(max_size=200), st.binary(max_size=200))
def test_any_text_is_a_command_or_is_told(text: str, content: bytes) -> None:
    lines.server(text)
    lines.load(text)
    lines.split(text)
    for given_ in (text.encode(errors="replace"), content, b"PK\x03\x04" + content):
        try:
            read(given_)
        except UsageError:
            continue


def visible(text: str) -> str:
    """The text as one line of a document can hold it: no control characters, blanks as one, none at the ends."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=40).map(visible)
MARKED = st.lists(
    st.sampled_from([*r"|\`*_~<>[]&#$", "a", "**", "<br>", "&amp;", "\\|", "`|`", "中"]), max_size=12
).map(lambda parts: visible("".join(parts)))


@given(st.lists(LINES | MARKED, min_size=1, max_size=4))
def test_any_text_that_is_written_into_a_markdown_table_is_read_out_of_it(cells: list[str]) -> None:
    (found,) = reading.read(f"| {' | '.join(map(escape, cells))} | end |")
    assert isinstance(found, Grid)
    assert found.rows[0].cells == (*cells, "end")


@given(LINES | MARKED)
def test_any_command_in_a_table_is_read_character_for_character(command: str) -> None:
    (found,) = reading.read(f"| start | {code(command)} |")
    assert isinstance(found, Grid)
    assert found.rows[0].cells[1] == command


@given(st.lists(st.lists(LINES | MARKED, min_size=3, max_size=3), min_size=1, max_size=3))
def test_any_text_in_a_word_table_is_read_out_of_it(rows: list[list[str]]) -> None:
    document = Document()
    table = document.add_table(rows=len(rows), cols=3)
    for row, texts in zip(table.rows, rows, strict=True):
        for at, text in enumerate(texts):
            row.cells[at].text = text
    stored = io.BytesIO()
    document.save(stored)
    (found,) = word_blocks(stored.getvalue())
    assert isinstance(found, Grid)
    assert [row.cells for row in found.rows] == [tuple(texts) for texts in rows]


@given(st.integers(0, 400), st.integers(0, 255), st.sampled_from(["word/document.xml", "word/styles.xml"]))
def test_a_damaged_word_document_is_read_or_refused(at: int, value: int, member: str) -> None:
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(SMALL)) as source, zipfile.ZipFile(result, "w") as target:
        for name in source.namelist():
            data = bytearray(source.read(name))
            if name == member:
                data[len(data) * at // 401] = value
            target.writestr(name, bytes(data))
    try:
        read(result.getvalue(), "old.docx")
    except UsageError:
        return


SMALL = word(written()[:3])


# --- texts that cost more than they hold -------------------------------------------------------------------------

MANY = 200_000
"""With the square of it as many steps, no test would end."""


def test_backticks_are_read_once() -> None:
    assert reading.plain(f"{'`' * MANY} `x`") == f"{'`' * MANY} x"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("`a` b ``c`d``", "a b c`d"),
        ("`` `a ``", "`a"),
        ("` `", " "),
        ("`a\\|b`", "a|b"),
        ("\\`a\\` `b`", "`a` b"),
        ("```a`` b", "```a`` b"),
    ],
)
def test_code_in_a_line_ends_where_as_many_backticks_stand_as_it_began_with(text: str, told: str) -> None:
    assert reading.plain(text) == told


@pytest.mark.parametrize(
    "text", ["(" * MANY, "(a=" * (MANY // 3), ",/" * (MANY // 2)], ids=["brackets", "variables", "folders"]
)
def test_a_command_is_looked_for_word_by_word(text: str) -> None:
    assert lines.split(f"{text} x") == (f"{text} x", "")
    assert lines.split(f"{text} e.g.:A=1 B=2 /opt/bin/python3 x.py") == (
        f"{text} e.g.:",
        "A=1 B=2 /opt/bin/python3 x.py",
    )


def test_what_is_longer_than_any_command_is_told_and_not_taken_apart() -> None:
    (problem,) = lines.server("_" * MANY).problems
    assert "200000 characters, more than 20000" in problem
    assert lines.load("_" * MANY).problems == [problem]


def test_a_line_of_blanks_is_no_heading() -> None:
    assert reading.read(f"#{' ' * MANY}") == (Paragraph("line 1", "#"),)


@pytest.mark.parametrize("text", ["<!--", "<a x="])
def test_markup_that_never_ends_is_read_once(text: str) -> None:
    (found,) = hypertext.tables("<table><tr><td>1</td></tr></table>" + text * (MANY // len(text)))
    assert found.rows == [(1, ["1"])]
