"""The names of facts, and reasons that are stored in English, as a Chinese text says them; flags and versions keep their names."""

import re

from kit.model.profile import Language

_NAMES = {
    "accelerators": "加速卡",
    "engine": "推理引擎",
    "server": "服务器",
    "requests per client": "每客户端请求数",
    "rounds": "轮次",
    "warm-up": "预热",
    "tokenizer": "分词器",
    "runtime": "运行方式",
    "streamed": "流式输出",
    "instrument": "测量程序",
    "CPU architecture": "CPU 架构",
    "CPU sockets": "CPU 路数",
    "CPU physical cores": "CPU 物理核数",
    "CPU threads": "CPU 线程数",
    "CPU maximum clock, MHz": "CPU 最高频率（MHz）",
    "CPU governor": "CPU 调频策略",
    "CPU flags": "CPU 指令集标志",
    "NUMA nodes": "NUMA 节点",
    "NUMA balancing": "NUMA 自动均衡",
    "memory, GiB": "内存（GiB）",
    "memory modules": "内存条",
    "memory channels": "内存通道",
    "transparent hugepages": "透明大页",
    "hugepages": "大页",
    "kernel": "内核",
    "kernel parameters": "内核参数",
    "operating system": "操作系统",
    "virtualisation": "虚拟化",
    "Docker runtimes": "Docker 运行时",
    "Podman runtime": "Podman 运行时",
    "clock synchronised": "时钟同步",
    "server vendor": "服务器厂商",
    "disks": "磁盘",
    "hostname": "主机名",
}
_PATTERNS = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"environment (.+)", r"运行环境 \1"),
        (r"weights: (\d+) more files", r"权重：另 \1 个文件"),
        (r"weights: (.+)", r"权重：\1"),
        (r"(.+) devices", r"\1 设备数"),
        (r"(.+) topology", r"\1 拓扑"),
        (r"(.+ \d+\.\d+) name", r"\1 型号"),
        (r"(.+ \d+\.\d+) memory, bytes", r"\1 显存（字节）"),
        (r"(.+ \d+\.\d+) clock, MHz", r"\1 频率（MHz）"),
        (r"(.+ \d+\.\d+) power limit, W", r"\1 功率上限（W）"),
        (r"(.+ \d+\.\d+) cores", r"\1 核心数"),
        (r"(.+ \d+\.\d+) partitions", r"\1 切分"),
        (r"(.+ \d+\.\d+) health", r"\1 健康状态"),
    )
)
_REASONS = tuple(
    (re.compile(pattern), text)
    for pattern, text in (
        (r"the profile names no accelerators", "测试方案未指定加速卡"),
        (r"only (\d+) readings in the window", r"本轮内只有 \1 次采样"),
        (r"the tool printed (\d+) of (\d+) cards", r"工具只给出 \2 张卡中的 \1 张"),
    )
)


def fact(language: Language, name: str) -> str:
    """The name of a fact; one that kit gave none, such as a flag of an engine, as it is."""
    if language != "zh-CN":
        return name
    return _NAMES.get(name) or _said(name, _PATTERNS)


def reason(language: Language, text: str) -> str:
    """Why something is not known, where kit itself says so; what a tool says as it is."""
    return _said(text, _REASONS) if language == "zh-CN" else text


def _said(text: str, known: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, said in known:
        if found := pattern.fullmatch(text):
            return found.expand(said)
    return text
