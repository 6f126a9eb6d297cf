"""An endpoint that already runs: kit sends load to it and starts nothing."""

from kit.engines.failures import Failure
from kit.engines.flags import Flags, Histograms, PrefixCache

TITLE = "OpenAI API"
PACKAGE: str | None = None
STARTS = False
HEALTH_PATH = "/health"
COMMAND: tuple[str, ...] = ()
PORT_FLAGS: tuple[str, ...] = ()
MODEL_FLAGS: tuple[str, ...] = ()
FLAGS = Flags()
CACHE = PrefixCache()
HISTOGRAMS = Histograms()
PHASES: tuple[tuple[str, str], ...] = ()
FAILURES: tuple[Failure, ...] = ()
