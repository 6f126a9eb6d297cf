"""Logs of programs: what is kept of one that never stops writing."""

import io
import os
from pathlib import Path
from typing import IO, cast

import pytest

from kit.errors import IncompleteError
from kit.redaction import Redactor
from kit.runtimes import output
from kit.runtimes.output import Pump


def kept(tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch, limit: int = 4000) -> bytes:
    monkeypatch.setattr(output, "KEPT_BYTES", limit)
    told: list[str] = []
    with output.kept(tmp_path / "log") as file:
        pump = Pump((f"line {number:06}\n".encode() for number in range(lines)), file, Redactor([]), told.append)
        pump.join()
        pump.check()
    assert len(told) == lines
    return (tmp_path / "log").read_bytes()


def test_a_log_is_never_somebody_elses_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    (tmp_path / "log").symlink_to(other)
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("log", "Too many levels of symbolic links"), ("pipe", "it is no plain file")):
        with pytest.raises(OSError, match=why):
            output.kept(tmp_path / name)
    assert not other.exists()
    # A program may put a link there while it runs, also when the middle of the log is cut out.
    monkeypatch.setattr(output, "KEPT_BYTES", 1000)
    with output.kept(tmp_path / "swapped") as file:
        os.link(tmp_path / "swapped", tmp_path / "held")
        (tmp_path / "swapped").unlink()
        (tmp_path / "swapped").symlink_to(other)
        other.write_text("of somebody else")
        Pump((b"line %06d\n" % number for number in range(200)), file, Redactor([]), lambda _: None).join()
    assert other.read_text() == "of somebody else"
    assert b"were cut out here" in (tmp_path / "held").read_bytes()
    assert (tmp_path / "held").read_bytes().endswith(b"line 000199\n")


class Full(io.FileIO):
    """A file on a disk with a little room: what does not fit any more is dropped without a word."""

    def write(self, content: object) -> int:
        assert isinstance(content, bytes)
        return super().write(content[: max(0, 100 - self.tell())])


def test_a_line_of_which_only_a_part_fitted_is_no_line_that_was_kept(tmp_path: Path) -> None:
    told: list[str] = []
    with Full(tmp_path / "log", "ab") as file:
        pump = Pump([b"x" * 90 + b"\n", b"y" * 20 + b"\n"], cast("IO[bytes]", file), Redactor([]), told.append)
        pump.join()
        with pytest.raises(IncompleteError, match="No space left on device"):
            pump.check()
    assert told == ["x" * 90]


def test_a_short_log_is_kept_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(tmp_path, 300, monkeypatch) == b"".join(f"line {number:06}\n".encode() for number in range(300))


@pytest.mark.parametrize("lines", [350, 1000, 20_000])
def test_of_a_long_log_beginning_and_end_are_kept_with_a_marker_of_what_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    found = kept(tmp_path, lines, monkeypatch).decode().splitlines()
    (at,) = [number for number, line in enumerate(found) if line.startswith("[kit: ")]
    cut = int(found[at].split()[1])
    assert found[:at] == [f"line {number:06}" for number in range(at)]
    assert found[at + 1 :] == [f"line {number:06}" for number in range(at + cut, lines)]
    assert f"({cut * 12} bytes)" in found[at]
    assert sum(len(line) + 1 for line in found) < 4100
