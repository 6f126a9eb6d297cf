"""llama.cpp, through the server of the package xllamacpp: the embedded engine."""

from kit.engines.failures import Failure

TITLE = "llama.cpp"
PACKAGE: str | None = "xllamacpp"
STARTS = True
HEALTH_PATH = "/health"
COMMAND: tuple[str, ...] = ("llamacpp-serve",)
PORT_FLAGS: tuple[str, ...] = ("--port",)
MODEL_FLAGS: tuple[str, ...] = ("--served-model-name",)
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
