"""The table of results in kit's own HTML report, as a reader sees it."""

from kit.errors import UsageError
from kit.legacy import hypertext, tables
from kit.legacy.tables import Line, Table


def read(content: bytes, name: str) -> Table:
    """The performance table. Raises `UsageError` where the page has none."""
    # What is raised behind a figure is the number of a note.
    found = hypertext.tables(content.decode("utf-8", errors="replace"), without="sup")
    rows = next((table.rows for table in found if table.id == "results"), [])
    if len(rows) < 2:
        raise UsageError(f"{name} holds no table of results")
    lines = [Line(f"row {number}", tuple(row)) for number, (_, row) in enumerate(rows[1:], start=1)]
    return tables.table(rows[0][1], lines)
