"""Tables on the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from kit.controls import for_terminal
from kit.formats import duration, figure, rate, size
from kit.model import RunStatus
from kit.model.bundle import KINDS, Manifest
from kit.model.listed import Found
from kit.model.report import Report
from kit.texts import say
from kit.trend import Point

_COLUMNS = ("input", "output", "concurrency", "latency", "throughput", "ttft", "tpot", "tps", "per-stream")


class Terminal(Console):
    """A console on which nothing acts but rich's own sequences."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of what is shown."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(for_terminal(piece.text), piece.style)


def stdout() -> Console:
    """Standard output; as wide as it needs where it is no terminal, so that nothing is cut in a file."""
    console = Terminal(highlight=False)
    return console if console.is_terminal else Terminal(highlight=False, width=200)


def runs(found: Sequence[Found]) -> None:
    """One line per run."""
    table = Table(box=None, pad_edge=False)
    for title in ("run", "status", "rounds", "duration", "verdict", "model", "hardware", "engine"):
        table.add_column(title, no_wrap=title != "hardware")
    for entry in found:
        took = duration(entry.duration_s) if entry.duration_s is not None else "—"
        rounds = f"{entry.rounds_done}/{entry.rounds_planned}"
        texts = (entry.run, entry.status, rounds, took, entry.verdict, entry.model, entry.hardware, entry.engine)
        table.add_row(*(Text(text or "—") for text in texts))
    stdout().print(table)


_CHANGES = {
    "first": "",
    "none": "≈",
    "instrument": "∓",
    "better": "▲ better",
    "worse": "▼ worse",
    "unknown": "? single rounds",
}


def trend(points: Sequence[Point]) -> None:
    """One line per run in the order of time."""
    table = Table(box=None, pad_edge=False)
    for title in ("run", "rounds", "value", "ratio", "change", "engine"):
        table.add_column(title, no_wrap=True)
    for point in points:
        ratio = "—" if point.ratio is None else f"{point.ratio:.3f}"
        texts = (point.run.run, str(point.rounds), rate(point.value), ratio, _CHANGES[point.change])
        table.add_row(*map(Text, (*texts, point.run.engine or "—")))
    console = stdout()
    console.print(table)
    console.print(
        "ratio: to the runs since the last change; ≈ within the noise; ∓ within the error of the measurement",
        style="dim",
    )


def run(status: RunStatus) -> None:
    """The state of one run."""
    console = stdout()
    took = f" in {duration(status.duration_s)}" if status.duration_s is not None else ""
    console.print(
        f"{status.run}: {status.status}, {status.rounds_done} of {status.rounds_planned} rounds{took}", markup=False
    )
    if status.reason:
        console.print(status.reason, markup=False)


def table(report: Report) -> None:
    """The figures of every case with the original's columns, and what to know about them."""
    console = stdout()
    if report.draft is not None:
        console.print(report.draft, style="bold yellow", markup=False)
    console.print(f"{report.model_label} · {report.environment_label}", style="bold", markup=False)
    view = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        view.add_column(say("en", f"col-{name}"), justify="right", vertical="bottom")
    view.add_column("notes", vertical="bottom")
    for row in report.rows:
        view.add_row(
            row.case.input.label,
            row.case.output.label,
            str(row.case.load),
            figure(row.latency_s),
            figure(row.output_throughput),
            figure(row.ttft_s),
            figure(row.tpot_s),
            rate(row.tps),
            rate(row.per_stream_throughput),
            ",".join(map(str, row.notes)),
        )
    console.print(view)
    for number, note in enumerate(report.notes, start=1):
        console.print(f"  {number}. {note}", markup=False)


def bundle(manifest: Manifest) -> None:
    """The kinds of files in a bundle with number and size, and every large file by itself."""
    table = Table(box=None, pad_edge=False)
    for title in ("kind", "name", "platform"):
        table.add_column(title, no_wrap=True)
    for title in ("files", "size"):
        table.add_column(title, justify="right", no_wrap=True)
    for kind in KINDS:
        members = manifest.of(kind)
        alone = [one for one in members if one.size >= 5_000_000 or len(members) == 1]
        for one in alone:
            table.add_row(kind, one.name, one.platform or "any", "1", size(one.size))
        if rest := [one for one in members if one not in alone]:
            others = "others below" if alone else "all below"
            named = f"{others} {rest[0].name.partition('/')[0]}/"
            table.add_row(kind, named, "", str(len(rest)), size(sum(one.size for one in rest)))
    stdout().print(table)
