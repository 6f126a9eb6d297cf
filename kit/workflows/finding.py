"""What `kit runs` and `kit runs trend` do, end to end."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kit import trend
from kit.comparing import alike as likeness
from kit.comparing import runs as sides
from kit.comparing import served
from kit.comparing.sides import Measured, Side
from kit.errors import KitError, UsageError
from kit.index import DamagedError, Index, place_of
from kit.model.comparison import COMPARED
from kit.model.listed import VERDICTS, Filters, Found
from kit.store import RunDir

_DAYS = re.compile(r"(?P<number>[0-9]{1,4})d")


@dataclass(frozen=True, slots=True)
class Listed:
    """The runs that fit, and what could not be read."""

    runs: tuple[Found, ...]
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """One case over time, and the runs that were left out since they were measured otherwise than the newest."""

    case: str
    metric: str
    points: tuple[trend.Point, ...]
    left_out: tuple[str, ...]
    told: tuple[str, ...]


def since(text: str | None, now: datetime) -> datetime | None:
    """`2026-11-01`, or `30d`."""
    if text is None:
        return None
    if days := _DAYS.fullmatch(text):
        return now - timedelta(days=int(days["number"]))
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no date", hint="write 2026-11-01, or 30d for the last 30 days") from error
    return found.astimezone(UTC)


def runs(folder: Path, url: str | None, wanted: Filters, *, rebuild: bool = False) -> Listed:
    """The runs that fit, newest first; the index is brought up to date before."""
    if wanted.verdict is not None and wanted.verdict not in VERDICTS:
        raise UsageError(f"there is no verdict {wanted.verdict!r}", hint=f"one of: {', '.join(VERDICTS)}")
    with _opened(folder, url, rebuild=rebuild) as (index, told):
        return Listed(tuple(_by_now(folder, run) for run in index.runs(wanted)), told)


def _by_now(folder: Path, run: Found) -> Found:
    """With the rounds that are done by now, which nobody writes down while a run goes on."""
    if run.status != "running" or not _lies(run, folder):
        return run
    return replace(run, rounds_done=sum(1 for _ in (folder / run.run / "cases").glob("*/round-*/result.json")))


def _lies(run: Found, folder: Path) -> bool:
    return run.place == f"{os.uname().nodename}:{folder.resolve()}"


def over_time(folder: Path, url: str | None, wanted: Filters, case: str, metric: str) -> Trend:
    """The trend of one case over the runs that fit and that were measured as the newest of them that is no rehearsal, if any."""
    if metric not in COMPARED:
        raise UsageError(f"there is no metric {metric!r}", hint=f"one of: {', '.join(COMPARED)}")
    with _opened(folder, url, rebuild=False) as (index, told):
        newest_first = [run for run in index.runs(wanted) if run.status == "complete"]
        figures = index.rounds(newest_first, case, metric)
        have = [run for run in newest_first if f"{run.place}/{run.run}" in figures]
        if not have:
            others = ", ".join(index.cases())
            raise UsageError(
                f"no complete run has the case {case!r}", hint=f"one of: {others}" if others else "kit runs"
            )
    known = {run.run: side for run in have if (side := _side(folder, run)) is not None}
    newest = next((run for run in have if not run.rehearsal), have[0])
    alike = [run for run in reversed(have) if run.load == newest.load and not _apart(known, run, newest, case)]
    errors = [_error(known.get(run.run), case, metric) for run in alike]
    points = trend.of(alike, [figures[f"{run.place}/{run.run}"] for run in alike], metric, errors)
    return Trend(case, metric, points, tuple(run.run for run in have if run not in alike), told)


def _side(folder: Path, run: Found) -> Side | None:
    """What a run's own directory tells beyond the index; None of a run that lies elsewhere, or cannot be read."""
    if not _lies(run, folder):
        return None
    try:
        return sides.of_run(RunDir(folder / run.run), requests=False)
    except KitError:
        return None


def _apart(known: Mapping[str, Side], run: Found, newest: Found, case: str) -> bool:
    """Whether a run certainly served other weights than the newest, or sent other requests of the case."""
    own, its = known.get(run.run), known.get(newest.run)
    if own is None or its is None:
        return False
    one, other = _case(own, case), _case(its, case)
    return served.apart(own, its) or (one is not None and other is not None and likeness.apart(one, other))


def _error(side: Side | None, case: str, metric: str) -> float:
    """How wrong the instrument may be in a figure of a run, as a share of it; 0 where nobody knows."""
    found = _case(side, case) if side is not None else None
    return abs(found.errors.get(metric, 0.0)) if found is not None else 0.0


def _case(side: Side, name: str) -> Measured | None:
    return next((one for one in side.cases.values() if one.name == name), None)


@contextmanager
def _opened(folder: Path, url: str | None, *, rebuild: bool) -> Iterator[tuple[Index, tuple[str, ...]]]:
    index, told = _fresh(folder, url, rebuild=rebuild)
    try:
        yield index, told
    finally:
        index.close()


def _fresh(folder: Path, url: str | None, *, rebuild: bool) -> tuple[Index, tuple[str, ...]]:
    """An index that is up to date; kit's own file is made anew where it is damaged, since it holds nothing of its own."""
    machine = os.uname().nodename
    try:
        return _refreshed(Index(url, folder), folder, machine, rebuild=rebuild)
    except DamagedError:
        path = place_of(folder) if url is None else None
        if path is None:
            raise
    path.unlink(missing_ok=True)
    return _refreshed(Index(url, folder), folder, machine, rebuild=rebuild)


def _refreshed(index: Index, folder: Path, machine: str, *, rebuild: bool) -> tuple[Index, tuple[str, ...]]:
    try:
        return index, index.refresh(folder, machine, everything=rebuild)
    except KitError:
        index.close()
        raise
