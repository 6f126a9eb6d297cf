"""What the report shows beyond the original's columns: how steady a case was, how its requests spread, what was there before."""

from collections.abc import Sequence
from typing import TypeVar

from kit import stats
from kit.legacy import again
from kit.legacy import baseline as baselines
from kit.model import Case, Plan, RoundResult, Telemetry
from kit.model.profile import Language
from kit.model.report import Baseline, CaseDetail, Estimate, MachineUse, RequestRow, RoundRow
from kit.texts import say

N = TypeVar("N", int, float)


def of(
    cases: Sequence[Case], rounds: Sequence[RoundRow], results: Sequence[RoundResult], requests: Sequence[RequestRow]
) -> tuple[CaseDetail, ...]:
    """One detail per case, in their order; `rounds` holds every planned round, `results` those that were finished."""
    planned: dict[str, list[RoundRow]] = {case.id: [] for case in cases}
    sent: dict[str, list[RequestRow]] = {case.id: [] for case in cases}
    for row in rounds:
        planned[row.case.id].append(row)
    for request in requests:
        sent[request.case.id].append(request)
    done: dict[str, list[RoundResult]] = {case.id: [] for case in cases}
    for result in results:
        done[result.case.id].append(result)
    return tuple(_detail(case, done[case.id], planned[case.id], sent[case.id]) for case in cases)


def baseline(content: bytes | None, name: str) -> Baseline | None:
    """The results that a profile names to compare with."""
    if content is None:
        return None
    return Baseline(name=name, rows=tuple(map(again.row, baselines.read(content, name))))


def rounds_note(plan: Plan, lang: Language) -> str:
    """How often each case was run, and with how many requests."""
    ratios = {case.requests / case.concurrency for case in plan.cases}
    if len(ratios) == 1 and (ratio := ratios.pop()).is_integer():
        return say(lang, "rounds-note", rounds=plan.rounds_per_case, per_client=int(ratio))
    return say(lang, "rounds-note-mixed", rounds=plan.rounds_per_case)


def _detail(
    case: Case, done: Sequence[RoundResult], rounds: Sequence[RoundRow], requests: Sequence[RequestRow]
) -> CaseDetail:
    good = [request for request in requests if request.succeeded]
    ttft = stats.spread(request.ttft_s for request in good)
    return CaseDetail(
        case=case,
        rounds=len(done),
        rounds_planned=len(rounds),
        requests=len(requests),
        succeeded=len(good),
        latency=_estimate([row.latency_s for row in rounds]),
        output_throughput=_estimate([row.output_throughput for row in rounds]),
        ttft=_estimate([row.ttft_s for row in rounds]),
        tpot=_estimate([row.tpot_s for row in rounds]),
        latency_s=stats.spread(request.latency_s for request in good),
        ttft_s=ttft,
        tpot_s=stats.spread(request.tpot_s for request in good),
        prefill_speed=stats.prefill_speed(stats.spread(request.input_tokens for request in good), ttft),
        machine=_machine([result.telemetry for result in done], len(rounds)),
    )


def _machine(told: Sequence[Telemetry | None], planned: int) -> MachineUse | None:
    """The telemetry of a case; a figure that one of its rounds lacks is none of the case."""
    known = [found for found in told if found is not None]
    if not known:
        return None
    if len(known) < planned:
        return MachineUse(reasons=tuple(dict.fromkeys(found.reason for found in known if found.reason)))
    return MachineUse(
        power_w=stats.mean(found.power_mean_w for found in known),
        power_peak_w=_peak([found.power_peak_w for found in known]),
        tokens_per_joule=stats.mean(found.tokens_per_joule for found in known),
        utilisation_percent=stats.mean(found.utilisation_mean_percent for found in known),
        memory_peak_bytes=_peak([found.memory_peak_bytes for found in known]),
        temperature_peak_c=_peak([found.temperature_peak_c for found in known]),
        cpu_percent=stats.mean(stats.mean(found.cpu_mean_percent) for found in known),
        client_peak_percent=_peak([found.client_peak_percent for found in known]),
        reasons=tuple(dict.fromkeys(found.reason for found in known if found.reason)),
    )


def _peak(values: Sequence[N | None]) -> N | None:
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def _estimate(values: Sequence[float | None]) -> Estimate:
    known = [value for value in values if value is not None]
    whole = len(known) == len(values)
    return Estimate(mean=stats.mean(values), half_width=stats.half_width(known) if whole else None)
