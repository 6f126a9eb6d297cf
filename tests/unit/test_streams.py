"""Output that nobody reads any more, or that cannot be written, stops nothing."""

import os
import threading
from collections.abc import Iterator

import pytest

from kit import streams


@pytest.fixture(autouse=True)
def _none_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_lost", {})
    monkeypatch.setattr(streams, "_only_told", threading.Event())


@pytest.fixture
def full() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe that does not block, and holds all that it can."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    for size in (4096, 1):
        try:
            while os.write(writer, b"-" * size):
                pass
        except BlockingIOError:
            continue
    yield reader, writer
    os.close(reader)
    os.close(writer)


def opened(kind: str) -> tuple[int, int]:
    """The reading and the writing end."""
    return os.openpty() if kind == "terminal" else os.pipe()


@pytest.mark.parametrize("kind", ["terminal", "pipe"])
def test_writing_goes_on_when_the_reader_has_gone(kind: str) -> None:
    reader, writer = opened(kind)
    with open(writer, "w", buffering=1, encoding="utf-8") as stream:
        lasting = streams.lasting(stream, "stdout", result=True)
        print("读", file=lasting, flush=True)
        assert os.read(reader, 100).strip() == "读".encode()
        assert streams.lost() is None
        os.close(reader)
        for _ in range(3):
            print("nobody", file=lasting, flush=True)
        assert streams.lost() == "nobody reads stdout any more"
        assert os.fstat(writer).st_rdev == os.stat(os.devnull).st_rdev


def test_a_full_disk_stops_nothing_that_is_only_told() -> None:
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as stream:
        lasting = streams.lasting(stream, "stderr")
        for _ in range(3):
            print("text", file=lasting, flush=True)
    assert streams.lost() == "stderr cannot be written: No space left on device"


def test_a_result_that_cannot_be_written_is_an_error_once() -> None:
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as stream:
        lasting = streams.lasting(stream, "stdout", result=True)
        with pytest.raises(streams.UnwrittenError, match="stdout cannot be written: No space left on device"):
            print("text", file=lasting, flush=True)
        print("at the end of the process", file=lasting, flush=True)


def test_the_output_of_a_run_is_only_told() -> None:
    streams.only_told()
    with open("/dev/full", "w", encoding="utf-8", buffering=1) as stream:
        print("text", file=streams.lasting(stream, "stdout", result=True), flush=True)
    assert streams.lost() == "stdout cannot be written: No space left on device"


def test_what_is_told_waits_no_longer_than_a_moment_for_a_slow_reader(
    full: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "_PATIENCE_MS", 1)
    reader, writer = full
    with open(writer, "w", encoding="utf-8", buffering=1, closefd=False) as stream:
        lasting = streams.lasting(stream, "stderr")
        print("dropped", file=lasting, flush=True)
        assert streams.lost() == "stderr cannot be written: nobody reads it in time"
        os.read(reader, 4096)
        print("again", file=lasting, flush=True)
        assert os.read(reader, 1 << 20).endswith(b"-again\n")


def test_a_result_waits_for_its_reader(full: tuple[int, int]) -> None:
    reader, writer = full
    read: list[bytes] = []

    def slowly() -> None:
        while not b"".join(read).endswith(b"last\n"):
            read.append(os.read(reader, 4096))

    with open(writer, "w", encoding="utf-8", buffering=1, closefd=False) as stream:
        lasting = streams.lasting(stream, "stdout", result=True)
        (slow := threading.Thread(target=slowly)).start()
        for number in range(1000):
            print(f"line {number} of a long result" * 10, file=lasting)
        print("last", file=lasting, flush=True)
        slow.join()
    assert b"".join(read).count(b"of a long result") == 10_000
    assert streams.lost() is None


def test_characters_that_a_terminal_does_not_have_are_no_error() -> None:
    reader, writer = os.pipe()
    with open(writer, "w", encoding="latin-1", errors="strict") as stream:
        print("读é", file=streams.lasting(stream, "stdout", result=True), flush=True)
        assert os.read(reader, 100) == b"\\u8bfb\xe9\n"
    os.close(reader)
