"""Logs of programs: what is kept of one that never stops writing."""

from pathlib import Path

import pytest

from kit.redaction import Redactor
from kit.runtimes import output
from kit.runtimes.output import Pump


def kept(tmp_path: Path, lines: int, monkeypatch: pytest.MonkeyPatch, limit: int = 4000) -> bytes:
    monkeypatch.setattr(output, "KEPT_BYTES", limit)
    told: list[str] = []
    with open(tmp_path / "log", "ab", buffering=0) as file:
        pump = Pump((f"line {number:06}\n".encode() for number in range(lines)), file, Redactor([]), told.append)
        pump.join()
        pump.check()
    assert len(told) == lines
    return (tmp_path / "log").read_bytes()


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
