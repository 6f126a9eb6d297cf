"""Ftransformers: its server takes SGLang's flags and writes SGLang's log lines."""

from dataclasses import replace

from kit.engines import sglang

TITLE = "Ftransformers"
PACKAGE: str | None = "ftransformers"
STARTS = True
HEALTH_PATH = sglang.HEALTH_PATH
COMMAND: tuple[str, ...] = ("python", "-m", "ftransformers.launch_server")
PORT_FLAGS = sglang.PORT_FLAGS
MODEL_FLAGS = sglang.MODEL_FLAGS
FLAGS = replace(
    sglang.FLAGS, cpu_weights=("--cpu-weight-path",), cpu_threads=("--cpuinfer",), cpu_pools=("--subpool-count",)
)
CACHE = sglang.CACHE
HISTOGRAMS = sglang.HISTOGRAMS
PHASES = sglang.PHASES
FAILURES = sglang.FAILURES
