"""Output that nobody reads any more stops nothing."""

import os
from pathlib import Path
from typing import TextIO

import pytest

from kit import streams


@pytest.fixture(autouse=True)
def _none_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_lost", [])


def opened(kind: str) -> tuple[int, int]:
    """The reading and the writing end."""
    return os.openpty() if kind == "terminal" else os.pipe()


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_writing_goes_on_when_the_reader_has_gone(kind: str) -> None:
    reader, writer = opened(kind)
    with open(writer, "w", buffering=1, encoding="utf-8") as stream:
        lasting = streams.lasting(stream, "stderr")
        print("读", file=lasting, flush=True)
        assert os.read(reader, 100).strip() == "读".encode()
        assert streams.lost() is None
        os.close(reader)
        for _ in range(3):
            print("nobody", file=lasting, flush=True)
        assert streams.lost() == "stderr"
        assert os.fstat(writer).st_rdev == os.stat(os.devnull).st_rdev


def test_a_full_disk_is_no_lost_reader(tmp_path: Path) -> None:
    del tmp_path
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as stream:
        lasting = streams.lasting(stream, "stderr")
        with pytest.raises(OSError, match="No space left"):
            print("text", file=lasting, flush=True)
        _forget(lasting)
    assert streams.lost() is None


def _forget(stream: TextIO) -> None:
    """What it still holds would be written when it goes."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)
