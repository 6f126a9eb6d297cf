"""Building the report: a pure function of what lies in a run directory."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from kit import acceptance, calibration, commands, searches, servertimes, stats
from kit import rounds as steadiness
from kit.engines import ENGINES
from kit.formats import duration, figure
from kit.loadgens import GENERATORS
from kit.model import Case, Inventory, Plan, RoundResult
from kit.model.profile import Language
from kit.model.report import Execution, MachineRow, PerformanceRow, Report, RoundRow
from kit.model.verdict import Verdict
from kit.report import details, findings, repetition, verdicts
from kit.report.hardware import hardware_table, hardware_text
from kit.report.reading import Run, read
from kit.texts import doubt, say

__all__ = ["Run", "build", "hardware_file", "read"]


def _inside(run: Run, example: tuple[str, str]) -> str:
    """The load command; of a container the command inside."""
    name, command = example
    if run.plan.runtime == "process":
        return command
    return next(
        (commands.shell(e.program, e.program.argv, run.plan.target.api_key) for e in run.plan.rounds if e.id == name),
        "",
    )


def build(run: Run, language: Language | None = None) -> Report:
    """The report of a run, in the language of its profile unless another is asked for."""
    plan = run.plan
    lang = language or plan.report.language
    notes: list[str] = []
    rows = tuple(_row(case, run, lang, notes) for case in plan.cases)
    rounds = _rounds(run)
    verdict = _verdict(run)
    example = run.commands[0] if run.commands else ("", "")
    case, _, number = example[0].rpartition("/round-")
    return Report(
        language=lang,
        run=run.name,
        draft=_draft(run, lang),
        project=plan.report.project or plan.profile,
        model=plan.report.model or plan.target.model,
        model_label=plan.report.model_label or plan.target.model,
        environment_label=plan.report.environment or _environment_label(run.inventory, lang),
        date=_date(run.status.started, lang),
        hardware=hardware_table(run.inventory, lang),
        software=_software(run, lang),
        start_command=run.start_command or say(lang, "external", url=plan.target.url),
        start_note=say(lang, "ready", seconds=figure(run.starts[0].ready_s)) if run.starts else None,
        load_example=say(lang, "example", case=case, round=number) if example[0] else "",
        load_command=_inside(run, example),
        rounds_note=details.rounds_note(plan, lang),
        instrument_note=_untried(run, lang),
        server_note=_silent(run, lang),
        rows=rows,
        rounds=rounds,
        details=details.of(plan.cases, rounds, run.results, run.requests, run.calibration),
        requests=run.requests,
        machine=_machine(run),
        timelines=run.timelines,
        notes=tuple(notes),
        conclusion=_conclusion(run, verdict, lang),
        verdict=verdict,
        baseline=details.baseline(run.baseline, str(plan.acceptance.baseline), lang),
        hardware_file=hardware_file(run.inventory),
        hardware_text=hardware_text(run.inventory),
        commands=run.commands,
        executions=_executions(run),
        kit_version=plan.kit_version,
        started=run.status.started,
        provenance=_provenance(run, lang),
        signed=run.signed,
        repeated=run.repeated,
    )


def hardware_file(inventory: Inventory) -> str:
    """The name of the attachment with the hardware's details."""
    return f"hardware_info_{inventory.collected.astimezone():%Y%m%d_%H%M%S}.txt"


def _row(case: Case, run: Run, lang: Language, notes: list[str]) -> PerformanceRow:
    results = {result.round: result for result in run.results if result.case.id == case.id}
    own: list[int] = []

    def note(text: str) -> None:
        notes.append(say(lang, "labelled", name=case.id, text=text))
        own.append(len(notes))

    for number in run.plan.numbers(case):
        if number not in results:
            note(say(lang, "missing-round", round=number))
            continue
        for found in results[number].doubts:
            note(say(lang, "round-doubt", round=number, text=doubt(lang, found)))
    rows = [_round(results.get(number), case, number) for number in run.plan.numbers(case)]
    for found in (
        *steadiness.doubts(case, run.results),
        *steadiness.unreached(run.plan, case, run.results),
        *calibration.doubts(errors := details.instrument(run.calibration, case, run.results)),
        *servertimes.doubts(
            tuple(results.values()), {name: share.median for name, share in errors.items()}, probes=_probes(run.plan)
        ),
    ):
        note(doubt(lang, found))
    return PerformanceRow(
        case=case,
        latency_s=stats.mean(row.latency_s for row in rows),
        output_throughput=stats.mean(row.output_throughput for row in rows),
        ttft_s=stats.mean(row.ttft_s for row in rows),
        tpot_s=stats.mean(row.tpot_s for row in rows),
        tps=stats.mean(row.tps for row in rows),
        per_stream_throughput=stats.mean(row.per_stream_throughput for row in rows),
        notes=tuple(own),
    )


def _probes(plan: Plan) -> int:
    """How many requests of its own a round may hold: evalscope tries the server before it begins."""
    return 0 if all(entry.order.transport == "precise" for entry in plan.rounds) else 1


def _rounds(run: Run) -> tuple[RoundRow, ...]:
    results = {(result.case.id, result.round): result for result in run.results}
    return tuple(
        _round(results.get((entry.case.id, entry.round)), entry.case, entry.round) for entry in run.plan.rounds
    )


def _round(result: RoundResult | None, case: Case, number: int) -> RoundRow:
    if result is None:
        return RoundRow(case=case, loop=number - 1)
    found = result.figures
    return RoundRow(
        case=case,
        loop=number - 1,
        latency_s=found.latency_s.mean if found.latency_s else None,
        output_throughput=found.output_throughput,
        ttft_s=found.ttft_s.mean if found.ttft_s else None,
        tpot_s=found.tpot_s.mean if found.tpot_s else None,
        tps=found.tps,
        per_stream_throughput=found.per_stream_throughput,
    )


def _untried(run: Run, lang: Language) -> str | None:
    reason = run.calibration.reason if run.calibration is not None else None
    return say(lang, "trust-error-none", reason=doubt(lang, reason)) if reason is not None else None


def _silent(run: Run, lang: Language) -> str | None:
    """Why the server's own times are not known; None where they are, or where rounds do not say the same."""
    reasons = {result.server.reason if result.server is not None else None for result in run.results}
    reason = reasons.pop() if len(reasons) == 1 else None
    return say(lang, "trust-server-none", reason=doubt(lang, reason)) if reason is not None else None


def _machine(run: Run) -> tuple[MachineRow, ...]:
    return tuple(
        MachineRow(case=result.case, round=result.round, telemetry=result.telemetry)
        for result in run.results
        if result.telemetry is not None
    )


def _executions(run: Run) -> tuple[Execution, ...]:
    results = {(result.case.id, result.round): result for result in run.results}
    stored = dict(run.commands)
    return tuple(
        Execution(
            name=entry.id,
            started=results[entry.case.id, entry.round].started,
            duration_s=results[entry.case.id, entry.round].duration_s,
            command=stored[entry.id],
        )
        for entry in run.plan.rounds
        if (entry.case.id, entry.round) in results
    )


def _software(run: Run, lang: Language) -> tuple[tuple[str, str], ...]:
    plan, system = run.plan, run.inventory.system
    version = f" v{plan.engine_version}" if plan.engine_version else ""
    tool = f"{GENERATORS[plan.generator].TITLE} v{plan.generator_version}"
    precise = any(entry.order.transport == "precise" for entry in plan.rounds)
    return (
        (say(lang, "os"), system.os.value or say(lang, "unknown", reason=system.os.reason)),
        (say(lang, "kernel"), system.kernel.value or say(lang, "unknown", reason=system.kernel.reason)),
        (say(lang, "engine"), f"{ENGINES[plan.engine].TITLE}{version}"),
        (say(lang, "tool"), say(lang, "tool-precise", tool=tool) if precise else tool),
    )


def _environment_label(inventory: Inventory, lang: Language) -> str:
    model = inventory.cpu.model.value or inventory.cpu.architecture.value or "?"
    cores = inventory.cpu.physical_cores.value
    return f"CPU: {model}" if cores is None else say(lang, "cpu-label", model=model, cores=cores)


def _date(at: datetime, lang: Language) -> str:
    local = at.astimezone()
    return say(lang, "date", year=local.year, month=local.month, day=local.day)


def _verdict(run: Run) -> Verdict:
    status = run.status
    began = status.started.astimezone().date()
    return acceptance.judge(run.plan, run.results, run.baseline, began, complete=status.status == "complete")


def _draft(run: Run, lang: Language) -> str | None:
    """What marks the report on its first page: not whole, a rehearsal, or made on a machine that failed its checks."""
    marks = [] if run.status.status == "complete" else [say(lang, "draft")]
    marks += [say(lang, "rehearsal")] if run.plan.report.rehearsal else []
    marks += [say(lang, "forced")] if _forced(run) else []
    return say(lang, "and").join(marks) or None


def _forced(run: Run) -> tuple[str, ...]:
    """The checks that failed before an attempt which went on all the same."""
    failed = [check for preflight in run.preflights if preflight.forced for check in preflight.failed]
    return tuple(dict.fromkeys(f"{check.name}: {check.found}" for check in failed))


def _conclusion(run: Run, verdict: Verdict, lang: Language) -> tuple[str, ...]:
    status = run.status
    incomplete = (
        (
            say(
                lang,
                "incomplete",
                planned=status.rounds_planned,
                done=status.rounds_done,
                reason=(status.reason or "").splitlines()[0] if status.reason else "",
            ).strip(),
        )
        if status.status != "complete"
        else ()
    )
    forced = [say(lang, "forced-checks", checks=say(lang, "and").join(found))] if (found := _forced(run)) else []
    restarted = [say(lang, "restarted", round=found.round, reason=found.reason) for found in run.restarts]
    searched = findings.lines(searches.outcomes(run.plan, run.results), lang)
    repeated = repetition.lines(run.repeated, lang) if run.repeated is not None else ()
    return (*incomplete, *forced, *restarted, *repeated, *searched, *verdicts.lines(verdict, lang))


def _rights(plan: Plan, lang: Language) -> Iterator[str]:
    """What the server's container was allowed beyond the least. The load generator's is allowed nothing."""
    if plan.runtime == "docker" and plan.server is not None and (rights := plan.server.program.beyond):
        yield say(lang, "provenance-rights", rights=", ".join(rights))


def _provenance(run: Run, lang: Language) -> Sequence[str]:
    plan, status = run.plan, run.status
    ended = f"{status.ended.astimezone():%Y-%m-%d %H:%M:%S %z}" if status.ended else "—"
    started = f"{status.started.astimezone():%Y-%m-%d %H:%M:%S %z}"
    took = say(lang, "provenance-took", duration=duration(status.duration_s)) if status.duration_s is not None else ""
    return (
        f"{say(lang, 'run')} {run.name}",
        say(lang, "provenance-kit", kit=plan.kit_version, profile=plan.profile, digest=plan.profile_sha256),
        *(say(lang, "provenance-environment", name=env.title, digest=env.digest) for env in plan.environments),
        *_rights(plan, lang),
        *((say(lang, "provenance-code"),) if plan.trust_remote_code else ()),
        say(lang, "provenance-machine", fingerprint=run.inventory.fingerprint),
        say(lang, "provenance-time", started=started, ended=ended) + took,
    )
