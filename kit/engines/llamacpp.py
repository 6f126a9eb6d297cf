"""llama.cpp, through the server of the package xllamacpp: the embedded engine."""

from kit.engines.failures import CUDA, HOST_MEMORY, Failure
from kit.engines.flags import Flags, Histograms, PrefixCache

TITLE = "llama.cpp"
PACKAGE: str | None = "xllamacpp"
STARTS = True
HEALTH_PATH = "/health"
COMMAND: tuple[str, ...] = ("llamacpp-serve",)
PORT_FLAGS: tuple[str, ...] = ("--port",)
MODEL_FLAGS: tuple[str, ...] = ("--served-model-name",)
FLAGS = Flags(
    host=("--host",),
    weights=("--model",),
    cpu_threads=("--threads",),
    context=("--ctx-size",),
    sequences=("--parallel",),
)
CACHE = PrefixCache(on=("--prompt-cache",))
HISTOGRAMS = Histograms()
PHASES: tuple[tuple[str, str], ...] = (
    ("load begin", r"phase: load begin"),
    ("load end", r"phase: load end"),
    ("ready", r"phase: ready"),
)
FAILURES: tuple[Failure, ...] = (
    *CUDA,
    HOST_MEMORY,
    Failure(
        r"unknown model architecture",
        "this version of llama.cpp does not know the model's architecture",
        "use a version of the engine that knows it",
    ),
    Failure(
        r"(?i)unable to allocate \S+ buffer|failed to allocate (?:\S+ )?buffer|failed to fit params",
        "the memory does not hold model and cache",
        "lower --ctx-size or --parallel, or use smaller weights",
    ),
    Failure(
        r"(?i)failed to load model|error loading model",
        "llama.cpp cannot load the model: the file is missing, cut short or no GGUF",
        "kit clean --cache makes the embedded model again; else check the file",
    ),
)
