"""Writes report.docx of kit's layouts, the styles of the Word reports: `python tools/make_docx_template.py [FOLDER]`.

The files hold no text of a report: only page, header, footer, numbering, the styles that kit fills in, and for the brief
what stands where. A site changes them in Word and keeps the names of the styles; docs/report.md lists them. The same program
writes the same bytes.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from docx import Document
from docx.document import Document as Opened
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Mm, Pt, RGBColor
from docx.styles.style import CharacterStyle, ParagraphStyle

from kit.renderers.archive import still

ROOT = Path(__file__).resolve().parent.parent
BODY = ("Times New Roman", "宋体")
HEAD = ("Arial", "黑体")
MONO = ("Consolas", "等线")
LINE, SHADE, INK = "A6A6A6", "EAF0F7", RGBColor(0x1F, 0x2D, 0x3D)

NUMBERING = """
<w:numbering %(ns)s>
  <w:abstractNum w:abstractNumId="1"><w:multiLevelType w:val="multilevel"/>%(levels)s</w:abstractNum>
  <w:abstractNum w:abstractNumId="2"><w:multiLevelType w:val="hybridMultilevel"/>
    <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="bullet"/><w:pStyle w:val="ListBullet"/><w:lvlText w:val="•"/>
    <w:lvlJc w:val="left"/><w:pPr><w:ind w:left="360" w:hanging="240"/></w:pPr></w:lvl></w:abstractNum>
  <w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num>
  <w:num w:numId="2"><w:abstractNumId w:val="2"/></w:num>
</w:numbering>
"""
LEVEL = """<w:lvl w:ilvl="%(at)d"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:pStyle w:val="Heading%(style)d"/>
<w:suff w:val="space"/><w:lvlText w:val="%(text)s"/><w:lvlJc w:val="left"/>
<w:pPr><w:ind w:left="0" w:firstLine="0"/></w:pPr></w:lvl>"""

TABLE_STYLE = """
<w:style %(ns)s w:type="table" w:customStyle="1" w:styleId="KitTable"><w:name w:val="Kit Table"/><w:basedOn w:val="TableNormal"/>
<w:uiPriority w:val="99"/><w:qFormat/>
<w:tblPr><w:tblBorders>%(borders)s</w:tblBorders>
<w:tblCellMar><w:top w:w="40" w:type="dxa"/><w:left w:w="80" w:type="dxa"/><w:bottom w:w="40" w:type="dxa"/>
<w:right w:w="80" w:type="dxa"/></w:tblCellMar></w:tblPr>
<w:tblStylePr w:type="firstRow"><w:rPr><w:b/></w:rPr><w:tcPr><w:shd w:val="clear" w:color="auto" w:fill="%(shade)s"/></w:tcPr>
</w:tblStylePr>
<w:tblStylePr w:type="firstCol"><w:rPr><w:b/></w:rPr></w:tblStylePr></w:style>
"""


BRIEF = (
    ("Title", "{{ report.project }}"),
    ("Subtitle", '{{ say("report") }} · {{ report.run }} · {{ report.date }}'),
    ("Subtitle", "{{ report.model }} · {{ report.environment_label }}"),
    ("Normal", "{{ draft }}"),
    ("Kit Contents", '{{ say("conclusion") }}'),
    ("Normal", "{{ conclusion }}"),
    ("Normal", "{{ figures }}"),
    ("Normal", "{{ chart }}"),
    ("Normal", "{{ sign_off }}"),
    ("Kit Note", '{{ say("full-report", run=report.run) }}'),
)
"""The one page of templates/brief: styles and what their paragraphs hold."""


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "templates"
    _write(target / "report.docx", ())
    _write(target / "brief" / "report.docx", BRIEF)


def _write(path: Path, paragraphs: Sequence[tuple[str, str]]) -> None:
    document = Document()
    _page(document)
    _slim(document)
    _styles(document)
    _numbering(document)
    _header_and_footer(document)
    for style, text in paragraphs:
        document.add_paragraph(text, style)
    properties = document.core_properties
    properties.author, properties.title, properties.comments = "kit", "", ""
    properties.created = properties.modified = datetime(2020, 1, 1, tzinfo=UTC)
    stored = BytesIO()
    document.save(stored)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(still(stored.getvalue()))


def _page(document: Opened) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(22)
    section.top_margin, section.bottom_margin = Mm(24), Mm(20)
    section.header_distance = section.footer_distance = Mm(11)


def _slim(document: Opened) -> None:
    """Leave out the styles of tables that no report uses; they are most of the file."""
    styles = document.styles.element
    for style in styles.findall(qn("w:style")):
        if style.get(qn("w:type")) == "table" and style.get(qn("w:styleId")) != "TableNormal":
            styles.remove(style)


def _styles(document: Opened) -> None:
    defaults = document.styles.element.find(qn("w:docDefaults"))
    language = defaults.find(f".//{qn('w:lang')}")
    language.set(qn("w:eastAsia"), "zh-CN")
    _fonts(document, "Normal", BODY, 10.5)
    normal = document.styles["Normal"].paragraph_format
    normal.space_after, normal.line_spacing = Pt(4), 1.15
    for level, size in ((1, 15), (2, 12.5), (3, 11)):
        _fonts(document, f"Heading {level}", HEAD, size, bold=True)
        heading = _paragraph(document, f"Heading {level}")
        heading.paragraph_format.space_before = Pt(14 if level == 1 else 10)
        heading.paragraph_format.space_after = Pt(5)
        _numbered(heading, 1, level - 1)
    _fonts(document, "Title", HEAD, 20, bold=True)
    title = _paragraph(document, "Title")
    title.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    title.paragraph_format.space_before, title.paragraph_format.space_after = Pt(6), Pt(4)
    for border in title.element.findall(f".//{qn('w:pBdr')}"):
        border.getparent().remove(border)
    _fonts(document, "Subtitle", BODY, 10.5)
    subtitle = _paragraph(document, "Subtitle")
    subtitle.font.italic = False
    subtitle.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _fonts(document, "Caption", HEAD, 9.5, bold=True)
    caption = _paragraph(document, "Caption")
    caption.paragraph_format.keep_with_next = True
    caption.paragraph_format.space_before, caption.paragraph_format.space_after = Pt(8), Pt(3)
    _fonts(document, "List Bullet", BODY, 10.5)
    _numbered(_paragraph(document, "List Bullet"), 2, 0)
    for name in ("Header", "Footer"):
        _fonts(document, name, BODY, 8.5, colour=RGBColor(0x59, 0x59, 0x59))
    _own(document, "Kit Cell", BODY, 9).paragraph_format.space_after = Pt(0)
    _own(document, "Kit Number", BODY, 9, base="Kit Cell").paragraph_format.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    _own(document, "Kit Head", HEAD, 8.5, base="Kit Cell", bold=True)
    _own(document, "Kit Note", BODY, 8.5).paragraph_format.space_after = Pt(2)
    code = _own(document, "Kit Code", MONO, 8)
    code.paragraph_format.line_spacing = 1.0
    code.paragraph_format.space_after = Pt(6)
    _frame(code, "F5F5F5", LINE)
    cell = _own(document, "Kit Cell Code", MONO, 8, base="Kit Cell")
    cell.paragraph_format.line_spacing = 1.0
    draft = _own(document, "Kit Draft", HEAD, 12, bold=True, colour=RGBColor(0xB0, 0x00, 0x20))
    draft.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _frame(draft, "FDECEA", "B00020")
    figure = _own(document, "Kit Figure", BODY, 9)
    figure.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    figure.paragraph_format.space_after = Pt(0)
    figure.paragraph_format.keep_with_next = True
    _own(document, "Kit Contents", HEAD, 12, bold=True)
    item = _own(document, "Kit Item", HEAD, 10, bold=True)
    item.paragraph_format.space_before, item.paragraph_format.space_after = Pt(6), Pt(0)
    item.paragraph_format.keep_with_next = True
    for level in (1, 2):
        # Word knows its own styles by lower-case names.
        entry = _own(document, f"toc {level}", BODY, 10.5)
        entry.element.set(qn("w:styleId"), f"TOC{level}")
        entry.paragraph_format.space_after = Pt(1)
        entry.paragraph_format.left_indent = Mm(6 * (level - 1))
        entry.paragraph_format.tab_stops.add_tab_stop(Mm(166), alignment=2, leader=1)
    borders = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="{LINE}"/>'
        for side in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    ns = nsdecls("w")
    document.styles.element.append(parse_xml(TABLE_STYLE % {"ns": ns, "borders": borders, "shade": SHADE}))


def _paragraph(document: Opened, name: str) -> ParagraphStyle:
    style = document.styles[name]
    assert isinstance(style, ParagraphStyle)
    return style


def _own(
    document: Opened,
    name: str,
    fonts: tuple[str, str],
    size: float,
    *,
    base: str = "Normal",
    bold: bool = False,
    colour: RGBColor | None = None,
) -> ParagraphStyle:
    style = document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH, builtin=name.startswith("toc"))
    style.base_style = document.styles[base]
    _fonts(document, name, fonts, size, bold=bold, colour=colour)
    assert isinstance(style, ParagraphStyle)
    return style


def _fonts(
    document: Opened,
    name: str,
    fonts: tuple[str, str],
    size: float,
    *,
    bold: bool = False,
    colour: RGBColor | None = None,
) -> None:
    style = document.styles[name]
    assert isinstance(style, CharacterStyle)
    style.font.name, style.font.size, style.font.bold = fonts[0], Pt(size), bold
    style.font.color.rgb = colour or INK
    found = style.element.get_or_add_rPr().get_or_add_rFonts()
    for attribute in [key for key in found.attrib if "Theme" in key]:
        del found.attrib[attribute]
    for attribute, font in zip(("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"), (*fonts[:1] * 3, fonts[1]), strict=True):
        found.set(qn(attribute), font)


def _numbered(style: ParagraphStyle, number: int, level: int) -> None:
    properties = style.element.get_or_add_pPr()
    for old in properties.findall(qn("w:numPr")):
        properties.remove(old)
    found = properties.get_or_add_numPr()
    found.get_or_add_ilvl().set(qn("w:val"), str(level))
    found.get_or_add_numId().set(qn("w:val"), str(number))


def _frame(style: ParagraphStyle, fill: str, line: str) -> None:
    properties = style.element.get_or_add_pPr()
    sides = "".join(
        f'<w:{side} w:val="single" w:sz="4" w:space="4" w:color="{line}"/>'
        for side in ("top", "left", "bottom", "right")
    )
    shade = f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="{fill}"/>'
    border = parse_xml(f"<w:pBdr {nsdecls('w')}>{sides}</w:pBdr>")
    # The schema wants border and shading before spacing and alignment.
    properties.insert_element_before(border, "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr")
    properties.insert_element_before(parse_xml(shade), "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr")


def _numbering(document: Opened) -> None:
    levels = "".join(
        LEVEL % {"at": at, "style": at + 1, "text": ".".join(f"%{number}" for number in range(1, at + 2))}
        for at in range(3)
    )
    part = document.part.numbering_part.element
    for child in list(part):
        part.remove(child)
    for child in list(parse_xml(NUMBERING % {"ns": nsdecls("w"), "levels": levels})):
        part.append(child)


def _header_and_footer(document: Opened) -> None:
    section = document.sections[0]
    header, footer = section.header.paragraphs[0], section.footer.paragraphs[0]
    header.alignment = footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _field(header, "TITLE")
    _field(footer, "PAGE")
    footer.add_run(" / ")
    _field(footer, "NUMPAGES")


def _field(paragraph: object, instruction: str) -> None:
    from docx.text.paragraph import Paragraph

    assert isinstance(paragraph, Paragraph)
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), instruction)
    paragraph._p.append(field)


if __name__ == "__main__":
    main()
