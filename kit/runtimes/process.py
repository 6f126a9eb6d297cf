"""The process runtime: programs as children of kit, each in an isolated environment on this machine."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal

from kit import commands, owners
from kit.errors import EnvironmentUnavailableError, HostError
from kit.model import Environment, Program, Secret
from kit.model.evidence import numbers
from kit.ports import Exit, OnLine, Progress, Running
from kit.redaction import Redactor
from kit.runtimes import environments, marks, sources
from kit.runtimes.output import Pump, kept

GRACE_S = 10.0
_KEPT = ("HOME", "USER", "LANG", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH")


class ProcessRuntime:
    """Runs programs from environments under `cache`, built from the locks in `images`."""

    name: Literal["process"] = "process"

    def __init__(self, images: Path, cache: Path) -> None:
        self._images = images
        self.environments = environments.Environments(images, cache)

    def pin(self, image: str, variant: str | None) -> Environment:
        source = sources.find(self._images, image, variant)
        return Environment(name=image, variant=variant, kind="lock", digest=source.digest())

    def version(self, environment: Environment, package: str) -> str | None:
        return sources.find(self._images, environment.name, environment.variant).version(package)

    def prepare(self, environment: Environment, progress: Progress) -> None:
        self.environments.ensure(environment, progress)

    def command(self, program: Program, secret: Secret | None) -> str:
        cpus = program.container.cpuset
        return commands.shell(program, (*(("taskset", "-c", cpus) if cpus else ()), *self._argv(program)), secret)

    def _argv(self, program: Program) -> tuple[str, ...]:
        executable = self.environments.path(program.environment) / "bin" / program.argv[0]
        return (str(executable), *program.argv[1:])

    @contextmanager
    def start(
        self, program: Program, *, directory: Path, log: Path, secrets: Mapping[str, str], on_line: OnLine
    ) -> Iterator[Running]:
        argv = self._argv(program)
        mark = owners.fresh()
        with kept(log) as keeping, marks.ended(mark):
            try:
                with _pinned(program):
                    process = subprocess.Popen(
                        argv,
                        cwd=directory,
                        env=self._variables(program, secrets, mark),
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
            except OSError as error:
                msg = f"{program.name}: cannot start {argv[0]}: {error.strerror}"
                raise EnvironmentUnavailableError(msg, hint="kit clean --cache, then run again") from error
            pump = Pump(_chunks(process.stdout), keeping, Redactor(secrets.values()), on_line)
            try:
                yield _Child(process, pump)
            finally:
                _stop(process, mark)
                pump.join(5.0)
                if process.stdout:
                    process.stdout.close()

    def sweep(self) -> tuple[str, ...]:
        return marks.sweep()

    def _variables(self, program: Program, secrets: Mapping[str, str], mark: str) -> dict[str, str]:
        binaries = self.environments.path(program.environment) / "bin"
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {
            **kept,
            "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            # Without this, programs that change their title overwrite the mark.
            "SPT_NOENV": "1",
            **dict(program.env),
            **{name: secrets[name] for name in program.secrets},
            marks.MARK: mark,
        }


class _Child:
    def __init__(self, process: "subprocess.Popen[bytes]", pump: Pump) -> None:
        self._process = process
        self._pump = pump

    def exited(self) -> Exit | None:
        self._pump.check()
        code = self._process.poll()
        if code is None:
            return None
        self._pump.join(2.0)
        return Exit(code)

    def wait(self, timeout_s: float) -> Exit | None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return self.exited()

    def network(self) -> int | None:
        return None


@contextmanager
def _pinned(program: Program) -> Iterator[None]:
    """A child keeps to the CPUs of the thread that starts it: pinned from its first instruction on, with all its threads."""
    cpus = program.container.cpuset
    if cpus is None:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, numbers(cpus))
    except OSError as error:
        hint = "name CPUs that lscpu shows as online in server.container.cpuset and load.cpuset"
        raise HostError(f"{program.name}: CPUs {cpus} cannot be used: {error.strerror}", hint=hint) from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _chunks(source: IO[bytes] | None) -> Iterator[bytes]:
    if source is None:
        return
    descriptor = source.fileno()
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except (OSError, ValueError):
            return
        if not chunk:
            return
        yield chunk


def _stop(process: "subprocess.Popen[bytes]", mark: str) -> None:
    """Ask the program to end, then end it, all that carries its mark, and their children."""
    # Now: once their parents have ended, nothing tells whose children those without a mark were.
    family = marks.identified(marks.carrying(mark))
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    marks.end_all({**family, **marks.identified(marks.carrying(mark))})
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
