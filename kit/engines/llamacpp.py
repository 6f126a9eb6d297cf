"""llama.cpp, through the server of the package xllamacpp: the embedded engine."""

from kit.engines.failures import Failure
from kit.engines.flags import Flags

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
PHASES: tuple[tuple[str, str], ...] = (
    ("load begin", r"phase: load begin"),
    ("load end", r"phase: load end"),
    ("ready", r"phase: ready"),
)
FAILURES: tuple[Failure, ...] = (
    Failure(
        r"(?i)failed to load model|error loading model",
        "llama.cpp cannot load the model",
        "kit clean --cache makes the embedded model again; else check the file",
    ),
)
