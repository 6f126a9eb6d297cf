"""report.docx: the original report's sections in the styles of templates/report.docx, which a site may restyle."""

import io
from datetime import UTC
from pathlib import Path

from docx import Document
from docx.document import Document as Opened
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn

from kit.errors import UsageError
from kit.model.report import Report
from kit.renderers import word
from kit.renderers.archive import still
from kit.renderers.document import Content
from kit.resources import folder
from kit.texts import say

STYLES = (
    *("Title", "Subtitle", "Heading1", "Heading2", "Caption", "ListBullet", "TOC1", "TOC2", "KitTable", "KitCell"),
    *("KitNumber", "KitHead", "KitNote", "KitCode", "KitCellCode", "KitDraft", "KitFigure", "KitContents", "KitItem"),
)
"""The styles, by their ids, that a template must have."""


def render(report: Report) -> bytes:
    return written(report)


def written(report: Report, *, for_layout: bool = False) -> bytes:
    """The document. `for_layout`: for a program that fills in page numbers, but not those inside a table of contents."""
    document = Document(str(folder("templates") / "report.docx"))
    check(document, folder("templates") / "report.docx")
    body = document.element.body
    last = body.sectPr
    for child in list(body):
        if child is not last:
            body.remove(child)
    content = Content(report, document, for_layout).build()
    names = nsdecls("w", "r", "wp", "a", "pic")
    for child in list(parse_xml(f"<w:body {names}>{content}</w:body>")):
        last.addprevious(child)
    _properties(document, report)
    stored = io.BytesIO()
    document.save(stored)
    return still(stored.getvalue())


def check(document: Opened, path: Path) -> None:
    """Raises `UsageError` where a template lacks a style."""
    known = {style.get(qn("w:styleId")) for style in document.styles.element.findall(qn("w:style"))}
    if missing := [style for style in STYLES if style not in known]:
        msg = f"{path} lacks the styles {', '.join(missing)}"
        raise UsageError(msg, hint="start from kit's templates/report.docx; docs/report.md lists the styles")


def _properties(document: Opened, report: Report) -> None:
    found = document.core_properties
    title = word.clean(" ".join(report.project.split()))
    # The format's own limit for these texts is 255 characters.
    found.title = (f"[{report.draft}] {title}" if report.draft else title)[:255]
    found.subject = word.clean(report.model)[:255]
    found.author = found.last_modified_by = f"kit {report.kit_version}"
    found.keywords = word.clean(report.run)[:255]
    found.category = say(report.language, "report")
    found.content_status = "Draft" if report.draft else "Final"
    found.comments = word.clean("\n".join(report.provenance))[:255]
    found.language = report.language
    found.created = found.modified = report.started.astimezone(UTC)
    found.revision = 1
