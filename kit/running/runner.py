"""Executing a plan: the rounds in their order, every finished round on disk before the next begins.

The runner acts only through the doors it is given and cannot tell one runtime from another.
"""

from collections import deque
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path

from kit import __version__, packed, stats, telemetry
from kit.durable import disk_error, make_directory, with_room_told
from kit.errors import IncompleteError, InterruptedRunError, KitError, interruption
from kit.loadgens import GENERATORS, ReadingError
from kit.model import Case, Plan, Restart, RoundPlan, RoundResult, RunStatus
from kit.ports import Doors, Exit
from kit.redaction import Redactor, plain
from kit.running.prompting import placed
from kit.running.scraping import Asked
from kit.running.serving import PROBE_S, TAIL_LINES, ServerLostError, Serving, blamed, flush, serving
from kit.running.stalls import Vigil
from kit.running.striking import strike
from kit.running.telling import Observe as Observe
from kit.running.telling import Teller
from kit.store import RunDir


class _RoundFailedError(Exception):
    """One round left no result; the others may still."""


class _HangsError(_RoundFailedError):
    """Nothing came for so long that the round was given up. `lost` is the same as the end of a server of kit's own."""

    def __init__(self, reason: str, lost: IncompleteError | None) -> None:
        super().__init__(reason)
        self.lost = lost


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
        self._key = key
        self._secrets = {name: key or "" for entry in plan.rounds for name in entry.program.secrets}
        self._redactor = Redactor(value for value in self._secrets.values() if value)
        self._attempt = attempt
        self._missing = [entry for entry in plan.rounds if not run.has(entry)]
        self._failed: list[str] = []
        self._teller = Teller(plan, run, doors.host, self._redactor, self._missing, observe)
        self._tell = self._teller.tell
        self._position = 0
        self._warm: dict[str, bool] = {}
        self._hung = False
        self._flushes = plan.server is not None and plan.server.flush_path is not None
        self._sampler = telemetry.Sampler(plan, doors.host)
        self._began = doors.host.monotonic()
        self._started = doors.host.now()

    def whole(self) -> RunStatus:
        try:
            self._status("running", None)
            self._teller.learn_from_finished()
            self._teller.tell_estimate()
            try:
                self._serve(restarted=False)
            except ServerLostError as lost:
                if self._plan.server is None or self._plan.server.restart == "never":
                    raise
                self._restart(lost)
                self._serve(restarted=True)
            if self._failed:
                hint = f"see the round's stdout.log; try again with: kit run --resume {self._run.path}"
                raise IncompleteError("; ".join(self._failed), hint=hint)
            self._tell("done", f"all {len(self._teller.needed())} rounds are done")
            return self._status("complete", None)
        except (KeyboardInterrupt, RuntimeError) as error:
            if (reason := interruption(error)) is None:
                raise
            hint = f"go on with: kit run --resume {self._run.path}"
            self._close("interrupted", reason, f"stopped; {hint}")
            msg = f"stopped after {self._done()} of {len(self._teller.needed())} rounds"
            raise InterruptedRunError(msg, hint=hint) from None
        except OSError as error:
            raise self._incomplete(disk_error(error, self._run.path)) from error
        except KitError as error:
            raise self._incomplete(with_room_told(error, self._run.path)) from error

    def _incomplete(self, error: KitError) -> KitError:
        # The rest, such as the end of a server's log, is told with the error itself.
        self._close(
            "incomplete", self._redactor.text(str(error)), self._redactor.text(error.message.partition("\n")[0])
        )
        return error

    def _close(self, status: str, reason: str, told: str) -> None:
        """Write how the run ended. On a full disk not even that may fit; what ended the run is told all the same."""
        with suppress(OSError):
            self._status(status, reason)
        with suppress(OSError):
            self._tell("stopped", told)

    # --- the server ----------------------------------------------------------------------------------------------

    def _serve(self, *, restarted: bool) -> None:
        """Every round that is to come, with one start of the server."""
        self._sampler = telemetry.Sampler(self._plan, self._doors.host)
        self._hung = False
        self._warm = {}
        with self._server(restarted=restarted) as server, self._sampler.running():
            while self._position < len(self._missing):
                entry = self._missing[self._position]
                if self._teller.needs(entry) and self._warmed(entry.case, server):
                    self._one(entry, server)
                self._position += 1

    def _server(self, *, restarted: bool) -> AbstractContextManager[Serving | None]:
        if self._plan.server is None or not any(map(self._teller.needs, self._missing)):
            return nullcontext()
        home = self._run.server_home(self._attempt, restarted=restarted)
        return serving(self._plan, self._plan.server, self._doors, home, self._tell)

    def _restart(self, lost: ServerLostError) -> None:
        entry = self._missing[self._position]
        reason = self._redactor.text(lost.message.splitlines()[0])
        self._run.write_restart(self._attempt, Restart(at=self._doors.host.now(), round=entry.id, reason=reason))
        self._tell("warning", f"{reason}; the server is started again, once, and the round repeated", entry)

    # --- rounds --------------------------------------------------------------------------------------------------

    def _warmed(self, case: Case, server: Serving | None) -> bool:
        """Whether a case is warm: what warms it up is sent before its first round with this start of the server."""
        if case.id not in self._warm:
            self._warm[case.id] = all(self._warms(one, server) for one in self._plan.warmups if one.case.id == case.id)
        return self._warm[case.id]

    def _warms(self, entry: RoundPlan, server: Serving | None) -> bool:
        self._tell("warmup", f"{entry.case.id}: {entry.case.requests} requests to warm up", entry)
        return self._tried(entry, server, f"{entry.case.id} was not measured, since its warm-up") is not None

    def _one(self, entry: RoundPlan, server: Serving | None) -> None:
        position, of = self._position + 1, len(self._missing)
        name = f"{entry.case.id}, round {entry.round} of {self._plan.rounds_per_case}"
        self._tell("round-start", name, entry, position=position, of=of)
        if (result := self._tried(entry, server, name)) is None:
            return
        self._teller.learn(result)
        if result.figures.succeeded == 0 and not self._teller.beyond(entry):
            self._failed.append(f"{name}: {_no_success(result)}")
        self._tell("round-end", name, entry, position=position, of=of, result=result)

    def _tried(self, entry: RoundPlan, server: Serving | None, name: str) -> RoundResult | None:
        """The result; None where there is none, which is told."""
        try:
            result = self._measure(entry, server)
        except (_RoundFailedError, ReadingError) as error:
            if isinstance(error, _HangsError) and error.lost is not None and self._gives_up():
                raise error.lost from error
            self._hung = isinstance(error, _HangsError)
            reason = self._redactor.text(plain(str(error)))
            self._failed.append(f"{name}: {reason}" if not entry.warmup else f"{name} failed: {reason}")
            position, of = self._position + 1, len(self._missing)
            self._tell("round-failed", f"{name} failed: {reason}", entry, position=position, of=of)
            return None
        self._hung = False
        return result

    def _measure(self, entry: RoundPlan, server: Serving | None) -> RoundResult:
        generator, host = GENERATORS[self._plan.generator], self._doors.host
        directory = self._run.round_directory(entry)
        # A kit that was killed in this round had no time for it.
        strike(directory, self._redactor)
        self._run.set_aside(entry)
        raw, log = directory / "raw", directory / "stdout.log"
        make_directory(raw)
        packed.place(raw, entry.program.instrument)
        with placed(self._run, entry.case, raw):
            unflushed = tuple(flush(self._plan.server, self._plan.target, self._doors.endpoint))
            asked = Asked(self._plan, self._doors)
            started, began = host.now(), host.monotonic()
            tail: deque[str] = deque(maxlen=TAIL_LINES)
            self._sampler.begin(entry.program)
            try:
                ended = self._send(entry, server, raw, log, tail)
            finally:
                strike(raw, self._redactor)
            duration = (ended_s := host.monotonic()) - began
            ticks = self._sampler.end()
        if ended.code != 0:
            said = generator.blame(tuple(tail)) or " / ".join(line.strip() for line in list(tail)[-3:])
            raise _RoundFailedError(f"the load generator ended with {ended}: {said or 'it wrote nothing'}")
        reading = generator.read(raw, log, entry.order)
        samples = tuple(map(self._redactor.record, reading.samples))
        found = stats.figures(entry.case, samples)
        window = telemetry.Window.of((began, ended_s), reading.began_s, found.window_s)
        machine = telemetry.summary(ticks, self._sampler, samples, window)
        result = RoundResult(
            case=entry.case,
            round=entry.round,
            started=started,
            duration_s=duration,
            command=self._doors.runtime.command(entry.program, self._plan.target.api_key),
            figures=found,
            native=reading.native,
            doubts=(
                *unflushed,
                *generator.doubts(entry.order.version),
                *reading.doubts,
                *stats.doubts(entry.case, samples, found, reading.native),
                *telemetry.doubts(ticks, machine, window),
            ),
            telemetry=machine,
            prefix_cache=None if not self._flushes else "not flushed" if unflushed else "flushed",
            server=asked.told(samples),
        )
        result = self._redactor.record(result)
        self._run.write_round(entry, result, samples, ticks)
        if entry.warmup and result.figures.succeeded == 0:
            raise _RoundFailedError(_no_success(result))
        return result

    def _send(self, entry: RoundPlan, server: Serving | None, raw: Path, log: Path, tail: deque[str]) -> Exit:
        """Let the load generator run to its end. Raises `_HangsError` where nothing comes any more."""
        self._lines = 0

        def line(text: str) -> None:
            tail.append(text)
            self._lines += 1

        with ExitStack() as stack:
            start, program = self._doors.runtime.start, entry.program
            with blamed(server, f"during {entry.id}"):
                load = stack.enter_context(start(program, directory=raw, log=log, secrets=self._secrets, on_line=line))
            connections = self._doors.host.connections(self._plan.target.port, load.network())
            stack.callback(connections.close)
            known = self._teller.known.get(entry.case.key)
            vigil = Vigil(
                self._doors.host,
                connections,
                raw,
                limit_s=self._plan.stall_limit_s,
                ttft_s=known.ttft_s if known is not None else None,
                unseen_s=entry.order.read_timeout_s,
                told=lambda: (self._lines, server.worked() if server is not None else 0),
            )
            while (ended := load.wait(PROBE_S)) is None:
                if server is not None:
                    server.require_alive(f"during {entry.id}")
                if reason := vigil.stalled():
                    lost = server.error(f"{entry.id}: {reason}") if server is not None and vigil.by_server else None
                    raise _HangsError(reason, lost)
            if server is not None:
                server.require_alive(f"during {entry.id}")
        return ended

    def _gives_up(self) -> bool:
        """Whether a server that hangs is not tried any longer: another start may help, or it hung in the round before too."""
        return self._hung or (self._plan.server is not None and self._plan.server.restart == "once")

    def _done(self) -> int:
        return sum(self._run.has(entry) for entry in self._plan.rounds)

    def _status(self, status: str, reason: str | None) -> RunStatus:
        over = status != "running"
        written = RunStatus.model_validate(
            {
                "run": self._run.name,
                "status": status,
                "kit_version": __version__,
                "profile": self._plan.profile,
                "started": self._run.first_started() or self._started,
                "ended": self._doors.host.now() if over else None,
                "duration_s": self._doors.host.monotonic() - self._began if over else None,
                "rounds_planned": len(self._teller.needed()),
                "rounds_done": self._done(),
                "attempts": self._attempt,
                "reason": reason,
            }
        )
        self._run.write_status(written)
        return written


def _no_success(result: RoundResult) -> str:
    reasons = ", ".join(f"{failure.requests} x {failure.reason}" for failure in result.figures.failures)
    return f"no request succeeded ({reasons})"
