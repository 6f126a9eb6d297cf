"""No secret stays in a database that another program left, whichever pages it lies on; and nothing in such a file is run."""

import base64
import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from kit import databases
from kit.redaction import Redactor
from tests.unit.evalscope_files import pickled, table

KEY = "sAbc/dEf+GhiJkl9ZqCANARY77"
PIECES = [base64.b64encode(bytes(before) + KEY.encode())[4:-4] for before in range(3)] + [KEY.encode()]


def traces(folder: Path, least: int = 10) -> list[str]:
    """Where any piece of so many characters of the key, or of its base64, stands in the files of a folder."""
    wanted = {word[at : at + least] for word in PIECES for at in range(len(word) - least + 1)}
    return [f"{path.name}: {word!r}" for path in folder.iterdir() for word in wanted if word in path.read_bytes()]


def stored(path: Path, columns: str = "*") -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM result ORDER BY start_time").fetchall()


def rows(number: int = 12) -> list[dict[str, object]]:
    """Answers that repeat the key over more pages than one, so that it lies across their ends in many ways."""
    return [
        {
            "start_time": float(row),
            "answer": pickled([f"{'x' * (row * 7)}{KEY}", *(f"{KEY}{n}" for n in range(300))]),
            "plain": f"{KEY} " * 400,
        }
        for row in range(number)
    ]


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Some builds of SQLite overwrite by themselves what they free.
        for statement in ("PRAGMA secure_delete = OFF", *statements):
            connection.execute(statement)


def test_a_key_that_lies_across_pages_is_struck_and_everything_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "benchmark_data.db"
    table(path, rows())
    assert Redactor([KEY]).clean_file(path)
    assert traces(tmp_path) == []
    masked = "*" * len(KEY)
    expected = [(float(row), 300 + 1, f"{masked} " * 400) for row in range(12)]
    found = [
        (start, base64.b64decode(str(answer)).count(b"*" * (len(KEY) - 2)), plain)
        for start, answer, plain in stored(path)
    ]
    assert found == expected
    assert not Redactor([KEY]).clean_file(path)


@pytest.mark.parametrize("left", [6, 0], ids=["some stay", "none stays"])
def test_what_was_deleted_or_moved_between_pages_is_overwritten(tmp_path: Path, left: int) -> None:
    path = tmp_path / "benchmark_data.db"
    table(path, rows())
    execute(path, f"DELETE FROM result WHERE start_time >= {left}")
    Redactor([KEY]).clean_file(path)
    assert traces(tmp_path) == []
    assert [start for (start,) in stored(path, "start_time")] == [float(row) for row in range(left)]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16"])
def test_texts_and_blobs_are_struck_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.db"
    made = "CREATE TABLE result (start_time, 你好 CHECK (你好 NOT LIKE '%*%'), raw UNIQUE)"
    execute(path, f"PRAGMA encoding = '{encoding}'", made)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO result VALUES (1, ?, ?)", (f"钥匙 {KEY}", KEY.encode()))
    assert Redactor([KEY]).clean_file(path)
    assert stored(path) == [(1, f"钥匙 {'*' * len(KEY)}", b"*" * len(KEY))]


def test_a_log_of_writes_is_taken_over_and_struck(tmp_path: Path) -> None:
    path, other = tmp_path / "a.db", tmp_path / "left"
    other.mkdir()
    table(path, rows(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("UPDATE result SET plain = plain || 'x', start_time = 7")
        for one in (path, tmp_path / "a.db-wal"):
            (other / one.name).write_bytes(one.read_bytes())
    assert traces(other)
    Redactor([KEY]).clean_folder(other)
    assert [one.name for one in other.iterdir()] == ["a.db"]
    assert stored(other / "a.db", "start_time") == [(7.0,)]
    assert traces(other) == []


@pytest.fixture(params=[True, False], ids=["with a table", "with nothing"])
def unfinished(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """What a program leaves that is killed while it writes the first rows: some pages, and a journal."""
    path, left = tmp_path / "a.db", tmp_path / "left"
    left.mkdir()
    begins = ("CREATE TABLE result (start_time, plain)", "BEGIN")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in ("PRAGMA cache_size = 10", *(begins if request.param else reversed(begins))):
            connection.execute(statement)
        for row in range(40):
            connection.execute("INSERT INTO result VALUES (?, ?)", (row, f"{KEY} " * 400))
        for one in (path, tmp_path / "a.db-journal"):
            (left / one.name).write_bytes(one.read_bytes())
    return left


def test_what_a_program_that_was_killed_left_unfinished_is_undone(unfinished: Path) -> None:
    assert traces(unfinished)
    Redactor([KEY]).clean_folder(unfinished)
    assert traces(unfinished) == []
    assert [one.name for one in unfinished.iterdir()] == ["a.db"]
    execute(unfinished / "a.db", "CREATE TABLE IF NOT EXISTS result (start_time, plain)")
    assert stored(unfinished / "a.db") == []


def test_no_journal_makes_sqlite_remove_another_file(unfinished: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    name = str(victim).encode()
    journal = unfinished / "a.db-journal"
    content = journal.read_bytes()
    ending = b"\0\0\0\0" + name + len(name).to_bytes(4) + sum(name).to_bytes(4) + databases._NAMES_ANOTHER
    journal.write_bytes(content + ending)
    Redactor([KEY]).clean_folder(unfinished)
    assert victim.read_bytes() == b"precious"
    assert KEY.encode() not in (unfinished / "a.db").read_bytes()


@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm"])
def test_what_lies_beside_a_database_leads_nowhere(tmp_path: Path, ending: str) -> None:
    path, victim = tmp_path / "a.db", tmp_path / "victim"
    table(path, rows(1))
    victim.write_bytes(b"")
    (tmp_path / f"a.db{ending}").symlink_to(victim)
    Redactor([KEY]).clean_folder(tmp_path)
    assert victim.read_bytes() == b""
    assert KEY.encode() not in path.read_bytes()


def test_a_pipe_beside_a_database_is_not_waited_for(tmp_path: Path) -> None:
    table(tmp_path / "a.db", rows(1))
    os.mkfifo(tmp_path / "a.db-wal")
    Redactor([KEY]).clean_folder(tmp_path)
    assert KEY.encode() not in (tmp_path / "a.db").read_bytes()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE TRIGGER t BEFORE UPDATE ON result BEGIN DELETE FROM result; END",),
        (f"CREATE VIEW v AS {ENDLESS}",),
        ("ALTER TABLE result ADD COLUMN made AS (hex(zeroblob(100000000)))",),
        ("CREATE INDEX i ON result (hex(zeroblob(100000) || plain))",),
    ],
    ids=["trigger", "view", "computed column", "index of expressions"],
)
def test_a_database_that_is_more_than_tables_is_struck_by_its_bytes_alone(
    tmp_path: Path, statements: Sequence[str]
) -> None:
    path = tmp_path / "a.db"
    table(path, rows(2))
    execute(path, *statements)
    size = path.stat().st_size
    assert Redactor([KEY]).clean_file(path)
    assert KEY.encode() not in path.read_bytes()
    assert path.stat().st_size == size
    assert stored(path, "start_time") == [(0.0,), (1.0,)]


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_database_is_struck_by_its_bytes_alone(tmp_path: Path, place: float) -> None:
    path = tmp_path / "a.db"
    table(path, rows())
    content = bytearray(path.read_bytes())
    begin = int(len(content) * place) // 4096 * 4096
    content[begin : begin + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    assert Redactor([KEY]).clean_file(path)
    assert KEY.encode() not in path.read_bytes()


def test_a_database_that_another_program_holds_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    table(path, rows(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        assert not databases.rewrite(path, lambda value: value.replace(b"k", b"*"))
        assert time.monotonic() - began < 4, "SQLite would wait five seconds"


def test_a_file_that_holds_a_key_across_pages_is_found_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    # As a cleaning by bytes alone leaves it.
    text = KEY * 400
    table(path, [{"start_time": 0.0, "plain": text}])
    content = path.read_bytes()
    path.write_bytes(content.replace(KEY.encode(), b"*" * len(KEY)))
    before = path.read_bytes()
    assert KEY.encode() not in before
    assert Redactor([KEY]).finds(path)
    assert path.read_bytes() == before
    assert Redactor([KEY]).clean_file(path)
    assert not Redactor([KEY]).finds(path)


def test_without_a_secret_a_database_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    table(path, rows())
    execute(path, "DELETE FROM result WHERE start_time > 5")
    before = path.read_bytes()
    assert not Redactor([]).clean_file(path)
    assert not Redactor(["another-key"]).finds(path)
    assert path.read_bytes() == before
