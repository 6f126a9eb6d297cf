"""Executing a plan: the server's life, the rounds in their order, every finished round on disk before the next begins.

The runner acts only through the doors it is given and cannot tell one runtime from another.
"""

import errno
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kit import __version__, estimate, stats
from kit.engines import ENGINES, diagnose
from kit.errors import HostError, IncompleteError, InterruptedRunError, KitError
from kit.events import Event, Kind, Seen
from kit.loadgens import GENERATORS, ReadingError
from kit.model import Phase, Plan, RoundPlan, RoundResult, RunStatus, ServerStart
from kit.ports import Endpoint, EndpointError, Host, Running, Runtime
from kit.redaction import Redactor, plain
from kit.store import RunDir, write_once

Observe = Callable[[Seen], None]

PROBE_S = 0.25
COMPLETION_LIMIT_S = 600.0
STUBBORN_S = 60.0
"""How long a server may be healthy and yet refuse a completion for the same reason before that is taken as final."""
TAIL_LINES = 200
SHOWN_LINES = 15
_FULL = {errno.ENOSPC: "no space is left", errno.EDQUOT: "the quota is used up", errno.EROFS: "it is read-only"}


class _RoundFailedError(Exception):
    """One round left no result; the others may still."""


@dataclass(frozen=True, slots=True)
class Doors:
    """Everything through which the runner acts."""

    runtime: Runtime
    host: Host
    endpoint: Endpoint


def prepare(plan: Plan, doors: Doors, observe: Observe, scratch: Path) -> None:
    """Make what the plan needs before a run exists: environments, and a model that kit makes by itself."""

    def progress(text: str) -> None:
        observe(Seen(Event(at=doors.host.now(), kind="environment", text=text)))

    for told in doors.runtime.sweep():
        progress(f"stopped {told}")
    for environment in plan.environments:
        doors.runtime.prepare(environment, progress)
    if plan.model is not None:
        _make_model(plan, doors, progress, scratch)


def probe_endpoint(plan: Plan, doors: Doors, key: str | None) -> None:
    """For an endpoint that already runs: one completion, before a run directory exists. Raises `HostError`."""
    try:
        doors.endpoint.complete(plan.target, key, timeout_s=COMPLETION_LIMIT_S)
    except EndpointError as error:
        raise HostError(f"the endpoint does not serve: {error.what}", hint=error.hint) from error


def execute(plan: Plan, *, doors: Doors, run: RunDir, key: str | None, observe: Observe, attempt: int = 1) -> RunStatus:
    """Run every round of the plan that has no result yet, and close the run with its status.

    Raises `IncompleteError` when the server or a round failed, `InterruptedRunError` on Ctrl-C; in both cases the status
    is written and every finished round is kept.
    """
    return _Execution(plan, doors, run, key, observe, attempt).whole()


class _Execution:
    def __init__(self, plan: Plan, doors: Doors, run: RunDir, key: str | None, observe: Observe, attempt: int) -> None:
        self._plan = plan
        self._doors = doors
        self._run = run
        self._observe = observe
        self._key = key
        self._secrets = {name: key or "" for entry in plan.rounds for name in entry.program.secrets}
        self._redactor = Redactor(value for value in self._secrets.values() if value)
        self._attempt = attempt
        self._missing = [entry for entry in plan.rounds if not run.has(entry)]
        self._known: dict[estimate.Key, estimate.Known] = {}
        self._overheads: list[float] = []
        self._failed: list[str] = []
        self._began = doors.host.monotonic()
        self._started = doors.host.now()

    def whole(self) -> RunStatus:
        self._status("running", None)
        try:
            self._learn_from_finished()
            self._tell_estimate()
            with self._server() as server:
                for position, entry in enumerate(self._missing, start=1):
                    self._one(entry, server, position)
        except KeyboardInterrupt:
            self._status("interrupted", "stopped by the user")
            self._tell("stopped", f"stopped; go on with: kit run --resume {self._run.path}")
            raise InterruptedRunError(
                f"stopped after {self._done()} of {len(self._plan.rounds)} rounds",
                hint=f"go on with: kit run --resume {self._run.path}",
            ) from None
        except OSError as error:
            raise self._incomplete(_disk_error(error, self._run.path)) from error
        except KitError as error:
            raise self._incomplete(error) from error
        if self._failed:
            hint = f"see the round's stdout.log; try again with: kit run --resume {self._run.path}"
            raise self._incomplete(IncompleteError("; ".join(self._failed), hint=hint))
        status = self._status("complete", None)
        self._tell("done", f"all {len(self._plan.rounds)} rounds are done")
        return status

    def _incomplete(self, error: KitError) -> KitError:
        self._status("incomplete", self._redactor.text(str(error)))
        self._tell("stopped", self._redactor.text(error.message))
        return error

    # --- the server ----------------------------------------------------------------------------------------------

    @contextmanager
    def _server(self) -> Iterator[Running | None]:
        plan = self._plan.server
        if plan is None or not self._missing:
            yield None
            return
        home = self._run.path / ("server" if self._attempt == 1 else f"server-{self._attempt}")
        write_once(home / "argv.txt", (self._doors.runtime.command(plan.program, None) + "\n").encode())
        watch = _Watch(ENGINES[plan.engine].PHASES, self._doors.host, self._tell)
        self._tell("server", f"starting {ENGINES[plan.engine].TITLE} on port {plan.port}")
        started = self._doors.host.now()
        with self._doors.runtime.start(
            plan.program, directory=home, log=home / "server.log", secrets={}, on_line=watch.line
        ) as server:
            self._await_ready(server, watch)
            ready_s = watch.elapsed()
            start = ServerStart(started=started, ready_s=ready_s, phases=tuple(watch.phases))
            write_once(home / "phases.json", start.to_json())
            self._tell("server", f"the server is ready after {ready_s:.1f} s")
            self._watch = watch
            yield server

    def _await_ready(self, server: Running, watch: "_Watch") -> None:
        """Ready: alive, healthy, and one real completion came back. Health or the model list alone prove too little."""
        plan, doors = self._plan.server, self._doors
        assert plan is not None
        refused: tuple[str, float] | None = None
        while True:
            if ended := server.exited():
                raise self._server_error(f"the server ended before it was ready ({ended})", watch)
            if doors.endpoint.healthy(self._plan.target, plan.health_path):
                try:
                    doors.endpoint.complete(self._plan.target, self._key, timeout_s=COMPLETION_LIMIT_S)
                    return
                except EndpointError as error:
                    if refused is None or refused[0] != error.what:
                        refused = error.what, doors.host.monotonic()
                    if doors.host.monotonic() - refused[1] > STUBBORN_S:
                        raise IncompleteError(f"the server does not serve: {error.what}", hint=error.hint) from error
            if watch.elapsed() > plan.ready_timeout_s:
                raise self._server_error(f"the server was not ready after {plan.ready_timeout_s:g} s", watch)
            doors.host.sleep(PROBE_S)

    def _server_error(self, what: str, watch: "_Watch") -> IncompleteError:
        assert self._plan.server is not None
        found = diagnose(self._plan.server.engine, watch.tail)
        tail = "\n".join(f"    {line}" for line in list(watch.tail)[-SHOWN_LINES:])
        cause = f"\nlikely cause: {found.cause}" if found else ""
        hint = found.remedy if found else "the whole log is in server/server.log of the run"
        return IncompleteError(f"{what}{cause}\nthe end of its log:\n{tail or '    (it wrote nothing)'}", hint=hint)

    # --- rounds --------------------------------------------------------------------------------------------------

    def _one(self, entry: RoundPlan, server: Running | None, position: int) -> None:
        of = len(self._missing)
        name = f"{entry.case.id}, round {entry.round} of {self._plan.rounds_per_case}"
        self._tell("round-start", name, entry, position=position, of=of)
        try:
            result = self._measure(entry, server)
        except (_RoundFailedError, ReadingError) as error:
            reason = self._redactor.text(plain(str(error)))
            self._failed.append(f"{name}: {reason}")
            self._tell("round-failed", f"{name} failed: {reason}", entry, position=position, of=of)
            return
        if result.figures.succeeded == 0:
            reasons = ", ".join(f"{failure.requests} x {failure.reason}" for failure in result.figures.failures)
            self._failed.append(f"{name}: no request succeeded ({reasons})")
        self._learn(result)
        self._tell("round-end", name, entry, position=position, of=of, result=result)

    def _measure(self, entry: RoundPlan, server: Running | None) -> RoundResult:
        generator, host = GENERATORS[self._plan.generator], self._doors.host
        self._run.set_aside(entry)
        directory = self._run.round_directory(entry)
        raw, log = directory / "raw", directory / "stdout.log"
        raw.mkdir(parents=True)
        command = self._doors.runtime.command(entry.program, self._plan.target.api_key)
        started, began = host.now(), host.monotonic()
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        try:
            with self._doors.runtime.start(
                entry.program, directory=raw, log=log, secrets=self._secrets, on_line=tail.append
            ) as load:
                while (ended := load.wait(PROBE_S)) is None:
                    if server is not None and (gone := server.exited()):
                        raise self._server_error(f"the server ended during {entry.id} ({gone})", self._watch)
        finally:
            self._clean(raw)
        duration = host.monotonic() - began
        if ended.code != 0:
            said = generator.blame(tuple(tail)) or " / ".join(line.strip() for line in list(tail)[-3:])
            raise _RoundFailedError(f"the load generator ended with {ended}: {said or 'it wrote nothing'}")
        reading = generator.read(raw, log, entry.order)
        found = stats.figures(entry.case, reading.samples)
        result = RoundResult(
            case=entry.case,
            round=entry.round,
            started=started,
            duration_s=duration,
            command=command,
            figures=found,
            native=reading.native,
            doubts=(
                *generator.doubts(entry.order.version),
                *stats.doubts(entry.case, reading.samples, found, reading.native),
            ),
        )
        self._run.write_round(entry, result, reading.samples)
        return result

    def _clean(self, raw: Path) -> None:
        """Strike the key out of what the load generator wrote: it dumps its arguments."""
        if not self._key:
            return
        for path in raw.rglob("*"):
            if path.is_file() and not path.is_symlink():
                self._redactor.clean_file(path)

    # --- telling -------------------------------------------------------------------------------------------------

    def _learn_from_finished(self) -> None:
        if (baseline := self._run.baseline()) is not None:
            for entry in estimate.from_baseline(baseline, str(self._plan.acceptance.baseline)):
                self._known[entry.case] = entry
        for result in self._run.results(self._plan):
            self._learn(result)

    def _learn(self, result: RoundResult) -> None:
        found = result.figures
        if found.latency_s is not None and found.ttft_s is not None:
            self._known[result.case.key] = estimate.Known(result.case.key, found.latency_s.mean, found.ttft_s.mean)
        if found.window_s is not None:
            self._overheads.append(max(0.0, result.duration_s - found.window_s))

    def _rest_s(self) -> float | None:
        rest = [entry for entry in self._missing if not self._run.has(entry)]
        overhead = sum(self._overheads) / len(self._overheads) if self._overheads else estimate.OVERHEAD_S
        return estimate.seconds(rest, tuple(self._known.values()), overhead)

    def _tell_estimate(self) -> None:
        rest = self._rest_s()
        text = "how long it takes is known after the first case" if rest is None else "estimated duration of the rounds"
        self._tell("estimate", text, rest_s=rest)

    def _tell(
        self,
        kind: Kind,
        text: str,
        entry: RoundPlan | None = None,
        *,
        position: int | None = None,
        of: int | None = None,
        rest_s: float | None = None,
        result: RoundResult | None = None,
    ) -> None:
        event = Event(
            at=self._doors.host.now(),
            kind=kind,
            text=self._redactor.text(text),
            case=entry.case.id if entry else None,
            round=entry.round if entry else None,
            position=position,
            of=of,
            rest_s=rest_s if rest_s is not None else self._rest_s() if kind in ("round-start", "round-end") else None,
        )
        self._run.journal(event)
        self._observe(Seen(event, result))

    def _done(self) -> int:
        return sum(self._run.has(entry) for entry in self._plan.rounds)

    def _status(self, status: str, reason: str | None) -> RunStatus:
        over = status != "running"
        first = self._run.first_started() or self._started
        written = RunStatus.model_validate(
            {
                "run": self._run.name,
                "status": status,
                "kit_version": __version__,
                "profile": self._plan.profile,
                "started": first,
                "ended": self._doors.host.now() if over else None,
                "duration_s": self._doors.host.monotonic() - self._began if over else None,
                "rounds_planned": len(self._plan.rounds),
                "rounds_done": self._done(),
                "attempts": self._attempt,
                "reason": reason,
            }
        )
        self._run.write_status(written)
        return written


class _Watch:
    """Reads a server's log as it is written: start-up phases, and the last lines for when it dies."""

    def __init__(self, patterns: tuple[tuple[str, str], ...], host: Host, tell: Callable[[Kind, str], None]) -> None:
        self._waiting = [(name, re.compile(pattern)) for name, pattern in patterns]
        self._host = host
        self._tell = tell
        self._began = host.monotonic()
        self.phases: list[Phase] = []
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def elapsed(self) -> float:
        return self._host.monotonic() - self._began

    def line(self, line: str) -> None:
        self.tail.append(line[:2000])
        for name, pattern in self._waiting:
            if pattern.search(line):
                phase = Phase(name=name, at_s=self.elapsed(), line=line[:500])
                self.phases.append(phase)
                self._waiting.remove((name, pattern))
                self._tell("server", f"start-up: {name} at {phase.at_s:.1f} s")
                return


def _make_model(plan: Plan, doors: Doors, progress: Callable[[str], None], scratch: Path) -> None:
    assert plan.model is not None
    tail: deque[str] = deque(maxlen=SHOWN_LINES)
    directory = Path(plan.model.directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    progress("the embedded model: made once, then checked against its digests")
    with doors.runtime.start(
        plan.model.program, directory=directory.parent, log=scratch, secrets={}, on_line=tail.append
    ) as maker:
        while (ended := maker.wait(5.0)) is None:
            progress("the embedded model: still being made")
    if ended.code != 0:
        said = " / ".join(tail)
        msg = f"the embedded model could not be made: {said or ended}"
        raise HostError(msg, hint=f"remove {directory} and run again")


def _disk_error(error: OSError, path: Path) -> IncompleteError:
    if error.errno in _FULL:
        where = error.filename or path
        return IncompleteError(f"cannot write {where}: {_FULL[error.errno]}", hint="make room, then kit run --resume")
    return IncompleteError(f"the run was cut short: {error}", hint=f"kit run --resume {path}")
