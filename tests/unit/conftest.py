"""Unit tests see no network and no other program; golden files are bytes in the tree."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
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
def _sealed(tmp_path: Path) -> Iterator[None]:
    """No program is started, nothing is connected to; what kit keeps goes to the test's own directory; it is always China."""

    def refuse(*arguments: object, **_: object) -> NoReturn:
        raise AssertionError(f"a unit test reached outside: {arguments!r}")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(subprocess, "Popen", refuse)
        patched.setattr(socket.socket, "connect", refuse)
        patched.setattr(socket.socket, "connect_ex", refuse)
        patched.setenv("KIT_CACHE", str(tmp_path / "cache"))
        patched.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


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
