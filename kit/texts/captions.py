"""The texts of the brief, of the machine's telemetry and of the load as it was, in both languages. `texts` takes them into its catalogue."""

CAPTIONS: dict[str, tuple[str, str]] = {
    # the machine while it worked
    "machine-use": ("各工况的功耗与资源使用", "Power and use of the machine in each case"),
    "use-power": ("平均功率（W）", "Mean power (W)"),
    "use-power-peak": ("峰值功率（W）", "Peak power (W)"),
    "use-efficiency": ("能效（token/J）", "Tokens per joule"),
    "use-card-use": ("加速卡利用率（%）", "Accelerator use (%)"),
    "use-card-memory": ("显存峰值（GiB）", "Peak memory (GiB)"),
    "use-card-heat": ("最高温度（°C）", "Peak temperature (°C)"),
    "use-cpu-use": ("CPU 利用率（%）", "CPU use (%)"),
    "use-client-use": ("测试工具主线程峰值（%）", "Load generator's thread, peak (%)"),
    "machine-use-note": (
        "功率为本次测试所用加速卡之和，取各轮均值；能效 = 成功请求的输出 token 数 / 这些卡的能耗；显存与温度取最高的一张卡。",
        "Power is of the accelerators of this run together, mean over rounds; tokens per joule are output tokens of successful "
        "requests per joule of these cards; memory and temperature are of the highest card.",
    ),
    "machine-use-few": (
        "CPU 利用率或测试工具主线程为“—”：该工况至少有一轮没有读数，很短的轮次可能落在两次采样之间。",
        "— for CPU or the load generator's thread: a round of the case has no reading; a short one may lie between two.",
    ),
    "machine-use-none": ("加速卡：{reason}", "Accelerators: {reason}"),
    "telemetry-throttled": (
        "加速卡 {cards} 在 {of} 次采样中有 {count} 次降频",
        "accelerators {cards} were throttled in {count} of {of} readings",
    ),
    "telemetry-hot": (
        "加速卡 {cards} 温度达到 {peak} °C（提示阈值 {limit} °C）",
        "accelerators {cards} reached {peak} °C (told from {limit} °C on)",
    ),
    "telemetry-shared": (
        "测试期间有其他程序开始使用加速卡 {cards}（pid {pids}）",
        "other programs began to use accelerators {cards} during the round (pid {pids})",
    ),
    "telemetry-gaps": (
        "加速卡采样有 {gaps} 次中断（最长 {longest} s），不给出能耗",
        "the readings of the accelerators have {gaps} gaps (up to {longest} s): no energy is given",
    ),
    "telemetry-client": (
        "测试工具的主线程在 {of} 次采样中有 {count} 次占满一个 CPU 核（最高 {peak}%），时延可能偏高",
        "the load generator's own thread filled a core in {count} of {of} readings (up to {peak} %): latencies may be too high",
    ),
    "machine-time": ("功耗与利用率随时间的变化", "Power and use over time"),
    "chart-power": ("加速卡功率随时间的变化", "Power of the accelerators over time"),
    "chart-use": ("利用率随时间的变化", "Use over time"),
    "axis-time": ("时间（min）", "Time (min)"),
    "axis-power": ("功率（W）", "Power (W)"),
    "axis-use": ("利用率（%）", "Use (%)"),
    "line-card": ("加速卡 {number}", "Accelerator {number}"),
    "line-cpu": ("CPU", "CPU"),
    "line-client": ("测试工具主线程", "Load generator's thread"),
    "line-alt": ("{name}：均值 {mean}，最高 {peak}", "{name}: mean {mean}, peak {peak}"),
    "step-note": (
        "每点为 {step} s 内的均值；仅在各轮测试期间采样。",
        "Each point is the mean of {step} s; only rounds are sampled.",
    ),
    # how the load met the server
    "applied": ("各工况的实际负载", "The load that each case really had"),
    "applied-input": ("实测输入 token", "Input tokens measured"),
    "applied-output": ("实测输出 token", "Output tokens measured"),
    "applied-in-flight": ("平均在途请求", "Requests under way, mean"),
    "applied-peak": ("最多在途请求", "Requests under way, most"),
    "applied-burst": ("首批请求占比", "Share of the burst"),
    "applied-burst-ttft": ("首批 TTFT", "TTFT of the burst"),
    "applied-steady-ttft": ("其余 TTFT", "TTFT of the others"),
    "applied-sent-rate": ("实际每秒发出请求", "Requests sent per second"),
    "applied-late": ("平均发出滞后（ms）", "Sent late, mean (ms)"),
    "applied-late-most": ("最大发出滞后（ms）", "Sent late, most (ms)"),
    "applied-rate-note": (
        "按速率发送（并发数一栏写作 4/s）的工况：发送时刻事先排定，与已有请求是否完成无关；时延与 TTFT 从排定时刻算起，发出滞后包含在内。",
        "Cases sent at a rate (4/s in place of a concurrency): the times of sending were fixed beforehand, whatever was under way; "
        "latency and TTFT count from them, and so include what was sent late.",
    ),
    "applied-shape-note": (
        "并发数或速率后的括号说明请求的特点：±50% 为长度在均值上下 50% 之间均匀分布，σ80% 为对数正态分布（标准差为均值的 80%），"
        "prefix 为所有请求共有的开头，turns 为每段对话的轮数，file 为提示词文件，ramp 为负载逐渐升高的时间。",
        "In brackets behind a concurrency or rate stands what the requests are like: ±50% lengths anywhere within 50% of their mean, "
        "σ80% a lognormal distribution with a standard deviation of 80% of the mean, prefix the beginning that all share, turns the "
        "requests of a conversation, file the file of prompts, ramp the time in which the load rises.",
    ),
    "applied-ramp-note": (
        "负载逐渐升高的工况（ramp）：首批请求指升高期间发出的请求，其余请求在负载到顶之后发出；各项指标包含全部请求。",
        "Where the load rises (ramp) the burst is what was sent meanwhile, and the others met the whole load; the figures are of all "
        "requests.",
    ),
    "turns": ("对话逐轮数据", "Conversations, turn by turn"),
    "turns-turn": ("对话轮", "Turn"),
    "turns-requests": ("成功/请求", "Succeeded/requests"),
    "turns-input": ("平均输入 token", "Input tokens, mean"),
    "turns-cached": ("其中来自缓存", "Of these cached"),
    "turns-note": (
        "对话每一轮的提示词包含此前全部对话（服务端的实际回答也在内）；下一轮在上一个回答结束后立即发出。来自缓存的 token 数由服务端报告。",
        "Each prompt holds all of the conversation before it, with the server's own answers; a turn is sent as soon as the answer before it "
        "is over. How many tokens came from a cache is what the server says.",
    ),
    "input-mean": (
        "提示词平均 {measured} 个 token，与表中所列 {asked} 不同",
        "prompts have {measured} tokens on average, not the {asked} that tables name",
    ),
    "output-mean": (
        "回答平均 {measured} 个 token，与表中所列 {asked} 不同",
        "answers have {measured} tokens on average, not the {asked} that tables name",
    ),
    "ramp-unfinished": (
        "全部请求在负载升高的 {ramp} s 内发完，没有到达顶点的数据",
        "all requests were sent within the {ramp} s in which the load rises: none met the whole load",
    ),
    "applied-note": (
        "在途请求按时间加权，自每轮第一个请求发出至最后一个回答收完；首批请求指该轮第一个回答结束之前发出的请求。",
        "Requests under way are weighted by time, from the first request sent to the last answer received; the burst is what was "
        "sent before any answer of the round was over.",
    ),
    "applied-burst-note": (
        "首批占 100% 的工况中，请求数等于并发数，全部同时发出：TTFT 含同时到达的排队时间，没有稳态数据"
        "（load.requests_per_client 可增加请求数）。",
        "Where the burst is 100%, as many requests as clients were sent, all at once: TTFT includes their wait for each other, and "
        "there is no steady state (load.requests_per_client sends more).",
    ),
    "cached-tokens": (
        "{of} 个请求中有 {count} 个的部分提示词（共 {tokens} 个 token）来自前缀缓存，没有重新计算",
        "part of the prompt of {count} of {of} requests ({tokens} tokens in all) came from a prefix cache and was not computed",
    ),
    "server-decode": (
        "从首 token 到末 token，服务端自报的时间与客户端所见相差 {difference}（服务端 {server} s，客户端 {own} s）",
        "from the first token to the last the server says {difference} beside what the client saw ({server} s, {own} s)",
    ),
    "concurrency-few": (
        "本工况只有 {most} 个请求（或会话）可同时进行，少于并发数 {asked}：并发数未达到，单路吞吐按 {asked} 路计算",
        "only {most} requests or conversations of this case can be under way at once, fewer than its {asked} clients: that concurrency was not "
        "reached, and per-stream throughput counts {asked}",
    ),
    "concurrency-peak": (
        "同时在途的请求最多 {peak} 个，少于要求的 {asked} 个",
        "at most {peak} requests were under way at once, not {asked}",
    ),
    "concurrency-mean": (
        "首批之后、最后一个请求发出之前，平均在途请求只有 {mean} 个，少于要求的 {asked} 个",
        "after the burst, while requests were left to send, only {mean} of {asked} clients were busy on average",
    ),
    "rate-late": (
        "请求比排定时刻平均晚 {mean} ms、最多晚 {most} ms 发出，占平均 TTFT 的 {share}：客户端、连接或服务端接收跟不上该速率，时延中已含这段等待",
        "requests were sent {mean} ms late on average and {most} ms at most, {share} of the mean TTFT: the client, the connections or the "
        "server did not take them at this rate; the times include that wait",
    ),
    "rate-unsettled": (
        "最后一个请求发出时，{of} 个请求中仍有 {count} 个未完成：未达到稳态，时延取决于请求数（load.cases 的 requests 可增加）",
        "when the last request was sent, {count} of {of} were still under way: the load had not settled, and the times depend on how "
        "many requests there are (more requests tell)",
    ),
    "rate-from-sending": (
        "按速率发送时，evalscope 自身不记录排定时刻：时延从实际发出时刻算起，发出滞后未知（load.transport: precise 从排定时刻算起）",
        "at a rate evalscope itself does not write down when a request was due: the times count from its sending, and how late that was is "
        "not known (load.transport: precise counts from when it was due)",
    ),
    "cache-not-flushed": (
        "测试前未能清空前缀缓存：{reason}",
        "the prefix cache could not be emptied before the round: {reason}",
    ),
    "rounds-open": (
        "{count} 轮之后系统吞吐的 95% 置信区间半宽仍为均值的 {reached}，未达到要求的 {asked}",
        "after {count} rounds half the 95 % interval of the throughput is still {reached} of it, not the {asked} that was asked",
    ),
    "rounds-drift": (
        "各轮系统吞吐逐轮单向变化（Kendall 检验，p < 5%）：第一轮 {first}，最后一轮 {last} tok/s（{change}），可能是温度、缓存或其他负载所致",
        "the throughput goes one way from round to round (Kendall, p < 5 %): {first} in the first, {last} tok/s in the last "
        "({change}); heat, a cache or another load may be the cause",
    ),
    "rounds-outlier": (
        "第 {round} 轮的系统吞吐与其余各轮相差 {difference}（{value} tok/s），是离群值（Grubbs 检验，p < 5%）",
        "round {round} stands out: its throughput of {value} tok/s is {difference} beside the others (Grubbs, p < 5 %)",
    ),
    # charts of cases sent at a rate
    "chart-latency-rate": ("端到端时延随请求速率的变化", "Latency against request rate"),
    "chart-ttft-rate": ("首 token 时延随请求速率的变化", "TTFT against request rate"),
    "chart-throughput-rate": ("系统吞吐随请求速率的变化", "Output throughput against request rate"),
    "axis-rate": ("设定的请求速率（req/s）", "Request rate asked for (req/s)"),
    "line-mean": ("{name} 均值", "{name} mean"),
    # what is doubtful before anything is run
    "caveat-speculative": (
        "服务启用了多 token 预测（{flag}），而测试工具同时发送 min_tokens：推理引擎为推迟结束符可能放弃部分预测，TPOT 可能偏高。",
        "The server predicts several tokens at once ({flag}) while min_tokens is sent: engines may give predictions up to hold the "
        "end token back, so TPOT may be higher than in service.",
    ),
    "caveat-shared-prompts": (
        "同一轮各工况使用相同的随机种子（与原测试脚本一致），后面工况的开头部分提示词与前面相同；若引擎启用前缀缓存且未清空，"
        "其 TTFT 可能偏低（load.seeds: per-case 可避免）。",
        "The cases of a round share their seed, as in the original script: a later case begins with prompts that an earlier one has sent, "
        "and a prefix cache that is not emptied makes its TTFT too short (load.seeds: per-case avoids that).",
    ),
    "caveat-rounds-rate": (
        "load.rounds: auto 按系统吞吐的置信区间决定轮数，而按速率发送时吞吐取决于发送的速率：轮数够了，不等于时延与 TTFT 已测准（宜写固定的轮数）。",
        "load.rounds: auto ends when the throughput is known well enough, which at a rate is what was sent, not what the server can do: latency "
        "and TTFT may not be known as well by then (better give load.rounds a number).",
    ),
    "caveat-repeated-prompts": (
        "提示词文件 {files} 中的提示词会重复发送（多轮或多个工况共用，或提示词数少于请求数），其间未清空前缀缓存，TTFT 可能偏低。",
        "Prompts of {files} are sent more than once, by several rounds or cases, or because a file has fewer than are sent: a prefix cache "
        "that is not emptied in between makes their TTFT too short.",
    ),
    "caveat-missed-latency": (
        "演练中同一工况的每个回答都按基线均值计时，由此得出的端到端时延达不到基线：{cases}。",
        "Rehearsed, every answer of a case takes the baseline's mean times; the latency that follows misses the baseline's: {cases}.",
    ),
    "caveat-missed-ttft": (
        "演练中同一工况的每个回答都按基线均值计时，由此得出的 TTFT 达不到基线：{cases}。",
        "Rehearsed, every answer of a case takes the baseline's mean times; the TTFT that follows misses the baseline's: {cases}.",
    ),
    "caveat-missed-tpot": (
        "演练中同一工况的每个回答都按基线均值计时，由此得出的 TPOT 达不到基线：{cases}。",
        "Rehearsed, every answer of a case takes the baseline's mean times; the TPOT that follows misses the baseline's: {cases}.",
    ),
    "caveat-missed-output_throughput": (
        "演练中同一工况的每个回答都按基线均值计时，由此得出的系统吞吐达不到基线：{cases}。",
        "Rehearsed, every answer of a case takes the baseline's mean times; the output throughput that follows misses the baseline's: {cases}.",
    ),
    "caveat-missed-tps": (
        "演练中同一工况的每个回答都按基线均值计时，由此得出的 TPS 达不到基线：{cases}。",
        "Rehearsed, every answer of a case takes the baseline's mean times; the TPS that follows misses the baseline's: {cases}.",
    ),
    "caveat-missed-per_stream_throughput": (
        "演练中同一工况的每个回答都按基线均值计时，由此得出的单路吞吐达不到基线：{cases}。",
        "Rehearsed, every answer of a case takes the baseline's mean times; the per-stream throughput that follows misses the baseline's: {cases}.",
    ),
    # marks
    "rehearsal": (
        "演练：使用替代程序，数据不代表真实性能",
        "Rehearsal with stand-ins: the figures say nothing about real performance",
    ),
    # the brief
    "highlights": ("关键数据", "Key figures"),
    "high-throughput": ("最高系统吞吐", "Highest output throughput"),
    "high-tps": ("单个请求最高生成速度", "Fastest generation for one request"),
    "high-ttft-least": ("最短平均首 token 时延", "Shortest mean TTFT"),
    "high-ttft-most": ("最长平均首 token 时延", "Longest mean TTFT"),
    "high-success": ("请求成功率", "Requests that succeeded"),
    "high-requests": ("全部工况：{good}/{sent}", "all cases: {good}/{sent}"),
    "highlights-note": (
        "工况写作“输入-输出-c并发数”；各项为该工况各轮均值，失败的请求不计入时延与速度。",
        "A case reads input-output-cCONCURRENCY; figures are means over its rounds, without failed requests.",
    ),
    "highlights-doubted": (
        "带 † 的工况，其数值有数据说明，见完整报告。",
        "Of a case with † the full report has notes on the figures.",
    ),
    "more-lines": ("其余 {count} 条见完整报告", "{count} more lines stand in the full report"),
    "full-report": (
        "本页为摘要；全部数据、测试方法与数据说明见完整报告 {run}。",
        "This page is a summary; all figures, the method and the notes stand in the full report {run}.",
    ),
}
