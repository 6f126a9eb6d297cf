"""Disks that are full, read-only or without hard links, clocks that jump, and a server that writes without end."""

import errno
import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from kit.bundles import reading
from kit.errors import HostError, KitError
from kit.events import Seen
from kit.host import LocalHost
from kit.inventory import Collected
from kit.model import Preflight
from kit.running import leftovers, runner
from kit.running.beginning import Prepared, begun
from kit.runtimes import notes, output
from kit.store import RunDir
from kit.workflows import packing, running
from tests.fakes import Play, Stage
from tests.faults.bench import Bench, finished, light, next_command
from tests.unit.world import ROUNDS as ALL_ROUNDS
from tests.unit.world import World, sends

ROUNDS = ["10-8-c1/round-1", "10-8-c1/round-2"]
PART = packing.Wanted(without=("image", "wheel", "kit"))
KIBIBYTE = 1024
PAGE = 4 * KIBIBYTE
SYSTEM = f"{os.environ['PATH']}:/usr/sbin:/sbin"
"""Where programs for file systems lie, which a user's PATH may leave out."""


@pytest.fixture
def small(bench: Bench) -> Iterator[Path]:
    """A file system of 16 MiB in the place of the runs' directory."""
    with mounted(bench.out, "-t", "tmpfs", "-o", "size=16M", "tmpfs"):
        yield bench.out


@contextmanager
def mounted(where: Path, *options: str) -> Iterator[None]:
    """A file system of its own at a path."""
    where.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    if subprocess.run(["mount", *options, str(where)], check=False).returncode:
        pytest.skip("this machine does not let tests mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def fill(where: Path, free: int) -> Path:
    """Take room until so much is left. Others may write meanwhile: then there is a little less."""
    filler = where / "filler"
    with open(filler, "ab", buffering=0) as file, suppress(OSError):
        while (rest := shutil.disk_usage(where).free - free) > 0:
            file.write(b"\0" * min(rest, 1 << 20))
    return filler


def blames_the_disk(said: str) -> bool:
    """Whether it is told that there is no room, in whichever words, and what to do."""
    return re.search("(?i)no space|hardly any space", said) is not None and "what to do: make room" in said


@pytest.mark.parametrize("moment", ["server", "round-start", "round-end"])
@pytest.mark.parametrize("free", [0, 8 * KIBIBYTE, 40 * KIBIBYTE, 120 * KIBIBYTE])
def test_a_disk_that_fills_up_costs_no_finished_round(
    bench: Bench, small: Path, moment: str, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full from the first event of a kind on: each amount of room lets another write be the one that fails."""
    filled: list[Path] = []
    prepared = bench.plan()
    # Less room than a run is advised to have is no fault here: the run begins while there is enough of it.

    def observe(seen: Seen) -> None:
        bench.seen.append(seen)
        if not filled and bench.events[-1].kind == moment:
            filled.append(fill(small, free))

    leftovers.sweep()
    said = ""
    try:
        running.run(prepared, observe, write=light, force=True)
    except KitError as error:
        said = str(error)
    told = sum(event.kind == "round-end" for event in bench.events)
    (run,) = (run for run in bench.runs if run.path.is_dir())
    assert len(finished(run)) >= told
    assert not said or blames_the_disk(said), said
    filled[0].unlink()
    next_command(monkeypatch)
    if run.status().status != "complete":
        bench.faults({})
        running.run(running.resume(run.name, bench.out), bench.seen.append, write=light, force=True)
    assert finished(run) == ROUNDS
    assert run.status().status == "complete"


def _as_a_process(play: Play) -> Play:
    """A program that finds no room ends with an error."""

    def played(stage: Stage) -> Generator[None, None, int]:
        try:
            return (yield from play(stage))
        except (OSError, sqlite3.Error):
            return 1

    return played


def test_a_disk_that_is_full_at_any_write_costs_no_finished_round(
    tmp_path: Path, machine: Collected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page less room, until there is none: each write is once the first that fails, from the run's directory to its
    report."""
    checked = Preflight(at=machine.inventory.collected, forced=False, checks=())
    endings: set[str] = set()
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1M", "tmpfs"):
        for pages in count():
            home = tmp_path / "small" / str(pages)
            home.mkdir()
            world = World(home)
            shutil.rmtree(world.run.path)
            world.runtime.plays_in_turn("load", _as_a_process(sends()))
            filler = fill(home, pages * PAGE)
            said = ""
            try:
                _attempt(world, home / "runs", None, machine, checked)
            except KitError as error:
                said = str(error)
            told = sum(kind == "round-end" for kind in world.kinds)
            filler.unlink()
            next_command(monkeypatch)
            left = list((home / "runs").iterdir())
            assert not said or blames_the_disk(said), f"{pages} pages: {said}"
            assert left or not told, f"{pages} pages: the run is gone"
            if said:
                run = RunDir(left[0]) if left else None
                endings.add(run.status().status if run is not None else "none")
                assert run is None or len(run.results(world.plan)) >= told
                world.seen.clear()
                if run is None or run.status().status != "complete":
                    _attempt(world, home / "runs", run, machine, checked)
            (path,) = (home / "runs").iterdir()
            run = RunDir(path)
            assert [f"{found.case.id}/round-{found.round}" for found in run.results(world.plan)] == ALL_ROUNDS
            assert run.status().status == "complete"
            assert list(path.rglob(".*.part")) == []
            shutil.rmtree(home)
            if not said:
                break
    assert endings == {"none", "incomplete", "interrupted", "complete"}, "it failed before, in and after the rounds"
    assert pages > 40
    assert notes.left() == ()


def _attempt(world: World, out: Path, run: RunDir | None, machine: Collected, checked: Preflight) -> None:
    """As a command does it, with the doors of another world."""
    prepared = Prepared(world.plan, b"", out, run=run, collected=machine)
    with begun(prepared, machine, checked) as (directory, attempt):
        runner.execute(
            world.plan, doors=world.doors, run=directory, key=None, observe=world.seen.append, attempt=attempt
        )
        light(directory)


def test_a_read_only_output_is_told_before_anything_starts(bench: Bench, small: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(HostError, match="--out"):
        bench.run(bench.plan())


def test_a_file_system_without_hard_links_holds_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), str(paths[0]))

    monkeypatch.setattr(os, "link", refuse)
    bench.faults({"load": {"2": "killed"}})
    bench.fails(bench.plan())
    assert finished(bench.the_run) == ROUNDS[:1]
    bench.resume()
    assert finished(bench.the_run) == ROUNDS
    assert bench.the_run.status().status == "complete"


@pytest.fixture
def exfat(tmp_path: Path) -> Iterator[Path]:
    """An exFAT file system in the place of the runs' directory, as on memory sticks: no links, no owners and no modes."""
    if (mkfs := shutil.which("mkfs.exfat", path=SYSTEM)) is None:
        pytest.skip("mkfs.exfat is not installed (package exfatprogs)")
    by_program = shutil.which("mount.exfat-fuse", path=SYSTEM) is not None
    disk = tmp_path / "disk"
    with open(disk, "wb") as file:
        file.truncate(1 << 30)
    subprocess.run([mkfs, str(disk)], check=True, capture_output=True)
    out = tmp_path / "runs"
    with mounted(out, "-t", "exfat-fuse" if by_program else "exfat", "-o", "loop", str(disk)):
        yield out


def test_a_run_on_a_real_file_system_without_hard_links_holds_the_same(exfat: Path, bench: Bench) -> None:
    """With a round that fails, a resume, the report in all formats, a bundle, and the run out of it."""
    bench.faults({"load": {"2": "killed"}})
    assert "the load generator ended with ended by signal 9" in bench.fails(bench.plan())
    assert finished(bench.the_run) == ROUNDS[:1]
    bench.resume()
    run = bench.the_run
    assert finished(run) == ROUNDS
    assert run.status().status == "complete"
    _, files = running.write_report(run, running.FORMATS)
    assert len(files) == len(running.FORMATS)
    assert all(path.stat().st_size for path in files)
    with pytest.raises(OSError, match="not permitted"):
        os.link(files[0], exfat / "linked")
    (beside := exfat / ".bundled").mkdir()
    packing.make(str(run.path), exfat, beside / "run.kit", PART, lambda _: None)
    bundle = reading.look(beside / "run.kit")
    (opened := RunDir(beside / "run")).path.mkdir()
    reading.extract(bundle, bundle.manifest.of("run"), opened.path, "run/")
    assert finished(opened) == ROUNDS


@pytest.mark.parametrize("hours", [-7, 9])
def test_durations_do_not_follow_a_clock_that_is_set(bench: Bench, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock jumps when the first round begins: what happened when follows it, how long it took does not."""
    now = LocalHost.now

    def jumped(host: LocalHost) -> object:
        began = any(event.kind == "round-start" for event in bench.events)
        return now(host) + timedelta(hours=hours if began else 0)

    monkeypatch.setattr(LocalHost, "now", jumped)
    wall = time.time
    monkeypatch.setattr(time, "time", lambda: wall() + hours * 3600)
    began = time.monotonic()
    bench.run(bench.plan())
    took = time.monotonic() - began
    status = bench.the_run.status()
    assert finished(bench.the_run) == ROUNDS
    assert status.duration_s is not None
    assert 0 < status.duration_s < took
    for result in bench.the_run.results(bench.the_run.plan()):
        assert 0 < result.duration_s < took
        assert result.figures.window_s is not None
        assert 0 < result.figures.window_s < result.duration_s


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("program", ["server", "load"])
def test_a_log_of_ten_thousand_lines_a_second_is_cut_and_memory_stays_flat(
    bench: Bench, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "KEPT_BYTES", 256 * KIBIBYTE)
    bench.run(bench.plan())
    before = _resident()
    bench.faults({"server": {"2": "floods"}} if program == "server" else {"load": {"3": "fills-log"}})
    bench.run(bench.plan())
    run = bench.runs[-1]
    assert finished(run) == ROUNDS
    log = (
        run.path / "server" / "server.log" if program == "server" else next(run.path.glob("cases/*/round-1/stdout.log"))
    )
    content = log.read_bytes()
    assert len(content) < 3 * 256 * KIBIBYTE
    (marker,) = [line for line in content.splitlines() if line.startswith(b"[kit: ")]
    assert b"lines" in marker
    assert _resident() - before < 64 * 1024 * KIBIBYTE
