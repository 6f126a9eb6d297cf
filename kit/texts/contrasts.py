"""The texts of comparisons, in both languages. `texts` takes them into its catalogue."""

CONTRASTS: dict[str, tuple[str, str]] = {
    "compare-report": ("性能对比报告", "Comparison of test results"),
    "compare-allowed": (
        "以下条件不一致，仍按要求（--allow）进行对比，结论须谨慎使用：{keys}",
        "Compared although these differ (--allow), so take care what you conclude: {keys}",
    ),
    "compare-allowed-key": ("{name}（{values}）", "{name} ({values})"),
    "compare-unknown": (
        "以下条件有一方未记录，无法确认是否一致：{keys}",
        "Not told by every side, so nobody knows whether they are alike: {keys}",
    ),
    "compare-unknown-key": ("{name}（{sides}）", "{name}: {sides}"),
    "compare-verdict": ("结论", "Verdict"),
    "compare-sides": ("对比对象", "What is compared"),
    "compare-overall": ("总体", "Overall"),
    "compare-cases": ("各工况相对基线的比值", "Each case against the baseline"),
    "compare-phases": (
        "各工况实测值：预填充与解码，单卡、能耗与成本",
        "What was measured: prefill and decode, per accelerator, joule and cost",
    ),
    "compare-scaling": ("吞吐随并发数的扩展", "Scaling with concurrency"),
    "compare-curves": ("曲线", "Curves"),
    "compare-differences": (
        "差异：加速卡、引擎与参数、机器、测试方式",
        "What differs: accelerators, engine and arguments, machine, load",
    ),
    "compare-method": ("方法", "Method"),
    # columns
    "compare-col-side": ("代号", "Side"),
    "compare-col-name": ("名称", "Name"),
    "compare-col-hardware": ("硬件", "Hardware"),
    "compare-col-engine": ("推理引擎", "Engine"),
    "compare-col-cards": ("加速卡数", "Accelerators"),
    "compare-col-rounds": ("轮次", "Rounds"),
    "compare-col-started": ("时间", "Date"),
    "compare-col-cost": ("每小时成本（{currency}）", "Cost per hour ({currency})"),
    "compare-col-item": ("项目", "Item"),
    "compare-col-per-accelerator": ("单卡吞吐（tok/s）", "Output per accelerator (tok/s)"),
    "compare-col-per-joule": ("能效（token/J）", "Tokens per joule"),
    "compare-col-per-cost": ("每单位成本 token 数（{currency}）", "Tokens per {currency}"),
    "compare-col-decode": ("解码速度 TPS", "Decode speed, TPS"),
    "compare-baseline": ("{letter}（基线）", "{letter} (baseline)"),
    "compare-table": ("结果表", "table of results"),
    "compare-old-report": ("历史报告", "old report"),
    "compare-phase-prefill": ("预填充", "prefill"),
    "compare-phase-decode": ("解码", "decode"),
    "compare-named": ("{name}（{kind}）", "{name} ({kind})"),
    "compare-not-told": ("未记录", "not told"),
    # notes
    "compare-marks": (
        "比值 = 本方 / 基线，方括号内为 95% 置信区间。▲ 更好，▼ 更差，≈ 在噪声之内，∓ 在测量误差之内，? 无法判定（至少一方只有单轮结果）。",
        "Ratios are this side over the baseline, with 95 % intervals in brackets. ▲ better, ▼ worse, ≈ within the noise, ∓ within "
        "the error of the measurement, ? cannot be told (a side has single rounds only).",
    ),
    "compare-requests-only": (
        "* 单轮：区间只含请求之间的波动，不含轮次之间的波动，真实区间更宽。",
        "* Single rounds: the interval holds what differs between requests, not between rounds; the true one is wider.",
    ),
    "compare-phases-note": (
        "预填充速度 = 平均输入 token 数 / 平均首 token 时延，含排队时间；解码速度 TPS = 1 / 平均每 token 延迟。",
        "Prefill speed is mean input tokens over mean TTFT, the time in the server's queue included; decode speed is 1 / mean TPOT.",
    ),
    "compare-efficiency-note": (
        "单卡吞吐按本次测试所用加速卡计；能耗仅为加速卡；每单位成本的 token 数 = 系统吞吐 × 3600 / 每小时成本。",
        "Per accelerator that the test used; joules are of the accelerators alone; tokens per unit of cost are output throughput "
        "x 3600 over the cost of an hour.",
    ),
    "compare-scaling-note": (
        "吞吐相对同一长度最小并发的倍数，括号内为其与并发倍数之比（100% 即线性扩展）。",
        "Output throughput as a multiple of the same lengths' with the fewest clients; in brackets, its share of linear scaling.",
    ),
    "compare-differences-note": (
        "仅列取值不同的项，按与性能的相关程度排序；“{dash}”表示该方没有此项。",
        "Only what is not the same, the most relevant first; “{dash}” means that the side has no such thing.",
    ),
    "compare-method-interval": (
        "置信区间：对各轮指标的对数作 t 区间，同一对比中各工况的方差相互借用（Smyth 2004）；总体为各工况比值的几何平均。"
        "同一次启动之内的轮次不反映两次启动之间的差别。",
        "Intervals are Student's t on the logarithms of the rounds' figures, the cases of a comparison lending each other their "
        "variances (Smyth 2004); overall figures are geometric means over cases. Rounds of one start say nothing of what differs "
        "between two starts.",
    ),
    "compare-method-family": (
        "共同判定 {count} 个比值，按 Holm 法校正：若实际无差别，整份对比中出现任何一次误报的概率不超过 {family}。",
        "{count} ratios are judged together and corrected by Holm's method: were nothing different, the probability of a single "
        "false alarm in the whole comparison is at most {family}.",
    ),
    "compare-method-instrument": (
        "∓：差异不大于双方测量工具自身误差之和（以各自测试中对参考服务器的校准为准），不作判定。",
        "∓: no larger than the errors of both sides' own instruments together, as each was tried against the reference server.",
    ),
    "compare-method-untried": (
        "{sides} 的测量工具自身误差未知（无校准记录）：小的差异可能来自测量本身。",
        "How wrong the instrument itself was is not known of {sides}: small differences may be its own.",
    ),
    "compare-method-none": (
        "没有任何一个比值可以判定：至少需要双方各两轮结果。",
        "No ratio can be judged: that takes two rounds or more on both sides.",
    ),
    # the verdict
    "compare-says-better": ("优于基线，差异大于噪声", "better than the baseline, by more than the noise"),
    "compare-says-worse": ("差于基线，差异大于噪声", "worse than the baseline, by more than the noise"),
    "compare-says-noise": ("差异在噪声之内", "within the noise"),
    "compare-says-instrument": ("差异在测量误差之内", "within the error of the measurement"),
    "compare-says-unknown": (
        "无法判定是否大于噪声（至少一方只有单轮结果）",
        "not to be told from noise, since a side has single rounds only",
    ),
    "compare-rehearsal": (
        "{letters} 为演练：使用替代程序，数据不代表真实性能，涉及该方的比值亦然。",
        "A rehearsal with stand-ins: {letters}. Its figures, and all ratios to them, say nothing about real performance.",
    ),
    "compare-line": (
        "{letter}（{name}）相对 {base}：{metric}为 {ratio} 倍{interval}，{says}（{cases} 个工况的几何平均）。",
        "{letter} ({name}) against {base}: {metric} is {ratio} times{interval}, {says} (geometric mean over {cases} cases).",
    ),
    "compare-line-next": ("{letter} 的其他指标：{groups}。", "Other metrics of {letter}: {groups}."),
    "compare-metric": ("{metric}为 {ratio} 倍{interval}", "{metric} {ratio} times{interval}"),
    "compare-alike": ("{figures}，{says}", "{figures}, {says}"),
    "compare-interval": ("（{low}–{high}）", " ({low} to {high})"),
    "compare-prefill": ("首 token 时延 TTFT（预填充）", "TTFT (prefill)"),
    "compare-decode": ("每 token 延迟 TPOT（解码）", "TPOT (decode)"),
    "compare-counts": (
        "{letter} 的单个工况系统吞吐：{better} 个更好，{worse} 个更差，{noise} 个在噪声之内，{unknown} 个无法判定；"
        "相差最大的工况 {case} 为 {ratio} 倍。",
        "Output throughput of {letter} by case: {better} better, {worse} worse, {noise} within the noise, {unknown} not to be told; "
        "{case} differs most, with {ratio} times.",
    ),
    "compare-per": ("{letter} 与基线相比：{what}。", "{letter} against the baseline: {what}."),
    "compare-per-ratio": ("{what}为 {ratio} 倍", "{ratio} times {what}"),
    "compare-per_accelerator": ("单卡吞吐", "the output per accelerator"),
    "compare-per_joule": ("单位能耗产出", "the tokens per joule"),
    "compare-per_cost": ("单位成本产出", "the tokens per unit of cost"),
    "compare-gain-per_accelerator": ("单卡吞吐", "output per accelerator"),
    "compare-gain-per_joule": ("单位能耗产出", "tokens per joule"),
    "compare-gain-per_cost": ("单位成本产出", "tokens per unit of cost"),
    "compare-missing": (
        "{letter} 与基线不共有的工况未参与对比：{cases}。",
        "Cases that {letter} and the baseline do not share were left out: {cases}.",
    ),
    "compare-best": (
        "各方中单卡吞吐最高的是 {letter}：工况 {case}，{value} tok/s。",
        "The highest output per accelerator is {letter}'s: {value} tok/s in case {case}.",
    ),
    # charts
    "compare-chart-pareto": (
        "单卡系统吞吐与单个请求速度 TPS 的权衡",
        "Output throughput per accelerator against the speed that one user sees (TPS)",
    ),
    "compare-chart-pareto-machine": (
        "系统吞吐与单个请求速度 TPS 的权衡（整机）",
        "Output throughput of the whole machine against the speed that one user sees (TPS)",
    ),
    "compare-series": ("对象 · 输入/输出长度", "Side · input/output length"),
    "axis-tps": ("TPS（tok/s）", "TPS (tok/s)"),
    "axis-per-accelerator": ("系统吞吐（tok/s）/ 加速卡", "Output throughput (tok/s) / accelerator"),
}
