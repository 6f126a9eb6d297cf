"""The tables of the original script, shared by csv and xlsx: one row per round, figures as measured."""

from collections import Counter

import pandas as pd

from kit.model.rates import CaseKey
from kit.model.report import Report, RoundRow

_CASE = ["Input Length", "Output Length", "Concurrency"]
_TPS, _PER_STREAM = "单轮次 Avg TPS", "单轮次平均单路吞吐（tok/s）"
WORKBOOK = (_TPS, _PER_STREAM, "所有轮次平均 TPS", "所有轮次平均单路吞吐（tok/s）")
"""The columns that the script only put into its workbook."""
DRAFT = "Draft"
"""What marks a run that is not whole, or a rehearsal: kit's own column."""

Requests = Counter[tuple[CaseKey, int]]
"""How many requests, by case and round."""


def frame(report: Report) -> pd.DataFrame:
    """One row per planned round, in the order of the plan; a round without a result has empty figures.

    The means over all rounds of a case are empty when one of its rounds is: an average must not hide a hole. Where
    requests failed, a round has no result, or the requests are not as many as the clients, three more columns say so. A draft or a rehearsal says in
    every row what it is.
    """
    rows = pd.DataFrame(
        {
            "Input Length": row.case.input.tokens,
            "Output Length": row.case.output.tokens,
            "Loop": row.loop,
            "Concurrency": row.case.load,
            "Average latency (s)": row.latency_s,
            "Output token throughput (tok/s)": row.output_throughput,
            "Average time to first token (s)": row.ttft_s,
            "Average time per output token (s)": row.tpot_s,
            _TPS: row.tps,
            _PER_STREAM: row.per_stream_throughput,
        }
        for row in report.rounds
    )
    rows[[_TPS, _PER_STREAM]] = rows[[_TPS, _PER_STREAM]].astype(float)
    by_case = rows.groupby(_CASE)
    rows["所有轮次平均 TPS"] = by_case[_TPS].transform(lambda values: values.mean(skipna=False))
    rows["所有轮次平均单路吞吐（tok/s）"] = by_case[_PER_STREAM].transform(lambda values: values.mean(skipna=False))
    sent = Counter((row.case.key, row.round) for row in report.requests)
    failed = Counter((row.case.key, row.round) for row in report.requests if not row.succeeded)
    states = [_state(row, sent, failed) for row in report.rounds]
    if any(state != (row.case.load, 0, "ok") for state, row in zip(states, report.rounds, strict=True)):
        requests, failures, status = zip(*states, strict=True)
        rows["Requests"] = list(requests)
        rows["Failed Requests"] = pd.Series(failures, dtype="Int64")
        rows["Status"] = list(status)
    if report.draft is not None:
        rows[DRAFT] = report.draft
    return rows


def _state(row: RoundRow, sent: Requests, failed: Requests) -> tuple[int, int | None, str]:
    """Of a round the requests, how many of them failed (None where it has no result), and what that makes of it."""
    key = (row.case.key, row.loop + 1)
    if not sent[key]:
        # A report that was read back has figures, and no requests.
        known = row.latency_s is not None or row.output_throughput is not None
        return (row.case.requests, 0, "ok") if known else (row.case.requests, None, "no result")
    status = "ok" if not failed[key] else "failed" if failed[key] == sent[key] else "partly failed"
    return sent[key], failed[key], status
