"""Unit tests see no network and no other program; golden files are bytes in the tree."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

GOLDEN = Path(__file__).resolve().parents[1] / "golden"

# The same examples every time: a failure that comes and goes helps nobody before a release.
settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=80)
settings.load_profile("unit")

CheckGolden = Callable[[str, bytes], None]


@pytest.fixture(autouse=True)
def _sealed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No program is started and nothing is connected to; files that are not asked for go to a directory of the test."""

    def refuse(*arguments: object, **_: object) -> NoReturn:
        raise AssertionError(f"a unit test reached outside: {arguments!r}")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TZ", "Asia/Shanghai")


@pytest.fixture
def golden() -> CheckGolden:
    """Compare bytes with a file under `tests/golden`; with `KIT_GOLDEN=write` they are written there instead."""

    def check(name: str, content: bytes) -> None:
        path = GOLDEN / name
        if os.environ.get("KIT_GOLDEN") == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            return
        assert path.is_file(), f"{name} does not exist: make golden writes it"
        assert content == path.read_bytes(), f"{name} has changed: make golden rewrites it, git diff shows how"

    return check
