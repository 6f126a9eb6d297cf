"""The texts of judgements, in both languages: acceptance, audit. `texts` takes them into its catalogue."""

JUDGEMENTS: dict[str, tuple[str, str]] = {
    # metrics
    "metric-latency": ("端到端时延", "latency"),
    "metric-output_throughput": ("系统吞吐", "output throughput"),
    "metric-ttft": ("首 token 时延 TTFT", "TTFT"),
    "metric-tpot": ("每 token 延迟 TPOT", "TPOT"),
    "metric-tps": ("单个请求每秒生成 token 数 TPS", "TPS"),
    "metric-per_stream_throughput": ("单路吞吐", "per-stream throughput"),
    "metric-success_rate": ("成功率", "success rate"),
    # the conclusion
    "verdict-met": ("经测试，上述测试性能符合预期", "As tested, the performance above meets expectations"),
    "verdict-met-count": ("共检查 {count} 项验收标准，全部满足。", "{count} criteria were checked; all are met."),
    "verdict-waived": (
        "经测试，除已豁免的 {waived} 项外，其余 {met} 项验收标准均满足",
        "As tested, {met} criteria are met; {waived} are not and have been waived",
    ),
    "verdict-not-met": (
        "经测试，上述测试性能未达到预期：{total} 项验收标准中有 {count} 项未满足",
        "As tested, the performance above does not meet expectations: {count} of {total} criteria are not met",
    ),
    "verdict-uncertain": (
        "不确定：{total} 项验收标准中有 {count} 项无法判定",
        "Uncertain: {count} of {total} criteria could not be decided, so it cannot be said that expectations are met",
    ),
    "verdict-incomplete": (
        "不确定：测试未完成，不作验收结论",
        "Uncertain: the test is not complete, so it cannot be said that expectations are met",
    ),
    "verdict-miss": (
        "{case} {metric}：实测 {value}，要求 {limit}，差 {excess}",
        "{case} {metric}: {value} measured, {limit} required, off by {excess}",
    ),
    "verdict-open": ("{case} {metric}（要求 {limit}）：{reason}", "{case} {metric} ({limit} required): {reason}"),
    "verdict-more": ("其余 {count} 项见验收标准表", "{count} more stand in the table of criteria"),
    "waiver-used": (
        "豁免：{metric}，原因：{reason}，批准人：{name}，有效期至 {expires}",
        "Waived: {metric}, because: {reason}; by {name}, until {expires}",
    ),
    "waiver-unneeded": (
        "豁免未使用：{metric}，原因：{reason}，批准人：{name}，有效期至 {expires}",
        "Waiver not needed: {metric}, because: {reason}; by {name}, until {expires}",
    ),
    "waiver-expired": (
        "豁免已过期，不生效：{metric}，原因：{reason}，批准人：{name}，有效期至 {expires}",
        "Waiver expired, without effect: {metric}, because: {reason}; by {name}, until {expires}",
    ),
    # the table of criteria
    "criteria": ("验收标准", "Acceptance criteria"),
    "col-case": ("工况", "Case"),
    "col-metric": ("指标", "Metric"),
    "col-limit": ("要求", "Required"),
    "col-baseline": ("基线", "Baseline"),
    "col-value": ("实测", "Measured"),
    "col-outcome": ("判定", "Verdict"),
    "col-reason": ("说明", "Remark"),
    "outcome-met": ("满足", "met"),
    "outcome-not-met": ("未满足", "not met"),
    "outcome-uncertain": ("不确定", "uncertain"),
    "outcome-waived": ("已豁免", "waived"),
    "reason-excess": ("差 {excess}", "off by {excess}"),
    "reason-waiver": ("{reason}（{name}，有效期至 {expires}）", "{reason} ({name}, until {expires})"),
    # beside the baseline
    "comparison": ("与基线对比（基线 → 本次，变化）", "Against the baseline (baseline → this test, change)"),
    "comparison-note": (
        "基线：{name}。基线数值为其记录的精度；“—”表示没有该数据。",
        "Baseline: {name}, with the precision in which it was written; “—” where there is no such figure.",
    ),
    "baseline-marked": ("{name}（{mark}）", "{name} ({mark})"),
    "baseline-failed": ("其 {of} 个请求中有 {failed} 个失败", "{failed} of its {of} requests failed"),
    # why nothing could be decided
    "uncertain-no-such-case": ("没有工况符合该标准：{limit}", "no case fits this criterion: {limit}"),
    "uncertain-no-baseline": ("基线中没有该工况的数据", "the baseline has no such figure"),
    "uncertain-rehearsed-baseline": (
        "基线为演练数据，不代表真实性能",
        "the baseline is a rehearsal, whose figures say nothing about real performance",
    ),
    "uncertain-not-tested": ("基线中有该工况，本次未测试", "in the baseline, but not part of this test"),
    "uncertain-rounds-missing": ("第 {rounds} 轮没有结果", "no result of round {rounds}"),
    "uncertain-nothing-sent": ("没有发出请求", "no request was sent"),
    "uncertain-not-measured": ("未测得该指标", "this was not measured"),
    "uncertain-failures-unjudged": (
        "{of} 个请求中有 {failed} 个失败，且未设定成功率标准",
        "{failed} of {of} requests failed, and no success rate is set",
    ),
    "uncertain-too-few": (
        "只有 {count} 个成功的请求有该指标，少于 {least} 个",
        "only {count} successful requests have this figure, fewer than {least}",
    ),
    "uncertain-too-few-samples": (
        "每轮只有 {count} 个样本，{which} 至少需要 {least} 个",
        "only {count} samples in a round; {which} needs at least {least}",
    ),
    "uncertain-straddles": (
        "各轮均值的 95 % 置信区间跨越了限值",
        "the 95 % confidence interval over rounds reaches across the limit",
    ),
    # audit: the relations
    "audit-throughput": ("系统吞吐 = 并发数 × 输出 / 时延", "throughput = concurrency x output / latency"),
    "audit-per-stream": ("单路吞吐 = 系统吞吐 / 并发数", "per-stream = throughput / concurrency"),
    "audit-tps-tpot": ("TPS = 1 / TPOT", "TPS = 1 / TPOT"),
    "audit-tpot": ("TPOT = (时延 - TTFT) / (输出 - 1)", "TPOT = (latency - TTFT) / (output - 1)"),
    "audit-tps": ("TPS = (输出 - 1) / (时延 - TTFT)", "TPS = (output - 1) / (latency - TTFT)"),
    "audit-decode": ("TPS ≥ 单路吞吐", "TPS >= per-stream"),
    "audit-ttft-latency": ("TTFT < 时延", "TTFT < latency"),
    "audit-ttft-input": ("输入增大时 TTFT 不降低", "TTFT does not fall as input grows"),
    "audit-latency-concurrency": ("并发增大时时延不降低", "latency does not fall as concurrency grows"),
    "audit-magnitude": ("数值为正且数量级合理", "figures are above zero and of a sane size"),
    "audit-recount": ("汇总与逐请求重算一致", "figures equal a second reading of the requests"),
    "audit-head": ("{source}：{rows} 行", "{source}: {rows} rows"),
    "audit-holds": (
        "{identity}：{rows} 行全部成立（最大偏差 {worst}）",
        "{identity}: holds in all {rows} rows (worst {worst})",
    ),
    "audit-broken": (
        "{identity}：{rows} 行中有 {broken} 行不成立（最大偏差 {worst}）",
        "{identity}: broken in {broken} of {rows} rows (worst {worst})",
    ),
    "audit-none": ("{identity}：没有可检查的数据", "{identity}: nothing to check"),
    "audit-finding": (
        "{case}：{identity} 不成立：{cells}，应为 {expected}{size}；{explanation}",
        "{case}: {identity} does not hold: {cells}; expected {expected}{size}; {explanation}",
    ),
    "audit-skipped": ("未读：{what}", "not read: {what}"),
    # audit: likely explanations
    "explain-rounds": ("各指标可能取自不同轮次的测试", "the figures probably come from different rounds"),
    "explain-decode": (
        "解码速度不可能低于含预填充的单路吞吐；TPS/TPOT 与时延、吞吐可能取自不同轮次",
        "a decode rate cannot be below the rate that includes prefill; TPS and TPOT probably come from other rounds than "
        "latency and throughput",
    ),
    "found": (
        "{lengths}：满足{limits}的最高并发数为 {highest}；并发 {next} 时{why}（共测 {tried} 个并发）。",
        "{lengths}: the highest concurrency that keeps {limits} is {highest}; at {next} {why} ({tried} concurrencies tried).",
    ),
    "found-all": (
        "{lengths}：直到所试的最高并发 {highest} 都满足{limits}（共测 {tried} 个并发）。",
        "{lengths}: {limits} is kept up to {highest}, the highest concurrency that was to be tried ({tried} tried).",
    ),
    "found-none": (
        "{lengths}：并发 1 已不满足{limits}：{why}。",
        "{lengths}: not even one client keeps {limits}: {why}.",
    ),
    "found-open": (
        "{lengths}：满足{limits}的最高并发数尚未找到：测试未完成。",
        "{lengths}: the highest concurrency that keeps {limits} is not found: the test is not whole.",
    ),
    "found-value": ("{metric} 为 {value}", "{metric} is {value}"),
    "found-unknown": ("{metric} 未知", "{metric} is not known"),
    "found-failed": ("有请求失败", "requests failed"),
    "explain-throughput-above": (
        "并发请求不可能产生这么多 token：时延与吞吐可能取自不同轮次，或请求数多于所列并发",
        "that many clients cannot make that many tokens: latency and throughput probably come from different rounds, or "
        "there were more clients than stated",
    ),
    "explain-throughput-below": (
        "可能有请求失败、回答短于要求，或请求未同时结束",
        "requests probably failed, were shorter than asked, or did not end together",
    ),
    "explain-unit": ("单位可能混用（ms 与 s）", "units are probably mixed (ms and s)"),
    "explain-derived": ("可能抄写错误，或取自不同轮次", "probably a slip of the pen, or taken from different rounds"),
    "explain-rounding": ("可能由已舍入的 TPOT 求倒数得到", "probably the inverse of a TPOT that was rounded first"),
    "explain-trend": (
        "可能行次错位、前缀缓存命中，或测试时的干扰",
        "rows probably swapped, a prefix cache hit, or something disturbed the test",
    ),
    "explain-impossible": ("不可能的数值：可能没有测得", "an impossible value: it was probably never measured"),
    "explain-recount": ("运行目录中的文件在测试后被改动过", "a file of the run directory was changed after the test"),
}
