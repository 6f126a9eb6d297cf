"""vLLM with its Ascend plugin."""

from kit.engines.failures import ASCEND, Failure

TITLE = "vLLM-Ascend"
PACKAGE: str | None = "vllm-ascend"
STARTS = True
HEALTH_PATH = "/health"
COMMAND: tuple[str, ...] = ("vllm", "serve")
PORT_FLAGS: tuple[str, ...] = ("--port",)
MODEL_FLAGS: tuple[str, ...] = ("--served-model-name", "--model")
PHASES: tuple[tuple[str, str], ...] = (
    ("load begin", r"Starting to load model"),
    ("load end", r"Loading model weights took|Model loading took"),
    ("kv cache", r"GPU KV cache size|KV cache size"),
    ("capture graph", r"Graph capturing finished"),
    ("ready", r"Application startup complete"),
)
FAILURES: tuple[Failure, ...] = ASCEND
