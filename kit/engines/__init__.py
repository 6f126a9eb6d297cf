"""What serves the model: one module per engine, which describes and never acts."""

import re
from collections.abc import Sequence
from typing import Protocol

from kit.engines import endpoint, ftransformers, llamacpp, reference, sglang, vllm_ascend
from kit.engines.failures import COMMON, GENERIC, Failure, tells
from kit.engines.flags import Flags, Histograms, PrefixCache, value


class Engine(Protocol):
    """What kit must know of an engine; everything else on its command line is passed through."""

    TITLE: str
    """The name that the report prints."""
    PACKAGE: str | None
    """The Python package whose locked version is the engine's version."""
    STARTS: bool
    """Whether kit starts it; an endpoint that already runs is not started."""
    HEALTH_PATH: str
    COMMAND: tuple[str, ...]
    """The program, before the profile's arguments."""
    PORT_FLAGS: tuple[str, ...]
    MODEL_FLAGS: tuple[str, ...]
    """Flags that set the name the server answers to, the most specific first."""
    FLAGS: Flags
    """How it spells the other flags that kit reads."""
    CACHE: PrefixCache
    HISTOGRAMS: Histograms
    PHASES: tuple[tuple[str, str], ...]
    """Start-up phases in their order: a name, and a regular expression for the log line that tells of it."""
    FAILURES: tuple[Failure, ...]


ENGINES: dict[str, Engine] = {
    "endpoint": endpoint,
    "ftransformers": ftransformers,
    "llamacpp": llamacpp,
    "reference": reference,
    "sglang": sglang,
    "vllm-ascend": vllm_ascend,
}


def weights(engine: str, argv: Sequence[str]) -> tuple[str, ...]:
    """The weights that a server's command names, those in main memory last: paths, or names of a hub."""
    known = ENGINES[engine]
    own = value((argv,), *known.FLAGS.weights)
    first = argv[len(known.COMMAND) :][:1]
    if own is None and known.FLAGS.positional and first and not first[0].startswith("-"):
        own = first[0]
    return tuple(path for path in (own, value((argv,), *known.FLAGS.cpu_weights)) if path)


def diagnose(engine: str, log: Sequence[str]) -> Failure | None:
    """The first known failure that the log shows, the engine's own before those of any, causes before what follows from them."""
    telling = [line for line in log if tells(line)]
    for failure in (*ENGINES[engine].FAILURES, *COMMON, *GENERIC):
        if any(re.search(failure.pattern, line) for line in telling):
            return failure
    return None


def fatal(engine: str, line: str) -> bool:
    """Whether a line of the log tells of a failure that nothing recovers from, though the program may go on.

    A health check that got no answer is none: a long prefill is enough for that.
    """
    return tells(line) and any(
        failure.fatal and re.search(failure.pattern, line) for failure in (*ENGINES[engine].FAILURES, *GENERIC)
    )
