"""A bench for faults: kit as it is, with a tiny engine and a tiny load generator in the place of the real environments."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kit import inventory, owners
from kit import profile as profiles
from kit.errors import KitError
from kit.events import Event, Seen
from kit.host import LocalHost
from kit.inventory import Collected
from kit.model import RoundResult, Sample
from kit.model.report import Report
from kit.resources import folder
from kit.running import leftovers
from kit.running.beginning import Prepared
from kit.runtimes import environments
from kit.runtimes.process import ProcessRuntime
from kit.store import RunDir
from kit.workflows import running
from kit.workflows.running import Finished
from tests.integration.driver import free_port

ROOT = Path(__file__).resolve().parents[2]
PROFILE = """\
schema: 1
name: stub
server:
  engine: llamacpp
  image: llamacpp
  make_model: true
  port: {port}
  model: {model}
  ready_timeout: 20s
  stall_limit: {stall}s
  restart: {restart}
  args: [[--model, "{{model}}"], [--port, "{{port}}"]]
load:
  rounds: {rounds}
  tokenizer: "{{model}}"
  read_timeout: 60s
  transport: evalscope
  cases: [{{input: 10, output: 8, concurrency: [1]}}]
"""


def _script(home: Path, kind: str) -> str:
    if kind == "make-model":
        names = ("config.json", "tokenizer.json", "tokenizer_config.json")
        files = "\n".join(f"echo '{{}}' > \"$1/{name}\"" for name in names)
        return f'#!/bin/sh\nmkdir -p "$1"\n{files}\n'
    # -S: nothing but the standard library, which starts in no time.
    python = f"{sys.executable} -S -m tests.faults.stub_programs"
    return f'#!/bin/sh\nexport PYTHONPATH={ROOT}\nexec {python} {home} {kind} "$@"\n'


def light(directory: RunDir) -> Report:
    """The report without the formats that take long to write."""
    built, _ = running.write_report(directory, ("md",))
    return built


@dataclass
class Bench:
    """A home with a cache of stub environments; `variables` are what kit is to see."""

    home: Path
    seen: list[Seen] = field(default_factory=list)
    collected: Collected | None = None

    def __post_init__(self) -> None:
        self.faults({})
        runtime = ProcessRuntime(folder("images"), self.cache)
        for image, variant, programs in (
            ("llamacpp", None, {"llamacpp-serve": "server", "llamacpp-make-model": "make-model"}),
            ("evalscope", "1.0.1", {"evalscope": "load"}),
        ):
            path = runtime.environments.path(runtime.pin(image, variant))
            (path / "bin").mkdir(parents=True, exist_ok=True)
            for name, kind in programs.items():
                script = path / "bin" / name
                script.write_text(_script(self.home, kind))
                script.chmod(0o755)
            environments._seal(path)

    @property
    def cache(self) -> Path:
        return self.home / "cache"

    @property
    def out(self) -> Path:
        return self.home / "runs"

    @property
    def runs(self) -> list[RunDir]:
        return [RunDir(path) for path in sorted(self.out.glob("*")) if not path.name.startswith(".")]

    @property
    def the_run(self) -> RunDir:
        (only,) = self.runs
        return only

    @property
    def events(self) -> list[Event]:
        return [seen.event for seen in self.seen]

    def variables(self) -> dict[str, str]:
        scratch = self.home / "tmp"
        scratch.mkdir(exist_ok=True)
        return {"KIT_CACHE": str(self.cache), "KIT_LOCK": f"kit-faults-{self.home}", "TMPDIR": str(scratch)}

    def faults(self, wanted: dict[str, dict[str, str]]) -> None:
        """What the n-th start of each program does wrong."""
        (self.home / "faults.json").write_text(json.dumps(wanted))

    def plan(
        self,
        *,
        rounds: int = 2,
        model: str = "good",
        stall: float = 30,
        restart: str = "never",
        out: Path | None = None,
        profile: str = PROFILE,
    ) -> Prepared:
        text = profile.format(port=free_port(), model=model, rounds=rounds, stall=stall, restart=restart)
        prepared = running.planned(profiles.parse(text, "stub.yaml"), "process", out or self.out)
        return Prepared(
            prepared.plan, prepared.profile, prepared.out, None, None, self.collected or inventory.collect(LocalHost())
        )

    def run(self, prepared: Prepared, write: Callable[[RunDir], Report] = light) -> Finished:
        # As the command does it: first what others left.
        leftovers.sweep()
        return running.run(prepared, self.seen.append, write=write)

    def resume(self, *, force: bool = False) -> Finished:
        leftovers.sweep()
        return running.run(running.resume("latest", self.out), self.seen.append, write=light, force=force)

    def fails(self, prepared: Prepared) -> str:
        """Run, expect an error of kit's own, and return it as the user reads it."""
        try:
            self.run(prepared)
        except KitError as error:
            return str(error)
        raise AssertionError("the run went through")


def finished(run: RunDir) -> list[str]:
    """The rounds that have a result, each of which must be whole and hold requests that succeeded."""
    found = []
    for path in sorted(run.path.glob("cases/*/*/result.json")):
        result = RoundResult.model_validate_json(path.read_bytes())
        lines = (path.parent / "samples.jsonl").read_text("utf-8").splitlines()
        samples = [Sample.model_validate_json(line) for line in lines]
        assert len(samples) == result.figures.requests
        assert (path.parent / "command.txt").read_text("utf-8").strip() == result.command
        assert (path.parent / "stdout.log").is_file()
        assert len(list((path.parent / "raw").rglob("benchmark_data.db"))) == 1
        found.append(f"{result.case.id}/round-{result.round}")
    return found


def nothing_left(bench: Bench) -> list[str]:
    """What a fault must not leave once the next command has run."""
    left = [f"unfinished file {path}" for path in bench.home.rglob(".*.part")]
    left += [f"temporary folder {path}" for path in (bench.home / "tmp").glob("kit-*")]
    folder_of_notes = bench.cache / "notes"
    left += [f"note {path}" for path in folder_of_notes.glob("*")] if folder_of_notes.is_dir() else []
    left += [f"process {pid}" for pid in processes(bench.home)]
    for run in bench.runs:
        if not (run.path / "plan.json").is_file():
            left.append(f"{run.path} is no run")
            continue
        for line in (
            (run.path / "journal.jsonl").read_bytes().splitlines() if (run.path / "journal.jsonl").is_file() else ()
        ):
            json.loads(line)
    return left


def processes(home: Path) -> list[int]:
    """The programs of a bench that run: each has its home in its command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            state = (path.parent / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(home).encode() in words and b"tests.faults.stub_programs" in words and state not in "ZX":
            found.append(int(path.parent.name))
    return found


def next_command(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """What every command does first, and what it tells. The next one is another process: for it, this one has ended."""
    own, alive = owners.identity(os.getpid()), owners.alive
    with monkeypatch.context() as patched:
        patched.setattr(owners, "alive", lambda mark: not mark.startswith(f"{own}.") and alive(mark))
        return leftovers.sweep()
