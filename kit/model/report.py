"""The report as data: what every format renders, and nothing that a format would have to work out."""

from typing import Literal

from kit.model.attestation import SignOff
from kit.model.calibration import Share
from kit.model.cases import Case
from kit.model.profile import Language
from kit.model.record import Record, Utc
from kit.model.reproduction import Reproduction
from kit.model.result import Spread
from kit.model.telemetry import Telemetry
from kit.model.verdict import Verdict

NamedTexts = tuple[tuple[str, str], ...]


class PerformanceRow(Record):
    """One case: means over its rounds, in seconds and tokens per second; `None` where a round lacks the figure."""

    case: Case
    latency_s: float | None
    output_throughput: float | None
    ttft_s: float | None
    tpot_s: float | None
    tps: float | None
    per_stream_throughput: float | None
    notes: tuple[int, ...] = ()


class RoundRow(Record):
    """One round of one case; figures are `None` where the round has no result."""

    case: Case
    loop: int
    latency_s: float | None = None
    output_throughput: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    tps: float | None = None
    per_stream_throughput: float | None = None


class Baseline(Record):
    """Results to compare with: the name of their file, with what it says against them, and one row for each case."""

    name: str
    rows: tuple[PerformanceRow, ...]


class Estimate(Record):
    """A mean over rounds and half of its 95 % confidence interval; no interval from a single round."""

    mean: float | None
    half_width: float | None


class MachineUse(Record):
    """What the machine's tools said while a case ran: means over its rounds, and peaks of all of them.

    `None` where a round has no such figure; `reasons` say why the accelerators gave none.
    """

    power_w: float | None = None
    power_peak_w: float | None = None
    tokens_per_joule: float | None = None
    utilisation_percent: float | None = None
    memory_peak_bytes: int | None = None
    temperature_peak_c: float | None = None
    cpu_percent: float | None = None
    client_peak_percent: float | None = None
    reasons: tuple[str, ...] = ()


class MachineRow(Record):
    """The telemetry of one round."""

    case: Case
    round: int
    telemetry: Telemetry


TimelineKind = Literal["power", "utilisation", "temperature", "cpu", "client"]


class Timeline(Record):
    """One quantity over the run: seconds since its first reading, and the mean of each step. `card`: the position of the accelerator."""

    kind: TimelineKind
    card: int | None
    step_s: float
    points: tuple[tuple[float, float], ...]


class Tokens(Record):
    """Tokens of the successful requests of a case: their mean, the fewest and the most."""

    mean: float
    least: int
    most: int


class LoadUse(Record):
    """How the load met the server: what was sent beside what was asked, requests under way at once, and the burst at the start.

    `in_flight` is the mean over the rounds of their time-weighted means, `burst` counts the requests of all rounds that were
    sent before any answer of their round was over. `instrument` is the instrument's error by metric, as a share of the case's figure.
    Of a rate, `sent_rate` is what was reached, the mean over the rounds, and `late_s` and `late_most_s` how long after they were due
    requests were sent.
    """

    input_tokens: Tokens | None
    output_tokens: Tokens | None
    in_flight: float | None
    in_flight_peak: int | None
    burst: int | None
    burst_ttft_s: float | None
    steady_ttft_s: float | None
    sent_rate: float | None = None
    late_s: float | None = None
    late_most_s: float | None = None
    instrument: tuple[tuple[str, Share], ...] = ()


class TurnUse(Record):
    """The requests of a case that have the same place in their conversations: how many succeeded, and means of those, in seconds and tokens.

    `cached_tokens` is what the server had of their prompts in a cache; `None` where it does not say.
    """

    turn: int
    requests: int
    succeeded: int
    input_tokens: float | None
    cached_tokens: float | None
    ttft_s: float | None
    latency_s: float | None


class ServerUse(Record):
    """What the server says of its own times in a case: means over the rounds, in seconds; `None` where one of them lacks it.

    `rest_s` is what queue and prefill leave of the client's TTFT. `ahead` is how far the client's mean of a metric lies above the
    server's, as a share of it, where both are of the same requests; `counted` how many requests the server tells of.
    """

    ttft_s: float | None
    queue_s: float | None
    prefill_s: float | None
    rest_s: float | None
    tpot_s: float | None
    ahead: tuple[tuple[str, float], ...] = ()
    counted: int = 0


class Within(Record):
    """A 95 % confidence interval."""

    low: float
    high: float


Points = tuple[Within | None, ...]
"""The intervals of p50, p90 and p99; none where the samples do not carry the percentile."""


class CaseDetail(Record):
    """One case beyond the original's columns: how steady it was over rounds, and how its single requests spread.

    The spreads are of the successful requests of all rounds together, in seconds.
    """

    case: Case
    rounds: int
    rounds_planned: int
    requests: int
    succeeded: int
    latency: Estimate
    output_throughput: Estimate
    ttft: Estimate
    tpot: Estimate
    latency_s: Spread | None
    ttft_s: Spread | None
    tpot_s: Spread | None
    prefill_speed: float | None
    load: LoadUse
    latency_points: Points = ()
    ttft_points: Points = ()
    tpot_points: Points = ()
    machine: MachineUse | None = None
    server: ServerUse | None = None
    turns: tuple[TurnUse, ...] = ()

    @property
    def failed(self) -> int:
        return self.requests - self.succeeded


class RequestRow(Record):
    """One request; `None` where it was not measured. At a rate `sent_s` is when it was due, from where its times count, and it was
    sent `late_s` after that."""

    case: Case
    round: int
    index: int
    succeeded: bool
    error: str | None
    sent_s: float | None
    latency_s: float | None
    ttft_s: float | None
    tpot_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    finish_reason: str | None
    late_s: float | None = None
    turn: int | None = None
    cached_tokens: int | None = None


class Execution(Record):
    """One finished round: its name, when it ran, and its command."""

    name: str
    started: Utc
    duration_s: float
    command: str


class Signed(Record):
    """Who signed the run, and the SHA-256 of the statement that they signed."""

    statement_sha256: str
    sign_offs: tuple[SignOff, ...]


class Report(Record):
    """One test report."""

    language: Language
    run: str
    draft: str | None
    project: str
    model: str
    model_label: str
    environment_label: str
    date: str
    hardware: NamedTexts
    software: NamedTexts
    start_command: str
    start_note: str | None
    load_example: str
    load_command: str
    rounds_note: str
    instrument_note: str | None = None
    """Why the instrument's error was not tried; None where it was, and where nobody looked."""
    server_note: str | None = None
    """Why nothing is known of the server's own times; None where it is, and where nobody asked."""
    rows: tuple[PerformanceRow, ...]
    rounds: tuple[RoundRow, ...]
    details: tuple[CaseDetail, ...]
    requests: tuple[RequestRow, ...]
    machine: tuple[MachineRow, ...] = ()
    timelines: tuple[Timeline, ...] = ()
    notes: tuple[str, ...]
    conclusion: tuple[str, ...]
    verdict: Verdict
    baseline: Baseline | None = None
    hardware_file: str
    hardware_text: str
    commands: tuple[tuple[str, str], ...]
    executions: tuple[Execution, ...]
    kit_version: str
    started: Utc
    provenance: tuple[str, ...]
    signed: Signed | None = None
    repeated: Reproduction | None = None
