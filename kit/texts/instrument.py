"""The texts about the instrument itself, in both languages: its error, and whether it kept up. `texts` takes them into its catalogue."""

INSTRUMENT: dict[str, tuple[str, str]] = {
    "short-ttft": ("TTFT", "TTFT"),
    "short-tpot": ("TPOT", "TPOT"),
    "error": ("仪器误差", "The instrument's own error"),
    "error-of-ttft": ("TTFT 误差", "Error of TTFT"),
    "error-of-tpot": ("TPOT 误差", "Error of TPOT"),
    "error-of-latency": ("时延误差", "Error of latency"),
    "error-of-throughput": ("吞吐误差", "Error of throughput"),
    "error-note": (
        "全部轮次结束后，同一发送程序在本机对时刻已知的参考服务发送同样的并发或速率，所得数值与真值之差，折算为本工况数值的比例：各次的中位数（最小 … 最大）。",
        "After the last round the same sender met a server whose times are known, on this machine, with as many clients or at the same rate: how far "
        "its figures were from the truth, as a share of this case's, the median of the trials (least … largest).",
    ),
    "error-untried": (
        "“—”：该工况没有结果，或校准时间（测试时长的二十分之一，至多 60 s）不足；可用 kit calibrate 加本次测试的目录补测。",
        "—: nothing was measured there, or a twentieth of the run's time, 60 s at most, was too short to try it: kit calibrate does, given "
        "the run's directory.",
    ),
    "trust-error-none": ("未测仪器误差：{reason}。", "The instrument's error was not tried: {reason}."),
    "untried-transport": (
        "load.transport 为 evalscope，其客户端的启动时间超出校准可用的时间（可用 kit calibrate 测量）",
        "load.transport is evalscope, whose client takes longer to start than there is time for it (kit calibrate tries it)",
    ),
    "untried-tls": (
        "校准使用明文 HTTP；本端点使用 TLS，到达时刻为客户端读取时刻，误差可能更大",
        "the trial speaks plain HTTP, and this endpoint TLS, where arrivals are timed when they are read: the error may be larger",
    ),
    "untried-nothing": (
        "没有同时测得 TTFT 与 TPOT 的工况",
        "no case has both TTFT and TPOT",
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
    "client-paused": (
        "发送程序曾有一段时间未能读取连接：{of} 个应答中有 {count} 个的首段文本读取过迟，所记时刻至多偏晚约 {longest} s，约占 TTFT 均值的 {ttft}"
        "（p99：{p99}），并使 TPOT 偏低约 {tpot}",
        "the sender was kept from reading for a while: the first text of {count} of {of} answers was read late, and stamped up to about {longest} s late: about "
        "{ttft} of the mean TTFT (p99: {p99}), which TPOT lacks ({tpot})",
    ),
    "sent-again": (
        "{of} 个请求中有 {count} 次重发：发送的同时服务器关闭了该连接，未收到任何应答；时延从重发时刻起算",
        "{count} of {of} requests were sent once more, since the server closed their connections just as they came, without a byte of an answer; "
        "their clocks start with the second sending",
    ),
    "connected-late": (
        "{count} 次需在计时期间新建连接：客户端空闲到发出请求平均等待 {mean} s、最多 {most} s，这段等待不在 TTFT 与时延之内",
        "{count} connections had to be opened while the clock ran: {mean} s on average, {most} s at most passed from a client being free to its "
        "request being sent, which are in no TTFT and no latency",
    ),
    "answer-tail": (
        "最后一段文本之后，平均还过了 {tail} s 应答才结束，占解码时间的 {share}：TPOT 与时延包含这段时间",
        "answers ended {tail} s after their last text on average, {share} of the time of decoding: TPOT and latency hold it",
    ),
    # the server's own times
    "trust": ("服务端自身计时", "The server's own times"),
    "trust-ttft": ("服务端 TTFT", "Server's TTFT"),
    "trust-tpot": ("服务端 TPOT", "Server's TPOT"),
    "trust-queue": ("排队", "Queue"),
    "trust-prefill": ("预填充", "Prefill"),
    "trust-rest": ("TTFT 剩余", "Rest of TTFT"),
    "trust-server-note": (
        "服务端数值由服务自身统计（应答或 /metrics），括号内为客户端均值高出的比例；剩余 = 客户端 TTFT − 排队 − 预填充，未报的一项包含在内。",
        "The server's figures are its own (of its answers, or of /metrics), in brackets how far the client's mean lies above them; the "
        "rest of TTFT is what queue and prefill leave of the client's, and holds whichever of the two is not told.",
    ),
    "trust-server-none": ("服务端自身计时未知：{reason}。", "The server's own times are not known: {reason}."),
    "server-not-ours": (
        "服务不是由 kit 启动的，kit 不查询它",
        "kit did not start the server, and asks nothing of it",
    ),
    "server-has-none": (
        "该推理引擎既未在应答中给出，也没有 kit 能读的统计",
        "the engine tells none in its answers, and has no metrics that kit can read",
    ),
    "server-needs": (
        "应答中没有，且推理引擎启动时未加 {flag}",
        "its answers tell none, and the engine was started without {flag}",
    ),
    "server-refused": ("无法读取 /metrics（{reason}）", "/metrics could not be read ({reason})"),
    "server-counted-none": ("/metrics 没有这些请求的时间", "/metrics has no times of these requests"),
    "server-requests": (
        "第 {round} 轮：服务端统计了 {requests} 个请求，本轮发出 {sent} 个，可能另有他人使用该服务；不与客户端对比",
        "round {round}: the server counted {requests} requests, {sent} were sent: somebody else may have used it; nothing is compared",
    ),
    "server-ttft": (
        "首 token 时延：客户端测得 {own} s，服务端自身为 {server} s（相差 {difference}），超出仪器误差（{error}）所能解释的范围：差别在传输或服务前端",
        "TTFT: the client measured {own} s, the server itself says {server} s ({difference}), more than the instrument's error ({error}) "
        "explains: the way, or the server's front end, takes it",
    ),
    "server-tpot": (
        "每 token 延迟：客户端测得 {own} s，服务端自身为 {server} s（相差 {difference}），超出仪器误差（{error}）所能解释的范围",
        "TPOT: the client measured {own} s, the server itself says {server} s ({difference}), more than the instrument's error ({error}) "
        "explains",
    ),
    "server-latency": (
        "端到端时延：客户端测得 {own} s，服务端自身为 {server} s（相差 {difference}），超出仪器误差（{error}）所能解释的范围",
        "latency: the client measured {own} s, the server itself says {server} s ({difference}), more than the instrument's error ({error}) "
        "explains",
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
    "first-together": (
        "{of} 个回答中有 {count} 个的前两个文本块由同一次读取得到，TTFT 取的是后一块的时刻：服务器一次发出多块，或客户端读取过迟",
        "in {count} of {of} answers the first two chunks with text were read at once, and TTFT is the time of the second: the server sent "
        "them at once, or the client read late",
    ),
}
