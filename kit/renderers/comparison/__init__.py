"""The formats of a comparison: one module each, from a `Comparison` to bytes; all but the workbook show the same sections."""

from collections.abc import Callable
from importlib import import_module

from kit.model.comparison import Comparison

FORMATS: dict[str, str] = {
    "md": "kit.renderers.comparison.markdown",
    "docx": "kit.renderers.comparison.docx",
    "html": "kit.renderers.comparison.html",
    "xlsx": "kit.renderers.comparison.xlsx",
}


def write(name: str, found: Comparison) -> bytes:
    """The comparison in one format."""
    function: Callable[[Comparison], bytes] = import_module(FORMATS[name]).written
    return function(found)
