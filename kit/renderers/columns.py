"""The tables of the original script, shared by csv and xlsx: one row per round, figures as measured."""

from collections.abc import Sequence

from kit import stats
from kit.model.report import Report, RoundRow

TITLES = (
    *("Input Length", "Output Length", "Loop", "Concurrency", "Average latency (s)", "Output token throughput (tok/s)"),
    *("Average time to first token (s)", "Average time per output token (s)"),
    *("单轮次 Avg TPS", "单轮次平均单路吞吐（tok/s）", "所有轮次平均 TPS", "所有轮次平均单路吞吐（tok/s）"),
)

Value = int | float | None


def rows(report: Report) -> list[tuple[Value, ...]]:
    """One row per planned round, in the order of the plan; a round without a result has empty figures.

    The means over all rounds of a case are empty when one of its rounds is: an average must not hide a hole.
    """
    by_case: dict[str, list[RoundRow]] = {}
    for row in report.rounds:
        by_case.setdefault(row.case.id, []).append(row)
    means = {case: _means(found) for case, found in by_case.items()}
    return [(*_own(row), *means[row.case.id]) for row in report.rounds]


def _own(row: RoundRow) -> tuple[Value, ...]:
    case = row.case
    return (
        *(case.input.tokens, case.output.tokens, row.loop, case.concurrency),
        *(row.latency_s, row.output_throughput, row.ttft_s, row.tpot_s, row.tps, row.per_stream_throughput),
    )


def _means(found: Sequence[RoundRow]) -> tuple[Value, Value]:
    return stats.mean(row.tps for row in found), stats.mean(row.per_stream_throughput for row in found)
