"""vLLM with its Ascend plugin."""

from kit.engines.failures import ASCEND, CUDA, Failure
from kit.engines.flags import Flags, Histograms, PrefixCache

TITLE = "vLLM-Ascend"
PACKAGE: str | None = "vllm-ascend"
STARTS = True
HEALTH_PATH = "/health"
COMMAND: tuple[str, ...] = ("vllm", "serve")
PORT_FLAGS: tuple[str, ...] = ("--port",)
MODEL_FLAGS: tuple[str, ...] = ("--served-model-name", "--model")
FLAGS = Flags(
    host=("--host",),
    weights=("--model",),
    positional=True,
    tensor_parallel=("--tensor-parallel-size", "-tp"),
    data_parallel=("--data-parallel-size", "-dp"),
    pipeline_parallel=("--pipeline-parallel-size", "-pp"),
    memory_fraction=("--gpu-memory-utilization",),
    context=("--max-model-len",),
    sequences=("--max-num-seqs",),
    speculative=("--speculative-config", "--speculative_config", "--num-speculative-tokens"),
)
CACHE = PrefixCache(
    flush="/reset_prefix_cache",
    needs=("VLLM_SERVER_DEV_MODE", "1"),
    off=("--no-enable-prefix-caching",),
)
HISTOGRAMS = Histograms(
    ttft=("vllm:time_to_first_token_seconds",),
    queue=("vllm:request_queue_time_seconds",),
    prefill=("vllm:request_prefill_time_seconds",),
    tpot=("vllm:request_time_per_output_token_seconds",),
    gaps=("vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"),
    latency=("vllm:e2e_request_latency_seconds",),
)
PHASES: tuple[tuple[str, str], ...] = (
    ("load begin", r"Starting to load model"),
    ("load end", r"Loading model weights took|Model loading took"),
    ("kv cache", r"GPU KV cache size|KV cache size"),
    ("capture graph", r"Graph capturing finished"),
    ("ready", r"Application startup complete"),
)
FAILURES: tuple[Failure, ...] = (
    Failure(
        r"No available memory for the cache blocks|less than desired GPU memory utilization"
        r"|larger than the (?:available KV cache memory|maximum number of tokens that can be stored in KV cache)",
        "the cards' memory does not hold model and cache",
        "raise --gpu-memory-utilization, lower --max-model-len, or free the cards",
    ),
    *ASCEND,
    *CUDA,
)
