"""kit's own reference server: it computes nothing, and sends every token at a time that is known beforehand."""

from kit import packed
from kit.engines.failures import Failure
from kit.engines.flags import Flags, Histograms, PrefixCache

TITLE = "kit reference server"
PACKAGE: str | None = None
STARTS = True
HEALTH_PATH = "/health"
# In the load generator's environment, as `server.image`.
COMMAND: tuple[str, ...] = (*packed.COMMAND, "reference")
PORT_FLAGS: tuple[str, ...] = ("--port",)
MODEL_FLAGS: tuple[str, ...] = ("--model",)
FLAGS = Flags(host=("--host",))
CACHE = PrefixCache(exists=False)
HISTOGRAMS = Histograms()
PHASES: tuple[tuple[str, str], ...] = (("listening", r"^reference: listening on"),)
FAILURES: tuple[Failure, ...] = ()
