"""What a run directory says, read once: the reports are made from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from kit import bounded, clocks, commands, rounds, servertimes, stats
from kit.errors import UsageError
from kit.model import Inventory, Plan, Preflight, Restart, RoundPlan, RoundResult, RunStatus, ServerStart
from kit.model.attestation import ATTESTATION, Attestation
from kit.model.calibration import Calibration
from kit.model.report import RequestRow, Signed, Timeline
from kit.model.reproduction import Reproduction
from kit.report import timelines
from kit.store import MOST_BYTES, RunDir


@dataclass(frozen=True, slots=True)
class Run:
    """A run as read from its directory."""

    name: str
    plan: Plan
    inventory: Inventory
    status: RunStatus
    start_command: str
    starts: tuple[ServerStart, ...]
    results: tuple[RoundResult, ...]
    commands: tuple[tuple[str, str], ...]
    requests: tuple[RequestRow, ...]
    baseline: bytes | None = None
    preflights: tuple[Preflight, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    restarts: tuple[Restart, ...] = ()
    signed: Signed | None = None
    repeated: Reproduction | None = None
    calibration: Calibration | None = None


def read(run: RunDir) -> Run:
    """Everything that a report needs. Raises `UsageError` where the directory is not whole."""
    whole = run.plan()
    results = run.results(whole)
    plan = rounds.settled(whole, results)
    return Run(
        name=run.name,
        plan=plan,
        inventory=run.inventory(),
        status=_status(run, len(results)),
        start_command=_start_command(run, plan),
        starts=run.server_starts(),
        results=tuple(_with_server(run, plan, results)),
        commands=tuple(
            (entry.id, run.text(f"cases/{entry.id}/command.txt")) for entry in plan.rounds if run.has(entry)
        ),
        requests=tuple(row for entry in plan.rounds if run.has(entry) for row in _requests(run, entry)),
        baseline=run.baseline(),
        preflights=run.preflights(),
        timelines=timelines.of([tick for entry in plan.rounds if run.has(entry) for tick in run.ticks(entry)]),
        signed=signed(run),
        calibration=run.calibration(),
        restarts=run.restarts(),
        repeated=run.reproduction(),
    )


def _status(run: RunDir, done: int) -> RunStatus:
    """What `run.json` says; while a run goes on, that is what was true when it began."""
    found = run.status()
    return found.model_copy(update={"rounds_done": done}) if found.status == "running" else found


def _with_server(run: RunDir, plan: Plan, results: Sequence[RoundResult]) -> Iterator[RoundResult]:
    """The results; in those of a time before the server was asked, what its answers say stands only beside the requests."""
    entries = {(entry.case.id, entry.round): entry for entry in plan.rounds}
    for result in results:
        if result.server is not None:
            yield result
        else:
            found = servertimes.of_answers(run.samples(entries[result.case.id, result.round]))
            yield result.model_copy(update={"server": found})


def signed(run: RunDir) -> Signed | None:
    """Who says to have signed, not checked; None where nobody has."""
    path = run.path / ATTESTATION
    if not path.is_file():
        return None
    try:
        found = Attestation.model_validate_json(bounded.read(path, MOST_BYTES))
        return Signed(statement_sha256=found.sha256, sign_offs=found.signed())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise UsageError(f"{path} is damaged", hint="kit verify says what was altered") from error


def _requests(run: RunDir, entry: RoundPlan) -> list[RequestRow]:
    """The requests of a round, without the times between their chunks, which are most of what is stored."""
    raw = run.samples(entry)
    lates = [clocks.late_s(entry.case, sample) for sample in raw]
    return [
        RequestRow(
            case=entry.case,
            round=entry.round,
            index=sample.index,
            succeeded=sample.succeeded,
            error=sample.error,
            sent_s=sample.sent_s,
            latency_s=sample.latency_s,
            ttft_s=sample.ttft_s,
            tpot_s=stats.tpot_s(sample),
            input_tokens=sample.input_tokens,
            output_tokens=sample.output_tokens,
            finish_reason=sample.finish_reason,
            late_s=late,
            turn=sample.turn,
            cached_tokens=sample.cached_tokens,
        )
        for sample, late in zip(clocks.counted(entry.case, raw), lates, strict=True)
    ]


def _start_command(run: RunDir, plan: Plan) -> str:
    """The server's command as it ran; of a container the command inside, which is what can be compared across machines."""
    if plan.server is None:
        return ""
    if plan.runtime == "docker":
        return commands.shell(plan.server.program, plan.server.program.argv)
    # A kit that was killed may have left the first attempt before it wrote the command.
    homes = run.server_homes()
    if not homes and not any(run.has(entry) for entry in plan.rounds):
        return ""
    return run.text(f"{homes[0] if homes else 'server'}/argv.txt")
