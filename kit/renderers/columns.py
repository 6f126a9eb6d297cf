"""The tables of the original script, shared by csv and xlsx: one row per round, figures as measured."""

from collections import Counter
from dataclasses import dataclass

from kit import stats
from kit.model.report import Report, RoundRow

SCRIPT = (
    *("Input Length", "Output Length", "Loop", "Concurrency", "Average latency (s)", "Output token throughput (tok/s)"),
    *("Average time to first token (s)", "Average time per output token (s)"),
)
"""The columns of the script's csv."""
WORKBOOK = ("单轮次 Avg TPS", "单轮次平均单路吞吐（tok/s）", "所有轮次平均 TPS", "所有轮次平均单路吞吐（tok/s）")
"""The columns that the script only put into its workbook."""
STATE = ("Requests", "Failed Requests", "Status")

Value = int | float | str | None
Requests = Counter[tuple[tuple[int, int, int], int]]
"""How many requests, by case and round."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Titles, and rows of one value for each."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]

    def only(self, *wanted: str) -> "Frame":
        """These columns alone, those of them that there are."""
        kept = [number for number, title in enumerate(self.columns) if title in wanted]
        pick = [tuple(row[number] for number in kept) for row in self.rows]
        return Frame(tuple(self.columns[number] for number in kept), tuple(pick))


def frame(report: Report) -> Frame:
    """One row per planned round, in the order of the plan; a round without a result has empty figures.

    The means over all rounds of a case are empty when one of its rounds is: an average must not hide a hole. Where
    requests failed, a round has no result, or the requests are not as many as the clients, three more columns say so.
    """
    by_case: dict[tuple[int, int, int], list[RoundRow]] = {}
    for row in report.rounds:
        by_case.setdefault(row.case.key, []).append(row)
    means = {
        case: (stats.mean(row.tps for row in found), stats.mean(row.per_stream_throughput for row in found))
        for case, found in by_case.items()
    }
    sent = Counter((row.case.key, row.round) for row in report.requests)
    failed = Counter((row.case.key, row.round) for row in report.requests if not row.succeeded)
    states = [_state(row, sent, failed) for row in report.rounds]
    plain = all(state == (row.case.concurrency, 0, "ok") for state, row in zip(states, report.rounds, strict=True))
    return Frame(
        (*SCRIPT, *WORKBOOK, *(() if plain else STATE)),
        tuple(
            (*_own(row), *means[row.case.key], *(() if plain else state))
            for row, state in zip(report.rounds, states, strict=True)
        ),
    )


def _own(row: RoundRow) -> tuple[Value, ...]:
    case = row.case
    return (
        *(case.input.tokens, case.output.tokens, row.loop, case.concurrency),
        *(row.latency_s, row.output_throughput, row.ttft_s, row.tpot_s, row.tps, row.per_stream_throughput),
    )


def _state(row: RoundRow, sent: Requests, failed: Requests) -> tuple[int, int | None, str]:
    """Of a round the requests, how many of them failed (None where it has no result), and what that makes of it."""
    key = (row.case.key, row.loop + 1)
    if not sent[key]:
        # A report that was read back has figures, and no requests.
        known = row.latency_s is not None or row.output_throughput is not None
        return (row.case.requests, 0, "ok") if known else (row.case.requests, None, "no result")
    status = "ok" if not failed[key] else "failed" if failed[key] == sent[key] else "partly failed"
    return sent[key], failed[key], status
