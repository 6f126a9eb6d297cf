"""The directory of an attempt at a run: made or taken up again, held, and left in order whatever happens."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kit import inventory as inventories
from kit import store
from kit.beside import Contents
from kit.durable import HELD, held, unfinished, write_once
from kit.errors import HostError
from kit.inventory import Collected
from kit.model import Plan, Preflight
from kit.model.reproduction import ORIGINAL, Original
from kit.report import building as reports
from kit.report.hardware import hardware_text
from kit.running import resuming
from kit.runtimes import notes
from kit.store import RunDir


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan, the profile, the baseline and the prompts that it was made from, and where its run goes or lies already.

    `images` are the locks of its environments, and `environments` is the folder that keeps these, where they are not kit's own;
    `original` is what it repeats, if it does.
    """

    plan: Plan
    profile: bytes
    out: Path
    baseline: bytes | None = None
    run: RunDir | None = None
    collected: Collected | None = None
    images: Path | None = None
    environments: Path | None = None
    prompts: Contents = field(default_factory=dict)
    original: Original | None = None


@contextmanager
def begun(prepared: Prepared, collected: Collected, checked: Preflight) -> Iterator[tuple[RunDir, int]]:
    """The run's directory, written by nobody else meanwhile, and the number of this attempt."""
    taken: list[notes.Note] = []

    def note(path: Path) -> None:
        for earlier in taken:
            earlier.drop()
        taken[:] = [notes.take(str(path.absolute()))]

    try:
        directory = prepared.run or RunDir.create(prepared.out, prepared.plan.profile, checked.at, note)
        with held(directory.path) as free:
            if not free:
                raise _busy(directory.path)
            if prepared.run is None:
                _write_new(directory, prepared, collected, checked)
                yield directory, 1
            else:
                note(directory.path)
                yield directory, _write_again(directory, prepared.plan, checked)
    except BaseException:
        # Where it cannot be brought into order now, the next command finds the note.
        with suppress(OSError):
            for earlier in taken:
                resuming.settle(Path(earlier.what))
                earlier.drop()
        raise
    for earlier in taken:
        earlier.drop()


def _busy(path: Path) -> HostError:
    hint = "wait for its end (--wait), or stop it"
    if told := [file for file in path.iterdir() if unfinished(file.name) == HELD]:
        # What it says of another machine nobody can know here.
        hint += f"; where its machine went down, remove {', '.join(map(str, told))}"
    return HostError(f"another kit goes on with {path} already", hint=hint)


def _write_again(directory: RunDir, plan: Plan, checked: Preflight) -> int:
    try:
        resuming.tidy(directory)
        # Somebody may have gone on with it while this kit waited.
        resuming.require_missing(directory, plan)
        resuming.set_failed_aside(directory, plan)
        attempt = resuming.next_attempt(directory)
        directory.write_preflight(checked, attempt)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        msg = f"{error.filename2 or error.filename or directory.path} cannot be written: {error.strerror}"
        raise HostError(msg, hint="make room" if full else "see what lies there, and who may write to it") from error
    return attempt


def _write_new(directory: RunDir, prepared: Prepared, collected: Collected, checked: Preflight) -> None:
    try:
        write_once(directory.path / "profile.yaml", prepared.profile)
        if prepared.baseline is not None:
            write_once(directory.path / store.BASELINE, prepared.baseline)
        for sha256, content in prepared.prompts.items():
            write_once(directory.prompts(sha256), content)
        if prepared.original is not None:
            write_once(directory.path / ORIGINAL, prepared.original.to_json())
        write_inventory(collected, directory.path)
        directory.write_preflight(checked, 1)
        directory.write_status(resuming.begun(directory, prepared.plan, checked.at))
        # Last: a directory without its plan is no run.
        write_once(directory.path / "plan.json", prepared.plan.to_json())
    except OSError as error:
        msg = f"the run directory {directory.path} cannot be written: {error.strerror}"
        raise HostError(msg, hint="make room, or give another directory with --out") from error


def write_inventory(collected: inventories.Collected, out: Path) -> tuple[Path, ...]:
    """inventory.json, the readable text, and the raw outputs under inventory/raw. Raises `OSError`."""
    facts = out / "inventory.json"
    text = out / reports.hardware_file(collected.inventory)
    raws = out / "inventory" / "raw"
    with notes.writing(out, raws):
        write_once(facts, collected.inventory.to_json())
        write_once(text, hardware_text(collected.inventory).encode())
        for key, raw in collected.raw.items():
            write_once(raws / inventories.file_name(key), inventories.written(raw).encode())
    return facts, text
