"""Holding results against the criteria of a profile: a pure function of a plan, its baseline and its results.

A criterion is met or not met only where the evidence decides it. A case without all its rounds, an interval over rounds
that reaches across the limit, too few requests, a percentile of too few samples: uncertain, with the reason.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal

from kit import searches, stats
from kit.legacy import baseline as baselines
from kit.model import Case, Doubt, Plan, RoundResult
from kit.model.acceptance import PERCENTILES, SUCCESS_RATE, Acceptance, Relation, Waiver, Where, relation
from kit.model.percentiles import FEWEST
from kit.model.table import Row
from kit.model.verdict import Judged, Verdict, WaiverUse

_FEW_SAMPLES = "uncertain-too-few-samples"


def judge(
    plan: Plan, results: Sequence[RoundResult], baseline: bytes | None, began: date, *, complete: bool
) -> Verdict:
    """The verdict on a run that began on a day: waivers count that had not expired by then.

    A run that is not `complete` is never accepted by its criteria, whatever its finished rounds say. Of a search only the
    concurrencies that keep its limits are judged: the others are there to break them.
    """
    wanted = plan.acceptance
    if not wanted.has_criteria:
        return Verdict(outcome="none")
    written = baselines.read(baseline, str(wanted.baseline)) if baseline is not None and wanted.tolerance else ()
    beyond = searches.beyond(plan, results)
    cases = [case for case in plan.cases if case.id not in beyond]
    judged = [*_absolute(plan, cases, results), *_against(plan, cases, results, written)]
    judged = [_waived(entry, wanted.waivers, began, plan.cases) for entry in judged]
    return Verdict(
        outcome=_outcome(judged, complete),
        judged=tuple(judged),
        waivers=tuple(
            WaiverUse(
                metric=waiver.metric,
                reason=waiver.reason,
                name=waiver.name,
                expires=waiver.expires,
                state="expired"
                if waiver.expires < began
                else "used"
                if any(entry.waiver == number for entry in judged)
                else "unneeded",
            )
            for number, waiver in enumerate(wanted.waivers)
        ),
    )


def _outcome(judged: Sequence[Judged], complete: bool) -> Literal["met", "waived", "not-met", "uncertain"]:
    found = {entry.outcome for entry in judged}
    if "not-met" in found:
        return "not-met"
    if "uncertain" in found or not complete:
        return "uncertain"
    return "waived" if "waived" in found else "met"


# --- the criteria ------------------------------------------------------------------------------------------------


def _absolute(plan: Plan, tried: Sequence[Case], results: Sequence[RoundResult]) -> Iterator[Judged]:
    wanted = plan.acceptance
    limits: list[tuple[str, Relation, float, Where, str]] = []
    if wanted.success_rate is not None:
        limits.append((SUCCESS_RATE, ">=", wanted.success_rate, Where(), ""))
    for limit in wanted.limits:
        metric, side, bound = limit.parts()
        limits.append((metric, side, bound, limit, limit.limit))
    for metric, side, bound, where, text in limits:
        cases = [case for case in tried if where.fits(case.key)]
        for case in cases:
            yield _held(
                plan, case, results, Judged(metric=metric, case=case.id, relation=side, limit=bound, outcome="met")
            )
        if not cases:
            open_ = Judged(metric=metric, case="—", relation=side, limit=bound, outcome="uncertain")
            yield open_.model_copy(update={"reason": _doubt("no-such-case", limit=text)})


def _against(
    plan: Plan, tried: Sequence[Case], results: Sequence[RoundResult], written: Sequence[Row]
) -> Iterator[Judged]:
    tolerance = plan.acceptance.tolerance
    rows = {row.key: row for row in written}
    # Against the figures of stand-ins nothing that was measured is decided.
    alike = plan.report.rehearsal or not baselines.is_rehearsal(written)
    rehearsed = {"outcome": "uncertain", "excess": None, "reason": _doubt("rehearsed-baseline")}
    for case in tried:
        for entry in tolerance:
            empty = Judged(
                metric=entry.metric,
                case=case.id,
                relation=relation(entry.metric),
                limit=None,
                change=entry.change,
                outcome="uncertain",
            )
            row = rows.get(case.key)
            cell = dict(row.cells()).get(entry.metric) if row is not None else None
            if cell is None or cell.value <= 0:
                yield empty.model_copy(update={"reason": _doubt("no-baseline")})
                continue
            bound = {"baseline": cell.value, "limit": cell.value * (1 + entry.change)}
            held = _held(plan, case, results, empty.model_copy(update=bound))
            yield held if alike else held.model_copy(update=rehearsed)
    planned = {case.key for case in plan.cases}
    for key, row in rows.items():
        if key not in planned:
            for entry in tolerance:
                yield Judged(
                    metric=entry.metric,
                    case=row.name,
                    relation=relation(entry.metric),
                    limit=None,
                    change=entry.change,
                    outcome="uncertain",
                    reason=_doubt("not-tested"),
                )


# --- the evidence ------------------------------------------------------------------------------------------------


def _held(plan: Plan, case: Case, results: Sequence[RoundResult], entry: Judged) -> Judged:
    """The criterion, decided as far as the results of the case decide it."""

    def uncertain(kind: str, **values: object) -> Judged:
        return entry.model_copy(update={"outcome": "uncertain", "reason": _doubt(kind, **values)})

    own = {result.round: result.figures for result in results if result.case.id == case.id}
    missing = [number for number in plan.numbers(case) if number not in own]
    if missing:
        return uncertain("rounds-missing", rounds=", ".join(map(str, missing)))
    figures = [own[number] for number in sorted(own)]
    succeeded, sent = sum(found.succeeded for found in figures), sum(found.requests for found in figures)
    if sent == 0:
        return uncertain("nothing-sent")
    if entry.metric == SUCCESS_RATE:
        return _decided(entry.model_copy(update={"value": succeeded / sent}))
    counts = [stats.counted(entry.metric, found) for found in figures]
    _, _, percent = entry.metric.rpartition("_")
    fewest = FEWEST[percent] if entry.metric in PERCENTILES else 0
    if 0 < min(counts) < fewest:
        return uncertain("too-few-samples", count=min(counts), least=fewest, which=percent)
    values = [stats.metric(entry.metric, found) for found in figures]
    centre = stats.mean(values)
    if centre is None:
        return uncertain("not-measured")
    width = stats.half_width([value for value in values if value is not None])
    entry = entry.model_copy(update={"value": centre, "half_width": width})
    if succeeded < sent and not _rate_is_asked(plan.acceptance, case):
        return uncertain("failures-unjudged", failed=sent - succeeded, of=sent)
    if sum(counts) < plan.acceptance.least_requests:
        return uncertain("too-few", count=sum(counts), least=plan.acceptance.least_requests)
    if entry.limit is not None and width is not None and abs(centre - entry.limit) < width:
        return uncertain("straddles")
    return _decided(entry)


def _decided(entry: Judged) -> Judged:
    assert entry.value is not None
    assert entry.limit is not None
    # A limit made from a baseline is a product: what is equal but for the last bit of a float is equal.
    slack = 1e-9 * entry.limit
    good = entry.value <= entry.limit + slack if entry.relation == "<=" else entry.value >= entry.limit - slack
    if good:
        return entry.model_copy(update={"outcome": "met"})
    return entry.model_copy(update={"outcome": "not-met", "excess": abs(entry.value - entry.limit) / entry.limit})


def _rate_is_asked(wanted: Acceptance, case: Case) -> bool:
    """Whether failed requests of this case are judged by a criterion of their own."""
    return wanted.success_rate is not None or any(
        limit.parts()[0] == SUCCESS_RATE and limit.fits(case.key) for limit in wanted.limits
    )


# --- waivers -----------------------------------------------------------------------------------------------------


def _waived(entry: Judged, waivers: Sequence[Waiver], began: date, cases: Sequence[Case]) -> Judged:
    """What was measured and is not met, or not surely, may be waived; what was not measured may not."""
    case = next((case for case in cases if case.id == entry.case), None)
    measured = entry.value is not None or (entry.reason is not None and entry.reason.kind == _FEW_SAMPLES)
    if entry.outcome not in ("not-met", "uncertain") or not measured or entry.limit is None or case is None:
        return entry
    for number, waiver in enumerate(waivers):
        if waiver.metric == entry.metric and waiver.expires >= began and waiver.fits(case.key):
            return entry.model_copy(update={"outcome": "waived", "waiver": number})
    return entry


def _doubt(kind: str, **values: object) -> Doubt:
    return Doubt(kind=f"uncertain-{kind}", values=tuple((name, str(value)) for name, value in values.items()))
