"""The Word report, read back as XML: what stands where, in which style, merged how."""

import io
import re
import runpy
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import pytest
from docx import Document
from hypothesis import example, given
from hypothesis import strategies as st

from kit import renderers
from kit.errors import HostError, UsageError
from kit.model.report import Report
from kit.ports import Output, ToolTimeout
from kit.renderers import docx, pdf
from kit.renderers.document import LANDSCAPE
from kit.renderers.word import clean
from kit.resources import folder
from kit.texts import say
from tests.fakes import FakeHost
from tests.unit.conftest import CheckGolden
from tests.unit.written import Written, failing

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"


def body(content: bytes) -> ElementTree.Element:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = ElementTree.fromstring(archive.read("word/document.xml")).find(f"{W}body")
    assert found is not None
    return found


def text(element: ElementTree.Element) -> str:
    """What a reader sees: texts, line breaks and tabs; the instructions of fields are not seen."""
    shown = {f"{W}br": "\n", f"{W}tab": "\t", f"{W}noBreakHyphen": "-"}
    return "".join(
        part.text or "" if part.tag == f"{W}t" else shown[part.tag]
        for part in element.iter()
        if part.tag == f"{W}t" or (part.tag in shown and "val" not in "".join(part.attrib))
    )


def style(paragraph: ElementTree.Element) -> str:
    found = paragraph.find(f"{W}pPr/{W}pStyle")
    return found.get(f"{W}val", "") if found is not None else ""


def paragraphs(content: bytes, name: str) -> list[str]:
    return [text(found) for found in body(content).iter(f"{W}p") if style(found) == name]


def tables(content: bytes) -> list[list[list[str]]]:
    """The tables that have a header or names in front; a cell that continues the one above is `^`."""
    result = []
    for found in body(content).iter(f"{W}tbl"):
        if found.find(f"{W}tblPr/{W}tblStyle") is None:
            continue
        result.append([[_cell(cell) for cell in row.iter(f"{W}tc")] for row in found.iter(f"{W}tr")])
    return result


def _cell(cell: ElementTree.Element) -> str:
    merge = cell.find(f"{W}tcPr/{W}vMerge")
    if merge is not None and merge.get(f"{W}val") == "continue":
        assert text(cell) == ""
        return "^"
    return "\n".join(text(found) for found in cell.iter(f"{W}p"))


def outline(content: bytes) -> Iterator[str]:
    """The document from top to bottom, a line for each paragraph and each row."""
    for element in body(content):
        if element.tag == f"{W}p":
            size = element.find(f"{W}pPr/{W}sectPr/{W}pgSz")
            ending = f" | end of a section, {size.get(f'{W}orient', 'portrait')}" if size is not None else ""
            yield f"{style(element)}: {text(element)!r}{ending}"
        elif element.tag == f"{W}tbl":
            for row in element.iter(f"{W}tr"):
                repeated = "=" if row.find(f"{W}trPr/{W}tblHeader") is not None else "|"
                yield f"  {repeated} " + " | ".join(repr(_cell(cell)) for cell in row.iter(f"{W}tc"))


@pytest.fixture
def built(tmp_path: Path) -> Report:
    return Written(tmp_path, change=failing).report()


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_document_is_what_it_was(tmp_path: Path, language: Literal["zh-CN", "en"], golden: CheckGolden) -> None:
    content = docx.render(Written(tmp_path, change=failing).report(language))
    golden(f"report-{language}.docx.txt", ("\n".join(outline(content)) + "\n").encode())


def test_the_same_run_gives_the_same_document(built: Report) -> None:
    assert docx.render(built) == docx.render(built)


def test_no_time_of_writing_is_in_the_document(built: Report) -> None:
    with zipfile.ZipFile(io.BytesIO(docx.render(built))) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    properties = Document(io.BytesIO(docx.render(built))).core_properties
    assert properties.created == properties.modified
    assert properties.created is not None
    assert properties.created.replace(tzinfo=built.started.tzinfo) == built.started.replace(microsecond=0)


def test_headings_number_themselves_in_two_levels(built: Report) -> None:
    content = docx.render(built)
    assert paragraphs(content, "Heading1") == ["基本信息", "测试环境", "测试过程", "测试结论", "附件"]
    assert paragraphs(content, "Heading2") == [
        *("硬件配置", "软件配置", "启动测试", "性能数据", "硬件详细信息", "测试脚本")
    ]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        numbering = ElementTree.fromstring(archive.read("word/numbering.xml"))
        styles = ElementTree.fromstring(archive.read("word/styles.xml"))
    levels = {
        linked.get(f"{W}val"): shown.get(f"{W}val")
        for level in numbering.iter(f"{W}lvl")
        if (linked := level.find(f"{W}pStyle")) is not None and (shown := level.find(f"{W}lvlText")) is not None
    }
    assert levels["Heading1"] == "%1"
    assert levels["Heading2"] == "%1.%2"
    numbered = {
        found.get(f"{W}styleId"): (number.get(f"{W}val"), level.get(f"{W}val"))
        for found in styles.iter(f"{W}style")
        if (number := found.find(f"{W}pPr/{W}numPr/{W}numId")) is not None
        and (level := found.find(f"{W}pPr/{W}numPr/{W}ilvl")) is not None
    }
    assert numbered["Heading1"][0] == numbered["Heading2"][0]
    assert (numbered["Heading1"][1], numbered["Heading2"][1]) == ("0", "1")


def test_the_table_of_contents_names_every_heading_and_leads_to_it(built: Report) -> None:
    content = docx.render(built)
    entries = [entry.rstrip("\t") for name in ("TOC1", "TOC2") for entry in paragraphs(content, name)]
    assert sorted(entries)[:4] == ["1 基本信息", "2 测试环境", "2.1 硬件配置", "2.2 软件配置"]
    assert len(entries) == 11
    marks = {found.get(f"{W}name") for found in body(content).iter(f"{W}bookmarkStart")}
    assert {found.get(f"{W}anchor") for found in body(content).iter(f"{W}hyperlink")} == marks
    instructions = [(found.text or "").split()[0] for found in body(content).iter(f"{W}instrText")]
    assert instructions.count("TOC") == 1
    assert instructions.count("PAGEREF") == 11


def test_what_repeats_is_merged_and_every_figure_stands_under_its_title(built: Report) -> None:
    table = next(found for found in tables(docx.render(built)) if len(found[0]) == 11 and found[0][0] == "模型")
    assert table[0][4:6] == ["并发数", say("zh-CN", "col-latency")]
    assert [row[:5] for row in table[1:]] == [
        ["DeepSeek-R1-0528-w8a8", built.environment_label, "128", "512", "1"],
        ["^", "^", "^", "^", "2"],
        # 512 stands below another input here, and so it is a cell of its own.
        ["^", "^", "2k", "512", "1"],
    ]
    assert [row[5] for row in table[1:]] == ["30.44", "30.69", "30.44"]
    assert [row[10].partition("[")[2] for row in table[1:]] == ["", "1]", "2] [3]"]


def test_the_wide_tables_lie_in_a_landscape_section(built: Report) -> None:
    sections = [
        (found.get(f"{W}orient"), int(found.get(f"{W}w", "0")) > int(found.get(f"{W}h", "0")))
        for found in body(docx.render(built)).iter(f"{W}pgSz")
    ]
    assert sections == [(None, False), ("landscape", True), (None, False)]


def test_every_section_has_the_templates_header_and_footer(built: Report) -> None:
    for section in body(docx.render(built)).iter(f"{W}sectPr"):
        assert [found.tag for found in section][:2] == [f"{W}headerReference", f"{W}footerReference"]


def test_header_rows_are_repeated_on_every_page(built: Report) -> None:
    for found in body(docx.render(built)).iter(f"{W}tbl"):
        look = found.find(f"{W}tblPr/{W}tblLook")
        if look is not None and look.get(f"{W}firstRow") == "1":
            first = found.find(f"{W}tr")
            assert first is not None
            assert first.find(f"{W}trPr/{W}tblHeader") is not None


def whole_rows(content: bytes) -> dict[str, list[bool]]:
    """Of each table by its first title: whether its rows, but for the header, may not be cut."""
    rows = {text(found): [*found.iter(f"{W}tr")][1:] for found in body(content).iter(f"{W}tbl")}
    return {name: [row.find(f"{W}trPr/{W}cantSplit") is not None for row in found] for name, found in rows.items()}


def test_a_row_of_figures_is_not_cut_by_the_end_of_a_page_but_one_of_long_texts_is(built: Report) -> None:
    found = whole_rows(docx.render(built))
    figures = [rows for name, rows in found.items() if name.startswith(("模型环境", "输入输出"))]
    assert len(figures) == 4
    assert all(all(rows) for rows in figures)
    assert not any(any(rows) for name, rows in found.items() if name.startswith(("设备", "软件", "启动")))
    # LibreOffice loses what does not fit onto the page of such a row.
    for label in ("x" * 61, "a\rb"):
        found = whole_rows(docx.render(built.model_copy(update={"environment_label": label})))
        assert not any(any(rows) for name, rows in found.items() if name.startswith("模型环境"))


def test_tables_are_as_wide_as_their_cells(built: Report) -> None:
    for found in body(docx.render(built)).iter(f"{W}tbl"):
        grid = [int(column.get(f"{W}w", "0")) for column in found.iter(f"{W}gridCol")]
        for row in found.iter(f"{W}tr"):
            assert [int(cell.get(f"{W}w", "0")) for cell in row.iter(f"{W}tcW")] == grid
        assert sum(grid) <= LANDSCAPE


def test_every_picture_says_what_it_shows(built: Report) -> None:
    content = docx.render(built)
    shown = [found.get("descr", "") for found in body(content).iter(f"{WP}docPr")]
    assert len(shown) == 4
    assert "1 → 30.44，2 → 30.69" in shown[0]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        pictures = [name for name in archive.namelist() if name.startswith("word/media/")]
        assert len(pictures) == 4
        assert all(archive.read(name).startswith(b"\x89PNG") for name in pictures)


def test_chinese_text_has_a_font_of_its_own_in_every_style() -> None:
    with zipfile.ZipFile(folder("templates") / "report.docx") as archive:
        styles = ElementTree.fromstring(archive.read("word/styles.xml"))
    fonts = {
        found.get(f"{W}styleId"): fonts.get(f"{W}eastAsia")
        for found in styles.iter(f"{W}style")
        if (fonts := found.find(f"{W}rPr/{W}rFonts")) is not None
    }
    paragraph_styles = [name for name in docx.STYLES if name != "KitTable"]
    assert {name: fonts.get(name) for name in paragraph_styles if fonts.get(name) not in ("宋体", "黑体", "等线")} == {}


def test_a_draft_says_so_on_its_first_page_in_captions_and_properties(tmp_path: Path) -> None:
    built = Written(tmp_path, missing=["2k-512-c1/round-2"], state="incomplete", reason="stopped").report()
    content = docx.render(built)
    assert built.draft is not None
    assert paragraphs(content, "KitDraft") == [built.draft]
    assert all(built.draft in caption for caption in paragraphs(content, "Caption"))
    properties = Document(io.BytesIO(content)).core_properties
    assert built.draft in properties.title
    assert properties.content_status == "Draft"


def test_a_complete_run_is_marked_as_final(built: Report) -> None:
    content = docx.render(built)
    assert paragraphs(content, "KitDraft") == []
    properties = Document(io.BytesIO(content)).core_properties
    assert properties.content_status == "Final"
    assert properties.title == built.project
    assert built.run in properties.keywords


def test_the_sign_off_has_room_for_three_people(built: Report) -> None:
    last = tables(docx.render(built))[-1]
    assert [row[0] for row in last] == ["角色", "编制", "审核", "批准"]
    assert all(cell.strip() == "" for row in last[1:] for cell in row[1:])


def test_every_command_is_there_to_the_letter(built: Report) -> None:
    content = docx.render(built)
    code = paragraphs(content, "KitCode")
    assert code[1:] == [execution.command for execution in built.executions]
    assert code[0] == built.hardware_text.rstrip("\n")
    assert paragraphs(content, "KitCellCode") == [built.start_command, built.load_command]


def test_a_template_without_a_style_is_named_with_the_style() -> None:
    with pytest.raises(UsageError, match=r"plain\.docx lacks the styles .*KitTable"):
        docx.check(Document(), Path("plain.docx"))


@pytest.mark.parametrize("name", ["report.docx", "brief/report.docx"])
def test_the_template_in_the_tree_is_what_the_tool_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tool = Path(__file__).resolve().parents[2] / "tools" / "make_docx_template.py"
    monkeypatch.setattr(sys, "argv", ["make_docx_template.py", str(tmp_path)])
    runpy.run_path(str(tool), run_name="__main__")
    with zipfile.ZipFile(tmp_path / name) as new, zipfile.ZipFile(folder("templates") / name) as stored:
        assert {part: new.read(part) for part in new.namelist()} == {
            part: stored.read(part) for part in stored.namelist()
        }


# --- any text ----------------------------------------------------------------------------------------------------

any_text = st.text(
    st.one_of(
        st.sampled_from("\"'|<>&`=+-@#;%\\{}\n\r\t \x00\x1b\x7f\x85\ufffe\uffff中é😀\u200b\u2028\u202e\u0301aA1"),
        st.characters(),  # lone surrogates too
    ),
    max_size=60,
)


def seen(written: str) -> str:
    """What can be seen of a text: what XML cannot hold is gone, every line end is one."""
    return re.sub(r"\r\n?", "\n", clean(written))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Report:
    built = Written(tmp_path_factory.mktemp("plain")).report()
    # No charts: they hold no text from outside, and take most of the time.
    return built.model_copy(update={"rows": built.rows[2:], "details": built.details[2:]})


@given(given_text=any_text)
@example(given_text="=cmd()|' /C calc'!A0")
@example(given_text="<script>alert(1)</script> & ]]> &amp;")
@example(given_text="{{ 7 * 7 }} {% raw %}")
@example(given_text="x" * 5000)
@example(given_text="\ud800\x00\x0b")
def test_any_text_comes_out_as_that_text(plain: Report, given_text: str) -> None:
    row = plain.rows[0].model_copy(update={"notes": (1,)})
    executions = tuple(one.model_copy(update={"command": given_text}) for one in plain.executions)
    changed = plain.model_copy(
        update={
            **dict.fromkeys(("project", "model", "model_label", "environment_label", "start_command"), given_text),
            "notes": (given_text,),
            "conclusion": (given_text,),
            "hardware": (("CPU", given_text),),
            "rows": (row,),
            "executions": executions,
        }
    )
    content = docx.render(changed)
    wanted = seen(given_text)
    assert paragraphs(content, "Title") == [wanted]
    found = tables(content)
    assert [row[1] for row in found[0][:2]] == [wanted, wanted]
    assert ["CPU", wanted] in found[1]
    assert found[3][0][1] == wanted
    assert found[4][1][:2] == [wanted, wanted]
    assert f"[1] {wanted}" in paragraphs(content, "KitNote")
    assert paragraphs(content, "ListBullet")[0] == wanted
    assert set(paragraphs(content, "KitCode")[1:]) == {wanted}
    Document(io.BytesIO(content))


# --- pdf ---------------------------------------------------------------------------------------------------------


def test_without_libreoffice_the_pdf_says_what_is_missing() -> None:
    with pytest.raises(HostError, match="LibreOffice, which is not installed") as raised:
        pdf.laid_out(b"", FakeHost())
    assert "report.docx" in raised.value.hint


class _Silent(FakeHost):
    """A machine whose LibreOffice ends at once and writes nothing."""

    def __init__(self, said: Output | None) -> None:
        super().__init__()
        self._said = said

    def run(self, argv: object, *, timeout_s: float) -> Output:
        del argv
        if self._said is None:
            raise ToolTimeout(f"soffice gave no answer in {timeout_s:g} s")
        return self._said


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (Output(("soffice",), 0, "", "Error: source file could not be loaded\n"), "could not be loaded"),
        (Output(("soffice",), 77, "", ""), "exit code 77"),
        (None, "in 180 s"),
    ],
    ids=["no file", "exit code", "time"],
)
def test_a_pdf_that_libreoffice_does_not_make_is_an_error(said: Output | None, told: str) -> None:
    with pytest.raises(HostError, match=told):
        pdf.laid_out(b"", _Silent(said))


def test_a_pdf_is_made_only_when_asked_for() -> None:
    assert set(renderers.STANDARD) == set(renderers.RENDERERS) - {"pdf"}
