"""Every text of the report, in both languages, in one place."""

from kit.model import Doubt
from kit.model.profile import Language
from kit.texts.captions import CAPTIONS
from kit.texts.contrasts import CONTRASTS
from kit.texts.instrument import INSTRUMENT
from kit.texts.repeats import REPEATS
from kit.texts.sentences import JUDGEMENTS

CATALOGUE: dict[str, tuple[str, str]] = {
    # headings
    "basics": ("基本信息", "Basics"),
    "environment": ("测试环境", "Test environment"),
    "hardware": ("硬件配置", "Hardware"),
    "software": ("软件配置", "Software"),
    "process": ("测试过程", "Test procedure"),
    "start": ("启动测试", "Starting the test"),
    "performance": ("性能数据", "Performance data"),
    "conclusion": ("测试结论", "Conclusion"),
    "attachments": ("附件", "Attachments"),
    "hardware-details": ("硬件详细信息", "Hardware details"),
    "scripts": ("测试脚本", "Test commands"),
    # basics
    "project": ("项目", "Project"),
    "model": ("模型", "Model"),
    "time": ("时间", "Date"),
    "date": ("{year} 年 {month} 月 {day} 日", "{year}-{month:0>2}-{day:0>2}"),
    "run": ("测试编号", "Run"),
    # environment
    "device": ("硬件", "Device"),
    "configuration": ("配置信息", "Configuration"),
    "gpu": ("GPU", "GPU"),
    "accelerator": ("{name}（{size}）* {count}", "{name} ({size}) * {count}"),
    "size-unknown": ("显存未知", "memory unknown"),
    "and": ("；", "; "),
    "comma": ("，", ", "),
    "list": ("、", ", "),
    "gap": ("", " "),
    "labelled": ("{name}：{text}", "{name}: {text}"),
    "memory": ("内存", "Memory"),
    "software-name": ("软件名称", "Software"),
    "version": ("版本信息", "Version"),
    "os": ("操作系统", "Operating system"),
    "kernel": ("内核版本", "Kernel"),
    "engine": ("推理引擎", "Inference engine"),
    "tool": ("测试工具", "Load generator"),
    "tool-precise": ("{tool}（由 kit 传输层发送并计时）", "{tool} (sent and timed by kit's transport)"),
    "unknown": ("未读到（{reason}）", "not read ({reason})"),
    "cpu-label": ("CPU: {model} {cores} 核", "CPU: {model}, {cores} cores"),
    # procedure
    "start-model": ("启动模型", "Start of the model"),
    "run-test": ("执行测试", "Start of the load"),
    "external": ("被测服务已在运行：{url}", "The service under test was already running: {url}"),
    "example": (
        "以工况 {case} 第 {round} 轮为例，其余各轮见“测试脚本”：",
        "Case {case}, round {round}; all others are under “Test commands”:",
    ),
    "ready": ("服务启动耗时 {seconds} s。", "The server was ready after {seconds} s."),
    # the columns of the performance table
    "col-model": ("模型", "Model"),
    "col-environment": ("环境", "Environment"),
    "col-input": ("输入", "Input"),
    "col-output": ("输出", "Output"),
    "col-concurrency": ("并发数", "Concurrency"),
    "col-latency": ("端到端时延（s） Avg Latency(s)", "Avg Latency(s)"),
    "col-throughput": ("系统吞吐 Output token  throughput (tok/s)", "Output token throughput (tok/s)"),
    "col-ttft": ("平均首 token 时延 Avg TTFT(s)", "Avg TTFT(s)"),
    "col-tpot": ("平均每 token 延迟 Avg TPOT(s)", "Avg TPOT(s)"),
    "col-tps": ("单个请求每秒生成 token 数 Avg TPS", "Tokens per second of one request, Avg TPS"),
    "col-per-stream": ("平均单路吞吐  （tokens/s）", "Avg throughput per stream (tokens/s)"),
    "rounds-note": (
        "每个工况执行 {rounds} 轮，表中为各轮均值；每轮请求数为并发数的 {per_client} 倍。",
        "Every case was run {rounds} times; the table shows means over rounds. Each round sent {per_client} request(s) per client.",
    ),
    "rounds-note-mixed": (
        "每个工况执行 {rounds} 轮，表中为各轮均值；各工况的请求数见后表。",
        "Every case was run {rounds} times; the table shows means over rounds. A later table has the requests of each case.",
    ),
    "rounds-note-until": (
        "轮次重复到系统吞吐均值的 95% 置信区间半宽不超过均值的 {percent}% 为止，最多 {most} 轮。",
        "Rounds were repeated until half the 95 % interval of the throughput was at most {percent} % of it, {most} times at most.",
    ),
    "rounds-note-warmup": (
        "每个工况测试前先行预热，预热请求不计入任何数据。",
        "Each case was warmed up first; the requests of the warm-up are in no figure.",
    ),
    "notes": ("数据说明", "Notes on the figures"),
    "missing-round": (
        "第 {round} 轮没有结果，该工况不列均值。",
        "Round {round} has no result; no mean is given for this case.",
    ),
    "round-doubt": ("第 {round} 轮：{text}", "Round {round}: {text}"),
    # conclusion
    "no-criteria": (
        "本次测试未设定验收标准，仅记录实测数据。",
        "No acceptance criteria were set; this report records what was measured.",
    ),
    "incomplete": (
        "测试未完成：计划 {planned} 轮，完成 {done} 轮。{reason}",
        "The test is not complete: {done} of {planned} rounds were done. {reason}",
    ),
    "forced": ("测试前检查未通过，强制执行", "Run in spite of failed checks"),
    "forced-checks": (
        "测试前的检查未通过而强制执行（--force）：{checks}",
        "The run went on (--force) although checks of the machine had failed: {checks}",
    ),
    "restarted": (
        "测试中推理服务失效并重启一次，{round} 已重测：{reason}",
        "The server failed during the test and was started again, and {round} was repeated: {reason}",
    ),
    "draft": ("未完成的测试，仅供参考", "Incomplete test, for information only"),
    # beyond the original's columns
    "rounds": ("轮次", "Rounds"),
    "requests": ("请求数", "Requests"),
    "failures": ("失败", "Failed"),
    "success-rate": ("成功率", "Success rate"),
    "latency": ("端到端时延", "Latency"),
    "throughput": ("系统吞吐", "Output throughput"),
    "ttft": ("首 token 时延 TTFT", "TTFT"),
    "tpot": ("每 token 延迟 TPOT", "TPOT"),
    "short-ttft": ("TTFT", "TTFT"),
    "short-tpot": ("TPOT", "TPOT"),
    "prefill": ("预填充速度", "Prefill speed"),
    "unit-s": ("{title}（s）", "{title} (s)"),
    "unit-rate": ("{title}（tok/s）", "{title} (tok/s)"),
    "stability": (
        "各工况的请求情况，以及各轮均值 ± 95% 置信区间",
        "Requests of each case, and means over rounds ± 95 % confidence interval",
    ),
    "distribution": ("各工况单个请求的分位值", "Percentiles of the single requests of each case"),
    "stability-note": (
        "置信区间按各轮结果的 t 分布计算，单轮测试没有区间；失败的请求不计入任何时延。",
        "The intervals follow Student's t over rounds; a single round has none. Failed requests are in no time.",
    ),
    "distribution-note": (
        "分位值取自全部轮次中成功的请求，括号内为 95% 置信区间（次序统计量）；预填充速度 = 平均输入 token 数 / 平均首 token 时延，含排队时间。",
        "Percentiles are over the successful requests of all rounds, in brackets their 95 % interval (order statistics); prefill speed is mean input tokens over mean TTFT, "
        "which includes the time in the server's queue.",
    ),
    "few-note": (
        "n=… 表示样本数不足以给出该分位值（p50 至少 {p50} 个，p90 至少 {p90} 个，p99 至少 {p99} 个）。",
        "n=… stands where that many samples do not carry the percentile (p50 takes {p50}, p90 {p90}, p99 {p99}).",
    ),
    # Word
    "report": ("性能测试报告", "Performance test report"),
    "contents": ("目录", "Contents"),
    "table": ("表", "Table"),
    "figure": ("图", "Figure"),
    "sign-off": ("签署", "Sign-off"),
    "sign-role": ("角色", "Role"),
    "sign-name": ("姓名", "Name"),
    "sign-date": ("日期", "Date"),
    "sign-signature": ("签名", "Signature"),
    "sign-time": ("时间", "Time"),
    "sign-key": ("密钥指纹", "Key fingerprint"),
    "role-tester": ("测试", "Tester"),
    "role-reviewer": ("审核", "Reviewer"),
    "role-approver": ("批准", "Approver"),
    "sign-note": (
        "电子签名见 attestation.json（所签声明 SHA-256 {sha256}），用 kit verify 核对；时间取自签署人机器的时钟。",
        "Signed in attestation.json (statement SHA-256 {sha256}); kit verify checks it. Times are of the signers' own clocks.",
    ),
    "sign-note-stamped": (
        "带 * 的签署另有第三方时间戳（RFC 3161），由 kit verify 核对。",
        "Sign-offs with * have a time stamp by a third party (RFC 3161) too, which kit verify checks.",
    ),
    "prepared": ("编制", "Prepared by"),
    "reviewed": ("审核", "Reviewed by"),
    "approved": ("批准", "Approved by"),
    # charts
    "charts": ("图表", "Charts"),
    "chart-latency": ("端到端时延随并发数的变化", "Latency against concurrency"),
    "chart-ttft": ("首 token 时延随并发数的变化", "TTFT against concurrency"),
    "chart-throughput": ("系统吞吐随并发数的变化", "Output throughput against concurrency"),
    "chart-prefill": (
        "首 token 时延随输入长度的变化（并发数 {concurrency}）",
        "TTFT against input length (concurrency {concurrency})",
    ),
    "chart-help": (
        "点按图例可隐藏或显示一条曲线；选中图后用左右方向键逐点查看。数值均列于表中。",
        "The legend hides and shows lines; with the chart selected, the arrow keys walk over its points. "
        "All values are in the tables.",
    ),
    "histograms": ("各工况单个请求的分布", "How the single requests of each case spread"),
    "histogram-range": ("{low} – {high} s", "{low} – {high} s"),
    "histogram-alt": (
        "{name}的分布：{count} 个请求，{low} 到 {high} s",
        "Distribution of {name}: {count} requests, {low} to {high} s",
    ),
    "histogram-note": (
        "每格为该工况全部成功请求的直方图，横轴从最小值到最大值。",
        "Each cell is a histogram of all successful requests of the case, from their minimum to their maximum.",
    ),
    "sort-help": ("点按列标题可排序。", "Select a column's title to sort."),
    "skip": ("跳到正文", "Skip to the content"),
    "hidden-columns": ("模型：{model}；环境：{environment}", "Model: {model}; environment: {environment}"),
    "chart-series": ("输入/输出长度", "Input/output length"),
    "axis-concurrency": ("并发数", "Concurrency"),
    "axis-input": ("输入 token 数", "Input tokens"),
    "axis-latency": ("时延（s）", "Latency (s)"),
    "axis-ttft": ("TTFT（s）", "TTFT (s)"),
    "axis-throughput": ("系统吞吐（tok/s）", "Output throughput (tok/s)"),
    "chart-alt": (
        "折线图：{title}。{series}",
        "Line chart: {title}. {series}",
    ),
    "chart-alt-series": ("{name}：{points}", "{name}: {points}"),
    # attachments
    "provenance": ("测试来源", "Provenance"),
    "provenance-kit": ("kit {kit}，测试方案 {profile}（{digest}）", "kit {kit}, profile {profile} ({digest})"),
    "provenance-environment": ("{name}：{digest}", "{name}: {digest}"),
    "provenance-code": (
        "测试方案允许运行分词器自带的代码（load.trust_remote_code）",
        "the profile lets code run that came with the tokenizer (load.trust_remote_code)",
    ),
    "provenance-rights": (
        "服务容器的额外权限：{rights}",
        "rights of the server's container beyond the least: {rights}",
    ),
    "provenance-machine": ("机器指纹 {fingerprint}", "machine fingerprint {fingerprint}"),
    "provenance-time": ("开始 {started}，结束 {ended}", "started {started}, ended {ended}"),
    "provenance-took": ("，历时 {duration}", " ({duration})"),
    # doubts
    "failed": (
        "{of} 个请求中有 {count} 个失败，未计入任何指标：{reason}",
        "{count} of {of} requests failed and are in no figure: {reason}",
    ),
    "output-tokens": (
        "{of} 个请求中有 {count} 个的输出 token 数与要求不符：要求 {asked}，实测 {measured}",
        "{count} of {of} requests had other output tokens than asked: asked {asked}, measured {measured}",
    ),
    "input-tokens": (
        "{of} 个请求中有 {count} 个的输入 token 数与要求不符：要求 {asked}，实测 {measured}",
        "{count} of {of} requests had other input tokens than asked: asked {asked}, measured {measured}",
    ),
    "output-tokens-unknown": (
        "{count} 个请求的输出 token 数未知",
        "the output tokens of {count} requests are not known",
    ),
    "input-tokens-unknown": ("{count} 个请求的输入 token 数未知", "the input tokens of {count} requests are not known"),
    "no-usage": (
        "{of} 个回答中有 {count} 个没有 usage，token 数由测试工具统计",
        "{count} of {of} answers came without usage: their tokens were counted by the load generator",
    ),
    "finish": ("并非所有回答都在长度上限处结束：{reasons}", "not every answer ended at its length limit: {reasons}"),
    "readings-latency": (
        "测试工具自身汇总的时延与逐请求重算相差 {difference}（{other}，重算 {own}）",
        "the load generator's own summary says {difference} for latency ({other} instead of {own})",
    ),
    "readings-ttft": (
        "测试工具自身汇总的首 token 时延与逐请求重算相差 {difference}（{other}，重算 {own}）",
        "the load generator's own summary says {difference} for TTFT ({other} instead of {own})",
    ),
    "readings-tpot": (
        "测试工具自身汇总的每 token 延迟与逐请求重算相差 {difference}（{other}，重算 {own}）",
        "the load generator's own summary says {difference} for TPOT ({other} instead of {own})",
    ),
    "readings-throughput": (
        "测试工具自身汇总的系统吞吐与逐请求重算相差 {difference}（{other}，重算 {own}）",
        "the load generator's own summary says {difference} for output throughput ({other} instead of {own})",
    ),
    "readings-succeeded": (
        "测试工具自身汇总的成功请求数与逐请求重算相差 {difference}（{other}，重算 {own}）",
        "the load generator's own summary says {difference} for successful requests ({other} instead of {own})",
    ),
    **CAPTIONS,
    **CONTRASTS,
    **INSTRUMENT,
    **JUDGEMENTS,
    **REPEATS,
}


def say(language: Language, key: str, **values: object) -> str:
    """The text for `key`; a value that it needs and does not get is a defect."""
    chinese, english = CATALOGUE[key]
    return (chinese if language == "zh-CN" else english).format(**values)


def doubt(language: Language, found: Doubt) -> str:
    """A doubt in words."""
    return say(language, found.kind, **dict(found.values))
