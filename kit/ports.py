"""The doors as Protocols: everything that kit asks of the world outside, in kit's own types."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Literal, Protocol

from kit.model import Environment, Program, Secret, Target

Progress = Callable[[str], None]
"""Told one short line whenever a long step gets on."""

OnLine = Callable[[str], None]
"""Told each line of a program's output, secrets already struck out."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a finished command printed, and how it ended."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str


class Host(Protocol):
    """This machine: short commands, files that tell about it, and the clocks."""

    def run(self, argv: Sequence[str], *, timeout_s: float) -> Output:
        """Run a command to its end. Raises `ToolMissing` or `ToolTimeout`, never for its exit code."""

    def read(self, path: str) -> str:
        """The text of a file such as `/proc/meminfo`. Raises `OSError`."""

    def now(self) -> datetime:
        """Wall-clock time, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that only goes forward."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def port_is_free(self, port: int) -> bool:
        """Whether a server could listen on 127.0.0.1 at `port` now."""

    def exists(self, path: str) -> bool:
        """Whether there is a file, directory or device of that name."""

    def names(self, directory: str) -> tuple[str, ...]:
        """What a directory such as `/proc` holds; nothing where it cannot be read."""

    def connections(self, port: int, process: int | None) -> "Connections":
        """The connections with a port, in the network of a process, or in this one's where None is given."""

    def hold(self) -> AbstractContextManager[str | None]:
        """Be the one run of this machine while the context lasts. Gives None, or says who already is."""


class Connections(Protocol):
    """Connections as the kernel counts them."""

    def seen(self) -> frozenset[tuple[int, int, int, int]] | None:
        """All of them with the bytes that came from the port so far; None where that cannot be told."""

    def close(self) -> None:
        """Look no more."""


class ToolMissing(Exception):  # noqa: N818  (a finding, not a fault: the inventory turns it into a reason)
    """The command does not exist here."""


class ToolTimeout(Exception):  # noqa: N818
    """The command did not end in its time."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How a program ended: its exit code (negative: the signal that ended it), and whether memory ran out."""

    code: int
    out_of_memory: bool = False

    def __str__(self) -> str:
        if self.out_of_memory:
            return "ended by the kernel: out of memory"
        return f"ended by signal {-self.code}" if self.code < 0 else f"exit code {self.code}"


class Running(Protocol):
    """A program that was started and has not been reaped yet."""

    def exited(self) -> Exit | None:
        """How it ended, or None while it runs."""

    def wait(self, timeout_s: float) -> Exit | None:
        """Wait for its end, at most `timeout_s`."""

    def network(self) -> int | None:
        """A process that has the program's network; None where that is this process's own."""


class Runtime(Protocol):
    """How programs are started: containers, or isolated environments on this machine."""

    @property
    def name(self) -> Literal["process", "docker"]:
        """Its name, as in `--runtime`."""

    def pin(self, image: str, variant: str | None) -> Environment:
        """The environment as it would be used now. Raises `UsageError` where there is none of that name."""

    def version(self, environment: Environment, package: str) -> str | None:
        """The version of a package in an environment, where that is known without starting anything."""

    def prepare(self, environment: Environment, progress: Progress) -> None:
        """Make sure that the environment is there. Raises `EnvironmentUnavailableError`."""

    def command(self, program: Program, secret: Secret | None) -> str:
        """The command as a person could type it into a shell; a secret as where it comes from."""

    def start(
        self, program: Program, *, directory: Path, log: Path, secrets: Mapping[str, str], on_line: OnLine
    ) -> AbstractContextManager[Running]:
        """Start in `directory`, output appended to `log`; leaving the context stops it and all it started."""

    def sweep(self) -> tuple[str, ...]:
        """Stop what an earlier kit left behind when it was killed; one line for each."""


class Endpoint(Protocol):
    """An OpenAI-compatible HTTP server, seen from kit itself (not from the load generator)."""

    def healthy(self, target: Target, path: str) -> bool:
        """Whether `path` answers 200 now."""

    def complete(self, target: Target, key: str | None, *, timeout_s: float) -> str:
        """One short completion. Returns its text, or raises `EndpointError` saying what came instead."""

    def post(self, target: Target, path: str) -> None:
        """Ask the server to do what `path` stands for. Raises `EndpointError` where it does not answer 200."""

    def get(self, target: Target, path: str, *, most_bytes: int) -> str:
        """What the server says at `path`. Raises `EndpointError` where it does not answer 200, or says more than that."""


class EndpointError(Exception):
    """The endpoint answered something else than a completion."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Doors:
    """Everything through which a run acts."""

    runtime: Runtime
    host: Host
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that an engine has; `placed` is when it came there, where the engine knows."""

    id: str
    platform: str
    size_bytes: int
    placed: datetime | None
    labels: Mapping[str, str]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """What an engine is asked to build: a tar file with the Dockerfile and all it copies; there is no network."""

    context: Path
    tag: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    limits: Mapping[str, str]


class ImageStore(Protocol):
    """The images of an engine. Raises `HostError` where the engine refuses or does not answer."""

    def platform(self) -> str:
        """The platform that this engine runs without emulation, such as `linux/arm64`."""

    def find(self, reference: str) -> StoredImage | None:
        """The image with that tag or id."""

    def labelled(self, label: str) -> tuple[StoredImage, ...]:
        """All images with a label."""

    def tag(self, identity: str, tag: str) -> None:
        """Give an image a further name; an image that had it before loses it."""

    def untag(self, tag: str) -> None:
        """Take a name away, and the image with it where that was its last."""

    def build(self, order: BuildOrder, progress: Progress) -> str:
        """Build, and return the id. Raises `EnvironmentUnavailableError` with the end of what the build printed."""

    def load(self, name: str, content: Iterable[bytes]) -> None:
        """Take in the images of an archive, piece by piece; `name` is what errors call it."""

    def pull(self, reference: str, platform: str, progress: Progress) -> None:
        """Fetch a published image from its registry."""

    def files(self, identity: str) -> AbstractContextManager[IO[bytes]]:
        """The final file system of an image, as a tar stream."""

    def archive(self, reference: str) -> AbstractContextManager[IO[bytes]]:
        """An image as the engine saves it, as a tar stream."""
