"""`kit run`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kit.cli import complete
from kit.cli.terminal import echo_json

RunsOption = Annotated[Path, typer.Option("--out", envvar="KIT_RUNS", help="Directory that holds the runs.")]
SetOption = Annotated[
    list[str], typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the profile; may be repeated.")
]
ProfileArgument = Annotated[
    str, typer.Argument(metavar="PROFILE", help="Name of a profile, or a YAML file.", autocompletion=complete.profiles)
]


def add(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: kit run smoke · kit run smoke --set load.rounds=3 · kit run my.yaml --plan · "
        "kit run external --set server.url=http://127.0.0.1:8001 --set server.model=NAME --set load.tokenizer=DIR · "
        "kit run --resume latest"
    )(run)


def run(
    profile: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROFILE]", help="Name of a profile, or a YAML file.", autocompletion=complete.profiles
        ),
    ] = None,
    runtime: Annotated[
        Literal["process", "docker"], typer.Option(help="How programs are started: environments here, or containers.")
    ] = "process",
    platform: Annotated[
        str | None, typer.Option(help="Platform of the images, such as linux/arm64, if not the engine's own.")
    ] = None,
    settings: SetOption = [],  # noqa: B006  (typer's way to say "none")
    plan_only: Annotated[bool, typer.Option("--plan", help="Print the plan as JSON and stop.")] = False,
    out: RunsOption = Path("runs"),
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with a run at its first missing round; a PROFILE beside it must be the run's own.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although a check of the machine fails; the report says so.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run on this machine to end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One event per line as JSON.")] = False,
) -> None:
    """Start the server, send the load, and write the report."""
    from kit.cli import reproduce, view
    from kit.errors import UsageError
    from kit.workflows import repeated, running

    if profile is None and resume is None:
        raise UsageError("give either a profile or --resume RUN", hint="kit profile list shows the profiles")
    if resume is not None:
        if plan_only or (settings and profile is None):
            raise UsageError("--resume goes on with the plan as it is: it takes neither --set nor --plan")
        prepared = running.resume(resume, out, profile, settings)
    else:
        assert profile is not None
        prepared = running.plan(profile, settings, runtime, out, platform)
        if plan_only:
            echo_json(prepared.plan.to_json().decode(), nl=False)
            return
    with view.of(prepared.plan, as_json=as_json) as watching:
        finished = running.run(prepared, watching.observe, force=force, wait=wait)
    view.summary(finished, as_json=as_json)
    if (outcome := finished.run.reproduction()) is None:
        running.require_accepted(finished.report)
    elif as_json:
        repeated.require_reproduced(outcome)
    else:
        reproduce.tell_outcome(finished.run, outcome)
