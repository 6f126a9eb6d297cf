"""Rounds of either version of evalscope: written, read, and changed in between."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from kit.loadgens import Reading, evalscope
from kit.model import Sample
from tests.unit.evalscope_files import Request, order, write

VERSIONS = ("1.0.1", "1.14.1")


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(version: str, folder: Path, *requests: Request, asked: int | None = None) -> Reading:
    """Write the files of a round and read them."""
    write(version, folder / "raw", folder / "stdout.log", requests)
    return again(version, folder, asked or len(requests))


def again(version: str, folder: Path, asked: int) -> Reading:
    return evalscope.read(folder / "raw", folder / "stdout.log", order(version, asked))


def one(version: str, folder: Path, request: Request) -> Sample:
    [sample] = read(version, folder, request).samples
    return sample


def database(folder: Path) -> Path:
    [found] = (folder / "raw").rglob("benchmark_data.db")
    return found


def rows(folder: Path, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(database(folder))) as connection:
        return connection.execute(statement).fetchall()


def change(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(database(folder))) as connection, connection:
        connection.execute(statement, values)
