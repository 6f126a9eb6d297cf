"""Files of evalscope that are not whole, not its own or meant to do harm: each is told, and none acts."""

import base64
import pickle
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from kit.loadgens import ReadingError
from tests.unit.evalscope_files import STARTED, Request, pickled, table, write
from tests.unit.evalscope_rounds import again, change, database, read, version

__all__ = ["version"]


@pytest.mark.parametrize("name", ["benchmark_data.db", "benchmark_summary.json"])
def test_a_missing_file_is_named(version: str, name: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    [path] = (tmp_path / "raw").rglob(name)
    path.unlink()
    with pytest.raises(ReadingError, match=f"left 0 files {name}"):
        again(version, tmp_path, 1)


@pytest.mark.parametrize("name", ["benchmark_data.db", "benchmark_summary.json"])
def test_two_results_in_one_folder_are_not_chosen_between(version: str, name: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    [path] = (tmp_path / "raw").rglob(name)
    other = tmp_path / "raw" / "20261123_210509" / "result" / name
    other.parent.mkdir(parents=True)
    other.write_bytes(path.read_bytes())
    with pytest.raises(ReadingError, match=f"left 2 files {name}"):
        again(version, tmp_path, 1)


@pytest.mark.parametrize("asked", [1, 3])
def test_rows_that_are_missing_or_too_many_are_told(version: str, asked: int, tmp_path: Path) -> None:
    with pytest.raises(ReadingError, match=f"holds {'2 of' if asked > 2 else 'more than'} {asked} requests"):
        read(version, tmp_path, Request(), Request(sent=0.1), asked=asked)


def test_a_database_without_rows_is_told(version: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    change(tmp_path, "DELETE FROM result")
    with pytest.raises(ReadingError, match="holds 0 of 1 requests"):
        again(version, tmp_path, 1)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE result RENAME TO kept", f"CREATE VIEW result AS {ENDLESS} SELECT kept.* FROM kept, n"],
        ["ALTER TABLE result ADD COLUMN more AS (hex(zeroblob(100000000)))"],
        ["ALTER TABLE result RENAME TO kept", "CREATE VIRTUAL TABLE result USING fts5(start_time)"],
    ],
    ids=["a view", "a computed column", "a virtual table"],
)
def test_results_that_are_no_plain_table_are_refused(version: str, statements: list[str], tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    for statement in statements:
        change(tmp_path, statement)
    with pytest.raises(ReadingError, match="is damaged: its results are no plain table"):
        again(version, tmp_path, 1)


def test_a_database_whose_pages_lead_to_each_other_is_left(version: str, tmp_path: Path) -> None:
    """Each inner page of a table leads to the next at every place: a small file holds more rows than can ever be read."""
    read(version, tmp_path, Request())
    with closing(sqlite3.connect(database(tmp_path), isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("VACUUM")
        for _ in range(11):
            connection.execute("INSERT INTO result SELECT * FROM result")
    content = bytearray(database(tmp_path).read_bytes())
    inner = [at for at in range(512, len(content), 512) if content[at] == 5]
    for page, following in pairwise(inner):
        cells = int.from_bytes(content[page + 3 : page + 5])
        places = [8, *(int.from_bytes(content[page + at : page + at + 2]) for at in range(12, 12 + 2 * cells, 2))]
        for place in places:
            content[page + place : page + place + 4] = (following // 512 + 1).to_bytes(4)
    database(tmp_path).write_bytes(content)
    with pytest.raises(ReadingError, match="interrupted"):
        again(version, tmp_path, 1)


def test_garbage_instead_of_a_database_is_told(version: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    database(tmp_path).write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    with pytest.raises(ReadingError, match=r"benchmark_data\.db"):
        again(version, tmp_path, 1)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_half_a_database_is_told(version: str, part: float, tmp_path: Path) -> None:
    read(version, tmp_path, *(Request(sent=number / 100) for number in range(40)))
    whole = database(tmp_path).read_bytes()
    database(tmp_path).write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ReadingError):
        again(version, tmp_path, 40)


@pytest.mark.parametrize("column", ["start_time", "success", "response_messages", "completed_time"])
def test_a_table_without_a_column_is_told(version: str, column: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    change(tmp_path, f"ALTER TABLE result RENAME COLUMN {column} TO other")
    with pytest.raises(ReadingError):
        again(version, tmp_path, 1)


@pytest.mark.parametrize("value", ["", "x", None, "[1]", "{}", b"\xff\x00", -1, 1e400])
@pytest.mark.parametrize("column", ["start_time", "response_messages", "completed_time", "prompt_tokens"])
def test_a_strange_value_is_a_reading_error_or_an_honest_sample(
    version: str, column: str, value: object, tmp_path: Path
) -> None:
    read(version, tmp_path, Request())
    change(tmp_path, f"UPDATE result SET {column} = ?", value)
    with suppress(ReadingError):
        [sample] = again(version, tmp_path, 1).samples
        assert sample.latency_s is None or sample.latency_s != 0
        assert sample.output_tokens != 0


class Payload:
    """A pickle that acts when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_act_is_refused_and_does_not(version: str, protocol: int, tmp_path: Path) -> None:
    witness = tmp_path / "acted"
    stored = base64.b64encode(pickle.dumps([Payload(witness)], protocol)).decode()
    read(version, tmp_path, Request())
    change(tmp_path, "UPDATE result SET response_messages = ?", stored)
    with pytest.raises(ReadingError, match="holds more than texts, numbers, lists and dicts"):
        again(version, tmp_path, 1)
    assert not witness.exists()


def test_a_table_of_another_program_is_told(version: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    database(tmp_path).unlink()
    table(tmp_path / "raw" / "benchmark_data.db", [{"start_time": STARTED, "answer": pickled([])}])
    with pytest.raises(ReadingError, match="does not hold what evalscope"):
        again(version, tmp_path, 1)


def test_a_log_that_is_gone_leaves_no_guess_about_reasons(tmp_path: Path) -> None:
    failed = replace(Request(), role_at=None, text_at=(), finish=None, failure=("500", "x"))
    write("1.0.1", tmp_path / "raw", tmp_path / "stdout.log", [failed])
    (tmp_path / "stdout.log").unlink()
    with pytest.raises(ReadingError, match=r"stdout\.log cannot be read"):
        again("1.0.1", tmp_path, 1)
