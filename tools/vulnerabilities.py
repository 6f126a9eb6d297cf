"""Asks the public database of vulnerabilities about every package of some locks: `python tools/vulnerabilities.py LOCK…`.

Prints what is known, and what could not be asked: no answer is not a good one. Ends with 0 only where every package was asked about
and nothing is known of any.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from packaging.utils import canonicalize_name

AUDIT = ("uv", "--quiet", "tool", "run", "pip-audit@2.10.1")
OPTIONS = ("--progress-spinner", "off", "--disable-pip", "--require-hashes", "--format", "json")
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


class _Known(TypedDict):
    id: str
    fix_versions: list[str]


class _Package(TypedDict, total=False):
    name: str
    version: str
    skip_reason: str
    vulns: list[_Known]


class _Answer(TypedDict):
    dependencies: list[_Package]


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of the packages of a lock, one line each; and those that nothing was said about, with the reason."""

    packages: int
    known: tuple[str, ...]
    unasked: tuple[str, ...]
    reason: str


def audit(lock: Path) -> tuple[str, str]:
    """What pip-audit says about a lock, and its errors."""
    done = subprocess.run(
        [sys.executable, "-m", *AUDIT, *OPTIONS, "-r", str(lock)], capture_output=True, text=True, check=False
    )
    return done.stdout, done.stderr


def read(lock: str, said: str, errors: str) -> Told:
    """The content of a lock held against what was said about it."""
    pinned = [canonicalize_name(name) for name in PINNED.findall(lock)]
    answered: dict[str, _Package] = {}
    reason = ""
    try:
        answer: _Answer = json.loads(said)
    except ValueError:
        reason = (errors.strip().splitlines() or ["pip-audit said nothing"])[-1].strip()
    else:
        for package in answer["dependencies"]:
            reason = reason or package.get("skip_reason", "")
            if "vulns" in package:
                answered[canonicalize_name(package["name"])] = package
    known = tuple(
        f"{name} {package['version']}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'no version'}"
        for name, package in answered.items()
        for one in package["vulns"]
    )
    return Told(len(pinned), known, tuple(name for name in pinned if name not in answered), reason)


def lines(lock: str, told: Told) -> Iterator[str]:
    """What is printed about a lock."""
    yield f"{lock}: {told.packages - len(told.unasked)} of {told.packages} packages asked about, {len(told.known)} known"
    yield from (f"  VULNERABLE {line}" for line in told.known)
    if told.unasked:
        yield f"  NOT ASKED {', '.join(told.unasked)}: {told.reason or 'no answer holds them'}"


def main(locks: Sequence[str], ask: Callable[[Path], tuple[str, str]] = audit) -> int:
    """Ask about every lock, whatever came of the one before."""
    known = unasked = 0
    for lock in locks:
        told = read(Path(lock).read_text(encoding="utf-8"), *ask(Path(lock)))
        known, unasked = known + len(told.known), unasked + len(told.unasked)
        sys.stdout.writelines(f"{line}\n" for line in lines(lock, told))
    if unasked:
        sys.stdout.write(
            f"{unasked} packages could not be asked about: try on a machine that reaches the public database of PyPI\n"
        )
    return int(bool(known or unasked))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
