"""The run directory: files written whole and once, a journal that only grows, and the status that closes a run."""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from kit import beside, bounded
from kit.durable import make_directory, sync, sync_tree
from kit.durable import replace as replace
from kit.durable import write_once as write_once
from kit.engines import ENGINES
from kit.errors import HostError, IncompleteError, UsageError
from kit.loadgens import GENERATORS
from kit.model import (
    CardTick,
    HostTick,
    Inventory,
    Plan,
    Preflight,
    Record,
    Restart,
    RoundPlan,
    RoundResult,
    RunStatus,
    Sample,
    ServerStart,
)
from kit.model.calibration import Calibration
from kit.model.reproduction import ORIGINAL, REPRODUCTION, Original, Reproduction

R = TypeVar("R", bound=Record)

BASELINE = "baseline.csv"
PROMPTS = "prompts"
MOST_BYTES = 64 * 1024**2
"""Of a record or a text of a run."""
MOST_LINES_BYTES = 2 * 1024**3
"""Of the samples or the telemetry of a round."""
RUN_NAME = re.compile(r"[0-9]{8}-[0-9]{6}-[a-z0-9][a-z0-9._-]*")


class RunDir:
    """One run on disk, in the layout that DESIGN calls the run directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        return self.path.name

    @classmethod
    def create(
        cls, parent: Path, profile: str, started: datetime, note: Callable[[Path], object] = lambda _: None
    ) -> "RunDir":
        """A new directory `<time>-<profile>`; a run of the same second gets the next one.

        `note` is told each path before it is tried.
        """
        try:
            make_directory(parent)
            for attempt in range(1, 100):
                suffix = "" if attempt == 1 else f"-{attempt}"
                path = parent / f"{started.astimezone():%Y%m%d-%H%M%S}-{profile}{suffix}"
                note(path)
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                sync(parent)
                return cls(path)
        except OSError as error:
            msg = f"cannot write runs to {parent}: {error.strerror}"
            raise HostError(msg, hint="give a writable directory with --out") from error
        raise HostError(f"{parent} already holds 99 runs of this second")

    @classmethod
    def open(cls, path: Path) -> "RunDir":
        if not os.path.isfile(path / "plan.json"):
            msg = f"{path} is not a run directory: it has no plan.json"
            raise UsageError(msg, hint="kit runs lists the runs")
        return cls(path)

    # --- records -------------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        found = self._load("plan.json", Plan)
        if unknown := {found.engine} - {*ENGINES} | {found.generator} - {*GENERATORS}:
            raise UsageError(f"{self.path / 'plan.json'} names {', '.join(sorted(unknown))}, unknown to this kit")
        return found

    def inventory(self) -> Inventory:
        return self._load("inventory.json", Inventory)

    def status(self) -> RunStatus:
        return self._load("run.json", RunStatus)

    def first_started(self) -> datetime | None:
        """When the first attempt began, or None before it did."""
        return self.status().started if (self.path / "run.json").is_file() else None

    def server_starts(self) -> tuple[ServerStart, ...]:
        """How the server came up, once per attempt."""
        paths = sorted(self.path.glob("server*/phases.json"), key=lambda path: (len(path.parent.name), path))
        return tuple(self._load(str(path.relative_to(self.path)), ServerStart) for path in paths)

    def preflights(self) -> tuple[Preflight, ...]:
        """The checks before each attempt."""
        paths = sorted(self.path.glob("preflight*.json"), key=lambda path: (len(path.name), path.name))
        return tuple(self._load(path.name, Preflight) for path in paths)

    def preflight_file(self, attempt: int) -> Path:
        return self.path / ("preflight.json" if attempt == 1 else f"preflight-{attempt}.json")

    def write_preflight(self, preflight: Preflight, attempt: int) -> None:
        write_once(self.preflight_file(attempt), preflight.to_json())

    def server_home(self, attempt: int, *, restarted: bool = False) -> Path:
        """Where the server's command, log and phases of an attempt lie."""
        name = "server" if attempt == 1 else f"server-{attempt}"
        return self.path / (f"{name}-restart" if restarted else name)

    def server_homes(self) -> tuple[str, ...]:
        """Where servers were started, in their order."""
        found = [path.parent.name for path in self.path.glob("server*/argv.txt")]
        return tuple(sorted(found, key=lambda name: (len(name.removesuffix("-restart")), name)))

    def write_restart(self, attempt: int, restart: Restart) -> None:
        write_once(self.server_home(attempt, restarted=True) / "restart.json", restart.to_json())

    def restarts(self) -> tuple[Restart, ...]:
        """The servers that had to be started again."""
        paths = sorted(self.path.glob("server*/restart.json"))
        return tuple(self._load(str(path.relative_to(self.path)), Restart) for path in paths)

    def reproduction(self) -> Reproduction | None:
        """What came of holding this run against the one that it repeats; None where it repeats none."""
        return self._load(REPRODUCTION, Reproduction) if (self.path / REPRODUCTION).is_file() else None

    def original(self) -> Original | None:
        """The run that this one repeats, as far as holding it against that takes; None where it repeats none."""
        return self._load(ORIGINAL, Original) if (self.path / ORIGINAL).is_file() else None

    def round_directory(self, entry: RoundPlan) -> Path:
        return self.path / "cases" / entry.id

    def has(self, entry: RoundPlan) -> bool:
        """A round exists when its result does."""
        return (self.round_directory(entry) / "result.json").is_file()

    def results(self, plan: Plan) -> tuple[RoundResult, ...]:
        """The finished rounds in the order of the plan."""
        return tuple(self._result(entry) for entry in plan.rounds if self.has(entry))

    def _result(self, entry: RoundPlan) -> RoundResult:
        name = f"cases/{entry.id}/result.json"
        found = self._load(name, RoundResult)
        if (found.case, found.round) != (entry.case, entry.round):
            msg = f"{self.path / name} is of another round than the plan's: {found.case.id}, round {found.round}"
            raise UsageError(msg, hint="restore the file from a copy of the run")
        return found

    def samples(self, entry: RoundPlan) -> tuple[Sample, ...]:
        name = f"cases/{entry.id}/samples.jsonl"
        # Not splitlines: a text inside a sample may hold a line separator of its own.
        return tuple(self._parse(name, line, Sample) for line in self.text(name, MOST_LINES_BYTES).split("\n") if line)

    def ticks(self, entry: RoundPlan) -> tuple[CardTick | HostTick, ...]:
        """The telemetry of a round; none where nothing was read."""
        name = f"cases/{entry.id}/telemetry.jsonl"
        if not (self.path / name).is_file():
            return ()
        lines = [line for line in self.text(name, MOST_LINES_BYTES).split("\n") if line]
        return tuple(
            self._parse(name, line, CardTick)
            if line.startswith('{"kind":"cards"')
            else self._parse(name, line, HostTick)
            for line in lines
        )

    def write_calibration(self, found: Calibration) -> None:
        write_once(self.path / "calibration.json", found.to_json())

    def calibration(self) -> Calibration | None:
        """The instrument's own error; None where it was not looked for."""
        return self._load("calibration.json", Calibration) if (self.path / "calibration.json").is_file() else None

    def baseline(self) -> bytes | None:
        """The baseline that the run's profile names, or None."""
        path = self.path / BASELINE
        return self._content(BASELINE, beside.BASELINE_BYTES) if path.is_file() else None

    def prompts(self, sha256: str) -> Path:
        """Where the run keeps the file of prompts with this digest."""
        return self.path / PROMPTS / f"{sha256}.jsonl"

    def text(self, name: str, most: int = MOST_BYTES) -> str:
        """A text file of the run, without its last newline."""
        try:
            return self._content(name, most).decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError as error:
            msg = f"{self.path / name} is not what kit wrote: byte {error.start} is no UTF-8"
            raise UsageError(msg, hint="restore the file from a copy of the run") from error

    def write_status(self, status: RunStatus) -> None:
        replace(self.path / "run.json", status.to_json())

    def write_round(
        self, entry: RoundPlan, result: RoundResult, samples: Iterable[Sample], ticks: Iterable[Record] = ()
    ) -> None:
        """Commit a round: its samples first, its result last, so that a result never stands without them."""
        directory = self.round_directory(entry)
        lines = b"".join(sample.model_dump_json().encode() + b"\n" for sample in samples)
        write_once(directory / "command.txt", (result.command + "\n").encode())
        write_once(directory / "samples.jsonl", lines)
        readings = b"".join(tick.model_dump_json().encode() + b"\n" for tick in ticks)
        if readings:
            write_once(directory / "telemetry.jsonl", readings)
        # What the load generator wrote must outlive a loss of power as well, or the figures could not be checked.
        sync_tree(directory)
        write_once(directory / "result.json", result.to_json())

    def set_aside(self, entry: RoundPlan) -> None:
        """Move what a cut-short round left out of the way, so that the round starts on clean ground."""
        directory = self.round_directory(entry)
        if not os.path.lexists(directory):
            return
        for number in range(1, 1000):
            target = self.path / "abandoned" / f"{entry.id.replace('/', '-')}-{number}"
            if not os.path.lexists(target):
                target.parent.mkdir(exist_ok=True)
                directory.rename(target)
                return
        raise IncompleteError(f"{directory} was abandoned 999 times")

    # --- journal -------------------------------------------------------------------------------------------------

    def journal(self, entry: Record) -> None:
        """Append one whole line and make it durable; on a full disk the journal stays as it was (`OSError`)."""
        line = entry.model_dump_json(exclude_none=True).encode() + b"\n"
        path = self.path / "journal.jsonl"
        with open(path, "ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise

    def _load(self, name: str, record: type[R]) -> R:
        return self._parse(name, self._content(name), record)

    def _content(self, name: str, most: int = MOST_BYTES) -> bytes:
        try:
            return bounded.read(self.path / name, most)
        except OSError as error:
            msg = f"{self.path / name} cannot be read: {error.strerror}"
            raise UsageError(msg, hint="the run directory is not whole, or not as kit wrote it") from error

    def _parse(self, name: str, content: bytes | str, record: type[R]) -> R:
        try:
            return record.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            msg = f"{self.path / name} is not what kit wrote: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise UsageError(msg, hint="restore the file from a copy of the run") from error


def runs(parent: Path) -> Iterator[RunDir]:
    """The runs below a directory, newest first."""
    there = parent.iterdir() if parent.is_dir() else ()
    for path in sorted(there, key=lambda path: path.name, reverse=True):
        if RUN_NAME.fullmatch(path.name) and (path / "plan.json").is_file():
            yield RunDir(path)


def find(reference: str, parent: Path) -> RunDir:
    """A run by its path, its name, a unique part of its name, or `latest`."""
    path = Path(reference)
    # os.path: a reference too long for a file name is no file, where Path raises.
    if "/" in reference or any(os.path.isfile(path / name) for name in ("plan.json", "run.json")):
        return RunDir.open(path)
    known = list(runs(parent))
    if reference == "latest" and known:
        return known[0]
    found = [run for run in known if run.name == reference] or [run for run in known if reference in run.name]
    if len(found) == 1:
        return found[0]
    if names := ", ".join(run.name for run in found[:5]):
        raise UsageError(f"{len(found)} runs in {parent} match {reference!r}: {names}", hint="give a longer part")
    raise UsageError(f"no run {reference!r} in {parent}", hint="kit runs lists the runs")
