"""WordprocessingML as text: paragraphs, tables with merged cells, fields and pictures. Everything from outside is escaped here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from kit.controls import readable

# What XML cannot hold beside control characters, and lone halves of surrogate pairs, which no encoding can.
_IMPOSSIBLE = re.compile(r"[\ud800-\udfff\ufffe\uffff]")
_LINE_END = re.compile(r"\r\n?")
_BREAKS = re.compile(r"(\n|\t)")
# A minus before a number: a line that breaks behind it makes the number positive.
_BREAKS_AND_SIGNS = re.compile(r"(\n|\t|(?<![^\s\[(（])-(?=[0-9]))")
_MARKS = {"\n": "<w:br/>", "\t": "<w:tab/>", "-": "<w:noBreakHyphen/>"}
_SHORT = 60


TABLE_OF_CONTENTS = (
    '<w:r><w:fldChar w:fldCharType="begin" w:dirty="true"/></w:r><w:r><w:instrText xml:space="preserve">'
    ' TOC \\o "1-2" \\h \\z \\u </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>',
    '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
)
"""The beginning and the end of its field; the entries stand between."""


def clean(text: str) -> str:
    """Text without what no document can hold, or what would act on whoever reads it; every end of a line is a line feed."""
    return _IMPOSSIBLE.sub("", readable(_LINE_END.sub("\n", text)))


def attribute(text: str) -> str:
    """Text as a quoted attribute."""
    return quoteattr(clean(text))


def run(text: str, *, superscript: bool = False, code: bool = False) -> str:
    """A run of text; its line breaks and tabs stay, and no line breaks behind the sign of a number. `code`: to be copied from
    the document, so that every hyphen is one."""
    pieces = []
    for number, piece in enumerate((_BREAKS if code else _BREAKS_AND_SIGNS).split(clean(text))):
        if number % 2:
            pieces.append(_MARKS[piece])
        elif piece:
            pieces.append(f'<w:t xml:space="preserve">{escape(piece)}</w:t>')
    raised = '<w:rPr><w:vertAlign w:val="superscript"/></w:rPr>' if superscript else ""
    return f"<w:r>{raised}{''.join(pieces)}</w:r>"


def paragraph(style: str, *content: str, before_break: bool = False, section: str = "") -> str:
    """A paragraph of runs; `section` ends a section with it."""
    new_page = "<w:pageBreakBefore/>" if before_break else ""
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{new_page}{section}</w:pPr>{"".join(content)}</w:p>'


def field(instruction: str, shown: str = "", *, stale: bool = False) -> str:
    """A field with the text that stands there until it is brought up to date; `stale` asks for that on opening."""
    dirty = ' w:dirty="true"' if stale else ""
    return (
        f'<w:r><w:fldChar w:fldCharType="begin"{dirty}/></w:r>'
        f'<w:r><w:instrText xml:space="preserve"> {escape(instruction)} </w:instrText></w:r>'
        f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{run(shown)}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell: finished paragraphs. `merge` is `restart` where cells below continue this one, `continue` for those."""

    content: str
    merge: str = ""


def cell(text: str, style: str = "KitCell", *, marks: str = "") -> Cell:
    """A cell with one paragraph; `marks` are raised behind the text."""
    return Cell(paragraph(style, run(text), *((run(marks, superscript=True),) if marks else ())))


def table(
    rows: Sequence[Sequence[Cell]],
    widths: Sequence[int],
    *,
    about: str,
    header: bool = True,
    first_column: bool = False,
    whole_rows: bool = False,
) -> str:
    """A table of fixed widths (twentieths of a point); its first row is repeated on every page it runs over.

    `whole_rows`: no row is cut by the end of a page. LibreOffice then loses what is longer than one: see `short`.
    """
    grid = "".join(f'<w:gridCol w:w="{width}"/>' for width in widths)
    # Twice the same: newer readers take the names, older ones and LibreOffice the bits.
    bits = 0x0600 + 0x0020 * header + 0x0080 * first_column
    look = f'<w:tblLook w:val="{bits:04X}" w:firstRow="{int(header)}" w:lastRow="0" w:firstColumn="{int(first_column)}"'
    return (
        f'<w:tbl><w:tblPr><w:tblStyle w:val="KitTable"/><w:tblW w:w="{sum(widths)}" w:type="dxa"/>'
        f'<w:tblLayout w:type="fixed"/>{look} w:lastColumn="0" w:noHBand="1" w:noVBand="1"/>'
        f"<w:tblCaption w:val={attribute(about)}/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>"
        + "".join(
            _row(row, widths, repeated=header and number == 0, whole=whole_rows) for number, row in enumerate(rows)
        )
        + "</w:tbl>"
    )


def short(rows: Iterable[Iterable[str]]) -> bool:
    """Whether rows of these texts are far lower than a page, however narrow their columns."""
    return all(len(text) <= _SHORT and len(text.splitlines()) < 2 for row in rows for text in row)


def _row(row: Sequence[Cell], widths: Sequence[int], *, repeated: bool, whole: bool) -> str:
    cells = "".join(
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/>'
        + (f'<w:vMerge w:val="{one.merge}"/>' if one.merge else "")
        + f'<w:vAlign w:val="center"/></w:tcPr>{one.content}</w:tc>'
        for one, width in zip(row, widths, strict=True)
    )
    properties = ("<w:cantSplit/>" if repeated or whole else "") + ("<w:tblHeader/>" if repeated else "")
    return f"<w:tr>{f'<w:trPr>{properties}</w:trPr>' if properties else ''}{cells}</w:tr>"


def merged(columns: Iterable[tuple[str, ...]]) -> list[list[str]]:
    """For rows of texts, how each cell merges with the ones above: `restart`, `continue`, or nothing where it stands alone.

    A cell merges with the one above when it and all cells to its left say the same.
    """
    rows = list(columns)
    continued = [
        [number > 0 and rows[number - 1][: at + 1] == row[: at + 1] for at in range(len(row))]
        for number, row in enumerate(rows)
    ]
    result = []
    for number, row in enumerate(continued):
        below = continued[number + 1] if number + 1 < len(rows) else [False] * len(row)
        result.append(["continue" if up else "restart" if down else "" for up, down in zip(row, below, strict=True)])
    return result


def picture(relation: str, number: int, name: str, alt: str, width: int, height: int) -> str:
    """An inline picture with its alternative text; sizes in EMU."""
    return (
        f'<w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent cx="{width}" cy="{height}"/>'
        f'<wp:docPr id="{number}" name={attribute(name)} descr={attribute(alt)}/>'
        '<wp:cNvGraphicFramePr><a:graphicFrameLocks noChangeAspect="1"/></wp:cNvGraphicFramePr>'
        '<a:graphic><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic>'
        f'<pic:nvPicPr><pic:cNvPr id="{number}" name={attribute(name)} descr={attribute(alt)}/><pic:cNvPicPr/></pic:nvPicPr>'
        f'<pic:blipFill><a:blip r:embed="{relation}"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>'
        f'<pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="{width}" cy="{height}"/></a:xfrm>'
        '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline>'
        "</w:drawing></w:r>"
    )


def side_by_side(contents: Sequence[str], width: int) -> str:
    """A table without lines that holds pictures."""
    cells = "".join(
        f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>{content}</w:tc>' for content in contents
    )
    grid = f'<w:gridCol w:w="{width}"/>' * len(contents)
    return (
        f'<w:tbl><w:tblPr><w:tblW w:w="{width * len(contents)}" w:type="dxa"/><w:tblLayout w:type="fixed"/></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid><w:tr><w:trPr><w:cantSplit/></w:trPr>{cells}</w:tr></w:tbl>"
    )
