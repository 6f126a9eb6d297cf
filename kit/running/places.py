"""What stands in the directory of a run where kit is about to write: who made the run may have laid anything there."""

import os
from collections.abc import Iterator
from pathlib import Path

from kit.errors import Problem, UsageError
from kit.store import RunDir

_DIRECTORIES = frozenset({"abandoned", "calibration", "cases", "inventory", "prompts", "report"})
_FILES = frozenset({"calibration.json", "journal.jsonl", "run.json"})


def require_own(run: RunDir) -> None:
    """Raises `UsageError` with every link through which would be written, and with what is in the way as something else than kit
    makes there."""
    try:
        problems = list(_problems(run.path))
    except OSError as error:
        raise UsageError(f"{error.filename or run.path} cannot be read: {error.strerror}") from error
    if problems:
        msg = f"{run.path} holds what kit does not make, where it would write"
        raise UsageError(
            msg,
            problems=problems,
            hint="put back what belongs there, or remove it: rounds that are gone are repeated",
        )


def _problems(home: Path) -> Iterator[Problem]:
    for path in sorted(home.iterdir()):
        if path.name in _DIRECTORIES or path.name.startswith("server"):
            yield from _wrong(home, path, directory=True)
        elif path.name in _FILES:
            yield from _wrong(home, path, directory=False)
    for case in _inside(home / "cases"):
        yield from _wrong(home, case, directory=True)
        for entry in _inside(case):
            # As anything else than a link it is set aside.
            yield from _linked(home, entry)
            yield from _linked(home, entry / "raw")


def _inside(directory: Path) -> tuple[Path, ...]:
    """What lies in a directory; file systems and desktops have files of their own in any, whose names begin with a dot."""
    if directory.is_symlink() or not directory.is_dir():
        return ()
    return tuple(path for path in sorted(directory.iterdir()) if path.is_symlink() or not path.name.startswith("."))


def _wrong(home: Path, path: Path, *, directory: bool) -> Iterator[Problem]:
    if path.is_symlink():
        yield from _linked(home, path)
    elif directory and not path.is_dir():
        yield Problem(path.relative_to(home).as_posix(), "is no directory")
    elif not directory and not path.is_file():
        yield Problem(path.relative_to(home).as_posix(), "is no plain file")


def _linked(home: Path, path: Path) -> Iterator[Problem]:
    if path.is_symlink():
        yield Problem(path.relative_to(home).as_posix(), f"is a link to {os.readlink(path)}: kit would write there")
