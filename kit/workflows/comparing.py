"""What `kit compare` does, end to end."""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from kit import comparing
from kit.comparing import files, prices
from kit.errors import UsageError
from kit.model.comparison import Comparison
from kit.model.profile import Language
from kit.renderers import comparison
from kit.workflows import writing

FORMATS = tuple(comparison.FORMATS)
STANDARD = ("md", "docx", "html")


def compare(
    references: Sequence[str],
    runs: Path,
    *,
    baseline: str | None = None,
    allow: Collection[str] = (),
    cost: Path | None = None,
    lang: str = "zh-CN",
    by: str = "case",
) -> Comparison:
    """The comparison of runs, tables and reports with the first of them, or with `baseline`."""
    if lang not in get_args(Language):
        raise UsageError(f"there is no language {lang!r}", hint=f"one of: {', '.join(get_args(Language))}")
    wanted = [*([baseline] if baseline is not None else []), *(name for name in references if name != baseline)]
    sides = [files.read(name, runs) for name in wanted]
    names = [side.name for side in sides]
    # Runs of one name in two places are told apart by their places.
    sides = [
        side if names.count(side.name) == 1 else replace(side, name=reference)
        for side, reference in zip(sides, wanted, strict=True)
    ]
    if len({side.name for side in sides}) < len(sides):
        raise UsageError(f"{', '.join(sorted(set(names)))}: something stands there twice")
    known = prices.read(cost) if cost is not None else None
    return comparing.make(sides, "en" if lang == "en" else "zh-CN", allow=allow, prices=known, by=by)


def write(found: Comparison, formats: Sequence[str], to: Path) -> tuple[Path, ...]:
    """Write the comparison into a directory, in the formats asked for. Raises `UsageError` where one of the files is there."""
    if unknown := [name for name in formats if name not in FORMATS]:
        raise UsageError(f"there is no format {unknown[0]!r}", hint=f"one of: {', '.join(FORMATS)}")
    made = [(to / f"comparison.{name}", comparison.write(name, found)) for name in formats]
    if there := [path for path, _ in made if os.path.lexists(path)]:
        raise UsageError(f"{there[0]} exists already", hint="give another directory with --to, or remove it first")
    return writing.files(made)
