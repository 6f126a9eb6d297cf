"""What the report shows beyond the original's columns: how steady a case was, how its requests spread, what was there before."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from kit import calibration as calibrations
from kit import clocks, flow, intervals, servertimes, stats
from kit.legacy import again
from kit.legacy import baseline as baselines
from kit.model import Case, Plan, RoundResult, Telemetry
from kit.model.calibration import Calibration, Share
from kit.model.percentiles import FEWEST
from kit.model.profile import Language
from kit.model.report import (
    Baseline,
    CaseDetail,
    Estimate,
    LoadUse,
    MachineUse,
    Points,
    RequestRow,
    RoundRow,
    ServerUse,
    Tokens,
    TurnUse,
    Within,
)
from kit.texts import doubt, say

N = TypeVar("N", int, float)


def of(
    cases: Sequence[Case],
    rounds: Sequence[RoundRow],
    results: Sequence[RoundResult],
    requests: Sequence[RequestRow],
    calibration: Calibration | None = None,
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
    return tuple(
        _detail(case, done[case.id], planned[case.id], sent[case.id], instrument(calibration, case, results))
        for case in cases
    )


def instrument(calibration: Calibration | None, case: Case, results: Sequence[RoundResult]) -> dict[str, Share]:
    """The instrument's error of a case by metric: that of the round in whose figures it is the largest share."""
    found: dict[str, Share] = {}
    for result in results:
        if result.case.id == case.id:
            for metric, share in calibrations.shares(calibration, case, result.figures).items():
                found[metric] = max(found.get(metric, share), share, key=lambda one: abs(one.median))
    return found


def baseline(content: bytes | None, name: str, lang: Language) -> Baseline | None:
    """The results that a profile names to compare with, their name with what they tell against themselves."""
    if content is None:
        return None
    rows = baselines.read(content, name)
    told = list(dict.fromkeys(row.draft for row in rows if row.draft))
    if failed := sum(row.failed or 0 for row in rows):
        told.append(say(lang, "baseline-failed", failed=failed, of=sum(row.sent or 0 for row in rows)))
    marked = say(lang, "baseline-marked", name=name, mark=say(lang, "and").join(told)) if told else name
    return Baseline(name=marked, rows=tuple(map(again.row, rows)))


def rounds_note(plan: Plan, lang: Language) -> str:
    """How often each case was run, and with how many requests."""
    ratios = {case.requests / case.concurrency for case in plan.cases if case.rate is None}
    counts = sorted({len(plan.numbers(case)) for case in plan.cases})
    rounds = f"{counts[0]}–{counts[-1]}" if len(counts) > 1 else str(counts[0])
    mixed = len(ratios) != 1 or any(case.rate for case in plan.cases) or not (ratio := ratios.pop()).is_integer()
    told = [
        say(lang, "rounds-note-mixed", rounds=rounds)
        if mixed
        else say(lang, "rounds-note", rounds=rounds, per_client=int(ratio))
    ]
    if plan.until is not None:
        percent = f"{plan.until.half_width * 100:g}"
        told.append(say(lang, "rounds-note-until", percent=percent, most=plan.rounds_per_case))
    if plan.warmups:
        told.append(say(lang, "rounds-note-warmup"))
    told += [doubt(lang, found) for found in plan.caveats]
    return ("" if lang == "zh-CN" else " ").join(told)


def _detail(
    case: Case,
    done: Sequence[RoundResult],
    rounds: Sequence[RoundRow],
    requests: Sequence[RequestRow],
    errors: Mapping[str, Share],
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
        load=_load(case, requests).model_copy(update={"instrument": tuple(errors.items())}),
        latency_points=_points([request.latency_s for request in good]),
        ttft_points=_points([request.ttft_s for request in good]),
        tpot_points=_points([request.tpot_s for request in good]),
        machine=_machine([result.telemetry for result in done], len(rounds)),
        server=server(done),
        turns=_turns(case, requests),
    )


def _turns(case: Case, requests: Sequence[RequestRow]) -> tuple[TurnUse, ...]:
    """The requests by their place in conversations; none where there are no conversations."""
    turns = case.shape.turns if case.shape is not None else None
    found = []
    for turn in range(1, turns.number + 1 if turns is not None else 1):
        sent = [request for request in requests if request.turn == turn]
        good = [request for request in sent if request.succeeded]
        use = TurnUse(
            turn=turn,
            requests=len(sent),
            succeeded=len(good),
            input_tokens=stats.mean(request.input_tokens for request in good),
            cached_tokens=stats.mean(request.cached_tokens for request in good),
            ttft_s=stats.mean(request.ttft_s for request in good),
            latency_s=stats.mean(request.latency_s for request in good),
        )
        found.append(use)
    return tuple(found)


def _load(case: Case, requests: Sequence[RequestRow]) -> LoadUse:
    """How the load of a case met the server; a figure that one of its rounds lacks is none of the case."""
    by_round: dict[int, list[RequestRow]] = {}
    for request in requests:
        by_round.setdefault(request.round, []).append(request)
    flows = [flow.of(case, sent) for sent in by_round.values()]
    known = [found for found in flows if found is not None]
    whole = bool(known) and len(known) == len(flows)
    good = [request for request in requests if request.succeeded]
    lates = [request.late_s for request in requests if request.late_s is not None]
    return LoadUse(
        input_tokens=_tokens([request.input_tokens for request in good]),
        output_tokens=_tokens([request.output_tokens for request in good]),
        in_flight=stats.mean(found.mean for found in known) if whole else None,
        in_flight_peak=max(found.peak for found in known) if whole else None,
        burst=sum(found.burst for found in known) if whole else None,
        burst_ttft_s=stats.mean(value for found in known for value in found.burst_ttfts_s) if whole else None,
        steady_ttft_s=stats.mean(value for found in known for value in found.steady_ttfts_s) if whole else None,
        sent_rate=stats.mean(_reached(case, sent) for sent in by_round.values()),
        late_s=stats.mean(lates),
        late_most_s=max(lates, default=None),
    )


def server(done: Sequence[RoundResult]) -> ServerUse | None:
    """The server's own times beside the client's; a figure that one of its rounds lacks is none of the case."""
    told = [(result, found) for result in done if (found := result.server) is not None and found.requests]
    if not told or len(told) < len(done):
        return None
    same = all(servertimes.alike(result) for result, _ in told)
    own = {name: stats.mean(stats.metric(name, result.figures) for result, _ in told) for name in ("ttft", "tpot")}
    times: dict[str, float | None] = {
        name: stats.mean(getattr(found, name) for _, found in told)
        for name in ("ttft_s", "queue_s", "prefill_s", "tpot_s")
    }
    apart = [value for value in (times["queue_s"], times["prefill_s"]) if value is not None]
    ahead = [
        (name, mine / theirs - 1)
        for name, mine in own.items()
        if same and mine is not None and (theirs := times[f"{name}_s"])
    ]
    return ServerUse(
        **times,
        rest_s=own["ttft"] - sum(apart) if same and apart and own["ttft"] is not None else None,
        ahead=tuple(ahead),
        counted=sum(found.requests for _, found in told),
    )


def _reached(case: Case, sent: Sequence[RequestRow]) -> float | None:
    return clocks.reached(case, [one.sent_s + (one.late_s or 0.0) for one in sent if one.sent_s is not None])


def _points(values: Sequence[float | None]) -> Points:
    """The intervals of the percentiles that these values carry."""
    known = [value for value in values if value is not None]
    found = [
        intervals.percentile(known, float(name.removeprefix("p"))) if len(known) >= fewest else None
        for name, fewest in FEWEST.items()
    ]
    return tuple(Within(low=one.low, high=one.high) if one is not None else None for one in found)


def _tokens(counts: Sequence[int | None]) -> Tokens | None:
    known = [count for count in counts if count is not None]
    if not known or len(known) < len(counts):
        return None
    return Tokens(mean=sum(known) / len(known), least=min(known), most=max(known))


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
