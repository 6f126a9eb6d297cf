"""A run cut short: by signals, by the death of its server, by a full disk. What was finished stays, nothing is left running."""

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.model import RoundResult, RunStatus, Sample
from tests.integration.driver import Done, Kit, Running, await_true, free_port, programs_of

GENTLE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MEBIBYTE = 1024**2


def arguments(*, rounds: int = 2, out: str = "runs", port: int | None = None) -> tuple[str, ...]:
    """A smoke run of one small case."""
    settings = (
        f"server.port={port or free_port()}",
        "load.cases=[{input: 64, output: 8, concurrency: [1]}]",
        f"load.rounds={rounds}",
    )
    return ("run", "smoke", "--out", out, *(word for setting in settings for word in ("--set", setting)))


def finished_rounds(path: Path) -> list[str]:
    """The rounds that have a result; each must be whole."""
    found: list[str] = []
    for result in sorted(path.glob("cases/*/*/result.json")):
        read = RoundResult.model_validate_json(result.read_bytes())
        lines = (result.parent / "samples.jsonl").read_text("utf-8").splitlines()
        assert len([Sample.model_validate_json(line) for line in lines]) == read.figures.requests
        assert (result.parent / "command.txt").is_file()
        found.append(result.parent.name)
    return found


def assert_nothing_half_written(path: Path) -> None:
    assert [str(entry) for entry in path.rglob(".*.part")] == []
    for name in ("plan.json", "run.json", "inventory.json"):
        json.loads((path / name).read_bytes())
    for line in (path / "journal.jsonl").read_text("utf-8").splitlines():
        json.loads(line)


def status_of(path: Path) -> RunStatus:
    return RunStatus.model_validate_json((path / "run.json").read_bytes())


def resumed(kit: Kit, said: str) -> Done:
    """Run the command that kit printed for going on."""
    command = said.split("go on with: ")[-1].splitlines()[0].split()
    assert command[0] == "kit"
    return kit.run(*command[1:])


def in_the_second_round(running: Running, kit: Kit) -> None:
    """Wait until the load generator of the second round has begun to write."""
    running.event("round-start", "round 2 of")
    await_true(
        lambda: any(path.stat().st_size for path in kit.home.glob("runs/*/cases/*/round-2/stdout.log")),
        "the load generator of round 2 writes",
    )


# --- signals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", GENTLE, ids=lambda number: number.name)
def test_a_signal_in_a_round_keeps_the_finished_ones_and_can_be_resumed(number: signal.Signals, kit: Kit) -> None:
    with kit.start(*arguments()) as running:
        in_the_second_round(running, kit)
        running.signal(number)
        done = running.finish()
        assert running.programs() == []
    assert done.code == 130, done.err
    assert finished_rounds(kit.the_run) == ["round-1"]
    assert_nothing_half_written(kit.the_run)
    assert (status_of(kit.the_run).status, status_of(kit.the_run).rounds_done) == ("interrupted", 1)
    assert "stopped after 1 of 2 rounds" in done.err
    if number is signal.SIGINT:
        assert "1/2" in kit.run("runs").out
        assert "1 of 2 rounds" in kit.run("show", "latest").out
        again = resumed(kit, done.err)
        assert again.code == 0, again.err
        assert finished_rounds(kit.the_run) == ["round-1", "round-2"]
        assert (status_of(kit.the_run).status, status_of(kit.the_run).attempts) == ("complete", 2)


def test_a_second_signal_does_not_cut_the_cleaning_up_short(kit: Kit) -> None:
    with kit.start(*arguments()) as running:
        running.event("server", "the server is ready")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            running.signal(number)
        done = running.finish()
        assert running.programs() == []
    assert done.code == 130
    assert status_of(kit.the_run).status == "interrupted"


@pytest.mark.parametrize(
    ("kind", "text"),
    [("server", "starting"), ("server", "load begin"), ("round-start", "round 1 of"), ("round-end", "round 1 of")],
    ids=["as-the-server-starts", "as-the-model-loads", "as-a-round-starts", "between-rounds"],
)
def test_a_signal_at_any_other_point_ends_the_run_as_cleanly(kind: str, text: str, kit: Kit) -> None:
    with kit.start(*arguments()) as running:
        running.event(kind, text)
        running.signal(signal.SIGTERM)
        done = running.finish()
        assert running.programs() == []
    assert done.code == 130, done.err
    assert finished_rounds(kit.the_run) == (["round-1"] if kind == "round-end" else [])
    assert_nothing_half_written(kit.the_run)
    assert status_of(kit.the_run).status == "interrupted"
    assert f"kit run --resume {Path('runs') / kit.the_run.name}" in done.err


def test_a_signal_after_the_last_round_leaves_a_whole_run_with_its_report(kit: Kit) -> None:
    with kit.start(*arguments(rounds=1)) as running:
        running.event("environment", "the instrument's own error is tried")
        running.signal(signal.SIGTERM)
        done = running.finish()
        assert running.programs() == []
    assert done.code == 130, done.err
    assert done.err.splitlines()[-2:] == [
        "kit: stopped after the last round: the run is whole, and so is its report",
        f"what to do: kit report runs/{kit.the_run.name}",
    ]
    assert status_of(kit.the_run).status == "complete"
    assert (kit.the_run / "report" / "report.docx").is_file()
    assert kit.run("report", "latest").code == 0


def test_a_signal_while_the_model_is_made_leaves_no_run_and_no_process(kit: Kit, tmp_path: Path) -> None:
    own = Kit(kit.home, tmp_path / "cache")
    own.cache.mkdir()
    # The environments of the shared cache, but no model: a link is as good as a copy and costs nothing.
    (own.cache / "environments").symlink_to(kit.cache / "environments")
    with own.start(*arguments()) as running:
        running.event("environment", "embedded model")
        await_true(running.programs, "the model's maker runs")
        running.signal(signal.SIGTERM)
        done = running.finish()
        assert running.programs() == []
    assert done.code == 130
    assert own.runs == []
    assert [path.name for path in (own.cache / "models").iterdir() if not path.name.startswith(".")] == []


def test_after_a_kill_the_next_command_clears_up_and_the_run_can_be_resumed(kit: Kit) -> None:
    with kit.start(*arguments()) as running:
        in_the_second_round(running, kit)
        running.signal(signal.SIGKILL)
        running.finish()
        assert kit.run("runs").code == 0
        assert running.programs() == []
    assert finished_rounds(kit.the_run) == ["round-1"]
    again = kit.run("run", "--resume", "latest")
    assert again.code == 0, again.err
    assert finished_rounds(kit.the_run) == ["round-1", "round-2"]
    assert status_of(kit.the_run).status == "complete"
    assert len(list((kit.the_run / "abandoned").iterdir())) == 1
    assert_nothing_half_written(kit.the_run)


def test_a_run_that_is_whole_is_not_resumed(kit: Kit) -> None:
    assert kit.run(*arguments(rounds=1)).code == 0
    done = kit.run("run", "--resume", "latest")
    assert done.code == 2
    assert "has all its rounds" in done.err


# --- the server ----------------------------------------------------------------------------------------------------


def server_of(port: int) -> int:
    """The process of the server that was told to listen on a port."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--served-model-name" in words and str(port).encode() in words:
            return int(path.parent.name)
    raise AssertionError(f"no server on {port}")


def test_a_server_that_dies_in_a_round_ends_the_run_with_the_end_of_its_log(kit: Kit) -> None:
    port = free_port()
    with kit.start(*arguments(port=port)) as running:
        in_the_second_round(running, kit)
        os.kill(server_of(port), signal.SIGKILL)
        done = running.finish()
        assert running.programs() == []
    assert done.code == 4, done.err
    assert "the server ended during 64-8-c1/round-2 (ended by signal 9)" in done.err
    assert "the end of its log:" in done.err
    assert "phase: ready" in done.err or "slot" in done.err
    assert finished_rounds(kit.the_run) == ["round-1"]
    assert status_of(kit.the_run).status == "incomplete"


def test_a_taken_port_is_told_before_anything_starts(kit: Kit) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = kit.run(*arguments(port=port))
    assert done.code == 3
    assert f"port {port}: is taken" in done.err
    assert "--set server.port=" in done.err
    assert kit.runs == []


def test_a_server_that_cannot_start_tells_its_own_reason(kit: Kit) -> None:
    done = kit.run(*arguments(), "--set", "server.args.4=[--ctx-size, nonsense]")
    assert done.code == 4
    assert "the server ended before it was ready (exit code 2)" in done.err
    assert "--ctx-size" in done.err
    assert status_of(kit.the_run).status == "incomplete"


# --- the disk ------------------------------------------------------------------------------------------------------


def test_an_output_directory_that_is_a_file_is_told_before_anything_starts(kit: Kit) -> None:
    (kit.home / "runs").write_text("in the way")
    done = kit.run(*arguments())
    assert done.code == 3
    assert "output directory runs" in done.err
    assert "--out" in done.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256M", "tmpfs", str(path)], check=False)
    if made.returncode:
        pytest.skip("this machine does not let tests mount a small file system")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill(path: Path, free: int) -> Path:
    """Leave only so many bytes."""
    filler = path / "filler"
    while (rest := shutil.disk_usage(path).free - free) > 0:
        with open(filler, "ab") as file:
            file.write(b"\0" * min(rest, MEBIBYTE))
    return filler


def test_a_read_only_output_directory_is_told_before_anything_starts(kit: Kit, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = kit.run(*arguments(out=str(small_disk)))
    assert done.code == 3
    assert "Read-only file system" in done.err
    assert "--out" in done.err


def test_an_almost_full_disk_is_told_before_anything_starts(kit: Kit, small_disk: Path) -> None:
    fill(small_disk, 10 * MEBIBYTE)
    done = kit.run(*arguments(out=str(small_disk)))
    assert done.code == 3
    assert "MiB free" in done.err


@pytest.mark.parametrize(
    ("free", "moment"),
    [(0, "ready"), (8192, "ready"), (0, "round-2"), (16384, "round-2"), (65536, "round-2")],
    ids=[
        "nothing-before-round-1",
        "little-before-round-1",
        "nothing-in-round-2",
        "little-in-round-2",
        "more-in-round-2",
    ],
)
def test_a_disk_that_fills_up_ends_the_run_with_a_reason_and_whole_files(
    free: int, moment: str, kit: Kit, small_disk: Path
) -> None:
    with kit.start(*arguments(out=str(small_disk))) as running:
        if moment == "ready":
            running.event("server", "the server is ready")
        else:
            running.event("round-start", "round 2 of")
        filler = fill(small_disk, free)
        done = running.finish()
        assert running.programs() == []
    assert "Traceback" not in done.err, done.err
    # 3: the rounds just fitted, and the report did not.
    assert done.code in (3, 4), done.err
    assert "no space" in done.err.lower() or "hardly any space" in done.err, done.err
    (path,) = small_disk.glob("*-smoke")
    finished = finished_rounds(path)
    if done.code == 4:
        assert finished == (["round-1"] if moment == "round-2" else [])
    assert_nothing_half_written(path)
    shown = kit.run("show", str(path))
    assert shown.code == 0, shown.err
    # With room again, the run goes on to its end.
    filler.unlink()
    if free == 0 and moment == "round-2":
        again = kit.run("run", "--resume", str(path))
        assert again.code == 0, again.err
        assert finished_rounds(path) == ["round-1", "round-2"]
        assert_nothing_half_written(path)


def test_programs_of_other_kits_are_left_alone(kit: Kit) -> None:
    """A command beside a running kit must not take its server for an orphan."""
    with kit.start(*arguments(rounds=1)) as running:
        running.event("server", "the server is ready")
        assert kit.run("runs").code == 0
        assert kit.run("clean").code == 0
        done = running.finish()
    assert done.code == 0, done.err
    assert programs_of(running.identity) == []
