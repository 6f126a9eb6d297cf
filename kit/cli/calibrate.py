"""`kit calibrate`: how far from the truth this machine's own measuring is."""

import statistics
from typing import Annotated

import typer

from kit.cli import complete
from kit.cli.run import SetOption
from kit.cli.terminal import echo


def add(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: kit calibrate smoke · kit calibrate smoke --rounds 5 · "
        "kit calibrate ascend-910b4x2-deepseek-r1-w8a8 --set load.tokenizer=DIR · "
        "kit calibrate smoke --set load.transport=evalscope · kit calibrate runs/RUN"
    )(calibrate)


def calibrate(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="PROFILE|RUN",
            help="A profile by its name or path, or the directory of a run.",
            autocompletion=complete.profiles,
        ),
    ] = "smoke",
    settings: SetOption = [],  # noqa: B006  (typer's way to say "none")
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each load is tried.")] = 3,
) -> None:
    """Send a profile's load, or that of a run at the times it measured, to a server whose times are known, and print the error of each
    figure: median, least, largest."""
    from kit import calibration
    from kit.workflows import calibrating

    names = ("TTFT", "TTFT p99", "TPOT", "latency", "throughput")
    echo(f"{'load':>10}  {'tokens/s':>8}  " + "  ".join(f"{name:^24}" for name in names) + "  server late p99")
    worst = 0.0
    slow = False
    for found in calibrating.calibrate(reference, settings, rounds, lambda text: echo(text, err=True)):
        cells = []
        for metric in calibration.METRICS:
            share = calibration.over(found.rounds, metric)
            shown = "—" if share is None else f"{share.median:+.2%} ({share.least:+.2%} … {share.most:+.2%})"
            if share is not None and metric != "ttft_p99":
                worst = max(worst, abs(share.median))
            cells.append(f"{shown:^24}")
        late = max(one.late_p99_s for one in found.rounds)
        slow = slow or late > calibration.LATE_S
        tokens = statistics.fmean(one.true["throughput"] for one in found.rounds)
        echo(f"{found.point.load:>10}  {tokens:>8.0f}  {'  '.join(cells)}  {late * 1000:.2f} ms")
    verdict = "within" if worst <= calibration.LARGEST else "BEYOND"
    echo(f"the largest error is {worst:.2%}: {verdict} {calibration.LARGEST:.0%} of the figure")
    if slow:
        echo("the reference server itself was late by more than 0.5 ms: this machine is too busy to judge more finely")
