"""Isolated Python environments, made from the locks in `images/` in two steps: fetch (network), build (none).

An environment is kept under the cache by what it is made of. It is whole when its seal is there and still true.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from kit.errors import EnvironmentUnavailableError
from kit.model import Environment
from kit.ports import Progress
from kit.redaction import plain
from kit.runtimes.sources import Source, find, requirements

SEAL = "kit-seal.json"
# Without a compiler a package that has an optional extension becomes the same pure-Python wheel everywhere.
_BUILD = MappingProxyType({"CC": "false", "CXX": "false", "SOURCE_DATE_EPOCH": "315532800"})


class Environments:
    """The environments of this machine, below one cache directory."""

    def __init__(self, images: Path, cache: Path) -> None:
        self._images = images
        self._root = cache / "environments"
        self._wheels = cache / "wheels"

    def path(self, environment: Environment) -> Path:
        return self._root / _key(environment)

    def ensure(self, environment: Environment, progress: Progress) -> Path:
        """The directory of a whole environment; builds or rebuilds it where needed. Safe when two processes ask at once."""
        path = self.path(environment)
        if _sealed(path):
            return path
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with _exclusively(path.with_name(f"{path.name}.lock"), environment, progress):
                if not _sealed(path):
                    self._make(environment, path, progress)
        except OSError as error:
            where = error.filename or self._root
            msg = f"cannot write the environment {environment.title} ({where}): {error.strerror}"
            raise EnvironmentUnavailableError(msg, hint="make room, or set KIT_CACHE to another directory") from error
        return path

    def _make(self, environment: Environment, path: Path, progress: Progress) -> None:
        source = find(self._images, environment.name, environment.variant)
        if source.digest() != environment.digest:
            msg = f"images/{environment.name} has changed since the plan was made"
            raise EnvironmentUnavailableError(msg, hint="start the run again")
        if path.exists():
            progress(f"{environment.title}: the environment in the cache is damaged or unfinished, rebuilding it")
            shutil.rmtree(path)
        wheels = self.fetch(environment, progress)
        progress(f"{environment.title}: building the environment")
        venv.EnvBuilder(with_pip=False, symlinks=True).create(path)
        python = path / "bin" / "python"
        for lock in source.locks:
            self._pip(
                environment,
                [
                    "--python",
                    str(python),
                    "install",
                    "--no-index",
                    "--no-deps",
                    "--no-compile",
                    "--find-links",
                    str(wheels),
                    *_hashed(source, lock),
                ],
                lambda _: None,
            )
        _install_programs(source, path)
        _seal(path)

    def fetch(self, environment: Environment, progress: Progress, out: Path | None = None) -> Path:
        """A folder with every wheel of the lock for this machine, each checked against its hash; in the cache unless given."""
        source = find(self._images, environment.name, environment.variant)
        wheels = out or self._wheels / _key(environment)
        if out is None and _sealed(wheels):
            return wheels
        wheels.mkdir(parents=True, exist_ok=True)
        brought = os.environ.get("KIT_WHEELS")
        links = ["--find-links", str(wheels), *(["--no-index", "--find-links", brought] if brought else [])]
        total = sum(len(requirements(lock)) for lock in source.locks)
        progress(f"{environment.title}: fetching {total} packages")
        count = 0

        def on_line(line: str) -> None:
            nonlocal count
            if line.startswith("Collecting "):
                count += 1
                progress(f"{environment.title}: fetching {count}/{total} {line.split()[1].split('==')[0]}")

        locked = ["--no-deps", "--require-hashes", *links, "--requirement"]
        wanted = ["download", "--only-binary", ":all:", "--dest", str(wheels), *locked, str(source.lock)]
        self._pip(environment, wanted, on_line)
        if source.sdists.is_file() and not _built_elsewhere(source, brought, wheels):
            self._build_sdists(source, environment, wheels, locked, on_line)
        if out is None:  # a folder that was named may hold the wheels of several environments
            _seal(wheels)
        return wheels

    def _build_sdists(
        self, source: Source, environment: Environment, wheels: Path, locked: Sequence[str], on_line: Progress
    ) -> None:
        """Source-only packages become wheels here, with pinned build tools and without pip choosing any of its own."""
        with tempfile.TemporaryDirectory(prefix="kit-build-") as scratch:
            venv.EnvBuilder(with_pip=False, symlinks=True).create(scratch)
            python = ["--python", f"{scratch}/bin/python"]
            tools = ["install", "--only-binary", ":all:", "--no-compile", *locked, str(source.build_tools)]
            self._pip(environment, [*python, *tools], on_line)
            wheel = [
                "wheel",
                "--no-cache-dir",
                "--no-binary",
                ":all:",
                "--no-build-isolation",
                "--wheel-dir",
                str(wheels),
            ]
            self._pip(environment, [*python, *wheel, *locked, str(source.sdists)], on_line, _BUILD)

    def _pip(
        self,
        environment: Environment,
        arguments: Sequence[str],
        on_line: Progress,
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        argv = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "--retries", "2", *arguments]
        tail: list[str] = []
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **variables},
        ) as process:
            try:
                for raw in process.stdout or ():
                    line = plain(raw)
                    tail = [*tail[-29:], line]
                    on_line(line)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise _unavailable(environment, tail)


def _unavailable(environment: Environment, tail: Sequence[str]) -> EnvironmentUnavailableError:
    errors = [line.removeprefix("ERROR: ") for line in tail if line.startswith("ERROR: ")] or tail[-3:]
    folder = f"images/{environment.title.replace(' ', '/')}"
    if any("do not match the hashes" in line.lower() for line in tail):
        msg = f"a package of {folder}/requirements.lock is not the one that was locked: {' '.join(errors)}"
        return EnvironmentUnavailableError(msg, hint="the package index or the wheels folder has been altered")
    msg = f"{folder}/requirements.lock could not be fetched: {' '.join(errors)}"
    brought = os.environ.get("KIT_WHEELS")
    where = f"the folder {brought} lacks it; " if brought else ""
    hint = (
        f"{where}without network, bring the wheels: on a connected machine of the same architecture and Python "
        f"{_python()} run `kit image fetch {environment.title.replace(' ', '/')} --out WHEELS`, carry the folder "
        "here and set KIT_WHEELS to it"
    )
    return EnvironmentUnavailableError(msg, hint=hint)


def unfinished(cache: Path) -> tuple[Path, ...]:
    """Environments and wheel folders that a killed kit left without their seal, and that nobody is making now."""
    found: list[Path] = []
    for path in sorted(
        path for name in ("environments", "wheels") for path in (cache / name).glob("*") if path.is_dir()
    ):
        lock = cache / "environments" / f"{path.name}.lock"
        with open(lock, "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if not (path / SEAL).is_file():
                found.append(path)
    return tuple(found)


def _built_elsewhere(source: Source, brought: str | None, wheels: Path) -> bool:
    """Whether the folder that was brought holds the wheels of the source-only packages already; they are taken from there."""
    if brought is None:
        return False
    taken: list[Path] = []
    for requirement in requirements(source.sdists):
        name, version = requirement.split("==")
        pattern = f"{re.sub(r'[-_.]+', '[-_.]', name)}-{version}-*.whl"
        matches = sorted(Path(brought).glob(pattern))
        if not matches:
            return False
        taken.append(matches[0])
    for wheel in taken:
        shutil.copy(wheel, wheels)
    return True


def _hashed(source: Source, lock: Path) -> list[str]:
    # Wheels built here from sdists have hashes of their own; the sdists were checked when they were fetched.
    if lock == source.sdists:
        return requirements(lock)
    return ["--require-hashes", "--requirement", str(lock)]


def _launcher(python: Path, script: Path) -> str:
    return f"""\
#!{python}
import runpy
import sys

sys.path[0] = {str(script.parent)!r}
runpy.run_path({str(script)!r}, run_name="__main__")
"""


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _key(environment: Environment) -> str:
    digest = environment.digest.removeprefix("sha256:")[:16]
    return f"{environment.title.replace(' ', '-')}-{digest}-py{_python()}-{platform.machine()}"


def _install_programs(source: Source, path: Path) -> None:
    """Copy kit's own files; `serve.py` of `llamacpp`, being a program, becomes the command `llamacpp-serve`."""
    home = path / "kit"
    home.mkdir()
    for file in source.programs:
        shutil.copyfile(file, home / file.name)
        if '__name__ == "__main__"' in file.read_text("utf-8"):
            command = path / "bin" / f"{source.name}-{file.stem.replace('_', '-')}"
            command.write_text(_launcher(path / "bin" / "python", home / file.name), "utf-8")
            command.chmod(0o755)


@contextmanager
def _exclusively(path: Path, environment: Environment, progress: Progress) -> Iterator[None]:
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"{environment.title}: another kit is making this environment, waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _listing(path: Path) -> str:
    """SHA-256 over every file's path, size and time of change, bytecode caches excepted: cheap, and enough to see damage."""
    lines: list[str] = []
    for directory, names, files in os.walk(path):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in files:
            if name == SEAL:
                continue
            full = os.path.join(directory, name)
            status = os.lstat(full)
            lines.append(f"{os.path.relpath(full, path)}\0{status.st_size}\0{status.st_mtime_ns}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def _seal(path: Path) -> None:
    temporary = path / f"{SEAL}.part"
    listing = _listing(path)
    temporary.write_text(json.dumps({"listing": listing}), "utf-8")
    os.replace(temporary, path / SEAL)


def _sealed(path: Path) -> bool:
    try:
        seal = json.loads((path / SEAL).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(seal, dict) and seal.get("listing") == _listing(path)
