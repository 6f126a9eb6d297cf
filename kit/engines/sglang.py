"""SGLang, on NVIDIA and Ascend."""

from kit.engines.failures import ASCEND, CUDA, Failure
from kit.engines.flags import Flags, Histograms, PrefixCache

TITLE = "SGLang"
PACKAGE: str | None = "sglang"
STARTS = True
# /health_generate keeps answering after the scheduler has died, and /v1/models answers before the warm-up ends.
HEALTH_PATH = "/health"
COMMAND: tuple[str, ...] = ("python", "-m", "sglang.launch_server")
PORT_FLAGS: tuple[str, ...] = ("--port",)
MODEL_FLAGS: tuple[str, ...] = ("--served-model-name", "--model-path", "--model")
FLAGS = Flags(
    host=("--host",),
    weights=("--model-path", "--model"),
    tensor_parallel=("--tensor-parallel-size", "--tp-size", "--tp"),
    data_parallel=("--data-parallel-size", "--dp-size", "--dp"),
    pipeline_parallel=("--pipeline-parallel-size", "--pp-size", "--pp"),
    # Experts on CPUs through kt-kernel; the first spelling is today's, the others are of its first releases in SGLang.
    cpu_weights=("--kt-weight-path", "--kt-amx-weight-path", "--amx-weight-path"),
    cpu_threads=("--kt-cpuinfer", "--cpuinfer"),
    cpu_pools=("--kt-threadpool-count", "--subpool-count"),
    memory_fraction=("--mem-fraction-static",),
    context=("--context-length",),
    total_tokens=("--max-total-tokens",),
    sequences=("--max-running-requests",),
    speculative=("--speculative-algorithm", "--speculative-algo"),
)
CACHE = PrefixCache(flush="/flush_cache", off=("--disable-radix-cache",))
HISTOGRAMS = Histograms(
    needs="--enable-metrics",
    ttft=("sglang:time_to_first_token_seconds",),
    queue=("sglang:queue_time_seconds",),
    gaps=("sglang:inter_token_latency_seconds",),
    latency=("sglang:e2e_request_latency_seconds",),
)
PHASES: tuple[tuple[str, str], ...] = (
    ("init begin", r"Init torch distributed begin"),
    ("init end", r"Init torch distributed ends"),
    ("load begin", r"Load weight begin"),
    ("load end", r"Load weight end"),
    ("kv cache", r"KV Cache is allocated"),
    ("capture begin", r"Capture (npu|cuda) graph begin"),
    ("capture end", r"Capture (npu|cuda) graph end"),
    ("listening", r"Uvicorn running on"),
    ("ready", r"The server is fired up and ready to roll"),
)
FAILURES: tuple[Failure, ...] = (*ASCEND, *CUDA)
