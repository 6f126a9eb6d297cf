"""Fakes of the doors: a machine of recorded outputs, a runtime that plays its programs, an endpoint that says what it is told.

They share one clock, which moves only when somebody waits. No test sleeps.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from kit import commands
from kit.errors import EnvironmentUnavailableError, UsageError
from kit.model import Environment, Program, Secret, Target
from kit.ports import EndpointError, Exit, OnLine, Output, Progress, Running, ToolMissing, ToolTimeout
from kit.redaction import Redactor

BEGIN = datetime(2026, 11, 23, 13, 5, 7, tzinfo=UTC)


@dataclass
class Clock:
    """Seconds since the fake world began."""

    passed_s: float = 0.0

    def advance(self, seconds: float) -> None:
        self.passed_s += seconds
        # Nobody waits that long in these tests: whoever does waits for something that never comes.
        assert self.passed_s < 10_000, "a wait without an end"


class FakeHost:
    """A folder of recorded outputs: `<tool>.txt` for a command, `files/<path with _>` for a file."""

    def __init__(self, recorded: Path | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.hanging: set[str] = set()
        self.failing: dict[str, Output] = {}
        self.taken_ports: set[int] = set()
        self.absent: set[str] = set()
        self.texts: dict[str, str] = {}
        self.held_by: str | None = None
        self.bytes_seen: Callable[[], int | None] = lambda: None
        self._recorded = recorded

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Output:
        if argv[0] in self.hanging:
            raise ToolTimeout(f"{argv[0]} gave no answer in {timeout_s:g} s")
        if argv[0] in self.failing:
            return self.failing[argv[0]]
        path = self._recorded / f"{argv[0]}.txt" if self._recorded is not None else None
        if path is None or not path.is_file():
            raise ToolMissing(f"{argv[0]}: No such file or directory")
        return Output(tuple(argv), 0, path.read_text("utf-8"), "")

    def read(self, path: str) -> str:
        if path in self.texts:
            return self.texts[path]
        if self._recorded is None:
            raise FileNotFoundError(2, "No such file or directory", path)
        return (self._recorded / "files" / path.strip("/").replace("/", "_")).read_text("utf-8")

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.clock.passed_s)

    def monotonic(self) -> float:
        return 1000.0 + self.clock.passed_s

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def port_is_free(self, port: int) -> bool:
        return port not in self.taken_ports

    def exists(self, path: str) -> bool:
        return path not in self.absent

    def connections(self, port: int, process: int | None) -> "FakeConnections":
        del port, process
        return FakeConnections(self.bytes_seen)

    def names(self, directory: str) -> tuple[str, ...]:
        inside = (path.removeprefix(f"{directory}/") for path in self.texts if path.startswith(f"{directory}/"))
        return tuple(dict.fromkeys(path.split("/")[0] for path in inside))

    @contextmanager
    def hold(self) -> Iterator[str | None]:
        yield self.held_by


@dataclass
class FakeConnections:
    """One connection over which so many bytes came; None: the kernel does not tell."""

    received: Callable[[], int | None]

    def seen(self) -> frozenset[tuple[int, int, int, int]] | None:
        came = self.received()
        return None if came is None else frozenset({(1, 2, 3, came)})

    def close(self) -> None:
        pass


@dataclass
class Stage:
    """What a played program sees: its order, where it is, and how to write a line."""

    program: Program
    directory: Path
    log: Path
    secrets: Mapping[str, str]
    on_line: OnLine
    clock: Clock

    def say(self, line: str) -> None:
        struck = Redactor(self.secrets.values()).text(line)
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(struck + "\n")
        self.on_line(struck)


Play = Callable[[Stage], Generator[None, None, int]]
"""A program as a generator: each `yield` is a moment in which it still runs, what it returns is its exit code."""


def forever(*lines: str) -> Play:
    """A program that says its lines and then runs until it is stopped."""

    def play(stage: Stage) -> Generator[None, None, int]:
        for line in lines:
            stage.say(line)
            yield
        while True:
            yield

    return play


def ends(code: int, *lines: str) -> Play:
    """A program that says its lines and ends."""

    def play(stage: Stage) -> Generator[None, None, int]:
        for line in lines:
            stage.say(line)
            yield
        return code

    return play


class _Played:
    def __init__(self, stage: Stage, play: Play) -> None:
        self._steps = play(stage)
        self._clock = stage.clock
        self.stage = stage
        self.end: Exit | None = None

    def exited(self) -> Exit | None:
        if self.end is None:
            try:
                next(self._steps)
            except StopIteration as ended:
                code: int = ended.value
                self.end = Exit(code)
        return self.end

    def wait(self, timeout_s: float) -> Exit | None:
        if self.exited() is None:
            self._clock.advance(timeout_s)
        return self.end

    def network(self) -> int | None:
        return None


class FakeRuntime:
    """Plays programs by their names, and remembers what was started and what still runs."""

    name: Literal["process", "docker"] = "process"

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.plays: dict[str, list[Play]] = {}
        self.started: list[Program] = []
        self.running: list[Program] = []
        self.prepared: list[Environment] = []
        self.unavailable: set[str] = set()

    def plays_in_turn(self, name: str, *plays: Play) -> None:
        """What the programs of this name do, one after the other; the last goes on for all that follow."""
        self.plays[name] = list(plays)

    def pin(self, image: str, variant: str | None) -> Environment:
        if image in self.unavailable:
            raise UsageError(f"there is no environment {image}")
        return Environment(
            name=image, variant=variant, kind="lock", digest=f"sha256:lock-of-{image}-{variant or 'only'}"
        )

    def version(self, environment: Environment, package: str) -> str | None:
        del environment
        return "1.2.3" if package == "xllamacpp" else None

    def prepare(self, environment: Environment, progress: Progress) -> None:
        if environment.name in self.unavailable:
            raise EnvironmentUnavailableError(f"{environment.title} cannot be fetched")
        progress(f"{environment.title}: there")
        self.prepared.append(environment)

    def command(self, program: Program, secret: Secret | None) -> str:
        executable = f"/env/{program.environment.name}/bin/{program.argv[0]}"
        return commands.shell(program, (executable, *program.argv[1:]), secret)

    @contextmanager
    def start(
        self, program: Program, *, directory: Path, log: Path, secrets: Mapping[str, str], on_line: OnLine
    ) -> Iterator[Running]:
        waiting = self.plays[program.name]
        play = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        directory.mkdir(parents=True, exist_ok=True)
        self.started.append(program)
        self.running.append(program)
        try:
            yield _Played(Stage(program, directory, log, secrets, on_line, self.clock), play)
        finally:
            self.running.remove(program)

    def sweep(self) -> tuple[str, ...]:
        return ()


@dataclass
class FakeEndpoint:
    """Healthy after `unhealthy` questions; refuses with each of `refusals` in turn before it serves. What is read of it are
    `pages`, one after the other, the last for ever; a 404 without any."""

    unhealthy: int = 0
    refusals: list[EndpointError] = field(default_factory=list)
    always: EndpointError | None = None
    posts: list[str] = field(default_factory=list)
    refuses_posts: EndpointError | None = None
    pages: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)

    def healthy(self, target: Target, path: str) -> bool:
        del path
        self.targets.append(target)
        self.unhealthy -= 1
        return self.unhealthy < 0

    def complete(self, target: Target, key: str | None, *, timeout_s: float) -> str:
        del timeout_s
        self.targets.append(target)
        self.keys.append(key)
        if self.always is not None:
            raise self.always
        if self.refusals:
            raise self.refusals.pop(0)
        return "yes"

    def post(self, target: Target, path: str) -> None:
        self.targets.append(target)
        self.posts.append(path)
        if self.refuses_posts is not None:
            raise self.refuses_posts

    def get(self, target: Target, path: str, *, most_bytes: int) -> str:
        self.targets.append(target)
        if not self.pages:
            raise EndpointError(f"{target.url}{path} answered HTTP 404")
        page = self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]
        assert len(page) <= most_bytes
        return page
