"""The report that kit began with, as its word processor exported it, rebuilt from the profile and baseline that keep it.

Headings became list items (`1. #`); in rows under merged cells the values slid to the left.
"""

import csv
import io
from collections.abc import Sequence

from kit.formats import figure, rate
from kit.resources import folder
from kit.texts import say

PROFILE = "ascend-910b4x2-deepseek-r1-w8a8"
BASELINE = folder("profiles") / "baselines" / "ascend-910b4x2-2025-12-29.csv"
COLUMNS = ("model", "environment", "input", "output", "concurrency", "latency", "throughput", "ttft", "tpot", "tps")
TITLES = tuple(say("zh-CN", f"col-{name}") for name in (*COLUMNS, "per-stream"))
LABELS = ("DeepSeek-R1-0528-w8a8", "CPU: 鲲鹏920B 128 核；GPU:2 x 910B4")

START = (
    "export HCCL_OP_EXPANSION_MODE=AIV python -m ftransformers.launch_server --host 0.0.0.0 --port 8001 "
    "--model-path /home/model/DeepSeek-R1-W8A8 --attention-backend ascend --chunked-prefill-size 8192 "
    "--tensor-parallel-size 2 --device npu --trust-remote-code --mem-fraction-static 0.92 --disable-radix-cache "
    "--max-total-tokens 190000 --cpu-weight-path /home/model/deepseek-int4 --cpuinfer 128 --subpool-count 4 "
    "--num-gpu-experts 0 --quantization w8a8_int8 --served-model-name DeepSeek-R1-W8A8 --enable-defer"
)
EXAMPLE = "// 例如："
LOAD = (
    "python perf_via_es10x.py --ip 127.0.0.1 --port 8001 --parallel 1 2 4 --number 1 2 4 --model DeepSeek-R1-W8A8 "
    "--tokenizer-path /home/model/DeepSeek-R1-W8A8 --input-length 4000 --output-length 512"
)
SCRIPT = """\
import click

# 注释里的 | 和 ` 保持原样
@click.option("--seed", type=int, default=42, show_default=True)
@click.option("--loop", type=int, default=1)
def runner(seed, loop):
    print(f"{seed}|{loop}")
"""


def figures() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(BASELINE.read_text("utf-8"))))


def written() -> list[tuple[str, ...]]:
    """Every row with all its eleven cells, as the report writes them."""
    return [
        (
            *LABELS,
            row["input"],
            row["output"],
            row["concurrency"],
            *(
                figure(float(row[name]))
                for name in ("avg_latency_s", "output_throughput_tok_s", "avg_ttft_s", "avg_tpot_s")
            ),
            rate(float(row["avg_tps"])),
            rate(float(row["per_stream_tok_s"])),
        )
        for row in figures()
    ]


def slid(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows as exported: a cell merged with the one above takes no place, and the rest moves up, behind the first two."""
    result: list[tuple[str, ...]] = []
    before: tuple[str, ...] = ("",) * 11
    for row in rows:
        if row[:2] != before[:2]:
            cells = row
        elif row[2:4] != before[2:4]:
            cells = ("", "", *row[2:])
        else:
            cells = ("", "", *row[4:], "", "")
        result.append(cells)
        before = row
    return result


def line(cells: Sequence[str]) -> str:
    return "   | " + " | ".join(cells) + " |"


def markdown(rows: Sequence[tuple[str, ...]] | None = None, start: str = START, load: str = EXAMPLE + LOAD) -> str:
    """The whole document; `rows` as they stand in it."""
    table = "\n".join(line(cells) for cells in (slid(written()) if rows is None else rows))
    return f"""\
1. # 基本信息

| **项目** | 基于 2 卡 昇腾910B4 NPU（64GiB）+ 鲲鹏920B CPU测试 DeepSeek R1 性能 |
| -------- | ------------------------------------------------------------ |
| **模型** | DeepSeek R1（671B），NPU 权重 W8A8                           |
| **时间** | 2025 年 12 月 29 日                                          |

1. # 测试环境

1. ## 硬件配置

| **硬件** | **配置信息**                         |
| :------- | :----------------------------------- |
| **CPU**  | Huawei Kunpeng 920 7263Z (128 Cores) |
| **GPU**  | Huawei Ascend 910B4（64 GiB）* 2     |
| **内存** | DDR5 64 GB * 20                      |

1. ## 软件配置

| **软件名称** | **版本信息**                        |
| :----------- | :---------------------------------- |
| **操作系统** | openEuler 22.03                     |
| **内核版本** | 5.10.0-182.0.0.95.oe2203sp3.aarch64 |
| **推理引擎** | Ftransformers v3.3.1                |
| 测试工具     | evalscope v1.0.1                    |

1. # 测试过程

1. ## 启动测试

| **启动模型** | {start} |
| ------------ | ------------------------------------------------------------ |
| **执行测试** | {load} |

1. ## 性能数据

{line(TITLES)}
   | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- | ---- |
{table}

1. # 测试结论

- 经测试，上述测试性能符合预期

1. # 附件

1. ## 硬件详细信息

hardware_info_20251208_115831.txt

1. ## 测试脚本

```Bash
{SCRIPT}```
"""
