"""results.csv, with the columns of the original script. UTF-8 with a byte-order mark, as spreadsheets on site expect it."""

import csv
import io

from kit.model.report import Report
from kit.renderers.columns import TITLES, Value, rows


def render(report: Report) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TITLES)
    writer.writerows(map(_text, row) for row in rows(report))
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _text(value: Value) -> str:
    # Nine significant digits: beyond what any clock resolves, short enough to read.
    return "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
