"""How often the intervals of `kit.intervals` enclose the truth, and how often they call a planted difference.

    python benchmarks/compare_noise.py [--comparisons 400]

18 cases x 4 metrics, three rounds on each side, per noise model: coverage of the 95 % interval of a ratio (also of the two
hierarchical bootstraps that were not chosen), comparisons with a false alarm anywhere, planted differences found.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kit import intervals

CONCURRENCY = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 1, 2, 4, 1, 2, 4, 1, 2)
METRICS = 4
ROUNDS = 3
FAMILY = 0.01
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Relative standard deviations: of a round, of a request; requests per client; share of rounds that are outliers of 5 %."""

    name: str
    round: float
    request: float
    per_client: int = 4
    outliers: float = 0.0
    other_machine: float = 1.0

    def requests(self, case: int) -> int:
        return CONCURRENCY[case] * self.per_client

    def draw(self, rng: np.random.Generator, case: int, factor: float, scale: float = 1.0) -> list[Array]:
        """The requests of each round of one case of one metric: a lognormal request on a lognormal round."""
        rounds = rng.normal(0, self.round * scale, ROUNDS)
        rounds += (rng.random(ROUNDS) < self.outliers) * rng.normal(0, 0.05, ROUNDS)
        shape = (ROUNDS, self.requests(case))
        single = rng.normal(0, self.request * scale, shape)
        return list(factor * np.exp(rounds[:, None] + single))


MODELS = (
    Noise("quiet: round 0.5 %, request 3 %", 0.005, 0.03),
    Noise("usual: round 1 %, request 5 %", 0.01, 0.05),
    Noise("rough: round 2 %, request 10 %", 0.02, 0.10),
    Noise("rounds only: 1.5 %", 0.015, 0.0),
    Noise("one request per client: round 1 %, request 5 %", 0.01, 0.05, per_client=1),
    Noise("outlying rounds: every tenth by 5 %", 0.01, 0.05, outliers=0.1),
    Noise("unlike machines: the other three times as noisy", 0.007, 0.03, other_machine=3.0),
)


def comparison(noise: Noise, rng: np.random.Generator, factors: Array) -> tuple[list[float], list[bool]]:
    """Corrected probabilities of all figures (18 cases and the mean, per metric), and which intervals held the truth."""
    probabilities: list[float] = []
    held: list[bool] = []
    for _ in range(METRICS):
        pairs = [
            intervals.Pair(
                theirs=tuple(float(r.mean()) for r in noise.draw(rng, case, 1.0)),
                ours=tuple(float(r.mean()) for r in noise.draw(rng, case, float(factor), noise.other_machine)),
                requests=noise.requests(case),
            )
            for case, factor in enumerate(factors)
        ]
        found = [ratio for ratio in intervals.ratios(pairs) if ratio is not None]
        whole = intervals.together(found)
        assert whole is not None
        probabilities += [ratio.probability for ratio in (*found, whole)]
        held += [r.interval.low <= factor <= r.interval.high for r, factor in zip(found, factors, strict=True)]
    return list(intervals.holm(probabilities)), held


def hierarchical(noise: Noise, rng: np.random.Generator, *, requests: bool) -> bool:
    """Whether the percentile bootstrap over rounds (and the requests in them) holds a true ratio of 1, for one case."""
    case = int(rng.integers(len(CONCURRENCY)))
    sides = [noise.draw(rng, case, 1.0), noise.draw(rng, case, 1.0, noise.other_machine)]
    drawn = []
    for side in sides:
        chosen = np.stack(side)[rng.integers(ROUNDS, size=(499, ROUNDS))]
        if requests:
            chosen = np.take_along_axis(chosen, rng.integers(chosen.shape[2], size=chosen.shape), axis=2)
        drawn.append(chosen.mean(axis=(1, 2)))
    low, high = np.quantile(drawn[1] / drawn[0], [0.025, 0.975])
    return bool(low <= 1 <= high)


def share(times: int, happens: Callable[[], bool]) -> float:
    return sum(happens() for _ in range(times)) / times


def measure(noise: Noise, comparisons: int, seed: int = 7) -> dict[str, float]:
    """All figures of one noise model, as shares."""
    rng = np.random.default_rng(seed)
    none = np.ones(len(CONCURRENCY))
    clean, held = zip(*(comparison(noise, rng, none) for _ in range(comparisons)), strict=True)
    result = {"coverage": float(np.mean(held)), "no false alarm": float(np.mean([min(p) >= FAMILY for p in clean]))}
    per_metric = len(CONCURRENCY) + 1
    for percent in (3, 10):
        every = [comparison(noise, rng, none + percent / 100)[0] for _ in range(comparisons)]
        found = np.asarray(every).reshape(comparisons, METRICS, per_metric) < FAMILY
        result[f"{percent} % overall"] = float(found[:, 0, -1].mean())
        result[f"{percent} % in a case"] = float(found[:, :, :-1].mean())
    for name, requests in (("bootstrap of rounds", False), ("of rounds and requests", True)):
        result[name] = share(4 * comparisons, partial(hierarchical, noise, rng, requests=requests))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--comparisons", type=int, default=400)
    wanted = parser.parse_args().comparisons
    for noise in MODELS:
        print(f"{noise.name}: " + ", ".join(f"{name} {value:.1%}" for name, value in measure(noise, wanted).items()))
    print(f"{wanted} comparisons of each; the standard error of a share of 95 % is {math.sqrt(0.0475 / wanted):.1%}")


if __name__ == "__main__":
    main()
