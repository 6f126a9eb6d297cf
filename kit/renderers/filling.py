"""Filling a Word template: its paragraphs may hold expressions, and a paragraph of its own stands for a part of the report."""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

from docx.document import Document as Opened
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.oxml.text.paragraph import CT_P
from docx.oxml.xmlchemy import BaseOxmlElement
from jinja2.sandbox import ImmutableSandboxedEnvironment

from kit.errors import UsageError
from kit.renderers import word
from kit.renderers.layouts import MISTAKES, said

_PART = re.compile(r"\s*\{\{\s*(\w+)\s*\}\}\s*")
_EXPRESSION = re.compile(r"\{\{|\{%|\{#")
_NAMES = nsdecls("w", "r", "wp", "a", "pic")
_EDGES = {RELATIONSHIP_TYPE.HEADER: "header", RELATIONSHIP_TYPE.FOOTER: "footer"}
_HINT = "docs/report.md lists what a template may use"


def fill(
    document: Opened,
    path: Path,
    parts: dict[str, Callable[[], str]],
    environment: ImmutableSandboxedEnvironment,
    values: dict[str, object],
) -> None:
    """Replace every expression, in headers and footers too; a template without a part of the report gets the whole of it
    behind its own text."""
    body = document.element.body
    found = [paragraph for paragraph in body.iter(qn("w:p")) if isinstance(paragraph, CT_P)]
    named = {number: match[1] for number, p in enumerate(found) if (match := _PART.fullmatch(_text(p)))}
    used = False
    for number, paragraph in enumerate(found):
        name = named.get(number)
        if name in parts and paragraph.getparent() is body:
            used = True
            for child in _elements(parts[name]()):
                paragraph.addprevious(child)
            body.remove(paragraph)
        elif _EXPRESSION.search(_text(paragraph)):
            _replace(paragraph, _rendered(paragraph, f"{path}, paragraph {number + 1}", environment, values))
    if not used:
        last = body.sectPr
        for paragraph in found:
            # Office programs keep one empty paragraph in an empty document.
            if paragraph.getparent() is body and not _text(paragraph) and len(found) == 1:
                body.remove(paragraph)
        for child in _elements(parts["content"]()):
            last.addprevious(child)
    for relation in document.part.rels.values():
        if relation.reltype not in _EDGES:
            continue
        edge = _EDGES[relation.reltype]
        for number, paragraph in enumerate(relation.target_part.element.iter(qn("w:p"))):
            if isinstance(paragraph, CT_P) and _EXPRESSION.search(_text(paragraph)):
                _replace(
                    paragraph, _rendered(paragraph, f"{path}, {edge}, paragraph {number + 1}", environment, values)
                )


def _elements(content: str) -> Iterator[BaseOxmlElement]:
    yield from list(parse_xml(f"<w:body {_NAMES}>{content}</w:body>"))


def _text(paragraph: CT_P) -> str:
    return "".join(found.text or "" for found in _texts(paragraph))


def _texts(paragraph: CT_P) -> list[BaseOxmlElement]:
    """The paragraph's own pieces of text: a text box that is anchored in it has paragraphs of its own."""
    return [text for text in paragraph.iter(qn("w:t")) if next(text.iterancestors(qn("w:p"))) is paragraph]


def _rendered(
    paragraph: CT_P, where: str, environment: ImmutableSandboxedEnvironment, values: dict[str, object]
) -> str:
    source = _text(paragraph)
    try:
        return environment.from_string(source).render(values)
    except MISTAKES as error:
        shown = source if len(source) <= 80 else f"{source[:79]}…"
        raise UsageError(f"{where} ({shown}): {said(error)}", hint=_HINT) from error


def _replace(paragraph: CT_P, text: str) -> None:
    """The paragraph's text; it looks like its first run."""
    runs = list(dict.fromkeys(text.getparent() for text in _texts(paragraph)))
    made = next(_elements(word.run(text)))
    if (look := runs[0].find(qn("w:rPr"))) is not None:
        made.insert(0, deepcopy(look))
    runs[0].addprevious(made)
    for run in runs:
        run.getparent().remove(run)
