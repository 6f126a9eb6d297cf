"""The report's formats: one module each, from a `Report` to bytes."""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from kit.model.report import Report

if TYPE_CHECKING:
    from kit.renderers.layouts import Layout

RENDERERS: dict[str, tuple[str, str]] = {
    "md": ("kit.renderers.markdown", "report.md"),
    "docx": ("kit.renderers.docx", "report.docx"),
    "html": ("kit.renderers.html", "report.html"),
    "pdf": ("kit.renderers.pdf", "report.pdf"),
    "csv": ("kit.renderers.csv", "results.csv"),
    "xlsx": ("kit.renderers.xlsx", "results.xlsx"),
}
"""Format to the module that renders it and the name of its file; a module is imported when its format is asked for."""

STANDARD = tuple(name for name in RENDERERS if name != "pdf")
"""What every run gets: the formats that need no other program."""


STYLED = ("md", "docx", "html", "pdf")
"""The formats that a layout may change; tables for programs stay as they are."""


def render(name: str, report: Report, layout: "Layout | None" = None) -> bytes:
    """The report in one format."""
    function: Callable[..., bytes] = import_module(RENDERERS[name][0]).render
    return function(report) if layout is None or name not in STYLED else function(report, layout)


def file_name(name: str) -> str:
    """What the format's file is called."""
    return RENDERERS[name][1]
