"""Zip archives without the time of writing: the same content gives the same bytes."""

import io
import re
import zipfile
from collections.abc import Mapping
from datetime import datetime

_EPOCH = (1980, 1, 1, 0, 0, 0)
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def still(content: bytes, stamp: datetime | None = None, rows: Mapping[str, bytes] | None = None) -> bytes:
    """The archive with fixed times, members in order of name.

    With `stamp` the times in an Office file's properties become that time; its library writes the present. `rows` are added
    to the sheets of these names, behind what stands there.
    """
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            data = source.read(name)
            if stamp is not None and name == "docProps/core.xml":
                data = _STAMP.sub(f"{stamp:%Y-%m-%dT%H:%M:%SZ}".encode(), data)
            if rows is not None and name in rows:
                data = data.replace(b"</sheetData>", rows[name] + b"</sheetData>", 1)
            target.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return result.getvalue()
