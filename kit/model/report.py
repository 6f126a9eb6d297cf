"""The report as data: what every format renders, and nothing that a format would have to work out."""

from kit.model.profile import Case, Language
from kit.model.record import Record

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
    rows: tuple[PerformanceRow, ...]
    rounds: tuple[RoundRow, ...]
    notes: tuple[str, ...]
    conclusion: tuple[str, ...]
    hardware_file: str
    hardware_text: str
    commands: tuple[tuple[str, str], ...]
    provenance: tuple[str, ...]
