"""The texts about the instrument itself, in both languages: its error, and whether it kept up. `texts` takes them into its catalogue."""

INSTRUMENT: dict[str, tuple[str, str]] = {
    "short-ttft": ("TTFT", "TTFT"),
    "short-tpot": ("TPOT", "TPOT"),
    "short-throughput": ("系统吞吐", "output throughput"),
    "applied-instrument": ("仪器误差 {metric}", "Instrument error, {metric}"),
    "applied-instrument-note": (
        "仪器误差：全部轮次结束后，用同一发送程序在本机对时刻已知的参考服务发送同等并发的负载，取各次的中位数，折算为本工况数值的比例。",
        "Instrument error: after the last round the same sender met a server whose times are known, on this machine, with as many "
        "clients; the median of its trials, as a share of this case's figure.",
    ),
    "applied-instrument-none": ("未测仪器误差：{reason}。", "The instrument's error was not tried: {reason}."),
    "untried-transport": (
        "load.transport 为 evalscope，其客户端的启动时间超出校准可用的时间（可用 kit calibrate 测量）",
        "load.transport is evalscope, whose client takes longer to start than there is time for it (kit calibrate tries it)",
    ),
    "untried-short": (
        "测试时长的二十分之一（{budget} s）不足以进行任何一次校准",
        "a twentieth of the run's time ({budget} s) is too short for any trial",
    ),
    "untried-room": ("校准时间不足", "it did not fit into the time there is"),
    "untried-failed": ("校准未成功：{error}", "the trial failed: {error}"),
    "instrument-ttft": (
        "首 token 时延的仪器误差为 {error}，大于该数值的 1%",
        "the instrument's error of TTFT is {error}: more than 1 % of the figure",
    ),
    "instrument-tpot": (
        "每 token 延迟的仪器误差为 {error}，大于该数值的 1%",
        "the instrument's error of TPOT is {error}: more than 1 % of the figure",
    ),
    "instrument-latency": (
        "端到端时延的仪器误差为 {error}，大于该数值的 1%",
        "the instrument's error of latency is {error}: more than 1 % of the figure",
    ),
    "instrument-throughput": (
        "系统吞吐的仪器误差为 {error}，大于该数值的 1%",
        "the instrument's error of output throughput is {error}: more than 1 % of the figure",
    ),
    "client-saturated": (
        "压测客户端已饱和：发送程序 {demand} 的时间在占用或等待处理器，本轮数值可能反映的是客户端而不是服务",
        "the client was saturated: its sender used or waited for a processor {demand} of the time, so these figures may be the "
        "client's and not the server's",
    ),
    "usage-below-chunks": (
        "{of} 个回答中有 {count} 个的 usage 输出 token 数少于收到的文本块数，token 数不可信",
        "in {count} of {of} answers usage counts fewer output tokens than chunks with text came: the counts cannot be right",
    ),
    "tokens-per-chunk": (
        "每个文本块平均含 {tokens} 个 token（按 usage）：块间隔不是 token 间隔，首块可能不止一个 token",
        "a chunk with text holds {tokens} tokens on average (by usage): gaps are between chunks, not tokens, and the first chunk "
        "may hold more than one token",
    ),
}
