"""A loss of power at any moment, simulated: the writes of a run are recorded and replayed with all that was not made durable dropped.

The model is harsher than real file systems: content is lost unless its file was synced, a name unless its directory was, and
every directory's names on their own.
"""

import builtins
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

from kit.running import resuming
from kit.store import RunDir
from tests.faults.bench import Bench, finished, light

ROUNDS = ["10-8-c1/round-1", "10-8-c1/round-2"]


@dataclass
class Disk:
    """What would be on the disk: names that were made durable, by directory, and contents of files by inode."""

    root: Path
    contents: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, dict[str, int]] = field(default_factory=dict)
    moments: list[tuple[str, dict[int, bytes], dict[int, dict[str, int]], int]] = field(default_factory=list)
    rounds: Callable[[], int] = lambda: 0
    held: dict[int, int] = field(default_factory=dict)
    """Descriptors by inode: what is open keeps its number, and no later file is taken for a removed one."""

    def synced(self, descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if self.root not in (path, *path.parents):
            return
        inode = os.fstat(descriptor).st_ino
        if inode not in self.held:
            self.held[inode] = os.dup(descriptor)
        if path.is_dir():
            self.names[inode] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self.contents[inode] = path.read_bytes() if path.exists() else b""
        told = str(path.relative_to(self.root))
        self.moments.append(
            (told, dict(self.contents), {key: dict(value) for key, value in self.names.items()}, self.rounds())
        )

    def replayed(self, moment: int, target: Path) -> int:
        """Write what is left of a moment into a new directory; gives how many rounds kit had told as finished by then."""
        _, contents, names, told = self.moments[moment]
        self._directory(os.stat(self.root).st_ino, target, contents, names)
        return told

    def _directory(
        self, inode: int, target: Path, contents: dict[int, bytes], names: dict[int, dict[str, int]]
    ) -> None:
        target.mkdir()
        for name, child in names.get(inode, {}).items():
            if child in names or child in self._folders:
                self._directory(child, target / name, contents, names)
            else:
                # Its name is there, and of its content what was synced: nothing, perhaps.
                (target / name).write_bytes(contents.get(child, b""))

    @cached_property
    def _folders(self) -> set[int]:
        """What was a directory when the recording was over."""
        return {path.stat().st_ino for path in self.root.rglob("*") if path.is_dir()}


@contextmanager
def recorded(disk: Disk) -> Iterator[None]:
    fsync = os.fsync

    def record(file: int) -> None:
        fsync(file)
        disk.synced(file)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", record)
        try:
            yield
        finally:
            for descriptor in disk.held.values():
                os.close(descriptor)


@pytest.mark.slow
def test_after_a_loss_of_power_at_any_moment_every_finished_round_is_there_and_whole(
    bench: Bench, tmp_path: Path
) -> None:
    bench.out.mkdir()
    disk = Disk(bench.out)
    disk.rounds = lambda: sum(event.kind == "round-end" for event in bench.events)
    with recorded(disk):
        bench.run(bench.plan())
    # Until the run directory is planned a loss costs nothing; of the many moments after that, all are tried.
    names = [told for told, *_ in disk.moments]
    planned = next(number for number, told in enumerate(names) if "plan.json" in told)
    assert len(names) - planned > 30
    for moment in range(planned, len(names)):
        after = tmp_path / "after" / str(moment)
        after.parent.mkdir(exist_ok=True)
        told = disk.replayed(moment, after)
        for path in after.iterdir():
            resuming.settle(path)
        left = [path for path in after.iterdir() if path.is_dir()]
        if not left:
            assert told == 0, f"{names[moment]}: the run is gone"
            continue
        run = RunDir(left[0])
        found = finished(run)
        assert len(found) >= told, f"{names[moment]}: {told} rounds were told as finished, {found} are left"
        assert found == ROUNDS[: len(found)]
        assert list(run.path.rglob(".*.part")) == []
        run.plan()
        run.inventory()
        if found:
            # What the load generator left is as it was, and a report can be made of it.
            whole = next(iter(bench.out.glob("*")))
            for path in (whole / "cases").rglob("benchmark_data.db"):
                copy = run.path / path.relative_to(whole)
                if copy.parent.exists() and found[-1].rpartition("/")[2] in str(copy):
                    assert copy.read_bytes() == path.read_bytes()
            light(run)
        shutil.rmtree(after)


def test_the_recording_itself_sees_what_is_lost(tmp_path: Path) -> None:
    """A file that is written without syncing it is empty after the loss, and one whose directory is not synced is gone."""
    root = tmp_path / "root"
    root.mkdir()
    disk = Disk(root)
    with recorded(disk):
        (root / "unsynced").write_bytes(b"lost")
        with builtins.open(root / "synced", "wb") as file:
            file.write(b"kept")
            file.flush()
            os.fsync(file.fileno())
        directory = os.open(root, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        with builtins.open(root / "nameless", "wb") as file:
            file.write(b"kept, and not to be found")
            file.flush()
            os.fsync(file.fileno())
    disk.replayed(len(disk.moments) - 1, tmp_path / "after")
    assert {path.name: path.read_bytes() for path in (tmp_path / "after").iterdir()} == {
        "unsynced": b"",
        "synced": b"kept",
    }
