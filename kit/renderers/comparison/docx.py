"""comparison.docx: in the styles of the report's template, all pages landscape since the tables are wide."""

import io
from datetime import UTC, datetime

from docx import Document
from docx.oxml.ns import qn
from docx.parts.document import DocumentPart

from kit.model.comparison import Comparison
from kit.renderers import paper, pictures, word
from kit.renderers.archive import still
from kit.renderers.charts import Chart
from kit.renderers.comparison import sections
from kit.renderers.docx import check
from kit.renderers.filling import fill
from kit.renderers.layouts import STANDARD
from kit.renderers.table import Table
from kit.renderers.word import field, paragraph, run, side_by_side
from kit.texts import say

_WIDTH = 14300  # twentieths of a point
_EMU_PER_TWIP = 635
_UNDATED = datetime(1980, 1, 1, tzinfo=UTC)


def written(found: Comparison) -> bytes:
    path = STANDARD.path("report.docx")
    document = Document(str(path))
    check(document, path)
    size = document.element.body.sectPr.find(qn("w:pgSz"))
    width, height = size.get(qn("w:w")), size.get(qn("w:h"))
    size.set(qn("w:w"), height)
    size.set(qn("w:h"), width)
    size.set(qn("w:orient"), "landscape")
    writing = _Writing(found, document.part)
    fill(document, path, {"content": writing.whole}, STANDARD.environment(found), {})
    properties = document.core_properties
    properties.title = word.clean(
        say(found.language, "labelled", name=say(found.language, "compare-report"), text=sections.title(found))
    )[:255]
    properties.author = properties.last_modified_by = f"kit {found.kit_version}"
    properties.language = found.language
    properties.created = properties.modified = when(found)
    properties.revision = 1
    stored = io.BytesIO()
    document.save(stored)
    return still(stored.getvalue())


def when(found: Comparison) -> datetime:
    """The latest run of all: a comparison made again is the same file."""
    return max((entry.started for entry in found.contenders if entry.started is not None), default=_UNDATED).astimezone(
        UTC
    )


class _Writing:
    def __init__(self, found: Comparison, part: DocumentPart) -> None:
        self._found = found
        self._part = part
        self._captions = {"table": 0, "figure": 0}

    def whole(self) -> str:
        found = self._found
        parts = [
            paragraph("Title", run(say(found.language, "compare-report"))),
            paragraph("Subtitle", run(sections.title(found))),
        ]
        if warning := sections.warning(found):
            parts.append(paragraph("KitDraft", run(warning)))
        for section in sections.of(found):
            parts.append(paragraph("Heading1", run(section.title)))
            parts += [paragraph("ListBullet", run(line)) for line in section.lines]
            parts += [self._table(table) for table in section.tables]
            charts = [self._chart(chart, 1001 + at) for at, chart in enumerate(section.charts)]
            parts += [
                side_by_side([*charts[at : at + 2], paragraph("KitFigure")][:2], _WIDTH // 2) + paragraph("KitNote")
                for at in range(0, len(charts), 2)
            ]
        return "".join(parts)

    def _caption(self, kind: str, text: str) -> str:
        self._captions[kind] += 1
        number = field(f"SEQ {kind.capitalize()} \\* ARABIC", str(self._captions[kind]))
        return paragraph("Caption", run(f"{say(self._found.language, kind)} "), number, run(f"  {text}"))

    def _table(self, table: Table) -> str:
        return self._caption("table", table.title) + paper.laid(table, _WIDTH, range(len(table.columns)))

    def _chart(self, chart: Chart, number: int) -> str:
        across = _WIDTH // 2 * 94 // 100 * _EMU_PER_TWIP
        relation, _ = self._part.get_or_add_image(io.BytesIO(pictures.png(chart)))
        size = (across, across * pictures.HEIGHT // pictures.WIDTH)
        shown = word.picture(relation, number, f"chart-{chart.key}", chart.alt, *size)
        return paragraph("KitFigure", shown) + self._caption("figure", chart.title)
