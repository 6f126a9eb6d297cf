"""Auditing a run of kit's own: its rounds as a table, and a second reading of its single requests."""

import math
from collections.abc import Iterator

from kit import audit, rounds, stats
from kit.model import Figures, RoundPlan, RoundResult, Sample, Spread
from kit.model.table import METRICS, Cell, Row
from kit.model.verdict import Audit, Finding
from kit.store import RunDir

_SAME = 1e-9


def of(run: RunDir) -> Audit:
    """The audit of a run: every finished round is a row."""
    whole = run.plan()
    plan = rounds.settled(whole, run.results(whole))
    rows: list[Row] = []
    findings: list[Finding] = []
    skipped: list[str] = []
    results = {(result.case.id, result.round): result for result in run.results(plan)}
    for entry in plan.rounds:
        result = results.get((entry.case.id, entry.round))
        if result is None:
            skipped.append(f"{entry.id}: no result")
            continue
        rows.append(_row(entry, result))
        findings += _recounted(entry, result, run.samples(entry))
    return audit.table(run.name, rows, skipped, findings)


def _row(entry: RoundPlan, result: RoundResult) -> Row:
    found, case = result.figures, entry.case
    where = f"cases/{entry.id}/result.json"
    measured = values(found)
    return Row(
        input=case.input,
        output=case.output,
        concurrency=case.concurrency,
        rate=case.rate,
        shape=case.shape,
        loop=entry.round,
        requests=found.succeeded,
        tokens=found.output_tokens.mean if found.output_tokens else None,
        varied=found.output_tokens is not None and found.output_tokens.maximum > found.output_tokens.mean * (1 + _SAME),
        window_s=found.window_s,
        **{name: Cell(value=value, step=0.0, where=where) for name, value in measured.items() if value is not None},
    )


def values(found: Figures) -> dict[str, float | None]:
    """The six figures of the original's table, of one round."""
    return {
        "latency": _mean(found.latency_s),
        "output_throughput": found.output_throughput,
        "ttft": _mean(found.ttft_s),
        "tpot": _mean(found.tpot_s),
        "tps": found.tps,
        "per_stream_throughput": found.per_stream_throughput,
    }


def _mean(spread: Spread | None) -> float | None:
    return spread.mean if spread is not None else None


def _recounted(entry: RoundPlan, result: RoundResult, samples: tuple[Sample, ...]) -> Iterator[Finding]:
    again = stats.figures(entry.case, samples)
    stored, counted = values(result.figures), values(again)
    pairs = [(name, stored[name], counted[name]) for name in METRICS]
    pairs.append(("requests", float(result.figures.requests), float(again.requests)))
    pairs.append(("succeeded", float(result.figures.succeeded), float(again.succeeded)))
    for name, own, other in pairs:
        if own is None and other is None:
            continue
        if own is not None and other is not None and math.isclose(own, other, rel_tol=_SAME):
            continue
        yield Finding(
            identity="recount",
            case=f"{entry.case.id}#{entry.round}",
            cells=((name, "—" if own is None else f"{own:.10g}", f"cases/{entry.id}/result.json"),),
            found=math.nan if own is None else own,
            expected=math.nan if other is None else other,
            size=(own - other) / other if own is not None and other else None,
            explanation="recount",
        )
