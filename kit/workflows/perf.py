"""`kit perf`: the options of the original load script as a profile in memory, run as any other, and its two tables.

The tables' names are taken before anything starts, so that no two tests ever write into the same file.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kit import profile as profiles
from kit.errors import HostError, NotAcceptedError, Problem, UsageError
from kit.model import Secret
from kit.model.report import Report
from kit.renderers import render
from kit.renderers.csv import script
from kit.running.beginning import Prepared
from kit.running.runner import Observe
from kit.store import RunDir
from kit.workflows import running, writing
from kit.workflows.running import Finished

_COUNTS = re.compile(r"[1-9][0-9]{0,8}( [1-9][0-9]{0,8})*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say, before anything of it was checked."""

    ip: str
    port: str
    parallel: str
    number: str
    model: str
    tokenizer: str
    input_length: int
    output_length: int
    read_timeout_s: int
    seed: int
    loop: int
    name: str
    api_key: Secret | None = None
    trust_remote_code: bool = False


def profile(wanted: Wanted) -> profiles.Loaded:
    """The profile that the options make: load only, on an endpoint that already runs."""
    problems: list[Problem] = []
    parallel = _counts("--parallel", wanted.parallel, problems)
    number = _counts("--number", wanted.number, problems)
    if parallel and number and len(parallel) != len(number):
        what = f"{len(parallel)} values for --parallel and {len(number)} for --number"
        problems.append(Problem("", what, "give one number of requests for each number of clients"))
    if not re.fullmatch(r"[1-9][0-9]{0,4}", wanted.port):
        problems.append(Problem("--port", f"{wanted.port!r} is not a port"))
    if problems:
        raise UsageError("these options do not describe a test", problems=problems)
    group: dict[str, object] = {
        "input": wanted.input_length,
        "output": wanted.output_length,
        "concurrency": list(parallel),
    }
    if number != parallel:
        group["requests"] = list(number)
    host = f"[{wanted.ip}]" if ":" in wanted.ip else wanted.ip
    key = {} if wanted.api_key is None else {"api_key": wanted.api_key.model_dump(exclude_none=True)}
    fields: dict[str, object] = {
        "schema": 1,
        "name": re.sub(r"[^a-z0-9._-]+", "-", wanted.name.lower()).strip("-._")[:80] or "perf",
        "report": {"project": wanted.name},
        "server": {"engine": "endpoint", "url": f"http://{host}:{wanted.port}", "model": wanted.model, **key},
        "load": {
            # The client of the script that it stands for.
            "transport": "evalscope",
            "tokenizer": wanted.tokenizer,
            "trust_remote_code": wanted.trust_remote_code,
            "rounds": wanted.loop,
            "seed": wanted.seed,
            "read_timeout": wanted.read_timeout_s,
            "cases": [group],
        },
    }
    return profiles.validated(fields, "what the options say", {})


def _counts(option: str, text: str, problems: list[Problem]) -> tuple[int, ...]:
    flat = " ".join(text.split())
    if not _COUNTS.fullmatch(flat):
        problems.append(Problem(option, f"{text!r} is no list of whole numbers", f"write {option} 1 2 4 8"))
        return ()
    return tuple(map(int, flat.split(" ")))


@dataclass(slots=True)
class Tables:
    """The csv and the xlsx of one test: theirs from the start, filled when the test is over."""

    csv: Path
    xlsx: Path
    written: list[Path] = field(default_factory=list)

    def write(self, report: Report) -> None:
        """Fill both."""
        for path, content in ((self.csv, script(report)), (self.xlsx, render("xlsx", report))):
            self.written += writing.files([(path, content)])

    def release(self) -> None:
        """Give back the names under which nothing was written."""
        for path in (self.csv, self.xlsx):
            if path not in self.written:
                path.unlink(missing_ok=True)


def claim(csv: str | None, xlsx: str | None, stamp: str) -> Tables:
    """Take the names of the two tables. Raises `UsageError` where a file of a name that was asked for exists already."""
    for attempt in range(1, 100):
        own = f"{stamp}.csv" if attempt == 1 else f"{stamp}-{attempt}.csv"
        first = Path(_ending(csv, ".csv") if csv else own)
        second = Path(_ending(xlsx, ".xlsx")) if xlsx else first.with_suffix(".xlsx")
        try:
            _take(first)
        except FileExistsError:
            if csv:
                raise _exists(first) from None
            continue
        try:
            _take(second)
        except FileExistsError:
            first.unlink()
            if csv or xlsx:
                raise _exists(second) from None
            continue
        except BaseException:
            first.unlink()
            raise
        return Tables(first, second)
    raise HostError(f"99 tests of this second have their tables here ({stamp}.csv)")


def _ending(name: str, suffix: str) -> str:
    return name if name.endswith(suffix) else f"{name}{suffix}"


def _take(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb"):
            pass
    except FileExistsError:
        raise
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror}", hint="give another name") from error


def _exists(path: Path) -> UsageError:
    hint = "results of different tests never share a file: give another name, or move that one away"
    return UsageError(f"{path} exists already", hint=hint)


def prepare(wanted: Wanted, runtime: Literal["process", "docker"], out: Path) -> Prepared:
    """Decide everything for the test."""
    return running.planned(profile(wanted), runtime, out)


def run(
    prepared: Prepared,
    tables: Tables,
    observe: Observe,
    tell: Callable[[str], None] | None = None,
    *,
    force: bool = False,
) -> Finished:
    """Run the test and fill its tables, also with what was measured before something failed.

    A test that is going on here is awaited first. `tell` gets what the load generator printed, level by level, at the end.
    """

    def write(directory: RunDir) -> Report:
        built, _ = running.write_report(directory)
        tables.write(built)
        if tell is not None:
            for path in sorted(directory.path.glob("cases/*/round-*/stdout.log")):
                tell(f"--- {path}\n{path.read_text('utf-8', errors='replace')}")
        return built

    try:
        return running.run(prepared, observe, force=force, wait=True, write=write)
    finally:
        tables.release()


def require_whole(found: Report) -> None:
    """Raises `NotAcceptedError` where requests failed: the figures are of the others only."""
    if failed := sum(not row.succeeded for row in found.requests):
        msg = f"{failed} of {len(found.requests)} requests failed; the figures are of the others"
        raise NotAcceptedError(msg, hint=f"kit report {found.run} tells why they failed")
