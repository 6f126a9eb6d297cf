"""Reading single flags out of a command line that is otherwise passed through untouched."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flags:
    """The spellings of the flags that kit reads beside port and served name; none where the engine has no such flag.

    `cpu_weights` are weights that stay in main memory, `cpu_threads` and `cpu_pools` what computes with them (pools are one
    per NUMA node), `memory_fraction` the share of a card's memory that the engine takes.
    """

    positional: bool = False
    """The weights may also stand first, without a flag."""
    host: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    tensor_parallel: tuple[str, ...] = ()
    data_parallel: tuple[str, ...] = ()
    pipeline_parallel: tuple[str, ...] = ()
    cpu_weights: tuple[str, ...] = ()
    cpu_threads: tuple[str, ...] = ()
    cpu_pools: tuple[str, ...] = ()
    memory_fraction: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    total_tokens: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    speculative: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PrefixCache:
    """Whether the engine may answer from the work of earlier requests with the same beginning, and how that is undone.

    `flush` is the path that empties it when something is posted there, `needs` the variable that the server must have for that
    path to exist, `on` the flags that turn the cache on where it is off without them, `off` those that turn it off.
    """

    exists: bool = True
    flush: str | None = None
    needs: tuple[str, str] | None = None
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Histograms:
    """How the engine calls the histograms of its own times on `/metrics`, all in seconds, today's spelling first.

    `queue` ends where a request is scheduled, `prefill` begins there; `tpot` has one value per request, `gaps` hold the times between
    tokens, together the whole time of decoding. `needs` is the flag without which there are none.
    """

    needs: str | None = None
    ttft: tuple[str, ...] = ()
    queue: tuple[str, ...] = ()
    prefill: tuple[str, ...] = ()
    tpot: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    latency: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All of them, in every spelling; none where the engine has no metrics that kit knows."""
        return frozenset((*self.ttft, *self.queue, *self.prefill, *self.tpot, *self.gaps, *self.latency))


def value(args: Sequence[Sequence[str]], *names: str) -> str | None:
    """The last value given for one of the flags, written `--flag value` or `--flag=value`; None where there is none."""
    found: str | None = None
    for group in args:
        for position, word in enumerate(group):
            for name in names:
                if word == name and position + 1 < len(group):
                    found = group[position + 1]
                elif word.startswith(f"{name}="):
                    found = word.removeprefix(f"{name}=")
    return found


def given(args: Sequence[Sequence[str]], *names: str) -> str | None:
    """The flag among these that is there, with a value or without; None where none is."""
    words = [word.split("=", 1)[0] for group in args for word in group]
    return next((name for name in names if name in words), None)
