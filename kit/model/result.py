"""Results: what was measured, from single requests up to a run."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from kit.model.bundle import Weights
from kit.model.cases import Case
from kit.model.percentiles import FEWEST
from kit.model.record import Pairs, Record, Utc
from kit.model.telemetry import Telemetry


class Sample(Record):
    """One request as the client saw it. Times in seconds; `None` means not measured, never zero.

    `scheduled_s` (a client was free for it, or a rate had it due) and `sent_s` count from the first request of the round that was
    sent; all other times count from `sent_s`. `first_byte_s` is the head of the answer, `role_s` a chunk without text before the first one
    with text, `gaps_s` are the times between consecutive chunks that carry text, of which there are `texts`. Tokens are the
    server's own count (`usage`), else the load generator's (`tokenizer`); where requests are not all alike, `input_asked` and `output_asked`
    are what was asked for, and `turn` is the place in a conversation, from 1 on. Some servers also say how many tokens of the prompt they had in a
    cache, and how long the queue, prefill and decoding (from the first token to the last) took them.
    """

    index: int
    succeeded: bool
    error: str | None = None
    scheduled_s: float | None = None
    sent_s: float | None = None
    first_byte_s: float | None = None
    role_s: float | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
    last_text_s: float | None = None
    gaps_s: tuple[float, ...] = ()
    texts: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_asked: int | None = None
    output_asked: int | None = None
    turn: int | None = None
    tokens_from: Literal["usage", "tokenizer"] | None = None
    finish_reason: str | None = None
    status: int | None = None
    cached_tokens: int | None = None
    server_queue_s: float | None = None
    server_prefill_s: float | None = None
    server_decode_s: float | None = None


class Spread(Record):
    """Mean and percentiles (linear interpolation) of `count` values, in seconds; `None`: so few values do not carry the percentile."""

    count: int
    mean: float
    p50: float | None
    p90: float | None
    p99: float | None
    maximum: float

    @field_validator("p50", "p90", "p99")
    @classmethod
    def _carried(cls, value: float | None, told: ValidationInfo) -> float | None:
        # Also where a stored round holds it: earlier ones do.
        return value if told.data.get("count", 0) >= FEWEST[str(told.field_name)] else None

    def percentile(self, name: str) -> float | None:
        """The percentile of that name: p50, p90 or p99."""
        return {"p50": self.p50, "p90": self.p90, "p99": self.p99}[name]


class Doubt(Record):
    """Something that a reader of a figure must know; `texts` says it in the reader's language."""

    kind: str
    values: Pairs = ()


class Failure(Record):
    """Requests that failed for the same reason."""

    reason: str
    requests: int


class Figures(Record):
    """The metrics of one round; each is defined beside its code in `stats`. `None`: not measurable from these requests."""

    requests: int
    succeeded: int
    failures: tuple[Failure, ...] = ()
    latency_s: Spread | None = None
    ttft_s: Spread | None = None
    tpot_s: Spread | None = None
    itl_s: Spread | None = None
    window_s: float | None = None
    output_throughput: float | None = None
    per_stream_throughput: float | None = None
    tps: float | None = None
    input_tokens: Spread | None = None
    output_tokens: Spread | None = None
    finish_reasons: tuple[tuple[str, int], ...] = ()


class NativeSummary(Record):
    """What the load generator itself says: seconds and tokens per second; `None` where it says nothing.

    Its TTFT and TPOT are rounded to steps of `step_s`.
    """

    latency_s: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    output_throughput: float | None = None
    requests: int | None = None
    succeeded: int | None = None
    step_s: float = 0.0


class Histogram(Record):
    """What one of the server's own histograms gained during a round: how many values, and their sum in seconds."""

    name: str
    count: int
    total_s: float


class ServerTimes(Record):
    """What the server itself says of its times in a round: means in seconds, `None` where it does not say.

    From its answers (of every successful request), or from its metrics (of all requests that it ended meanwhile, which may
    be others than the client's: see `requests`); `reason` says why from neither. TTFT begins where the server takes a request
    in; `queue_s` is the time until it is scheduled, `prefill_s` from there to the first token.
    """

    source: Literal["answers", "metrics", "nothing"]
    requests: int = 0
    ttft_s: float | None = None
    queue_s: float | None = None
    prefill_s: float | None = None
    tpot_s: float | None = None
    latency_s: float | None = None
    histograms: tuple[Histogram, ...] = ()
    reason: Doubt | None = None


class RoundResult(Record):
    """One finished round. It exists on disk when the round is over; a round cut short leaves none."""

    schema_version: Literal[1] = 1
    case: Case
    round: int
    started: Utc
    duration_s: float
    command: str
    figures: Figures
    native: NativeSummary
    doubts: tuple[Doubt, ...] = ()
    telemetry: Telemetry | None = None
    prefix_cache: Literal["flushed", "not flushed"] | None = Field(
        default=None, description="whether the engine's prefix cache was emptied before; null where it has no way to"
    )
    server: ServerTimes | None = Field(
        default=None, description="what the server says of its own times; null in rounds of a time before it was asked"
    )


class Phase(Record):
    """A step of the server's start-up, as its log tells: seconds from start to the line that names it."""

    name: str
    at_s: float
    line: str


class ServerStart(Record):
    """How the server came up, and the files of the weights that it read; none where they are not on this machine."""

    schema_version: Literal[1] = 1
    started: Utc
    ready_s: float
    phases: tuple[Phase, ...]
    # Starts of a time before they were looked at have none.
    weights: tuple[Weights, ...] = ()


class Restart(Record):
    """A server that ended or hung while it served, and was started again: when, in which round, and why."""

    schema_version: Literal[1] = 1
    at: Utc
    round: str
    reason: str


class RunStatus(Record):
    """The state of a run, in `run.json`: the only file of a run directory that is replaced."""

    schema_version: Literal[1] = 1
    run: str
    status: Literal["running", "complete", "incomplete", "interrupted"]
    kit_version: str
    profile: str
    started: Utc
    ended: Utc | None = None
    duration_s: float | None = None
    rounds_planned: int
    rounds_done: int = 0
    attempts: int = Field(default=1, ge=1)
    reason: str | None = None
