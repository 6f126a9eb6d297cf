"""Tables on the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from kit.cli.tables import Column, Rows
from kit.controls import for_terminal
from kit.formats import duration, figure, rate, size
from kit.model import RunStatus
from kit.model.bundle import KINDS, Manifest
from kit.model.listed import Found
from kit.model.report import Report
from kit.trend import Point

_FIGURES = ("latency\n(s)", "output\n(tok/s)", "TTFT\n(s)", "TPOT\n(s)", "TPS", "per\nstream")
_CASES = (Column("in", right=True), Column("out", right=True), Column("clients\nor rate", right=True, folds=True))


class Terminal(Console):
    """A console on which nothing acts but rich's own sequences."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces of what is shown."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(for_terminal(piece.text), piece.style)


def stdout() -> Console:
    """Standard output; as wide as it needs where it is no terminal, so that nothing is cut in a file."""
    console = Terminal(highlight=False)
    return console if console.is_terminal else Terminal(highlight=False, width=1000)


def runs(found: Sequence[Found]) -> None:
    """One line per run."""
    columns = [Column(title) for title in ("run", "status", "rounds", "duration", "verdict")]
    columns += [Column(title, folds=True) for title in ("model", "hardware", "engine")]
    rows = []
    for entry in found:
        took = duration(entry.duration_s) if entry.duration_s is not None else "—"
        done = f"{entry.rounds_done}/{entry.rounds_planned}"
        texts = (entry.run, entry.status, done, took, entry.verdict, entry.model, entry.hardware, entry.engine)
        rows.append([text or "—" for text in texts])
    stdout().print(Rows(columns, rows))


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
    columns = [Column(title) for title in ("run", "rounds", "value", "ratio")]
    columns += [Column(title, folds=True) for title in ("change", "engine")]
    rows = []
    for point in points:
        ratio = "—" if point.ratio is None else f"{point.ratio:.3f}"
        texts = (point.run.run, str(point.rounds), rate(point.value), ratio, _CHANGES[point.change])
        rows.append((*texts, point.run.engine or "—"))
    console = stdout()
    console.print(Rows(columns, rows))
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
    """The figures of every case as the original's table has them, and what to know about them."""
    console = stdout()
    if report.draft is not None:
        console.print(report.draft, style="bold yellow", markup=False)
    console.print(f"{report.model_label} · {report.environment_label}", style="bold", markup=False)
    columns = (*_CASES, *(Column(title, right=True) for title in _FIGURES), Column("notes", folds=True))
    rows = [
        (
            row.case.input.label,
            row.case.output.label,
            str(row.case.load),
            figure(row.latency_s),
            figure(row.output_throughput),
            figure(row.ttft_s),
            figure(row.tpot_s),
            rate(row.tps),
            rate(row.per_stream_throughput),
            ", ".join(map(str, row.notes)),
        )
        for row in report.rows
    ]
    console.print(Rows(columns, rows))
    for number, note in enumerate(report.notes, start=1):
        console.print(f"  {number}. {note}", markup=False)


def bundle(manifest: Manifest) -> None:
    """The kinds of files in a bundle with number and size, and every large file by itself."""
    columns = [Column("kind"), Column("name", folds=True), Column("platform")]
    columns += [Column(title, right=True) for title in ("files", "size")]
    rows = []
    for kind in KINDS:
        members = manifest.of(kind)
        alone = [one for one in members if one.size >= 5_000_000 or len(members) == 1]
        rows += [(kind, one.name, one.platform or "any", "1", size(one.size)) for one in alone]
        if rest := [one for one in members if one not in alone]:
            others = "others below" if alone else "all below"
            named = f"{others} {rest[0].name.partition('/')[0]}/"
            rows.append((kind, named, "", str(len(rest)), size(sum(one.size for one in rest))))
    stdout().print(Rows(columns, rows))
