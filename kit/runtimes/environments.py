"""Isolated Python environments, made from the locks in `images/` in two steps: fetch (network), build (none).

An environment is kept under the cache by what it is made of. It is whole when its seal is there and still true.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kit.errors import EnvironmentUnavailableError
from kit.model import Environment
from kit.ports import Progress
from kit.runtimes import fetching
from kit.runtimes.sources import Source, find, requirements

SEAL = "kit-seal.json"


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
            fetching.run_pip(
                source,
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
        source.install_programs(path, path)
        _seal(path)

    def fetch(
        self, environment: Environment, progress: Progress, out: Path | None = None, brought: str | None = None
    ) -> Path:
        """A folder with every wheel of the lock for this machine, each checked against its hash; in the cache unless given.

        From the folder `brought` alone, or from that of `KIT_WHEELS`, where there is one.
        """
        source = find(self._images, environment.name, environment.variant)
        wheels = out or self._wheels / _key(environment)
        if out is None and _sealed(wheels):
            return wheels
        wheels.mkdir(parents=True, exist_ok=True)
        fetching.fetch(source, wheels, progress, brought=brought or fetching.carried())
        if out is None:  # a folder that was named may hold the wheels of several environments
            _seal(wheels)
        return wheels

    def bring(self, environment: Environment, wheels: Path, progress: Progress) -> None:
        """Put the wheels of an environment into the cache from a folder, so that it can be made without network."""
        if not _sealed(self.path(environment)):
            self.fetch(environment, progress, brought=str(wheels))


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


def _hashed(source: Source, lock: Path) -> list[str]:
    # Wheels built here from sdists have hashes of their own; the sdists were checked when they were fetched.
    if lock == source.sdists:
        return requirements(lock)
    return ["--require-hashes", "--requirement", str(lock)]


def _key(environment: Environment) -> str:
    digest = environment.digest.removeprefix("sha256:")[:16]
    return f"{environment.title.replace(' ', '-')}-{digest}-py{fetching.own_python()}-{platform.machine()}"


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
