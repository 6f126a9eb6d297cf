"""comparison.md."""

from collections.abc import Iterator

from kit.model.comparison import Comparison
from kit.renderers.comparison import sections
from kit.renderers.markdown import escape
from kit.renderers.table import Table
from kit.texts import say


def written(found: Comparison) -> bytes:
    return ("\n".join(_lines(found)).rstrip("\n") + "\n").encode()


def _lines(found: Comparison) -> Iterator[str]:
    if warning := sections.warning(found):
        yield from (f"> **{escape(warning)}**", "")
    yield from (f"# {say(found.language, 'compare-report')}", "", escape(sections.title(found)), "")
    for section in sections.of(found):
        if section.charts and not (section.lines or section.tables):
            continue  # the figures of the charts stand in the tables
        yield from (f"## {section.title}", "")
        if section.lines:
            yield from (*(f"- {escape(line)}" for line in section.lines), "")
        for table in section.tables:
            yield from _table(table, titled=len(section.tables) > 1)


def _table(table: Table, *, titled: bool) -> Iterator[str]:
    if titled:
        yield from (f"**{escape(table.title)}**", "")
    yield f"| {' | '.join(map(escape, table.columns))} |"
    yield "|" + " --- |" * len(table.columns)
    yield from (f"| {' | '.join(map(escape, row))} |" for row in table.rows)
    yield ""
    for note in table.notes:
        yield from (escape(note), "")
