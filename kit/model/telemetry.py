"""Telemetry: what the machine's own tools said while a round ran, and what that comes to."""

from typing import Literal

from kit.model.record import Record, Utc


class CardReading(Record):
    """One accelerator at one moment; None: its tool did not say. `pids`: the programs that hold it."""

    card: int
    chip: int
    power_w: float | None = None
    utilisation_percent: float | None = None
    memory_used_bytes: int | None = None
    temperature_c: float | None = None
    clock_mhz: float | None = None
    throttled: bool | None = None
    pids: tuple[int, ...] | None = None


class CardTick(Record):
    """One question to the accelerators' tool. `began_s` is on the machine's monotonic clock; no cards: the reason why."""

    kind: Literal["cards"] = "cards"
    at: Utc
    began_s: float
    took_s: float
    cards: tuple[CardReading, ...] = ()
    reason: str | None = None

    @property
    def middle_s(self) -> float:
        return self.began_s + self.took_s / 2


class HostTick(Record):
    """The host since the tick before: CPU use per socket in percent, memory, load, and the load generator's busiest thread.

    `client_percent` is of one core; None: no such program was seen, or a first tick has none before it.
    """

    kind: Literal["host"] = "host"
    at: Utc
    began_s: float
    took_s: float
    cpu_percent: tuple[float | None, ...] = ()
    memory_used_bytes: int | None = None
    load_1m: float | None = None
    client_percent: float | None = None


class Telemetry(Record):
    """The telemetry of one round, over the window from its first request to its last answer where that is known.

    Power, energy and tokens per joule are of the accelerators of the run together and of nothing else; `memory_peak_bytes` is
    of the fullest of them. `achieved_s` is the median time between readings of the cards, `gaps` counts pauses longer than
    three intervals. `reason` says why there are no figures of the cards.
    """

    window: Literal["requests", "round"]
    window_s: float
    interval_s: float
    samples: int
    achieved_s: float | None = None
    gaps: int = 0
    longest_gap_s: float | None = None
    reason: str | None = None
    power_mean_w: float | None = None
    power_peak_w: float | None = None
    energy_j: float | None = None
    tokens_per_joule: float | None = None
    memory_peak_bytes: int | None = None
    utilisation_mean_percent: float | None = None
    temperature_peak_c: float | None = None
    host_samples: int = 0
    cpu_mean_percent: tuple[float | None, ...] = ()
    host_memory_peak_bytes: int | None = None
    load_peak: float | None = None
    client_peak_percent: float | None = None
