"""What is read whole is a plain file of a size that fits."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kit import bounded, inventory, store
from kit.comparing import files, prices
from kit.errors import KitError, UsageError, VerificationError
from kit.signing import signatures
from kit.store import RunDir
from tests.unit.planning import planned


def test_a_file_is_read_as_far_as_it_may_reach(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"123")
    assert bounded.read(tmp_path / "x", 3) == b"123"
    with pytest.raises(bounded.UnfitError, match="larger than 2 bytes") as caught:
        bounded.read(tmp_path / "x", 2)
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(FileNotFoundError):
        bounded.read(tmp_path / "y", 3)


def test_a_file_that_does_not_tell_its_size_is_bounded_too() -> None:
    assert os.stat("/proc/self/status").st_size == 0
    assert bounded.read(Path("/proc/self/status"), 100_000)
    with pytest.raises(bounded.UnfitError):
        bounded.read(Path("/proc/self/status"), 10)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def vast(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


def samples(path: Path) -> object:
    entry = planned().rounds[0]
    (path.parent / "cases" / entry.id).mkdir(parents=True)
    path.rename(path.parent / "cases" / entry.id / "samples.jsonl")
    return RunDir(path.parent).samples(entry)


READERS: dict[str, tuple[str, Callable[[Path], object], type[KitError]]] = {
    "a record": ("inventory.json", lambda path: RunDir(path.parent).inventory(), UsageError),
    "a text": ("profile.yaml", lambda path: RunDir(path.parent).text(path.name), UsageError),
    "samples": ("samples.jsonl", samples, UsageError),
    "attestation": ("attestation.json", signatures.read, VerificationError),
    "inventory": ("inventory.json", inventory.load, UsageError),
    "prices": ("prices.yaml", prices.read, UsageError),
}


@pytest.mark.parametrize("made", [pipe, device, vast])
@pytest.mark.parametrize("reader", READERS)
def test_what_has_no_end_is_refused_with_its_name(tmp_path: Path, reader: str, made: Callable[[Path], object]) -> None:
    name, read, error = READERS[reader]
    made(tmp_path / name)
    with pytest.raises(error, match=rf"{name}.* it is (no plain file|larger than [0-9]+ bytes)"):
        read(tmp_path / name)


def test_a_vast_table_or_baseline_is_refused_with_its_name(tmp_path: Path) -> None:
    vast(tmp_path / "x.csv")
    with pytest.raises(UsageError, match=r"x\.csv cannot be read: it is larger than 20000000 bytes"):
        files.read(str(tmp_path / "x.csv"), tmp_path)
    vast(tmp_path / store.BASELINE)
    with pytest.raises(UsageError, match=r"baseline\.csv cannot be read: it is larger than 20000000 bytes"):
        RunDir(tmp_path).baseline()
