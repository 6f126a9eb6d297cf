"""What the readings of a round come to: power, energy, peaks, and what a reader must doubt."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TypeVar

from kit.model import CardTick, Doubt, HostTick, Sample, Telemetry
from kit.telemetry.sampling import Sampler, Tick

N = TypeVar("N", int, float)

LEAST_SAMPLES = 3
GAP_INTERVALS = 3.0
MOST_GAPS = 0.2
"""Above this share of the window without readings, no energy is told."""
HOT_C = 85.0
SATURATED_PERCENT = 90.0
SATURATED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Window:
    """The time that figures are taken over, on the machine's monotonic clock; `known`: it is that of the requests."""

    begin_s: float
    end_s: float
    known: bool

    @classmethod
    def of(cls, span: tuple[float, float], began_s: float | None, window_s: float | None) -> "Window":
        """The window within a round that took `span`; a load generator whose clock is another one tells nothing of it."""
        if began_s is not None and window_s is not None and span[0] <= began_s < began_s + window_s <= span[1]:
            return cls(began_s, began_s + window_s, True)
        return cls(*span, known=False)


def summary(ticks: Sequence[Tick], sampler: Sampler, samples: Sequence[Sample], window: Window) -> Telemetry:
    """The telemetry of a round."""
    begin, end = window.begin_s, window.end_s
    hosts = [tick for tick in ticks if isinstance(tick, HostTick) and begin <= tick.began_s <= end]
    cards = [tick for tick in ticks if isinstance(tick, CardTick)]
    inside = [tick for tick in cards if begin <= tick.middle_s <= end and tick.cards]
    pauses = [after.began_s - before.began_s for before, after in pairwise(tick for tick in cards if tick.cards)]
    gaps = [pause for pause in pauses if pause > GAP_INTERVALS * sampler.interval_s]
    power = _power(cards, sampler.cards.boards)
    energy = _energy(power, begin, end, sampler.interval_s)
    reason = sampler.cards.none or _why(cards, inside)
    tokens = [sample.output_tokens for sample in samples if sample.succeeded]
    counted = sum(token for token in tokens if token is not None) if None not in tokens and tokens else None
    within = [watts for at, watts in power if begin <= at <= end]
    return Telemetry(
        window="requests" if window.known else "round",
        window_s=end - begin,
        interval_s=sampler.interval_s,
        samples=len(inside),
        achieved_s=median(pauses) if pauses else None,
        gaps=len(gaps),
        longest_gap_s=max(gaps, default=None),
        reason=reason,
        power_mean_w=energy / (end - begin) if energy is not None else None,
        power_peak_w=max(within) if len(within) >= LEAST_SAMPLES else None,
        energy_j=energy,
        tokens_per_joule=counted / energy if counted is not None and energy and window.known else None,
        memory_peak_bytes=_peak(card.memory_used_bytes for tick in inside for card in tick.cards),
        utilisation_mean_percent=_mean([card.utilisation_percent for tick in inside for card in tick.cards]),
        temperature_peak_c=_peak(card.temperature_c for tick in inside for card in tick.cards),
        host_samples=len(hosts),
        cpu_mean_percent=_per_socket(hosts),
        host_memory_peak_bytes=_peak(tick.memory_used_bytes for tick in hosts),
        load_peak=_peak(tick.load_1m for tick in hosts),
        client_peak_percent=_peak(tick.client_percent for tick in hosts),
    )


def _why(cards: Sequence[CardTick], inside: Sequence[CardTick]) -> str | None:
    """Why there are no figures of the cards, or fewer than one wants."""
    if sum(tick.reason is None for tick in inside) >= LEAST_SAMPLES:
        return None
    failed = next((tick.reason for tick in reversed(cards) if tick.reason is not None), None)
    return failed or f"only {len(inside)} readings in the window"


def _power(cards: Sequence[CardTick], count: int) -> list[tuple[float, float]]:
    """Time and watts of all cards of the run together, where all of them say."""
    found: list[tuple[float, float]] = []
    for tick in cards:
        told = [(card.card, card.power_w) for card in tick.cards if card.power_w is not None]
        if count and len({card for card, _ in told}) == count:
            found.append((tick.middle_s, math.fsum(watts for _, watts in told)))
    return found


def _energy(power: Sequence[tuple[float, float]], begin: float, end: float, interval_s: float) -> float | None:
    """Watts over the window by trapezoids; at its ends the line between the readings on either side, or the nearest one.

    None where too few readings lie in it, or too much of it lies between readings that are far apart.
    """
    inside = [point for point in power if begin <= point[0] <= end]
    if len(inside) < LEAST_SAMPLES:
        return None
    points = [(begin, _at(power, begin)), *inside, (end, _at(power, end))]
    blind = math.fsum(b[0] - a[0] for a, b in pairwise(points) if b[0] - a[0] > GAP_INTERVALS * interval_s)
    if blind > MOST_GAPS * (end - begin):
        return None
    return math.fsum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(points))


def _at(power: Sequence[tuple[float, float]], at: float) -> float:
    """Watts at a moment between two readings, or those of the nearest one outside."""
    for (t0, w0), (t1, w1) in pairwise(power):
        if t0 <= at <= t1:
            return w0 if t1 == t0 else w0 + (w1 - w0) * (at - t0) / (t1 - t0)
    return power[0][1] if at < power[0][0] else power[-1][1]


def _peak(values: Iterable[N | None]) -> N | None:
    return max((value for value in values if value is not None), default=None)


def _mean(values: Sequence[float | None]) -> float | None:
    """None where any is missing: a mean over some of the cards is none of all."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def _per_socket(hosts: Sequence[HostTick]) -> tuple[float | None, ...]:
    sockets = max((len(tick.cpu_percent) for tick in hosts), default=0)
    return tuple(
        _mean(
            [tick.cpu_percent[at] for tick in hosts if len(tick.cpu_percent) > at and tick.cpu_percent[at] is not None]
        )
        for at in range(sockets)
    )


def doubts(ticks: Sequence[Tick], found: Telemetry, window: Window) -> Iterator[Doubt]:
    """What a reader of this round's figures must know of the machine."""
    within = [tick for tick in ticks if window.begin_s <= tick.began_s <= window.end_s]
    cards = [tick for tick in within if isinstance(tick, CardTick) and tick.cards]
    throttled = {card.card for tick in cards for card in tick.cards if card.throttled}
    if throttled:
        count = sum(any(card.throttled for card in tick.cards) for tick in cards)
        yield _doubt("telemetry-throttled", cards=_list(throttled), count=count, of=len(cards))
    hot = {
        card.card
        for tick in cards
        for card in tick.cards
        if card.temperature_c is not None and card.temperature_c >= HOT_C
    }
    if hot:
        yield _doubt(
            "telemetry-hot", cards=_list(hot), peak=f"{found.temperature_peak_c or HOT_C:g}", limit=f"{HOT_C:g}"
        )
    if came := _came(cards):
        yield _doubt("telemetry-shared", cards=_list({card for card, _ in came}), pids=_list({pid for _, pid in came}))
    if found.gaps and found.energy_j is None and found.reason is None:
        yield _doubt("telemetry-gaps", gaps=found.gaps, longest=f"{found.longest_gap_s or 0:.1f}")
    busy = [tick.client_percent for tick in within if isinstance(tick, HostTick) and tick.client_percent is not None]
    saturated = [percent for percent in busy if percent >= SATURATED_PERCENT]
    # Before its first request it makes its prompts, and may well use a core for that.
    if window.known and len(busy) >= LEAST_SAMPLES and len(saturated) > SATURATED_SHARE * len(busy):
        yield _doubt("telemetry-client", peak=f"{max(saturated):.0f}", count=len(saturated), of=len(busy))


def _came(cards: Sequence[CardTick]) -> set[tuple[int, int]]:
    """Programs that began to use a card while the round went on: the engine's own were there before."""
    if not cards:
        return set()
    first = {(card.card, pid) for card in cards[0].cards for pid in card.pids or ()}
    told = {card.card for card in cards[0].cards if card.pids is not None}
    later = {
        (card.card, pid) for tick in cards[1:] for card in tick.cards if card.card in told for pid in card.pids or ()
    }
    return later - first


def _doubt(kind: str, **values: object) -> Doubt:
    return Doubt(kind=kind, values=tuple((name, str(value)) for name, value in values.items()))


def _list(numbers: set[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers))
