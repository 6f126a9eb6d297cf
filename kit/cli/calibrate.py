"""`kit calibrate`: how far from the truth this machine's own measuring is."""

from typing import Annotated

import typer

from kit.cli.run import ProfileArgument, SetOption
from kit.cli.terminal import echo


def add(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: kit calibrate smoke · kit calibrate smoke --rounds 5 · "
        "kit calibrate ascend-910b4x2-deepseek-r1-w8a8 --set load.tokenizer=DIR · "
        "kit calibrate smoke --set load.transport=evalscope"
    )(calibrate)


def calibrate(
    profile: ProfileArgument = "smoke",
    settings: SetOption = [],  # noqa: B006  (typer's way to say "none")
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each concurrency is tried.")] = 3,
) -> None:
    """Send a profile's load to a server whose times are known, and print the error of each figure: median, least, largest."""
    from kit import calibration
    from kit import profile as profiles
    from kit.workflows import calibrating

    loaded = profiles.load(profile, settings)
    names = ("TTFT", "TTFT p99", "TPOT", "latency", "throughput")
    echo(f"{'clients':>7}  {'tokens/s':>8}  " + "  ".join(f"{name:^24}" for name in names) + "  server late p99")
    worst = 0.0
    slow = False
    for found in calibrating.calibrate(loaded, rounds, lambda text: echo(text, err=True)):
        cells = []
        for metric in calibration.METRICS:
            middle, ends = calibration.median(found.rounds, metric), calibration.span(found.rounds, metric)
            shown = "—" if middle is None or ends is None else f"{middle:+.2%} ({ends[0]:+.2%} … {ends[1]:+.2%})"
            worst = max(worst, abs(middle or 0.0)) if metric != "ttft_p99" else worst
            cells.append(f"{shown:^24}")
        late = max(one.late_p99_s for one in found.rounds)
        slow = slow or late > calibration.LATE_S
        echo(f"{found.point.concurrency:>7}  {found.point.rate:>8.0f}  {'  '.join(cells)}  {late * 1000:.2f} ms")
    verdict = "within" if worst <= calibration.LARGEST else "BEYOND"
    echo(f"the largest error is {worst:.2%}: {verdict} {calibration.LARGEST:.0%} of the figure")
    if slow:
        echo("the reference server itself was late by more than 0.5 ms: this machine is too busy to judge more finely")
