"""results.csv, with the columns of the original script. UTF-8 with a byte-order mark, as spreadsheets on site expect it."""

from kit.model.report import Report
from kit.renderers.columns import frame


def render(report: Report) -> bytes:
    # Nine significant digits: beyond what any clock resolves, short enough to read.
    text: str = frame(report).to_csv(index=False, float_format="%.9g", lineterminator="\n")
    return b"\xef\xbb\xbf" + text.encode()
