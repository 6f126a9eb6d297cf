"""Layouts: the brief, a site's own templates, and what is said of a template with a mistake."""

import io
import os
import zipfile
from pathlib import Path
from typing import Literal

import pytest
from docx import Document
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from hypothesis import HealthCheck, given, settings

from kit import renderers
from kit.errors import HostError, UsageError
from kit.model.report import Report
from kit.renderers import charts, docx, layouts
from kit.renderers.details import BRIEF_LINES, brief_conclusion, highlights
from kit.renderers.word import clean
from kit.resources import folder
from kit.texts import say
from kit.workflows import running
from tests.unit.test_docx import any_text, body, paragraphs, seen, tables, text
from tests.unit.test_html import page
from tests.unit.written import Written, failing


@pytest.fixture
def built(tmp_path: Path) -> Report:
    return Written(tmp_path / "run", change=failing).report()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "our-layout"
    path.mkdir()
    return path


# --- the brief ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_brief_has_verdict_five_figures_and_one_chart(tmp_path: Path, language: Literal["zh-CN", "en"]) -> None:
    report = Written(tmp_path, change=failing).report(language)
    brief = layouts.find("brief")
    wanted = highlights(report).rows
    assert len(wanted) == 5
    md = renderers.render("md", report, brief).decode()
    html = renderers.render("html", report, brief).decode()
    word = renderers.render("docx", report, brief)
    for row in wanted:
        assert f"| {row[0]} | {row[1]} | {row[2]} |" in md
        assert all(part in html for part in row)
        assert list(row) in tables(word)[0]
    for line in report.conclusion:
        assert f"- {line}" in md
        assert f"<li>{line}</li>" in html
        assert line in paragraphs(word, "ListBullet")
    assert html.count("<figure") == 1
    assert 'id="chart-throughput"' in html
    assert len([name for name in zipfile.ZipFile(io.BytesIO(word)).namelist() if "/media/" in name]) == 1


def test_the_figures_of_the_brief_are_the_best_and_the_worst_of_the_table(built: Report) -> None:
    rows = {row[0]: row[1:] for row in highlights(built).rows}
    best = max(row.output_throughput for row in built.rows if row.output_throughput is not None)
    assert rows[say("zh-CN", "high-throughput")] == (f"{best:.2f} tok/s", "128-512-c2 †"), "it has a note"
    assert rows[say("zh-CN", "high-ttft-least")][1] == "128-512-c1"
    doubted = say("zh-CN", "highlights-doubted")
    assert doubted in highlights(built).notes
    assert doubted in renderers.render("md", built, layouts.find("brief")).decode()
    clean_ = built.model_copy(update={"rows": tuple(row.model_copy(update={"notes": ()}) for row in built.rows)})
    assert doubted not in highlights(clean_).notes
    assert rows[say("zh-CN", "high-success")] == ("87.5%", "全部工况：7/8")


def test_what_was_never_measured_is_no_figure_of_the_brief(tmp_path: Path) -> None:
    everything = [f"{case}/round-{number}" for case in ("128-512-c1", "128-512-c2", "2k-512-c1") for number in (1, 2)]
    report = Written(tmp_path, missing=everything, state="incomplete").report()
    assert {row[1] for row in highlights(report).rows} == {"—"}
    for name in ("md", "html", "docx"):
        assert renderers.render(name, report, layouts.find("brief"))


def test_a_draft_says_so_on_the_page_of_the_brief(tmp_path: Path) -> None:
    report = Written(tmp_path, missing=["2k-512-c1/round-2"], state="incomplete").report()
    assert report.draft is not None
    brief = layouts.find("brief")
    assert renderers.render("md", report, brief).decode().startswith(f"> **{report.draft}**")
    assert f'<p class="draft" role="note">{report.draft}</p>' in renderers.render("html", report, brief).decode()
    word = renderers.render("docx", report, brief)
    assert paragraphs(word, "KitDraft") == [report.draft]
    assert Document(io.BytesIO(word)).core_properties.content_status == "Draft"


def test_a_long_conclusion_is_cut_in_the_brief_and_says_so(built: Report) -> None:
    long = built.model_copy(update={"conclusion": tuple(f"line {number}" for number in range(20))})
    assert brief_conclusion(long)[:-1] == long.conclusion[: BRIEF_LINES - 1]
    assert brief_conclusion(long)[-1] == "其余 15 条见完整报告"


def test_the_brief_has_a_chart_wherever_there_is_one(built: Report) -> None:
    found = charts.of(built, "en")
    assert charts.main(found) == next(chart for chart in found if chart.key == "throughput")
    assert charts.main([chart for chart in found if chart.key == "prefill"]) == found[-1]
    assert charts.main([]) is None


@given(any_text)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_out_of_the_brief_as_that_text(built: Report, given_text: str) -> None:
    report = built.model_copy(update={"model": given_text})
    brief = layouts.find("brief")
    wanted = f"{seen(given_text)} · {report.environment_label}"
    assert wanted in [
        text(found) for found in body(renderers.render("docx", report, brief)).iter() if found.tag[-2:] == "}p"
    ]
    found = page(renderers.render("html", report, brief)).all("header")[0].all("p")
    assert found[-1].text == f"{clean(given_text)} · {report.environment_label}"


# --- a site's own ------------------------------------------------------------------------------------------------


def test_a_site_changes_one_format_and_keeps_the_others(built: Report, site: Path) -> None:
    (site / "report.md.j2").write_text("{{ report.project | text }}: {{ rows | length }} {{ say('model') }}\n", "utf-8")
    layout = layouts.find(str(site))
    assert layout.name == "our-layout"
    assert renderers.render("md", built, layout).decode() == f"{built.project}: 3 模型\n"
    for name in ("html", "docx", "csv"):
        assert renderers.render(name, built, layout) == renderers.render(name, built)


def test_a_site_changes_colours_alone(built: Report, site: Path) -> None:
    (site / "report.css").write_text("body { color: #123456; }", "utf-8")
    page = renderers.render("html", built, layouts.find(str(site))).decode()
    assert "<style>body { color: #123456; }</style>" in page
    assert built.project in page


def test_a_template_includes_its_own_pieces(built: Report, site: Path) -> None:
    (site / "own.j2").write_text("ours", "utf-8")
    (site / "report.md.j2").write_text('{% include "own.j2" %} {{ when(report.started) }}', "utf-8")
    assert renderers.render("md", built, layouts.find(str(site))).decode().startswith("ours 2026-11-23 ")


def test_a_word_template_keeps_its_cover_and_gets_the_report_behind_it(built: Report, site: Path) -> None:
    opened = Document(str(folder("templates") / "report.docx"))
    opened.sections[0].header.paragraphs[0].text = "Our company"
    opened.add_paragraph("{{ say('report') }}: {{ report.model }}", "Title")
    cell = opened.add_table(1, 1).cell(0, 0)
    run = cell.paragraphs[0].add_run("{{ repo")
    run.bold = True
    cell.paragraphs[0].add_run("rt.run }}")
    opened.save(str(site / "report.docx"))
    made = renderers.render("docx", built, layouts.find(str(site)))
    assert paragraphs(made, "Title")[:2] == [f"性能测试报告: {built.model}", built.project]
    read = Document(io.BytesIO(made))
    assert read.tables[0].cell(0, 0).text == built.run
    assert read.tables[0].cell(0, 0).paragraphs[0].runs[0].bold
    assert read.sections[0].header.paragraphs[0].text == "Our company"
    standard = renderers.render("docx", built)
    assert tables(made) == tables(standard)


def test_a_word_template_places_the_parts_it_wants(built: Report, site: Path) -> None:
    opened = Document(str(folder("templates") / "report.docx"))
    for line in ("{{ sign_off }}", "between", "{{ conclusion }}"):
        opened.add_paragraph(line)
    opened.save(str(site / "report.docx"))
    made = renderers.render("docx", built, layouts.find(str(site)))
    assert len(tables(made)) == 1
    assert paragraphs(made, "ListBullet") == list(built.conclusion)


def test_expressions_in_headers_footers_and_text_boxes_are_filled(built: Report, site: Path) -> None:
    opened = Document(str(folder("templates") / "report.docx"))
    section = opened.sections[0]
    section.header.paragraphs[0].text = "ACME · {{ report.run }}"
    section.footer.add_paragraph("{{ report.model }}")
    box = f"<w:txbxContent {nsdecls('w')}><w:p><w:r><w:t>{{{{ %s }}}}</w:t></w:r></w:p></w:txbxContent>"
    anchor = opened.add_paragraph("beside")
    for name in ("report.project", "report.date"):
        anchor.runs[0].element.append(parse_xml(box % name))
    opened.save(str(site / "report.docx"))
    read = Document(io.BytesIO(renderers.render("docx", built, layouts.find(str(site)))))
    for section in read.sections:
        assert section.header.paragraphs[0].text == f"ACME · {built.run}"
        assert section.footer.paragraphs[-1].text == built.model
    told = [one.text for one in read.element.body[0].iter(qn("w:t"))]
    assert told == ["beside", built.project, built.date]


def test_a_mistake_in_a_header_is_named_there(built: Report, site: Path) -> None:
    opened = Document(str(folder("templates") / "report.docx"))
    opened.sections[0].header.paragraphs[0].text = "{{ reprot.run }}"
    opened.save(str(site / "report.docx"))
    with pytest.raises(UsageError, match=r"report\.docx, header, paragraph 1 \(.*\): 'reprot' is undefined"):
        docx.render(built, layouts.find(str(site)))


# --- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "template", "line", "told"),
    [
        ("report.md.j2", "a\n{% if %}\n", 2, "Expected an expression"),
        ("report.md.j2", "a\nb\n{{ reprot.run }}\n", 3, "'reprot' is undefined"),
        ("report.html.j2", "{{ report.run }}\n\n{{ report.colour }}", 3, "colour"),
        ("report.md.j2", "{{ report.projet | text }}", 1, "has no attribute 'projet'"),
        ("report.md.j2", "\n{{ report.projet | block('text') }}", 2, "has no attribute 'projet'"),
        ("report.html.j2", "{{ report.rows[0].latancy_s | figure }}", 1, "has no attribute 'latancy_s'"),
        ("report.md.j2", "{{ say('nothing') }}", 1, "nothing"),
        ("report.md.j2", "\n{{ 1 / 0 }}", 2, "division by zero"),
        ("report.md.j2", "{% for x in 5 %}{% endfor %}", 1, "not iterable"),
        ("report.md.j2", "{{ report | nofilter }}", 1, "nofilter"),
        ("report.md.j2", "{{ ''.__class__.__mro__ }}", 1, "unsafe"),
        ("report.html.j2", "\n{{ say.__init__.__globals__ }}", 2, "unsafe"),
        ("report.html.j2", "{{ report.rows.append(1) }}", 1, "append"),
        ("report.md.j2", "{% include '../../etc/passwd' %}", 1, "passwd"),
        ("report.md.j2", "\n{% include 'nowhere.j2' %}", 2, "nowhere.j2"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(
    built: Report, site: Path, name: str, template: str, line: int, told: str
) -> None:
    (site / name).write_text(template, "utf-8")
    with pytest.raises(UsageError) as caught:
        renderers.render(name.split(".")[1], built, layouts.find(str(site)))
    assert caught.value.message.startswith(f"{site / name}, line {line}: ")
    assert told in caught.value.message


def test_a_template_that_is_too_large_is_named_also_where_another_includes_it(built: Report, site: Path) -> None:
    (site / "report.md.j2").write_text('{% include "part.j2" %}', "utf-8")
    for name in ("part.j2", "report.docx"):
        (site / name).touch()
        os.truncate(site / name, 1 << 40)
    with pytest.raises(HostError, match=r"part\.j2 cannot be read: it is larger than 20000000 bytes"):
        renderers.render("md", built, layouts.find(str(site)))
    with pytest.raises(HostError, match=r"report\.docx cannot be read: it is larger than 20000000 bytes"):
        renderers.render("docx", built, layouts.find(str(site)))


def test_a_mistake_in_an_included_file_is_named_there(built: Report, site: Path) -> None:
    (site / "report.md.j2").write_text('\n{% include "part.j2" %}', "utf-8")
    (site / "part.j2").write_text("fine\n\n{{ nothing.there }}", "utf-8")
    with pytest.raises(UsageError, match=r"part\.j2, line 3: 'nothing' is undefined"):
        renderers.render("md", built, layouts.find(str(site)))


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ reprot.run }}", "'reprot' is undefined"),
        ("{{ report.run", "unexpected end"),
        ("{{ ''.__class__ }}", "unsafe"),
    ],
)
def test_a_mistake_in_a_word_template_is_named_with_its_paragraph(
    built: Report, site: Path, template: str, told: str
) -> None:
    opened = Document(str(folder("templates") / "report.docx"))
    for line in ("fine", template):
        opened.add_paragraph(line)
    opened.save(str(site / "report.docx"))
    with pytest.raises(UsageError) as caught:
        docx.render(built, layouts.find(str(site)))
    assert caught.value.message.startswith(f"{site / 'report.docx'}, paragraph 2 ({template}): ")
    assert told in caught.value.message


def test_a_layout_that_is_none_is_named(site: Path) -> None:
    with pytest.raises(UsageError, match="no layout 'breif'") as caught:
        layouts.find("breif")
    assert "brief" in str(caught.value.hint)
    with pytest.raises(UsageError, match="holds no template"):
        layouts.find(str(site))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18])
def test_a_file_that_is_no_word_document_is_named(built: Report, site: Path, content: bytes) -> None:
    (site / "report.docx").write_bytes(content)
    with pytest.raises(UsageError, match=r"report\.docx is not an? (archive|Word document) that can be read"):
        docx.render(built, layouts.find(str(site)))


@pytest.mark.parametrize(
    ("part", "before", "after"),
    [
        ("[Content_Types].xml", b"</Types>", b""),
        ("_rels/.rels", b' Target="', b' Tarket="'),
        ("word/document.xml", b"<w:body", b"<w:body <"),
    ],
)
def test_a_damaged_word_template_is_named(built: Report, site: Path, part: str, before: bytes, after: bytes) -> None:
    with (
        zipfile.ZipFile(folder("templates") / "report.docx") as whole,
        zipfile.ZipFile(site / "report.docx", "w") as damaged,
    ):
        for name in whole.namelist():
            content = whole.read(name)
            assert name != part or before in content
            damaged.writestr(name, content.replace(before, after) if name == part else content)
    with pytest.raises(UsageError, match=r"report\.docx is not a Word document that can be read"):
        docx.render(built, layouts.find(str(site)))


def test_a_template_that_is_not_utf8_is_named(built: Report, site: Path) -> None:
    (site / "report.md.j2").write_bytes("模型".encode("gbk"))
    with pytest.raises(UsageError, match=r"report\.md\.j2: byte 2 is no UTF-8"):
        renderers.render("md", built, layouts.find(str(site)))


def test_what_a_text_holds_is_never_run_as_a_template(built: Report) -> None:
    report = built.model_copy(update={"project": "{{ 7 * 7 }}{% for x in y %}"})
    for name in ("md", "html", "docx"):
        for layout in (None, layouts.find("brief")):
            content = renderers.render(name, report, layout)
            if name == "docx":
                assert "{{ 7 * 7 }}{% for x in y %}" in paragraphs(content, "Title")
            else:
                assert "{{ 7 * 7 }}{% for x in y %}" in content.decode()


def test_another_layout_writes_beside_the_standard_report(tmp_path: Path) -> None:
    run = Written(tmp_path).run
    _, standard = running.write_report(run, ["md"])
    _, brief = running.write_report(run, ["md", "csv"], template="brief")
    assert [path.relative_to(run.path).as_posix() for path in (*standard, *brief)] == [
        "report/report.md",
        "report/brief/report.md",
        "report/brief/results.csv",
    ]
    _, elsewhere = running.write_report(run, ["md"], to=tmp_path / "out", template="brief")
    assert elsewhere == (tmp_path / "out" / "report.md",)
    with pytest.raises(UsageError, match="no layout"):
        running.write_report(run, ["md"], template="nowhere")


@pytest.mark.parametrize("link", ["report", "report/brief"])
def test_no_report_is_written_through_a_link_out_of_the_run(tmp_path: Path, link: str) -> None:
    run, outside = Written(tmp_path).run, tmp_path / "outside"
    outside.mkdir()
    (run.path / link).parent.mkdir(exist_ok=True)
    (run.path / link).symlink_to(outside)
    with pytest.raises(UsageError, match=rf"{link} is a link to {outside}"):
        running.write_report(run, ["md"], template="brief")
    assert list(outside.iterdir()) == []
    running.write_report(run, ["md"], to=run.path / link, template="brief")
    assert [path.name for path in outside.iterdir()] == ["report.md"]
