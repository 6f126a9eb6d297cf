"""The texts of the brief and of the machine's telemetry, in both languages. `texts` takes them into its catalogue."""

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
    "machine-use-none": ("加速卡：{reason}", "Accelerators: {reason}"),
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
    "more-lines": ("其余 {count} 条见完整报告", "{count} more lines stand in the full report"),
    "full-report": (
        "本页为摘要；全部数据、测试方法与数据说明见完整报告 {run}。",
        "This page is a summary; all figures, the method and the notes stand in the full report {run}.",
    ),
}
