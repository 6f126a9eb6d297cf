"""Fetching the wheels of a lock with pip, for this machine or for another, each checked against its hash."""

import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from kit import owners
from kit.errors import EnvironmentUnavailableError, Problem
from kit.ports import Progress
from kit.redaction import plain
from kit.runtimes import marks, notes
from kit.runtimes.sources import Source, requirements

# Without a compiler a package that has an optional extension becomes the same pure-Python wheel everywhere.
_BUILD = MappingProxyType({"CC": "false", "CXX": "false", "SOURCE_DATE_EPOCH": "315532800"})
# Every name that wheels for glibc 2.28 and older carry: pip does not know the older ones from the newest.
_PLATFORMS = (
    *(f"manylinux_2_{minor}" for minor in (28, 27, 26, 24, 17)),
    *("manylinux2014", "manylinux_2_12", "manylinux2010", "manylinux_2_5", "manylinux1", "linux"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """For which machine wheels are fetched, where it is another than this one."""

    machine: str
    python: str

    @property
    def options(self) -> tuple[str, ...]:
        """What pip must be told of it."""
        platforms = [option for name in _PLATFORMS for option in ("--platform", f"{name}_{self.machine}")]
        return (*platforms, "--implementation", "cp", "--python-version", self.python)


def own_python() -> str:
    """The Python that runs kit, as its wheels name it: 3.11."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def carried() -> str | None:
    """The folder of wheels that was brought here, if any: nothing is then asked of an index."""
    return os.environ.get("KIT_WHEELS")


def fetch(
    source: Source, wheels: Path, progress: Progress, *, target: Target | None = None, brought: str | None = None
) -> None:
    """Put every wheel of a source's locks into the folder `wheels`; from the folder `brought` alone where that is given."""
    title = f"{source.name} {source.variant}" if source.variant else source.name
    links = ["--find-links", str(wheels), *(["--no-index", "--find-links", brought] if brought else [])]
    total = sum(len(requirements(lock)) for lock in source.locks)
    progress(f"{title}: fetching {total} packages")
    count = 0

    def on_line(line: str) -> None:
        nonlocal count
        if line.startswith("Collecting "):
            count += 1
            progress(f"{title}: fetching {count}/{total} {line.split()[1].split('==')[0]}")

    locked = ["--no-deps", "--require-hashes", *links, "--requirement"]
    options = target.options if target is not None else ()
    wanted = ["download", "--only-binary", ":all:", *options, "--dest", str(wheels), *locked, str(source.lock)]
    run_pip(source, wanted, on_line, brought=brought)
    if source.sdists.is_file() and not _built_elsewhere(source, brought, wheels):
        _build_sdists(source, wheels, locked, on_line, brought)


def fetch_lock(source: Source, lock: Path, wheels: Path, *, brought: str | None = None) -> None:
    """Put the wheels of one further lock, all of which fit every machine, into a folder."""
    links = ["--find-links", str(wheels), *(["--no-index", "--find-links", brought] if brought else [])]
    locked = ["--no-deps", "--require-hashes", *links, "--requirement", str(lock)]
    wanted = ["download", "--only-binary", ":all:", "--dest", str(wheels), *locked]
    run_pip(source, wanted, lambda _: None, brought=brought)


def wheel(source: Source, checkout: Path, wheels: Path) -> None:
    """Make the wheel of a checkout, with the build tools that run kit: the same bytes for the same files."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(wheels)]
    run_pip(source, ["wheel", *options, str(checkout)], lambda _: None, _BUILD)


def built(source: Source, wheels: Path) -> tuple[Path, ...] | None:
    """The wheels in a folder that were built from a source's source-only packages, or None where one is missing."""
    taken: list[Path] = []
    for requirement in requirements(source.sdists) if source.sdists.is_file() else ():
        matches = _wheels_of(requirement, wheels)
        if not matches:
            return None
        taken.append(matches[0])
    return tuple(taken)


def any_wheel(lock: Path, wheels: Path) -> bool:
    """Whether a folder holds anything of a lock at all; whether it holds everything, pip finds out."""
    return any(_wheels_of(requirement, wheels) for requirement in requirements(lock))


def _wheels_of(requirement: str, wheels: Path) -> list[Path]:
    name, version = requirement.split("==")
    return sorted(wheels.glob(f"{re.sub(r'[-_.]+', '[-_.]', name)}-{version}-*.whl"))


def run_pip(
    source: Source,
    arguments: Sequence[str],
    on_line: Progress,
    variables: Mapping[str, str] = MappingProxyType({}),
    brought: str | None = None,
) -> None:
    """Run pip to its end. Raises `EnvironmentUnavailableError` with what it objected to."""
    argv = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "--retries", "2", *arguments]
    tail: list[str] = []
    # Marked as every program of kit: pip starts others, and must not go on writing after kit has ended.
    mark = owners.fresh()
    with (
        # Ended in the middle, pip leaves its temporary folders behind.
        notes.scratch("pip") as scratch,
        marks.ended(mark),
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "TMPDIR": scratch, **variables, marks.MARK: mark},
            start_new_session=True,
        ) as process,
    ):
        try:
            for raw in process.stdout or ():
                line = plain(raw)
                tail = [*tail[-29:], line]
                on_line(line)
        except BaseException:
            marks.end(marks.carrying(mark))
            raise
    if process.returncode:
        raise _unavailable(source, tail, brought)


def _build_sdists(source: Source, wheels: Path, locked: Sequence[str], on_line: Progress, brought: str | None) -> None:
    """Source-only packages become wheels here, with pinned build tools and without pip choosing any of its own."""
    with notes.scratch("build") as scratch:
        venv.EnvBuilder(with_pip=False, symlinks=True).create(scratch)
        python = ["--python", f"{scratch}/bin/python"]
        tools = ["install", "--only-binary", ":all:", "--no-compile", *locked, str(source.build_tools)]
        run_pip(source, [*python, *tools], on_line, brought=brought)
        wheel = ["wheel", "--no-cache-dir", "--no-binary", ":all:", "--no-build-isolation", "--wheel-dir", str(wheels)]
        run_pip(source, [*python, *wheel, *locked, str(source.sdists)], on_line, _BUILD, brought)


def _built_elsewhere(source: Source, brought: str | None, wheels: Path) -> bool:
    """Whether the folder that was brought holds the wheels of the source-only packages already; they are taken from there."""
    taken = built(source, Path(brought)) if brought is not None else None
    for wheel in taken or ():
        shutil.copy(wheel, wheels)
    return taken is not None


def _mismatches(tail: Sequence[str]) -> list[Problem]:
    """Each package that pip refused, with the digest that it has and the one that is locked."""
    found: list[Problem] = []
    name, expected = "", ""
    for line in map(str.strip, tail):
        if named := re.match(r"(\S+==\S+) from ", line):
            name = named[1]
        elif wanted := re.match(r"Expected sha256 (\w+)", line):
            expected = wanted[1]
        elif got := re.match(r"Got\s+(\w+)", line):
            found.append(Problem(name or "a package", f"has SHA-256 {got[1]}, and {expected} is locked"))
    return found


def _unavailable(source: Source, tail: Sequence[str], brought: str | None) -> EnvironmentUnavailableError:
    errors = [line.removeprefix("ERROR: ") for line in tail if line.startswith("ERROR: ")] or tail[-3:]
    name = f"{source.name}/{source.variant}" if source.variant else source.name
    folder = f"images/{name}"
    if any("do not match the hashes" in line.lower() for line in tail):
        msg = f"a package of {folder}/requirements.lock is not the one that was locked"
        hint = "the package index or the wheels folder has been altered: fetch it again from another"
        return EnvironmentUnavailableError(msg, problems=_mismatches(tail), hint=hint)
    msg = f"{folder}/requirements.lock could not be fetched: {' '.join(errors)}"
    if any("No space left on device" in line for line in tail):
        return EnvironmentUnavailableError(msg, hint="make room, or set KIT_CACHE to another directory")
    where = f"the folder {brought} lacks it; " if brought else ""
    hint = (
        f"{where}without network, bring the wheels: on a connected machine of the same architecture and Python "
        f"{own_python()} run `kit image fetch {name} --out WHEELS`, carry the folder "
        "here and set KIT_WHEELS to it"
    )
    return EnvironmentUnavailableError(msg, hint=hint)
