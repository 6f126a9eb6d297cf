"""When the requests of an open loop are sent: a schedule that is made before the first of them, the same for the same seed."""

import argparse
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds from the first request, which is sent at once: of each request, or of the `clients` that begin, and then send one
    request after the other."""

    at_s: tuple[float, ...]
    clients: bool = False


@dataclass(frozen=True, slots=True)
class Ramp:
    """Clients that begin one after the other, the last when that time is over."""

    ramp_s: float

    def times(self, requests: int, clients: int) -> Times:
        del requests
        return Times(tuple(self.ramp_s * number / max(1, clients - 1) for number in range(clients)), clients=True)


@dataclass(frozen=True, slots=True)
class Clock:
    """So many requests per second on average; bursts of them arrive by chance (`poisson`) or at equal distances (`constant`).

    In the first `ramp_s` seconds the rate rises evenly, from nothing.
    """

    per_second: float
    arrivals: str = "poisson"
    burst: int = 1
    seed: int = 0
    ramp_s: float = 0.0

    def times(self, requests: int, clients: int) -> Times:
        del clients
        return Times(tuple(self._risen_s(at_s) for at_s in self._even_s(requests)))

    def _risen_s(self, at_s: float) -> float:
        """When as many requests are sent by a rate that rises as by one that is at its height at that time."""
        if at_s >= self.ramp_s / 2:
            return at_s + self.ramp_s / 2
        return math.sqrt(2 * self.ramp_s * at_s)

    def _even_s(self, count: int) -> tuple[float, ...]:
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


def share(times: Times, own: Sequence[int], begin_ns: int) -> dict[str, object]:
    """What one of several processes is told: the times of its requests or clients, and of the clock that all read when they begin."""
    return {"times_s": [times.at_s[place] for place in own], "clients": times.clients, "begin_ns": begin_ns}


def of(head: Mapping[str, object]) -> Times | None:
    """The times that it was told; None where it was told none."""
    found = head.get("times_s")
    return Times(tuple(float(at) for at in found), bool(head["clients"])) if isinstance(found, list) else None


def begin_ns(head: Mapping[str, object]) -> int | None:
    """When its times begin; None where that is for itself to say."""
    found = head.get("begin_ns")
    return found if isinstance(found, int) else None


def told(words: Sequence[str]) -> tuple[Clock | Ramp | None, list[str]]:
    """The clock of an open loop or the ramp of clients, if these words tell one, and the words that are none of it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--per-second", type=float)
    parser.add_argument("--arrivals", choices=("poisson", "constant"), default="poisson")
    parser.add_argument("--burst", type=int, default=1)
    parser.add_argument("--arrivals-seed", type=int, default=0)
    parser.add_argument("--ramp", type=float, default=0.0)
    found, rest = parser.parse_known_args(words)
    if found.per_second is None:
        return Ramp(found.ramp) if found.ramp else None, rest
    return Clock(found.per_second, found.arrivals, found.burst, found.arrivals_seed, found.ramp), rest
