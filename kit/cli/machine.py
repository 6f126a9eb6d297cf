"""`kit clean`: what concerns this machine rather than a run."""

from typing import Annotated

import typer

from kit.cli.terminal import echo


def add(app: typer.Typer) -> None:
    app.command("clean", epilog="Examples: kit clean · kit clean --cache")(clean)


def clean(
    cache: Annotated[bool, typer.Option("--cache", help="Also remove environments, wheels and made models.")] = False,
) -> None:
    """Stop and remove what a killed kit left behind on this machine; runs are never touched."""
    from kit.workflows import running

    told = running.clean(everything=cache)
    for line in told:
        echo(f"removed {line}")
    if not told:
        echo("nothing to clean", err=True)
