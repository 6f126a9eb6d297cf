"""Executing a plan: the rounds in their order, every finished round on disk before the next begins.

The runner acts only through the doors it is given and cannot tell one runtime from another.
"""

import errno
import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path

from kit import __version__, estimate, stats, telemetry
from kit.durable import make_directory
from kit.errors import IncompleteError, InterruptedRunError, KitError
from kit.events import Event, Kind, Seen
from kit.legacy import baseline as baselines
from kit.loadgens import GENERATORS, ReadingError
from kit.model import Plan, RoundPlan, RoundResult, RunStatus
from kit.ports import Doors
from kit.redaction import Redactor, plain
from kit.serving import PROBE_S, TAIL_LINES, Serving, serving
from kit.store import RunDir

Observe = Callable[[Seen], None]

_FULL = {errno.ENOSPC: "no space is left", errno.EDQUOT: "the quota is used up", errno.EROFS: "it is read-only"}


class _RoundFailedError(Exception):
    """One round left no result; the others may still."""


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
        self._telling = threading.Lock()
        self._sampler = telemetry.Sampler(plan, doors.host)
        self._began = doors.host.monotonic()
        self._started = doors.host.now()

    def whole(self) -> RunStatus:
        try:
            self._status("running", None)
            self._learn_from_finished()
            self._tell_estimate()
            with self._server() as server, self._sampler.running():
                for position, entry in enumerate(self._missing, start=1):
                    self._one(entry, server, position)
            if self._failed:
                hint = f"see the round's stdout.log; try again with: kit run --resume {self._run.path}"
                raise IncompleteError("; ".join(self._failed), hint=hint)
            self._tell("done", f"all {len(self._plan.rounds)} rounds are done")
            return self._status("complete", None)
        except KeyboardInterrupt:
            self._close("interrupted", "stopped by the user", f"stopped; go on with: kit run --resume {self._run.path}")
            raise InterruptedRunError(
                f"stopped after {self._done()} of {len(self._plan.rounds)} rounds",
                hint=f"go on with: kit run --resume {self._run.path}",
            ) from None
        except OSError as error:
            raise self._incomplete(_disk_error(error, self._run.path)) from error
        except KitError as error:
            raise self._incomplete(error) from error

    def _incomplete(self, error: KitError) -> KitError:
        self._close("incomplete", self._redactor.text(str(error)), self._redactor.text(error.message))
        return error

    def _close(self, status: str, reason: str, told: str) -> None:
        """Write how the run ended. On a full disk not even that may fit; what ended the run is told all the same."""
        with suppress(OSError):
            self._status(status, reason)
        with suppress(OSError):
            self._tell("stopped", told)

    def _server(self) -> AbstractContextManager[Serving | None]:
        if self._plan.server is None or not self._missing:
            return nullcontext()
        return serving(self._plan, self._plan.server, self._doors, self._run.server_home(self._attempt), self._tell)

    # --- rounds --------------------------------------------------------------------------------------------------

    def _one(self, entry: RoundPlan, server: Serving | None, position: int) -> None:
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

    def _measure(self, entry: RoundPlan, server: Serving | None) -> RoundResult:
        generator, host = GENERATORS[self._plan.generator], self._doors.host
        directory = self._run.round_directory(entry)
        # A kit that was killed in this round had no time for it.
        self._clean(directory)
        self._run.set_aside(entry)
        raw, log = directory / "raw", directory / "stdout.log"
        make_directory(raw)
        command = self._doors.runtime.command(entry.program, self._plan.target.api_key)
        started, began = host.now(), host.monotonic()
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._sampler.begin(entry.program)
        try:
            with self._doors.runtime.start(
                entry.program, directory=raw, log=log, secrets=self._secrets, on_line=tail.append
            ) as load:
                while (ended := load.wait(PROBE_S)) is None:
                    if server is not None:
                        server.require_alive(f"during {entry.id}")
                if server is not None:
                    server.require_alive(f"during {entry.id}")
        finally:
            self._clean(raw)
        duration = (ended_s := host.monotonic()) - began
        ticks = self._sampler.end()
        if ended.code != 0:
            said = generator.blame(tuple(tail)) or " / ".join(line.strip() for line in list(tail)[-3:])
            raise _RoundFailedError(f"the load generator ended with {ended}: {said or 'it wrote nothing'}")
        reading = generator.read(raw, log, entry.order)
        found = stats.figures(entry.case, reading.samples)
        window = telemetry.Window.of((began, ended_s), reading.began_s, found.window_s)
        machine = telemetry.summary(ticks, self._sampler, reading.samples, window)
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
                *telemetry.doubts(ticks, machine, window),
            ),
            telemetry=machine,
        )
        self._run.write_round(entry, result, reading.samples, ticks)
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
            for entry in estimate.from_rows(baselines.read(baseline, str(self._plan.acceptance.baseline))):
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
        # The server's start-up phases are told by the thread that reads its log.
        with self._telling:
            self._observe(Seen(event, result))
            self._run.journal(event)

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


def _disk_error(error: OSError, path: Path) -> IncompleteError:
    if error.errno in _FULL:
        where = error.filename or path
        return IncompleteError(f"cannot write {where}: {_FULL[error.errno]}", hint="make room, then kit run --resume")
    return IncompleteError(f"the run was cut short: {error}", hint=f"kit run --resume {path}")
