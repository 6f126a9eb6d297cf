"""Markdown into blocks: headings (also numbered as lists, `1. # title`), tables (also in HTML), fenced code, and lines of text."""

import re
from collections.abc import Iterator

from kit.legacy import hypertext
from kit.legacy.blocks import NUMBER, Block, Code, Grid, Heading, Paragraph, TableRow

_HEADING = re.compile(r"\s{0,12}(?:[0-9]{1,3}[.)]\s+)?#{1,6}\s+(?P<text>\S.*)")
_FENCE = re.compile(r"(?P<indent>\s{0,12})(?P<fence>`{3,}|~{3,}).*")
_TABLE = re.compile(r"\s{0,12}<table\b.*", re.IGNORECASE)
_RULE = re.compile(r":?-+:?")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_BACKTICKS = re.compile(r"`+")


def read(text: str) -> tuple[Block, ...]:
    """The blocks of a Markdown document."""
    return tuple(_blocks(text.replace("\r\n", "\n").split("\n")))


def _blocks(lines: list[str]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        line, where = lines[at], f"line {at + 1}"
        if found := _FENCE.fullmatch(line):
            end = next(
                (n for n in range(at + 1, len(lines)) if _closes(lines[n], found["fence"])),
                len(lines),
            )
            yield Code(where, "\n".join(lines[at + 1 : end]))
            at = end + 1
        elif line.lstrip().startswith("|"):
            end = at
            while end < len(lines) and lines[end].lstrip().startswith("|"):
                end += 1
            yield Grid(where, tuple(_rows(lines[at:end], at)))
            at = end
        elif _TABLE.fullmatch(line):
            opened, end = 0, at
            while end < len(lines):
                lower = lines[end].lower()
                opened += lower.count("<table") - lower.count("</table")
                end += 1
                if opened <= 0:
                    break
            yield from _hypertext("\n".join(lines[at:end]), at)
            at = end
        else:
            if heading := _HEADING.fullmatch(line.rstrip()):
                yield Heading(where, NUMBER.sub("", plain(heading["text"])))
            elif line.strip():
                yield Paragraph(where, line.strip())
            at += 1


def _hypertext(text: str, before: int) -> Iterator[Grid]:
    """Tables in HTML, which some programs write where cells are merged."""
    for table in hypertext.tables(text):
        rows = (TableRow(f"line {before + line}", tuple(cells)) for line, cells in table.rows if cells)
        yield Grid(f"line {before + table.line}", tuple(rows))


def _closes(line: str, fence: str) -> bool:
    bare = line.strip()
    return len(bare) >= len(fence) and set(bare) == {fence[0]}


def _rows(lines: list[str], first: int) -> Iterator[TableRow]:
    for number, line in enumerate(lines, start=first + 1):
        cells = _cells(line.strip())
        if cells and all(_RULE.fullmatch(cell) for cell in cells):
            continue
        yield TableRow(f"line {number}", tuple(map(plain, cells)))


def _cells(line: str) -> list[str]:
    """The cells between bars; a bar after a backslash is text, also inside code."""
    inner = line.removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", inner)]


def plain(text: str) -> str:
    """What a reader sees: without emphasis around the whole, code as it stands, escapes resolved."""
    text = text.strip()
    if len(text) > 4 and text.startswith("**") and text.endswith("**") and "**" not in text[2:-2]:
        text = text[2:-2].strip()
    if text == "``":
        # Code that is empty.
        return ""
    result: list[str] = []
    end = 0
    for outer, inner in _code(text):
        code = text[inner.start : inner.stop]
        # A blank on each side keeps a backtick of the code apart.
        code = code.removeprefix(" ").removesuffix(" ") or code
        result += [_unescaped(text[end : outer.start]), code.replace("\\|", "|")]
        end = outer.stop
    return "".join((*result, _unescaped(text[end:])))


def _code(text: str) -> Iterator[tuple[range, range]]:
    """Where code stands, with its backticks and without: it ends where as many stand together as it began with."""
    runs = [found.span() for found in _BACKTICKS.finditer(text)]
    # For each the next of its length, found from behind: to search from each on would take the square of their number.
    ends: list[int | None] = []
    later: dict[int, int] = {}
    for number, (start, stop) in reversed(tuple(enumerate(runs))):
        ends.append(later.get(stop - start))
        later[stop - start] = number
    ends.reverse()
    number = 0
    while number < len(runs):
        (start, opened), end = runs[number], ends[number]
        # An escaped backtick begins no code.
        if end is None or text[start - 1 : start] == "\\":
            number += 1
            continue
        yield range(start, runs[end][1]), range(opened, runs[end][0])
        number = end + 1


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", _BREAK.sub("\n", text))
