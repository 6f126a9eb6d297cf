"""What is read whole is a plain file of a size that fits."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kit import bounded, inventory, library, profile, store, weights
from kit.cli import signing
from kit.comparing import files, prices
from kit.errors import HostError, ProfileError, UsageError, VerificationError
from kit.images import carrying
from kit.instrument import exchange as kept
from kit.inventory import asking
from kit.loadgens import ReadingError, evalscope, exchanges
from kit.renderers.layouts import Layout
from kit.running import resuming
from kit.runtimes import debian
from kit.signing import keys, signatures, trust
from kit.store import RunDir
from kit.workflows import rehearsing, running
from tests.unit import evalscope_files
from tests.unit.evalscope_files import Request
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


def baseline(path: Path) -> object:
    return rehearsing._baseline(profile.load("smoke"), path)


def of_evalscope(version: str) -> Callable[[Path], object]:
    """Reads a round of which one file has no end."""

    def read(path: Path) -> object:
        raw, log = path.parent / "round" / "raw", path.parent / "round" / "stdout.log"
        evalscope_files.write(version, raw, log, [Request()])
        [place] = (path.parent / "round").rglob(path.name)
        place.unlink()
        path.rename(place)
        return evalscope.read(raw, log, evalscope_files.order(version, 1))

    return read


def of_archive(path: Path) -> None:
    for name in ("x.tar", "x.tar.sha256"):
        if name != path.name:
            path.with_name(name).write_text("0" * 64)
    carrying._check(path.with_name("x.tar"), lambda _: None)


READERS: dict[str, tuple[str, Callable[[Path], object], type[Exception]]] = {
    "a record": ("inventory.json", lambda path: RunDir(path.parent).inventory(), UsageError),
    "a text": ("profile.yaml", lambda path: RunDir(path.parent).text(path.name), UsageError),
    "samples": ("samples.jsonl", samples, UsageError),
    "attestation": ("attestation.json", signatures.read, VerificationError),
    "inventory": ("inventory.json", inventory.load, UsageError),
    "prices": ("prices.yaml", prices.read, UsageError),
    "profile": ("mine.yaml", library.text, ProfileError),
    "trust file": ("trust.yaml", trust.read, UsageError),
    "key": ("tester.key", lambda path: keys.load(str(path), str), UsageError),
    "baseline of a rehearsal": ("table.csv", baseline, HostError),
    "list of weights": (weights.LIST, lambda path: list(weights.listed(path.parent)), HostError),
    "template": ("report.css", lambda path: Layout("mine", (path.parent,)).text(path.name), HostError),
    "journal": ("journal.jsonl", lambda path: resuming.tidy(RunDir(path.parent)), UsageError),
    "sum of an archive": ("x.tar.sha256", of_archive, UsageError),
    "summary of a round": ("benchmark_summary.json", of_evalscope("1.0.1"), ReadingError),
    "log of a round": ("stdout.log", of_evalscope("1.0.1"), ReadingError),
    "notes of a round": ("requests.jsonl", of_evalscope("1.14.1"), ReadingError),
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


@pytest.mark.parametrize("made", [pipe, device])
def test_a_database_of_a_round_that_is_no_plain_file_is_refused(tmp_path: Path, made: Callable[[Path], object]) -> None:
    made(tmp_path / "benchmark_data.db")
    with pytest.raises(ReadingError, match=r"benchmark_data\.db cannot be read: it is no plain file"):
        of_evalscope("1.0.1")(tmp_path / "benchmark_data.db")


@pytest.mark.parametrize("made", [pipe, device])
def test_answers_of_a_round_that_are_no_plain_file_are_refused(tmp_path: Path, made: Callable[[Path], object]) -> None:
    made(tmp_path / kept.FILE)
    with pytest.raises(ReadingError, match=r"exchanges\.bin\.gz cannot be read: it is no plain file"):
        exchanges.read(tmp_path, 1)


@pytest.mark.parametrize("made", [pipe, device, vast])
def test_what_a_sender_said_of_itself_is_left_where_it_has_no_end(
    tmp_path: Path, made: Callable[[Path], object]
) -> None:
    made(tmp_path / exchanges.SENDER)
    assert exchanges.demand(tmp_path) is None


def test_a_list_of_profiles_tells_which_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").mkdir()
    pipe(tmp_path / "profiles" / "odd.yaml")
    monkeypatch.chdir(tmp_path)
    found = dict(library.descriptions())
    assert found["odd"] == "(cannot be read: it is no plain file)"
    assert len(found) > 1


def test_an_answer_of_another_machine_that_has_no_end_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "proc_meminfo.txt").write_text("MemTotal: 1 kB\n")
    pipe(tmp_path / "lscpu.txt")
    raw = asking.recorded(tmp_path)["lscpu"]
    assert (raw.text, raw.reason) == (None, "what was recorded of lscpu cannot be read: it is no plain file")


def test_the_profile_of_a_run_that_has_no_end_is_told_before_the_run_goes_on(tmp_path: Path) -> None:
    pipe(tmp_path / "profile.yaml")
    [problem] = resuming._profile(RunDir(tmp_path), planned(), lambda _: planned(), None)
    assert "profile.yaml cannot be read: it is no plain file" in problem.what


def test_a_report_that_is_something_else_than_what_is_to_be_written_is_not_read(tmp_path: Path) -> None:
    pipe(tmp_path / "report.md")
    assert not running._holds(tmp_path / "report.md", b"x")
    (tmp_path / "report.csv").write_bytes(b"x")
    assert running._holds(tmp_path / "report.csv", b"x")
    assert not running._holds(tmp_path / "report.csv", b"")


@pytest.mark.parametrize("made", [pipe, device])
def test_an_archive_that_is_no_plain_file_is_refused(tmp_path: Path, made: Callable[[Path], object]) -> None:
    made(tmp_path / "x.tar")
    with pytest.raises(UsageError, match=r"x\.tar cannot be read: it is no plain file"):
        of_archive(tmp_path / "x.tar")


@pytest.mark.parametrize("made", [pipe, device, vast])
def test_a_package_that_is_not_the_one_that_was_locked_is_not_read_to_its_end(
    tmp_path: Path, made: Callable[[Path], object]
) -> None:
    made(tmp_path / "a_1_all.deb")
    package = debian.Package("0" * 64, 3, "a_1_all.deb")
    assert debian.missing([package], tmp_path) == (package,)


def test_a_passphrase_may_come_from_a_pipe_and_has_an_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"correct horse\n")
    os.close(writing)
    assert signing._passphrase(None, Path(f"/dev/fd/{reading}")) == "correct horse"
    os.close(reading)
    with pytest.raises(UsageError, match="/dev/zero holds more than 4096 bytes"):
        signing._passphrase(None, Path("/dev/zero"))
