"""results.csv, with the columns of the original script. UTF-8 with a byte-order mark, as spreadsheets on site expect it."""

import pandas as pd

from kit.model.report import Report
from kit.renderers.columns import DRAFT, WORKBOOK, frame


def render(report: Report) -> bytes:
    return b"\xef\xbb\xbf" + _written(frame(report))


def script(report: Report) -> bytes:
    """The csv as the script wrote it: without what only its workbook or kit has, in the order of its loops, its lines as csv ends them."""
    rows = frame(report).drop(columns=DRAFT, errors="ignore")
    return _written(rows.drop(columns=list(WORKBOOK)).sort_values(["Loop", "Concurrency"], kind="stable"), "\r\n")


def _written(rows: pd.DataFrame, end: str = "\n") -> bytes:
    # Nine significant digits: beyond what any clock resolves, short enough to read.
    text: str = rows.to_csv(index=False, float_format="%.9g", lineterminator=end)
    return text.encode()
