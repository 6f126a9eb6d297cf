"""Files whole and once; a run directory that says what is wrong with it."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import store
from kit.errors import HostError, KitError, UsageError
from kit.model import Environment, NativeSummary, Order, Program, RoundPlan, RoundResult, RunStatus, Sample
from kit.stats import figures
from kit.store import RunDir, replace, write_once
from tests.unit.evalscope_files import order
from tests.unit.planning import planned

STARTED = datetime(2026, 11, 23, 13, 5, 7, tzinfo=UTC)


def entry(number: int = 1) -> RoundPlan:
    asked: Order = order("1.0.1", 1, concurrency=1)
    environment = Environment(name="evalscope", kind="lock", digest="sha256:0")
    return RoundPlan(round=number, order=asked, program=Program(name="load", environment=environment, argv=("x",)))


SAMPLES = (
    Sample(index=0, succeeded=True, latency_s=1.0, sent_s=0.0, output_tokens=3),
    Sample(index=1, succeeded=False),
)


def result(number: int = 1, command: str = "evalscope perf") -> RoundResult:
    case = entry().case
    return RoundResult(
        case=case,
        round=number,
        started=STARTED,
        duration_s=1.5,
        command=command,
        figures=figures(case, SAMPLES),
        native=NativeSummary(),
    )


def status(state: str = "running") -> RunStatus:
    return RunStatus.model_validate(
        {"run": "r", "status": state, "kit_version": "0", "profile": "p", "started": STARTED, "rounds_planned": 2}
    )


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


# --- single files ------------------------------------------------------------------------------------------------


def test_a_file_is_written_with_its_directories_and_readable_for_colleagues(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.json"
    write_once(path, b"content")
    assert path.read_bytes() == b"content"
    assert path.stat().st_mode & 0o777 == 0o644
    assert left_over(path.parent) == ["c.json"]


def test_an_existing_file_is_never_touched(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_once(path, b"first")
    with pytest.raises(FileExistsError):
        write_once(path, b"second")
    assert path.read_bytes() == b"first"
    assert left_over(tmp_path) == ["result.json"]


@pytest.mark.parametrize("name", ["fsync", "link", "fdopen"])
@pytest.mark.parametrize("write", [write_once, replace], ids=["once", "replace"])
def test_a_write_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Callable[[Path, bytes], None]
) -> None:
    if name == "link" and write is replace:
        name = "replace"
    with monkeypatch.context() as patched:
        patched.setattr(os, name, failing(errno.ENOSPC))
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path / "result.json", b"content")
    assert left_over(tmp_path) == []


def test_ctrl_c_in_the_middle_of_a_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_once(tmp_path / "result.json", b"content")
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_a_file_system_without_hard_links_still_gets_whole_files_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", failing(number))
    path = tmp_path / "result.json"
    write_once(path, b"first")
    with pytest.raises(FileExistsError):
        write_once(path, b"second")
    assert path.read_bytes() == b"first"
    assert left_over(tmp_path) == ["result.json"]


def test_a_replaced_file_is_the_old_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    replace(path, b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output"):
            replace(path, b"new")
    assert path.read_bytes() == b"old"
    replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert left_over(tmp_path) == ["run.json"]


# --- rounds ------------------------------------------------------------------------------------------------------


def test_a_committed_round_comes_back_as_it_was(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.write_round(entry(), result(), SAMPLES)
    assert run.has(entry())
    assert run.samples(entry()) == SAMPLES
    assert left_over(run.round_directory(entry())) == ["command.txt", "result.json", "samples.jsonl"]


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_round_whose_commit_was_cut_short_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    run = RunDir(tmp_path)
    written: list[str] = []
    link = os.link

    def fail_at(source: Path, target: Path) -> None:
        if len(written) == broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        written.append(target.name)
        link(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", fail_at)
        with pytest.raises(OSError, match="Input/output"):
            run.write_round(entry(), result(), SAMPLES)
    assert written == ["command.txt", "samples.jsonl"][:broken]
    assert not run.has(entry())
    run.set_aside(entry())
    run.write_round(entry(), result(), SAMPLES)
    assert run.has(entry())


def test_a_round_is_committed_once(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.write_round(entry(), result(), SAMPLES)
    with pytest.raises(FileExistsError):
        run.write_round(entry(), result(command="another"), ())
    assert run.samples(entry()) == SAMPLES


def test_what_is_set_aside_is_kept_every_time(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    run.set_aside(entry())
    for number in range(3):
        directory = run.round_directory(entry())
        directory.mkdir(parents=True)
        (directory / "half").write_text(str(number))
        run.set_aside(entry())
        assert not directory.exists()
    aside = tmp_path / "abandoned"
    assert [(path.name, (path / "half").read_text()) for path in sorted(aside.iterdir())] == [
        ("10-3-c1-round-1-1", "0"),
        ("10-3-c1-round-1-2", "1"),
        ("10-3-c1-round-1-3", "2"),
    ]


texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.lists(texts, max_size=4))
def test_samples_hold_any_text(tmp_path_factory: pytest.TempPathFactory, errors: list[str]) -> None:
    run = RunDir(tmp_path_factory.mktemp("run"))
    samples = tuple(Sample(index=index, succeeded=False, error=error) for index, error in enumerate(errors))
    run.write_round(entry(), result(), samples)
    assert run.samples(entry()) == samples


def test_the_journal_only_grows(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for sample in SAMPLES:
        run.journal(sample)
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert [Sample.model_validate_json(line) for line in lines] == list(SAMPLES)


def test_the_status_is_the_only_file_that_is_replaced(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    assert run.first_started() is None
    run.write_status(status())
    run.write_status(status("complete"))
    assert run.status().status == "complete"
    assert run.first_started() == STARTED


# --- damaged directories -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema_version": 2}', b'{"status": "done"}', b"\0" * 100]
)
def test_a_damaged_record_is_named_and_no_defect(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"run\.json is not what kit wrote") as caught:
        RunDir(tmp_path).status()
    assert "restore the file" in str(caught.value)


def test_a_result_of_another_round_is_refused(tmp_path: Path) -> None:
    """As a file that was copied to a wrong place: its figures would stand under another case."""
    run, plan = RunDir(tmp_path), planned("load.cases=[{input: 10, output: 8, concurrency: [1, 2]}]")
    one, other = plan.rounds[0], plan.rounds[1]
    found = result().model_copy(update={"case": one.case, "round": one.round})
    run.write_round(one, found, SAMPLES)
    assert run.results(plan) == (found,)
    run.write_round(other, found, SAMPLES)
    with pytest.raises(UsageError, match=rf"{other.id}/result\.json is of another round .*: {one.case.id}, round 1"):
        run.results(plan)


@pytest.mark.parametrize("content", [b"{\n", b"\xff\n", b'{"index": "x"}\n'])
def test_damaged_samples_are_named_and_no_defect(tmp_path: Path, content: bytes) -> None:
    run = RunDir(tmp_path)
    run.write_round(entry(), result(), SAMPLES)
    (run.round_directory(entry()) / "samples.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match=r"samples\.jsonl is not what kit wrote"):
        run.samples(entry())


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    for read in (
        run.plan,
        run.inventory,
        run.status,
        lambda: run.text("server/argv.txt"),
        lambda: run.samples(entry()),
    ):
        with pytest.raises(UsageError, match="No such file") as caught:
            read()
        assert "not whole" in str(caught.value)


def test_a_directory_instead_of_a_record_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(UsageError, match="Is a directory"):
        RunDir(tmp_path).status()


# --- names -------------------------------------------------------------------------------------------------------


def test_runs_of_the_same_second_get_names_of_their_own(tmp_path: Path) -> None:
    names = [RunDir.create(tmp_path, "smoke", STARTED).name for _ in range(3)]
    local = f"{STARTED.astimezone():%Y%m%d-%H%M%S}"
    assert names == [f"{local}-smoke", f"{local}-smoke-2", f"{local}-smoke-3"]


def test_a_place_that_cannot_hold_runs_is_a_matter_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot write runs to") as caught:
        RunDir.create(tmp_path / "file" / "runs", "smoke", STARTED)
    assert "--out" in str(caught.value)


@pytest.fixture
def some_runs(tmp_path: Path) -> Path:
    for name in ("20261123-130507-smoke", "20261123-130507-smoke-2", "20261124-080000-ascend", "20261125-000000-gone"):
        (tmp_path / name).mkdir()
        if "gone" not in name:
            (tmp_path / name / "plan.json").write_text("{}")
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_runs_are_listed_newest_first_and_only_where_there_is_a_plan(some_runs: Path) -> None:
    names = [run.name for run in store.runs(some_runs)]
    assert names == ["20261124-080000-ascend", "20261123-130507-smoke-2", "20261123-130507-smoke"]
    assert list(store.runs(some_runs / "none")) == []


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("latest", "20261124-080000-ascend"),
        ("ascend", "20261124-080000-ascend"),
        ("20261124", "20261124-080000-ascend"),
        ("20261123-130507-smoke", "20261123-130507-smoke"),
        ("smoke-2", "20261123-130507-smoke-2"),
    ],
)
def test_a_run_is_found_by_a_part_of_its_name(some_runs: Path, reference: str, name: str) -> None:
    assert store.find(reference, some_runs).name == name


def test_a_run_is_found_by_its_path(some_runs: Path) -> None:
    path = some_runs / "20261124-080000-ascend"
    assert store.find(str(path), Path("elsewhere")).path == path


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("smoke", "2 runs in .* match 'smoke': 20261123-130507-smoke-2, 20261123-130507-smoke"),
        ("nothing", "no run 'nothing' in"),
        ("./nothing", "is not a run directory"),
        ("x" * 5000, "no run 'xxx"),
        (f"./{'x' * 5000}", "is not a run directory"),
        ("a\0b", "no run"),
        ("", "."),
    ],
)
def test_a_reference_that_fits_none_or_several_is_a_usage_error(some_runs: Path, reference: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        store.find(reference, some_runs)


def test_there_is_no_latest_of_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run 'latest'"):
        store.find("latest", tmp_path)


@given(st.text(max_size=40))
def test_no_reference_raises_anything_but_a_kit_error(reference: str) -> None:
    with pytest.raises(KitError):
        store.find(reference, Path("/nonexistent-runs"))
