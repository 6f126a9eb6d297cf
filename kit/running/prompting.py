"""Prompts from a file: what a run keeps of them, and the copy that a load generator reads while it sends."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from kit.errors import Problem, UsageError
from kit.instrument.prompts import FILE
from kit.model import Case
from kit.store import RunDir

_PIECE = 1024 * 1024


@contextmanager
def placed(run: RunDir, case: Case, directory: Path) -> Iterator[None]:
    """Where a case sends prompts from a file, that file lies in the load generator's directory for as long as the context lasts.

    Raises `UsageError` where the run's own copy is not what it began with.
    """
    if (sha256 := _digest(case)) is None:
        yield
        return
    copy = directory / FILE
    try:
        if (found := _copied(run.prompts(sha256), copy)) != sha256:
            raise UsageError(_changed(run, sha256, found), hint="restore the file, or start a new run")
        copy.chmod(0o644)
        yield
    finally:
        copy.unlink(missing_ok=True)


def changed(run: RunDir, cases: Iterable[Case]) -> Iterator[Problem]:
    """What of the prompts of these cases a run has not kept as they were."""
    for sha256 in dict.fromkeys(map(_digest, cases)):
        if sha256 is not None and (found := _copied(run.prompts(sha256), None)) != sha256:
            yield Problem("prompts", _changed(run, sha256, found))


def take_away(run: RunDir) -> None:
    """Remove the copies of a kit that was killed while a load generator was sending."""
    for left in run.path.glob(f"cases/*/*/raw/{FILE}"):
        left.unlink(missing_ok=True)


def _digest(case: Case) -> str | None:
    return case.shape.prompts.sha256 if case.shape is not None and case.shape.prompts is not None else None


def _changed(run: RunDir, sha256: str, found: str | None) -> str:
    path = run.prompts(sha256)
    return f"{path} is missing" if found is None else f"{path} has SHA-256 {found}: it was changed since the run began"


def _copied(path: Path, copy: Path | None) -> str | None:
    """The SHA-256 of a file, which is copied while it is read; None where it is none."""
    if not path.is_file():
        return None
    total = hashlib.sha256()
    with open(path, "rb") as file, open(copy, "xb") if copy is not None else nullcontext() as target:
        while piece := file.read(_PIECE):
            total.update(piece)
            if target is not None:
                target.write(piece)
    return total.hexdigest()
