"""`kit rehearse`: the visit before the visit."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli.run import ProfileArgument, RunsOption, SetOption
from kit.cli.terminal import echo, echo_json


def add(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: kit rehearse ascend-910b4x2-deepseek-r1-w8a8 · kit rehearse my.yaml --speed 10 · "
        "kit rehearse smoke --speed 1 --baseline runs/RUN/report/results.csv"
    )(rehearse)


def rehearse(
    profile: ProfileArgument,
    speed: Annotated[
        float, typer.Option(min=1, max=1000, help="How many times as quick as the baseline the server answers.")
    ] = 50.0,
    baseline: Annotated[
        Path | None, typer.Option(help="How the server behaves, where the profile names no baseline: a csv or xlsx.")
    ] = None,
    settings: SetOption = [],  # noqa: B006  (typer's way to say "none")
    plan_only: Annotated[bool, typer.Option("--plan", help="Print the plan as JSON and stop.")] = False,
    out: RunsOption = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="One event per line as JSON.")] = False,
) -> None:
    """Run a whole profile on any machine against a server that behaves as the baseline says, many times as quick.

    Everything that it writes is marked as a rehearsal, and cannot be signed.
    """
    from kit.cli import view
    from kit.texts import doubt
    from kit.workflows import rehearsing, running

    prepared = rehearsing.prepare(profile, settings, out, speed=speed, baseline=baseline)
    if plan_only:
        echo_json(prepared.plan.to_json().decode(), nl=False)
        return
    for found in prepared.plan.caveats:
        echo(doubt("en", found), err=True)
    with view.of(prepared.plan, as_json=as_json) as watching:
        finished = running.run(prepared, watching.observe)
    view.summary(finished, as_json=as_json)
    if (told := rehearsing.slowed(finished, speed)) is not None:
        echo(told, err=True)
    running.require_accepted(finished.report)
