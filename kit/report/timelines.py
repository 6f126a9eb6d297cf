"""Telemetry over time: the readings of all rounds, thinned to what a chart can show."""

import math
from collections.abc import Iterable, Iterator, Sequence

from kit.model import CardTick, HostTick
from kit.model.report import Timeline, TimelineKind

MOST_POINTS = 240
_LEAST_STEP_S = 2.0

Key = tuple[TimelineKind, int | None]


def of(ticks: Sequence[CardTick | HostTick]) -> tuple[Timeline, ...]:
    """One line per quantity and card, in seconds since the first reading; each point is the mean of a step of time."""
    if not ticks:
        return ()
    began = min(tick.at for tick in ticks)
    span = max((tick.at - began).total_seconds() for tick in ticks)
    step = max(_LEAST_STEP_S, span / MOST_POINTS)
    found: dict[Key, dict[int, list[float]]] = {}
    for tick in ticks:
        at = int((tick.at - began).total_seconds() / step)
        for key, value in _values(tick):
            found.setdefault(key, {}).setdefault(at, []).append(value)
    return tuple(
        Timeline(
            kind=kind,
            card=card,
            step_s=step,
            points=tuple(((at + 0.5) * step, _mean(steps[at])) for at in sorted(steps)),
        )
        for (kind, card), steps in sorted(found.items(), key=lambda pair: (pair[0][0], pair[0][1] or 0))
    )


def _values(tick: CardTick | HostTick) -> Iterator[tuple[Key, float]]:
    if isinstance(tick, CardTick):
        for number, card in enumerate(tick.cards):
            if card.power_w is not None:
                yield ("power", number), card.power_w
            if card.utilisation_percent is not None:
                yield ("utilisation", number), card.utilisation_percent
            if card.temperature_c is not None:
                yield ("temperature", number), card.temperature_c
        return
    sockets = [percent for percent in tick.cpu_percent if percent is not None]
    if sockets:
        yield ("cpu", None), _mean(sockets)
    if tick.client_percent is not None:
        yield ("client", None), tick.client_percent


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return math.fsum(known) / len(known)
