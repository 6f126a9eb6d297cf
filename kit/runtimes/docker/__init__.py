"""The docker runtime: programs in containers, on Docker from 18.09 on and on Podman's Docker-compatible socket.

Everything that it makes carries kit's label with the kit that owns it, and is removed when it is no longer needed: on
success, on failure, on Ctrl-C, and after kit was killed by the next `kit clean` or run.
"""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from kit import owners
from kit.model import Environment, Program, Secret
from kit.ports import Exit, OnLine, Progress, Running
from kit.redaction import Redactor
from kit.runtimes import named_platform, notes
from kit.runtimes.docker import lending
from kit.runtimes.docker.container import Container
from kit.runtimes.docker.engine import OWNER, Engine
from kit.runtimes.docker.options import command_line, create_options, require_no_engine
from kit.runtimes.output import Pump, kept

STOP_S = 10


class DockerRuntime:
    """Runs programs in containers made from images `kit/<name>:<version>`."""

    name: Literal["docker"] = "docker"

    def __init__(self, platform: str | None = None) -> None:
        self._platform = platform
        self._engine = Engine()
        self._running: dict[str, str] = {}
        self._mark = owners.fresh()

    def close(self) -> None:
        """Close the connection to the engine."""
        self._engine.close()

    def pin(self, image: str, variant: str | None) -> Environment:
        version, named = named_platform(variant)
        asked = self._platform or named
        words = f"{image}/{version}" if version else image
        words += f" --platform {asked}" if asked is not None else ""
        hint = f"kit image fetch {words} && kit image build {words}; or kit image load FILE with one that was built elsewhere"
        platform = asked or self._engine.platform()
        digest = self._engine.image_id(reference(image, variant, self._platform), platform, hint)
        return Environment(name=image, variant=variant, kind="image", digest=digest)

    def version(self, environment: Environment, package: str) -> str | None:
        return self._engine.label(environment.digest, f"kit.package.{package}")

    def prepare(self, environment: Environment, progress: Progress) -> None:
        del progress
        self._engine.image_id(environment.digest)

    def command(self, program: Program, secret: Secret | None) -> str:
        del secret  # it is in a file that only the container sees
        return shlex.join(command_line(program, self._network(program)))

    @contextmanager
    def start(
        self, program: Program, *, directory: Path, log: Path, secrets: Mapping[str, str], on_line: OnLine
    ) -> Iterator[Running]:
        require_no_engine(program)
        with ExitStack() as stack:
            keeping = stack.enter_context(kept(log))
            network = self._network(program)
            if network is None:
                network = stack.enter_context(self._engine.network(self._label()))
            files = stack.enter_context(_secret_files(program, secrets))
            user = stack.enter_context(lending.lent(program, directory, files))
            options = create_options(program, directory, network, files, self._label(), user)
            container = stack.enter_context(self._engine.container(program, options))
            self._running[program.name] = container.id
            stack.callback(self._running.pop, program.name)
            pump = Pump(container.output(), keeping, Redactor(secrets.values()), on_line)
            stack.callback(pump.join, 5.0)
            stack.callback(container.stop, STOP_S)
            yield _Contained(program.name, container, pump)

    def sweep(self) -> tuple[str, ...]:
        return self._engine.remove_orphans(owners.alive)

    def _label(self) -> dict[str, str]:
        return {OWNER: self._mark}

    def _network(self, program: Program) -> str | None:
        """The network mode of a program, or None where it gets a private network of its own."""
        if program.beside is not None:
            other = self._running.get(program.beside)
            # Sharing the server's network, the load finds it on loopback, as it does without containers.
            return f"container:{other or program.beside}"
        return "host" if program.container.network == "host" else None


def reference(image: str, variant: str | None, platform: str | None) -> str:
    """The tag of kit's image of that name and version; those for another platform than the engine's have a suffix."""
    suffix = f"-{platform.partition('/')[2]}" if platform else ""
    return f"kit/{image}:{variant or 'latest'}{suffix}"


class _Contained:
    def __init__(self, name: str, container: Container, pump: Pump) -> None:
        self._name = name
        self._container = container
        self._pump = pump

    def exited(self) -> Exit | None:
        self._pump.check()
        ended = self._container.exit()
        if ended is not None:
            self._pump.join(2.0)
        return ended

    def wait(self, timeout_s: float) -> Exit | None:
        self._container.wait(timeout_s)
        return self.exited()

    def network(self) -> int | None:
        return self._container.process


@contextmanager
def _secret_files(program: Program, secrets: Mapping[str, str]) -> Iterator[Path | None]:
    """Secrets as files that the container reads: a variable would stand in what `docker inspect` prints."""
    if not program.secrets:
        yield None
        return
    with notes.scratch("secrets") as directory:
        # A folder in it, which may be lent to another user: only what is its own the next command removes after a kill.
        given = Path(directory) / "given"
        given.mkdir(mode=0o700)
        for name in program.secrets:
            path = given / name
            path.touch(mode=0o600)
            path.write_text(secrets[name], "utf-8")
        yield given
