"""What `kit audit` and `kit import` do, end to end."""

import re
from dataclasses import dataclass
from pathlib import Path

from kit import audit, bounded, recount, renderers, store
from kit import profile as profiles
from kit.errors import HostError, KitError, NotAcceptedError, Problem, UsageError
from kit.legacy import again, tables
from kit.legacy import profiles as writing
from kit.legacy import report as reports
from kit.model.verdict import Audit
from kit.runtimes import notes
from kit.store import write_once

_TABLES = (".csv", ".xlsx")
_REPORTS = (".md", ".markdown", ".docx")


@dataclass(frozen=True, slots=True)
class Taken:
    """What an import wrote, and what a person must still look at."""

    profile: Path
    files: tuple[Path, ...]
    problems: tuple[Problem, ...]


def audited(reference: str, runs: Path) -> Audit:
    """The audit of a file or of a run."""
    path = Path(reference)
    if not path.is_file():
        return recount.of(store.find(reference, runs))
    kind = path.suffix.lower()
    if kind in _TABLES:
        found = tables.read(_content(path), path.name)
        rows, problems = found.rows, found.problems
    elif kind in _REPORTS:
        old = reports.read(_content(path), path.name)
        rows, problems = old.rows, old.unread
    else:
        msg = f"{reference} is no file that can be audited"
        raise UsageError(msg, hint=f"one of {', '.join((*_TABLES, *_REPORTS))}, or a run")
    if not rows:
        raise UsageError(f"{reference} holds no results", problems=problems)
    return audit.table(path.name, rows, [str(problem) for problem in problems])


def require_sound(found: Audit) -> None:
    """Raises `NotAcceptedError` where the audit found something, or part of the table could not be read."""
    if found.findings:
        cases = len({finding.case for finding in found.findings})
        raise NotAcceptedError(f"{found.source}: {len(found.findings)} findings in {cases} of {found.rows} rows")
    if found.skipped:
        raise NotAcceptedError(f"{found.source}: {len(found.skipped)} things could not be read")


def take(path: Path, out: Path, formats: tuple[str, ...] = ()) -> Taken:
    """Read an old report and write a profile and a baseline that reproduce its test; existing files are left alone."""
    if unknown := [name for name in formats if name not in renderers.RENDERERS]:
        raise UsageError(f"there is no format {unknown[0]!r}", hint=f"one of: {', '.join(renderers.RENDERERS)}")
    if path.suffix.lower() not in _REPORTS:
        raise UsageError(f"{path} is no report that can be imported", hint=f"one of {', '.join(_REPORTS)}")
    content = _content(path)
    old = reports.read(content, path.name)
    made = writing.imported(old)
    again_ = again.report(old, content)
    wanted = [(out / f"{made.name}.yaml", made.profile.encode())]
    if old.rows:
        wanted.insert(0, (out / made.baseline_name, made.baseline.encode()))
    wanted += [(out / f"{made.name}-{renderers.file_name(name)}", renderers.render(name, again_)) for name in formats]
    try:
        with notes.writing(*(file.parent for file, _ in wanted)):
            for file, written in wanted:
                write_once(file, written)
    except FileExistsError as error:
        raise UsageError(
            f"{error.filename2 or error.filename or out} exists already", hint="give another directory with -o"
        ) from error
    except OSError as error:
        raise HostError(f"{out} cannot be written: {error.strerror}") from error
    profile = out / f"{made.name}.yaml"
    return Taken(profile, tuple(file for file, _ in wanted), (*made.problems, *_incomplete(profile)))


def _incomplete(path: Path) -> tuple[Problem, ...]:
    """What the profile lacks before it can be run."""
    try:
        profiles.load(str(path.absolute()))
    except KitError as error:
        found = error.problems or (Problem(path.name, error.message),)
        return tuple(
            Problem(f"{path.name}: {re.sub(r'^: ', '', problem.where)}", problem.what, problem.hint)
            for problem in found
        )
    return ()


def _content(path: Path) -> bytes:
    try:
        return bounded.read(path, tables.LARGEST_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
