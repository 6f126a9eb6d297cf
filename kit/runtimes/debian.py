"""Root file systems from a distribution's packages: fetched once by exact version, then built without network."""

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from kit import bounded, owners
from kit.durable import replace
from kit.errors import EnvironmentUnavailableError, HostError, Problem
from kit.ports import Progress
from kit.runtimes import marks, notes

HOME = "/home/kit"
USER = "1000:1000"
_MERGED = "/usr/share/mmdebstrap/hooks/merged-usr"
# With this package there is nothing to merge, and no perl to do it.
_ALWAYS = "usr-is-merged"


@dataclass(frozen=True, slots=True)
class Package:
    """One file of the lock."""

    sha256: str
    size: int
    file: str

    @property
    def name(self) -> str:
        return self.file.split("_")[0]

    @property
    def version(self) -> str:
        return unquote(self.file.split("_")[1])

    @property
    def architecture(self) -> str:
        return self.file.removesuffix(".deb").rpartition("_")[2]


def available() -> bool:
    """Whether this machine has the program that all this is done with."""
    return shutil.which("mmdebstrap") is not None


def read_lock(lock: Path) -> tuple[Package, ...]:
    """The packages of a lock: lines of SHA-256, size and file name."""
    found: list[Package] = []
    for line in lock.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            sha256, size, file = line.split()
            found.append(Package(sha256, int(size), file))
    return tuple(found)


def missing(packages: Sequence[Package], folder: Path) -> tuple[Package, ...]:
    """The packages whose files are not in a folder, or are there with other bytes."""
    return tuple(package for package in packages if _state(package, folder) != "")


def fetch(
    packages: Sequence[Package], architecture: str, suite: str, folder: Path, mirror: str | None, progress: Progress
) -> None:
    """Put the file of every package into a folder; nothing of the target is run. Raises `EnvironmentUnavailableError`."""
    absent = missing(packages, folder)
    if not absent:
        return
    progress(f"fetching {len(absent)} Debian packages for {architecture}")
    wanted = [f"{package.name}:{package.architecture}={package.version}" for package in packages]
    failing = "the locked Debian packages could not be fetched"
    with resolved(wanted, architecture, suite, mirror, failing) as there, notes.writing(folder):
        states = [(package, _state(package, there)) for package in absent]
        for package, state in states:
            if not state:
                replace(folder / package.file, bounded.read(there / package.file, package.size))
    _refuse(folder, states)


@contextmanager
def resolved(wanted: Sequence[str], architecture: str, suite: str, mirror: str | None, failing: str) -> Iterator[Path]:
    """A folder with the files of the packages that apt chooses for `wanted`, with all that they need; gone afterwards."""
    with notes.scratch("debs") as scratch:
        # Written by mmdebstrap itself, as this user: where it unpacks as another one, that may not write here, nor may anybody else.
        take = f"copy-out /var/cache/apt/archives {shlex.quote(scratch)}"
        argv = [
            *_mmdebstrap(architecture, "extract", wanted),
            *("--format=null", "--skip=download/empty", f"--extract-hook={take}", suite, "-"),
            *([mirror] if mirror is not None else []),
        ]
        _run(argv, failing, {})
        yield Path(scratch) / "archives"


def build(
    packages: Sequence[Package],
    architecture: str,
    folder: Path,
    left_out: Sequence[str],
    kept: Sequence[str],
    epoch: int,
    out: Path,
) -> None:
    """A root file system as a tar file, from the files in a folder alone: the same bytes from the same packages.

    Raises `EnvironmentUnavailableError` for what is missing or altered, before anything of it is unpacked.
    """
    _check(packages, folder)
    with notes.scratch("rootfs") as scratch:
        os.chmod(scratch, 0o755)
        repository = Path(scratch)
        for package in packages:
            shutil.copyfile(folder / package.file, repository / package.file)
        (repository / "Packages").write_text(_index(packages, repository), "utf-8")
        user = USER.split(":")[0]
        account = (
            f'echo "kit:x:{user}:{user}::{HOME}:/bin/sh" >> "$1"/etc/passwd'
            f' && echo "kit:x:{user}:" >> "$1"/etc/group && mkdir -m 1777 "$1"{HOME}'
        )
        tidy = 'rm -rf "$1"/etc/apt/sources.list "$1"/var/cache/debconf/*-old "$1"/var/cache/ldconfig "$1"/var/log/*'
        names = [package.name for package in packages]
        argv = [
            *_mmdebstrap(architecture, "essential", names),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in left_out),
            *(f"--dpkgopt=path-include={pattern}" for pattern in kept),
            *(f"--customize-hook={account}", f"--customize-hook={tidy}", "", str(out)),
            # Trusted, because every file was compared with the lock just now.
            f"deb [trusted=yes] copy:{scratch} ./",
        ]
        # Without a network of its own for root; another user's mmdebstrap sees this one list of files and nothing else.
        alone = ["unshare", "-n"] if os.geteuid() == 0 else []
        _run([*alone, *argv], "the root file system could not be built", {"SOURCE_DATE_EPOCH": str(epoch)})


def _mmdebstrap(architecture: str, variant: str, include: Sequence[str]) -> list[str]:
    return [
        "mmdebstrap",
        f"--arch={architecture}",
        f"--variant={variant}",
        *(f"--include={one}" for one in include),
        f"--hook-dir={_MERGED}",
        '--aptopt=Apt::Install-Recommends "false"',
    ]


def _state(package: Package, folder: Path) -> str:
    try:
        content = bounded.read(folder / package.file, package.size)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    found = hashlib.sha256(content).hexdigest()
    return "" if found == package.sha256 else f"has SHA-256 {found}, and {package.sha256} is locked"


def _check(packages: Sequence[Package], folder: Path) -> None:
    _refuse(folder, [(package, _state(package, folder)) for package in packages])


def _refuse(folder: Path, states: Sequence[tuple[Package, str]]) -> None:
    """Raise where the state of a file that lies in a folder, or should, is any."""
    if problems := [Problem(str(folder / package.file), state) for package, state in states if state]:
        msg = "Debian packages are not those that were locked"
        hint = "kit image fetch puts them there; what the mirror no longer has must come from a folder that has it"
        raise EnvironmentUnavailableError(msg, problems=problems, hint=hint)


def _index(packages: Sequence[Package], folder: Path) -> str:
    """What apt reads of a folder of packages."""
    entries: list[str] = []
    for package in packages:
        done = subprocess.run(
            ["dpkg-deb", "-f", str(folder / package.file)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise EnvironmentUnavailableError(f"{package.file} is not a Debian package: {done.stderr.strip()}")
        entries.append(
            f"{done.stdout.rstrip()}\nFilename: ./{package.file}\nSize: {package.size}\nSHA256: {package.sha256}\n"
        )
    return "\n".join(entries)


def _run(argv: Sequence[str], failing: str, variables: Mapping[str, str]) -> None:
    mark = owners.fresh()
    try:
        with (
            marks.ended(mark),
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, "LC_ALL": "C.UTF-8", **variables, marks.MARK: mark},
                start_new_session=True,
            ) as process,
        ):
            try:
                _, said = process.communicate()
            except BaseException:
                marks.end(marks.carrying(mark))
                raise
    except FileNotFoundError as error:
        hint = "on Debian or Ubuntu: apt install mmdebstrap arch-test qemu-user-static; or give an image with --base"
        raise HostError(f"{failing}: {error.filename} is not installed here", hint=hint) from error
    if process.returncode:
        lines = said.splitlines()
        errors = [line for line in lines if line.startswith(("E: ", "Err:"))] or lines[-5:]
        hint = (
            "a mirror keeps only the newest versions: give one of the distribution's dated archive with --mirror, or "
            "carry the folder that kit image fetch filled earlier"
        )
        raise EnvironmentUnavailableError(f"{failing}: {' / '.join(errors)}", hint=hint)
