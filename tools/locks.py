"""Writes every hash-pinned lock of this repository from the requirement files beside them: `python tools/locks.py`.

For each `<name>.in` it resolves once, for all targets below, and writes
  * `<name>.lock`: what has wheels for every target; installable with `--only-binary :all: --require-hashes --no-deps`;
  * `sdists.lock` (`sdists-dev.lock` for `requirements-dev.in`): what exists only as source, to be built once on the
    fetching side with `build-tools.lock`. Without such packages the file does not exist.
Pins that still satisfy the inputs stay as they are unless `--upgrade` is given. What changed is printed.
An input with a line `# pythons: 3.11 3.12` is locked for those only: some dependency has no wheels for the others.

No lock names an index: a mirror serves the same files under the same hashes.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import urlsplit

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
MACHINES = ("x86_64", "aarch64")
# glibc 2.28 is what the oldest systems in the field have (openEuler 20.03, Debian 10); 2.5 is where manylinux starts.
GLIBC_MINORS = range(28, 4, -1)
LEGACY_TAGS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+) \\$")
FOR_PYTHONS = re.compile(r"^# pythons:(?P<pythons>( 3\.\d+)+)$", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")


class LockError(Exception):
    """A lock cannot be written; the message says why."""


class _File(TypedDict):
    url: str
    hashes: dict[str, str]


class _Package(TypedDict, total=False):
    name: str
    version: str
    marker: str
    sdist: _File
    wheels: list[_File]


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of machine that must be able to install every lock."""

    python: tuple[int, int]
    machine: str

    def __str__(self) -> str:
        return f"CPython {self.python[0]}.{self.python[1]} on linux {self.machine}"

    def tags(self) -> frozenset[Tag]:
        platforms = list(_platforms(self.machine))
        interpreter = f"cp{self.python[0]}{self.python[1]}"
        return frozenset(
            (
                *cpython_tags(self.python, abis=[interpreter], platforms=platforms),
                *compatible_tags(self.python, interpreter=interpreter, platforms=platforms),
            )
        )

    def environment(self) -> dict[str, str]:
        version = f"{self.python[0]}.{self.python[1]}"
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{version}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{version}.0",
            "python_version": version,
            "sys_platform": "linux",
        }


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of a lock, with the hashes of the files that any target may take."""

    name: str
    version: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}=={self.version} \\\n" + " \\\n".join(f"    --hash=sha256:{one}" for one in self.hashes)


def _platforms(machine: str) -> Iterator[str]:
    for minor in GLIBC_MINORS:
        yield f"manylinux_2_{minor}_{machine}"
        if minor in LEGACY_TAGS:
            yield f"{LEGACY_TAGS[minor]}_{machine}"
    yield f"linux_{machine}"


def _targets(inputs: Path) -> tuple[Target, ...]:
    found = FOR_PYTHONS.search(inputs.read_text(encoding="utf-8"))
    pythons = [(3, int(one.removeprefix("3."))) for one in found["pythons"].split()] if found else PYTHONS
    return tuple(Target(python, machine) for python in pythons for machine in MACHINES)


def _file_name(file: _File) -> str:
    return urlsplit(file["url"]).path.rpartition("/")[2]


def _is_wanted(package: _Package, targets: Sequence[Target]) -> bool:
    """True: every target needs it. False: none does. Pip evaluates markers for the Python that runs it, not for the one
    it downloads for, so a package that only some targets need cannot be expressed."""
    if "marker" not in package:
        return True
    marker = Marker(package["marker"])
    needed = [target for target in targets if marker.evaluate(target.environment())]
    if needed and len(needed) < len(targets):
        msg = f"{package['name']} {package['version']} is needed on some targets only: {', '.join(map(str, needed))}"
        raise LockError(msg)
    return bool(needed)


def _wheels(package: _Package, targets: Sequence[Target]) -> Pin | None:
    """The wheels that some target can install; None when there are none at all."""
    tagged = [(file, parse_wheel_filename(_file_name(file))[3]) for file in package.get("wheels", [])]
    used = {id(file): file for file, tags in tagged if any(tags & target.tags() for target in targets)}
    if not used:
        return None
    lacking = [target for target in targets if not any(tags & target.tags() for _, tags in tagged)]
    if lacking:
        msg = f"{package['name']} {package['version']} has no wheel for {', '.join(map(str, lacking))}"
        raise LockError(msg)
    return Pin(package["name"], package["version"], tuple(sorted(file["hashes"]["sha256"] for file in used.values())))


def _sdist(package: _Package) -> Pin:
    if "sdist" not in package:
        msg = f"{package['name']} {package['version']} has neither a wheel for the targets nor a source distribution"
        raise LockError(msg)
    return Pin(package["name"], package["version"], (package["sdist"]["hashes"]["sha256"],))


def _one_origin(packages: Iterable[_Package]) -> str:
    """The one place all files come from: a second index could slip in files that the public one does not have."""
    files = [file for package in packages for file in (*package.get("wheels", []), package.get("sdist")) if file]
    origins = {"{0.scheme}://{0.netloc}".format(urlsplit(file["url"])) for file in files}
    if len(origins) != 1:
        msg = f"files come from more than one place: {', '.join(sorted(origins))}"
        raise LockError(msg)
    return origins.pop()


def _resolve(inputs: Path, kept: Sequence[Pin]) -> list[_Package]:
    """Resolves `inputs` for all targets at once, preferring the versions in `kept`."""
    environments = [
        f"sys_platform == 'linux' and platform_machine == '{machine}' and implementation_name == 'cpython'"
        for machine in MACHINES
    ]
    # Settings of this machine (another index, a folder of wheels) must not reach the locks.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PIP_"))}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pyproject.toml").write_text(f"[tool.uv]\nenvironments = {environments!r}\n", encoding="utf-8")
        output = Path(folder, "pylock.toml")
        if kept:
            entries = (f'[[packages]]\nname = "{pin.name}"\nversion = "{pin.version}"\n' for pin in kept)
            output.write_text('lock-version = "1.0"\ncreated-by = "kit"\n' + "".join(entries), encoding="utf-8")
        argv = [sys.executable, "-m", "uv", "pip", "compile", str(inputs), "--output-file", str(output), "--universal"]
        # One version per package for all Pythons: see _is_wanted.
        argv += ["--fork-strategy", "fewest", "--python-version", f"{PYTHONS[0][0]}.{PYTHONS[0][1]}", "--quiet"]
        done = subprocess.run(argv, cwd=folder, env=environment, check=False)
        if done.returncode:
            msg = f"uv could not resolve {inputs.relative_to(ROOT)}"
            raise LockError(msg)
        packages: list[_Package] = tomllib.loads(output.read_text(encoding="utf-8"))["packages"]
    return packages


def _read(path: Path) -> dict[str, Pin]:
    if not path.exists():
        return {}
    pins: dict[str, Pin] = {}
    for entry in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8")):
        if found := PIN.match(entry.partition("\n")[0]):
            pins[found["name"]] = Pin(found["name"], found["version"], tuple(HASH.findall(entry)))
    return pins


def _text(inputs: Path, pins: Iterable[Pin], targets: Sequence[Target]) -> str:
    pythons = " ".join(dict.fromkeys(f"{target.python[0]}.{target.python[1]}" for target in targets))
    header = (
        f"# Written by tools/locks.py from {inputs.name}; do not edit.\n"
        f"# For CPython {pythons} on linux {' '.join(MACHINES)} with glibc >= 2.{GLIBC_MINORS[0]}.\n"
    )
    return header + "".join(f"{pin}\n" for pin in pins)


def _changes(before: Mapping[str, Pin], after: Mapping[str, Pin]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            yield f"+ {name} {new.version}"
        elif new is None and old is not None:
            yield f"- {name} {old.version}"
        elif old is not None and new is not None and old.version != new.version:
            yield f"~ {name} {old.version} -> {new.version}"
        elif old != new:
            yield f"~ {name}: other files of the same version"


def _lock(inputs: Path, *, upgrade: bool, write: bool) -> bool:
    """Brings the locks of one input up to date; says whether anything changed."""
    lock = inputs.with_suffix(".lock")
    sources = inputs.with_name(inputs.name.replace("requirements", "sdists")).with_suffix(".lock")
    before = {path: _read(path) for path in {lock, sources}}
    kept = [] if upgrade else [pin for pins in before.values() for pin in pins.values()]
    targets = _targets(inputs)
    packages = [package for package in _resolve(inputs, kept) if _is_wanted(package, targets)]
    after: dict[Path, dict[str, Pin]] = {path: {} for path in before}
    for package in sorted(packages, key=lambda package: canonicalize_name(package["name"])):
        wheels = _wheels(package, targets)
        after[lock if wheels else sources][package["name"]] = wheels or _sdist(package)
    if lock == sources and any("wheels" not in package for package in packages):
        msg = f"{inputs.relative_to(ROOT)}: every package must have wheels"
        raise LockError(msg)
    sys.stderr.write(f"{inputs.relative_to(ROOT)}: {len(packages)} packages from {_one_origin(packages)}\n")
    changed = False
    for path, pins in sorted(after.items()):
        text = _text(inputs, pins.values(), targets) if pins else None
        if text == (path.read_text(encoding="utf-8") if path.exists() else None):
            continue
        changed = True
        sys.stdout.write("\n  ".join((str(path.relative_to(ROOT)), *_changes(before[path], pins))) + "\n")
        if write and text is None:
            path.unlink()
        elif write and text is not None:
            path.write_text(text, encoding="utf-8")
    return changed


def main() -> int:
    """0: done, or nothing to change. 1: `--check` found a lock that would change. 2: a lock is impossible."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("inputs", nargs="*", type=Path, help="requirement files (*.in); all of them when none is given")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions the inputs allow")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a lock would change")
    options = parser.parse_args()
    # By stem: requirements.in comes before requirements-dev.in, which is constrained by its lock.
    found = sorted((*ROOT.glob("*.in"), *ROOT.glob("images/**/*.in")), key=lambda path: (path.parent, path.stem))
    chosen: list[Path] = [path.resolve() for path in options.inputs] or found
    changed = False
    try:
        for inputs in chosen:
            changed |= _lock(inputs, upgrade=options.upgrade, write=not options.check)
    except LockError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return int(options.check and changed)


if __name__ == "__main__":
    sys.exit(main())
