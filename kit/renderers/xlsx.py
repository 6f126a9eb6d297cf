"""results.xlsx, with the columns of the original script; the same run gives the same bytes."""

import io
import re
import zipfile

import pandas as pd
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.utils.dataframe import dataframe_to_rows

from kit.model.report import Report
from kit.renderers.columns import frame

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def render(report: Report) -> bytes:
    rows = frame(report)
    book = Workbook()
    book.properties.creator = "kit"
    sheet = book.worksheets[0]
    sheet.title = "results"
    for line in dataframe_to_rows(rows, index=False, header=True):
        sheet.append([None if pd.isna(value) else value for value in line])
    for position, header in enumerate(rows.columns, start=1):
        cell = sheet.cell(row=1, column=position)
        cell.font = Font(bold=True)
        cell.alignment = Alignment(wrap_text=True, vertical="center")
        sheet.column_dimensions[get_column_letter(position)].width = max(12, len(header) // 2 + 6)
    for cells in sheet.iter_rows(min_row=2, min_col=5):
        for cell in cells:
            cell.number_format = "0.0000"
    sheet.freeze_panes = "A2"
    stored = io.BytesIO()
    book.save(stored)
    return _still(stored.getvalue())


def _still(content: bytes) -> bytes:
    """The same archive with fixed times: openpyxl stamps every member and the properties with the time of writing."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            data = source.read(name)
            if name == "docProps/core.xml":
                data = _TIME.sub(b"1980-01-01T00:00:00Z", data)
            target.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return result.getvalue()
