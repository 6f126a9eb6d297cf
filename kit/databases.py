"""SQLite files that other programs left, value by value: what lies across their pages is in one piece here. Nothing in them is run."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from kit import bounded

_MAGIC = b"SQLite format 3\0"
_JOURNAL = "-journal"
_BESIDE = (_JOURNAL, "-wal", "-shm")
"""What SQLite itself opens beside a database, and writes into."""
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")
"""How a journal ends that names a further file, which SQLite would remove."""
_LONGEST_ROW = 2**27
_FEWEST_STEPS, _STEPS_PER_BYTE, _AT_ONCE = 1_000_000, 20, 1000
"""Steps that SQLite may take; the smallest row has six bytes, and takes less than a hundred to be found, changed and moved."""
_PRAGMAS = ("PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON", "PRAGMA ignore_check_constraints = ON")
_ROW_NAMES = ("rowid", "_rowid_", "oid")
Value = str | bytes | float | None


def rewrite(path: Path, changed: Callable[[bytes], bytes]) -> bool:
    """Put `changed(value)` in the place of every text and blob of a database's tables, and leave nothing of what stood there.

    True where any was changed. False also for what is no database, and, as it was, for one that is damaged, held by another
    program, or more than plain tables. What a program that was ended left unfinished is undone, as SQLite does. Raises `OSError`
    where it cannot be read.
    """
    if not _is_database(path):
        return False
    try:
        with _opened(path, "mode=rw") as connection:
            connection.execute("BEGIN IMMEDIATE")
            found = sum(_rewritten(connection, table, changed) for table in _tables(connection))
            connection.execute("COMMIT")
            ((free,),) = connection.execute("PRAGMA freelist_count")
            if found or free:
                # Free pages, and those in use, hold what was deleted, changed or moved: it is left behind where all is written anew.
                connection.execute("VACUUM")
    except sqlite3.Error:
        return False
    return bool(found)


def values(path: Path) -> Iterator[bytes]:
    """Every text and blob of a database's tables; nothing of what is none, or no longer one. The file stays as it is.

    Raises `OSError` where it cannot be read.
    """
    if not _is_database(path):
        return
    try:
        with _opened(path, "immutable=1&mode=ro") as connection:
            for table in _tables(connection):
                for row in connection.execute(f"SELECT * FROM {_quoted(table)}"):
                    yield from (_bytes(value) for value in row if isinstance(value, str | bytes))
    except sqlite3.Error:
        return


def _rewritten(connection: sqlite3.Connection, table: str, changed: Callable[[bytes], bytes]) -> int:
    """How many rows of a table were changed."""
    names = [str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
    row_name = next((word for word in _ROW_NAMES if word not in {name.lower() for name in names}), None)
    if row_name is None:
        raise sqlite3.DatabaseError("its columns have the names of rows")
    found: list[int] = []
    for place, *row in connection.execute(f"SELECT {row_name}, * FROM {_quoted(table)}"):
        if any(_changed(value, changed) != value for value in row):
            found.append(place)
    setting = ", ".join(f"{_quoted(name)} = ?" for name in names)
    for place in found:
        row = connection.execute(f"SELECT * FROM {_quoted(table)} WHERE {row_name} = ?", (place,)).fetchone()
        new = [_changed(value, changed) for value in row]
        connection.execute(f"UPDATE {_quoted(table)} SET {setting} WHERE {row_name} = ?", (*new, place))
    return len(found)


def _changed(value: Value, changed: Callable[[bytes], bytes]) -> Value:
    if isinstance(value, str):
        return changed(_bytes(value)).decode("utf-8", "replace")
    return changed(value) if isinstance(value, bytes) else value


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value


def _tables(connection: sqlite3.Connection) -> Sequence[str]:
    """The names of all tables. Raises `sqlite3.DatabaseError` where anything in the database could compute."""
    made = connection.execute("SELECT name, sql FROM sqlite_master").fetchall()
    # What it is called there is not what it is: SQLite reads the statement. What has none is kept for a table by itself.
    tables = [str(name) for name, sql in made if sql is not None]
    plain = all(str(sql).upper().startswith("CREATE TABLE") for _, sql in made if sql is not None)
    if not plain or any(
        connection.execute("SELECT 1 FROM pragma_table_xinfo(?) WHERE hidden", (table,)).fetchone() for table in tables
    ):
        raise sqlite3.DatabaseError("it holds more than plain tables")
    return tables


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


def _is_database(path: Path) -> bool:
    """Whether SQLite may open a file: there is a database, whole or half written, and nothing beside leads elsewhere."""
    with bounded.opened(path) as file:
        begins = file.read(len(_MAGIC)) == _MAGIC
    beside = [one for one in _beside(path) if os.path.lexists(one)]
    if any(one.is_symlink() or not one.is_file() for one in beside):
        return False
    journal = path.with_name(path.name + _JOURNAL)
    if journal not in beside:
        return begins
    with bounded.opened(journal) as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - len(_NAMES_ANOTHER)))
        return file.read() != _NAMES_ANOTHER


def _beside(path: Path) -> Sequence[Path]:
    return [path.with_name(path.name + ending) for ending in _BESIDE]


@contextmanager
def _opened(path: Path, how: str) -> Iterator[sqlite3.Connection]:
    size = sum(one.stat().st_size for one in (path, *_beside(path)) if one.exists())
    left = (_FEWEST_STEPS + _STEPS_PER_BYTE * size) // _AT_ONCE

    def is_enough() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    uri = f"{path.absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_ROW)
        connection.set_progress_handler(is_enough, _AT_ONCE)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        yield connection
