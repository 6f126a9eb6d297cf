"""report.docx: the original report's sections in the styles of templates/report.docx, which a site may restyle."""

import io
from datetime import UTC
from pathlib import Path

from docx.document import Document as Opened
from docx.oxml.ns import qn

from kit import bounded, office
from kit.errors import HostError, UsageError
from kit.model.report import Report
from kit.renderers import word
from kit.renderers.archive import still
from kit.renderers.details import criteria, highlights
from kit.renderers.document import Content
from kit.renderers.filling import fill
from kit.renderers.layouts import LARGEST_BYTES, STANDARD, Layout
from kit.texts import say

STYLES = (
    *("Title", "Subtitle", "Heading1", "Heading2", "Caption", "ListBullet", "TOC1", "TOC2", "KitTable", "KitCell"),
    *("KitNumber", "KitHead", "KitNote", "KitCode", "KitCellCode", "KitDraft", "KitFigure", "KitContents", "KitItem"),
)
"""The styles, by their ids, that a template must have."""


def render(report: Report, layout: Layout = STANDARD) -> bytes:
    return written(report, layout)


def written(report: Report, layout: Layout = STANDARD, *, for_layout: bool = False) -> bytes:
    """The document. `for_layout`: for a program that fills in page numbers, but not those inside a table of contents."""
    path = layout.path("report.docx")
    document = _opened(path)
    check(document, path)
    content = Content(report, document, for_layout)
    values: dict[str, object] = {"highlights": highlights(report), "criteria": criteria(report)}
    fill(document, path, content.parts(), layout.environment(report), values)
    _properties(document, report)
    stored = io.BytesIO()
    document.save(stored)
    return still(stored.getvalue())


def _opened(path: Path) -> Opened:
    try:
        return office.document(bounded.read(path, LARGEST_BYTES))
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from error
    except UsageError as error:
        raise UsageError(f"{path} {error.message}", hint="save it as .docx, not .doc or .dotx") from error


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
