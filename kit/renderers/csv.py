"""results.csv, with the columns of the original script. UTF-8 with a byte-order mark, as spreadsheets on site expect it."""

import csv
import io
from collections.abc import Iterable

from kit.model.report import Report
from kit.renderers.columns import SCRIPT, STATE, Value, frame


def render(report: Report) -> bytes:
    found = frame(report)
    return b"\xef\xbb\xbf" + _written(found.columns, found.rows)


def script(report: Report) -> bytes:
    """The csv as the script wrote it: without the rates that only its workbook has, in the order of its loops."""
    found = frame(report).only(*SCRIPT, *STATE)
    order = sorted(range(len(found.rows)), key=lambda at: (report.rounds[at].loop, report.rounds[at].case.concurrency))
    return _written(found.columns, (found.rows[at] for at in order))


def _written(titles: Iterable[str], rows: Iterable[Iterable[Value]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows(map(_text, row) for row in rows)
    return text.getvalue().encode()


def _text(value: Value) -> str:
    # Nine significant digits: beyond what any clock resolves, short enough to read.
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
