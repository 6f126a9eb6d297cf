"""When the requests of an open loop are sent: a schedule that is made before the first of them, the same for the same seed."""

import argparse
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """So many requests per second on average; bursts of them arrive by chance (`poisson`) or at equal distances (`constant`)."""

    per_second: float
    arrivals: str = "poisson"
    burst: int = 1
    seed: int = 0

    def times_s(self, count: int) -> tuple[float, ...]:
        """The time of each request in seconds from the first, which is sent at once."""
        # Its own name is part of the seed: that of the load also draws prompts.
        source = random.Random(f"arrivals {self.seed}")
        mean_s = self.burst / self.per_second
        times: list[float] = []
        bursts = 0
        at = 0.0
        while len(times) < count:
            times += [at] * min(self.burst, count - len(times))
            bursts += 1
            # Constant distances are no sum, in which errors would add up.
            at = bursts * mean_s if self.arrivals == "constant" else at - mean_s * math.log(1.0 - source.random())
        return tuple(times)


def share(times_s: Sequence[float], index: int, processes: int, begin_ns: int) -> dict[str, object]:
    """What one of several processes is told: the times of its requests, and of the clock that all read when they begin."""
    return {"times_s": times_s[index::processes], "begin_ns": begin_ns}


def of(head: Mapping[str, object]) -> list[float] | None:
    """The times that it was told; None in a closed loop."""
    found = head.get("times_s")
    return [float(at) for at in found] if isinstance(found, list) else None


def begin_ns(head: Mapping[str, object]) -> int | None:
    """When its times begin; None where that is for itself to say."""
    found = head.get("begin_ns")
    return found if isinstance(found, int) else None


def told(words: Sequence[str]) -> tuple[Clock | None, list[str]]:
    """The clock of an open loop, if these words tell one, and the words that are none of it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--per-second", type=float)
    parser.add_argument("--arrivals", choices=("poisson", "constant"), default="poisson")
    parser.add_argument("--burst", type=int, default=1)
    parser.add_argument("--arrivals-seed", type=int, default=0)
    found, rest = parser.parse_known_args(words)
    if found.per_second is None:
        return None, rest
    return Clock(found.per_second, found.arrivals, found.burst, found.arrivals_seed), rest
