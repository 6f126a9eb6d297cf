"""The instrument's own error in a run: what the load path said of a load whose true times are known."""

from typing import Literal

from pydantic import Field

from kit.model.rates import Rate, load_of
from kit.model.record import Record, Utc
from kit.model.result import Doubt


class Trial(Record):
    """One load against the reference server: what was said and what is true, in seconds and tokens per second.

    TTFT, TPOT and latency are means. `late_p99_s`: how late the
    reference server itself was; `demand`: the share of the time in which the sender used or waited for a processor.
    """

    ttft_s: float
    true_ttft_s: float
    tpot_s: float | None
    true_tpot_s: float | None
    latency_s: float
    true_latency_s: float
    throughput: float
    true_throughput: float
    late_p99_s: float
    demand: float | None = None


class Share(Record):
    """The error of a figure as a share of it, over the trials: their median, the least and the largest."""

    median: float
    least: float
    most: float

    @property
    def worst(self) -> float:
        """The one that is furthest from none."""
        return max(self.least, self.most, key=abs)


class Point(Record):
    """One concurrency, or one rate, at the TTFT and the time between tokens that are expected there, or were measured (of the quickest case)."""

    concurrency: int = Field(gt=0)
    rate: Rate | None = None
    requests: int = Field(gt=0)
    tokens: int = Field(gt=0)
    asked_ttft_s: float
    asked_itl_s: float
    trials: tuple[Trial, ...] = ()
    reason: Doubt | None = None
    """Why there is no trial."""

    @property
    def waves(self) -> int:
        """How many requests each client sends; of a rate, all are one."""
        return self.requests // self.concurrency if self.rate is None else 1

    @property
    def load(self) -> str:
        """As tables call it: the number of clients, or the label of the rate."""
        return str(load_of(self.concurrency, self.rate))

    @property
    def under_way(self) -> float:
        """The requests under way while all decode, or on average."""
        if self.rate is None:
            return self.concurrency
        return self.rate.under_way(self.asked_ttft_s + self.tokens * self.asked_itl_s)


class Calibration(Record):
    """`calibration.json` of a run: made after its last round, in at most a twentieth of its time. `reason`: why it was not."""

    schema_version: Literal[1] = 1
    at: Utc
    transport: Literal["precise", "evalscope"]
    budget_s: float
    took_s: float
    reason: Doubt | None = None
    points: tuple[Point, ...] = ()
