"""A table of results as somebody wrote it down: figures with the precision they were written in, and where they stand."""

from kit.model.rates import Condition
from kit.model.record import Record


class Cell(Record):
    """One figure as written: its value, the step between two neighbouring values of its column, and where it stands."""

    value: float
    step: float
    where: str

    @property
    def low(self) -> float:
        """The least value that is written like this."""
        return self.value - self.step / 2

    @property
    def high(self) -> float:
        """The greatest value that is written like this."""
        return self.value + self.step / 2


class Row(Condition):
    """The figures of one case, or of one round of it; `None` where nothing is written.

    `requests` is the number of requests of a round where it is known; `failed` of `sent` requests failed, `status` is what kit's own
    tables make of that, and `draft` the mark of a run that is not whole, or a rehearsal, as it was written. `tokens` and `window_s` are only known of kit's own runs: the
    mean output tokens of the successful requests, whether these `varied`, and the time that the throughput counts.
    """

    loop: int | None = None
    requests: int | None = None
    sent: int | None = None
    failed: int | None = None
    status: str | None = None
    draft: str | None = None
    tokens: float | None = None
    window_s: float | None = None
    varied: bool = False
    latency: Cell | None = None
    output_throughput: Cell | None = None
    ttft: Cell | None = None
    tpot: Cell | None = None
    tps: Cell | None = None
    per_stream_throughput: Cell | None = None

    @property
    def uneven(self) -> bool:
        """Whether its requests differ in length: a mean of them then says nothing of each."""
        return self.varied or (self.shape is not None and bool(self.shape.lengths or self.shape.prompts))

    @property
    def name(self) -> str:
        """The case, such as `2k-512-c4`, with its round where there are several."""
        return self.id if self.loop is None else f"{self.id}#{self.loop}"

    def cells(self) -> tuple[tuple[str, Cell], ...]:
        """What is written, by the metric's name."""
        named = ((name, getattr(self, name)) for name in METRICS)
        return tuple((name, cell) for name, cell in named if isinstance(cell, Cell))


METRICS = ("latency", "output_throughput", "ttft", "tpot", "tps", "per_stream_throughput")
"""The six figures of the original's table, in its order."""
