"""A plan and all that it meets, played: programs are generators, time moves when somebody waits, files are real."""

from collections.abc import Generator
from pathlib import Path

import pytest

from kit import plan as plans
from kit import profile
from kit.errors import IncompleteError, KitError
from kit.events import Event, Seen
from kit.model import Plan, RunStatus
from kit.ports import Doors
from kit.running import runner
from kit.store import RunDir
from tests.fakes import Clock, FakeEndpoint, FakeHost, FakeRuntime, Play, Stage, forever
from tests.unit.evalscope_files import Request, write

KEY = "sk-very-secret-0123456789"
PROFILE = """\
schema: 1
name: tiny
server:
  engine: llamacpp
  image: llamacpp
  make_model: true
  port: 18017
  ready_timeout: 60s
  args: [[--model, "{model}"], [--port, "{port}"], [--served-model-name, toy]]
load:
  transport: evalscope
  rounds: 2
  tokenizer: "{model}"
  cases:
    - {input: 10, output: 3, concurrency: [1, 2]}
"""
EXTERNAL = """\
schema: 1
name: there
server: {engine: endpoint, url: "http://127.0.0.1:8001", model: m, api_key: {env: MY_KEY}}
load:
  transport: evalscope
  rounds: 1
  tokenizer: /models/m
  cases: [{input: 10, output: 3, concurrency: [1, 2]}]
"""
READY_LOG = ("phase: load begin", "phase: load end", "phase: ready")
ROUNDS = ["10-3-c1/round-1", "10-3-c1/round-2", "10-3-c2/round-1", "10-3-c2/round-2"]


def sends(*requests: Request, code: int = 0, line: str = "done", version: str = "1.0.1") -> Play:
    """A load generator that takes a while and leaves a whole result: as many good requests as asked, unless given."""

    def play(stage: Stage) -> Generator[None, None, int]:
        yield
        yield
        asked = int(stage.program.argv[stage.program.argv.index("--number") + 1])
        told = requests or tuple(Request(sent=number / 10, ended=0.5 + number / 10) for number in range(asked))
        write(version, stage.directory, stage.log, told)
        stage.say(line)
        return code

    return play


def raises(error: BaseException) -> Play:
    """A program during which something happens to kit itself."""

    def play(stage: Stage) -> Generator[None, None, int]:
        del stage
        yield
        raise error

    return play


class World:
    """One plan with all that it meets, and what was observed."""

    def __init__(self, folder: Path, text: str = PROFILE, key: str | None = None) -> None:
        self.clock = Clock()
        self.host = FakeHost(clock=self.clock)
        self.runtime = FakeRuntime(self.clock)
        self.endpoint = FakeEndpoint(unhealthy=3)
        self.seen: list[Seen] = []
        self.key = key
        self.folder = folder
        loaded = profile.parse(text, "p.yaml")
        self.plan: Plan = plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime="process",
            pin=self.runtime.pin,
            models=folder / "models",
            version=self.runtime.version,
        )
        self.run = RunDir.create(folder / "runs", self.plan.profile, self.host.now())
        self.runtime.plays_in_turn("server", forever(*READY_LOG))
        self.runtime.plays_in_turn("load", sends())
        self.attempt = 1

    @property
    def doors(self) -> Doors:
        return Doors(self.runtime, self.host, self.endpoint)

    @property
    def events(self) -> list[Event]:
        return [seen.event for seen in self.seen]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def status(self) -> RunStatus:
        return self.run.status()

    @property
    def done(self) -> list[str]:
        return [entry.id for entry in self.plan.rounds if self.run.has(entry)]

    def execute(self) -> RunStatus:
        return runner.execute(
            self.plan, doors=self.doors, run=self.run, key=self.key, observe=self.seen.append, attempt=self.attempt
        )

    def fails(self, kind: type[KitError] = IncompleteError) -> str:
        """Execute, expect an error of this kind and everything stopped, and return the error's text."""
        with pytest.raises(kind) as caught:
            self.execute()
        assert self.runtime.running == []
        return str(caught.value)

    def again(self) -> "World":
        """The same run, resumed."""
        self.attempt += 1
        self.seen.clear()
        return self


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
