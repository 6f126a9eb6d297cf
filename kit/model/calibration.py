"""The instrument's own error in a run: what the load path said of a load whose true times are known."""

from typing import Literal

from pydantic import Field

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


class Point(Record):
    """One concurrency, at the TTFT and the time between tokens that the run measured there (of its quickest case)."""

    concurrency: int = Field(gt=0)
    requests: int = Field(gt=0)
    tokens: int = Field(gt=0)
    asked_ttft_s: float
    asked_itl_s: float
    trials: tuple[Trial, ...] = ()
    reason: Doubt | None = None
    """Why there is no trial."""


class Calibration(Record):
    """`calibration.json` of a run: made after its last round, in at most a twentieth of its time. `reason`: why it was not."""

    schema_version: Literal[1] = 1
    at: Utc
    transport: Literal["precise", "evalscope"]
    budget_s: float
    took_s: float
    reason: Doubt | None = None
    points: tuple[Point, ...] = ()
