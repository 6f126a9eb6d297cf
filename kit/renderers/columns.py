"""The tables of the original script, shared by csv and xlsx: one row per round, figures as measured."""

import pandas as pd

from kit.model.report import Report

_CASE = ["Input Length", "Output Length", "Concurrency"]
_TPS, _PER_STREAM = "单轮次 Avg TPS", "单轮次平均单路吞吐（tok/s）"


def frame(report: Report) -> pd.DataFrame:
    """One row per planned round, in the order of the plan; a round without a result has empty figures.

    The means over all rounds of a case are empty when one of its rounds is: an average must not hide a hole.
    """
    rows = pd.DataFrame(
        {
            "Input Length": row.case.input.tokens,
            "Output Length": row.case.output.tokens,
            "Loop": row.loop,
            "Concurrency": row.case.concurrency,
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
    return rows
