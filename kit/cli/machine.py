"""`kit inventory`, `kit clean`, `kit image fetch`: what concerns this machine rather than a run."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli import complete

images = typer.Typer(no_args_is_help=True, help="Environments and images.", rich_markup_mode=None)


def add(app: typer.Typer) -> None:
    app.command("inventory", epilog="Examples: kit inventory · kit inventory --json · kit inventory --out facts")(
        inventory
    )
    app.command("clean", epilog="Examples: kit clean · kit clean --cache")(clean)
    app.add_typer(images, name="image")


def inventory(
    out: Annotated[
        Path | None, typer.Option(help="Directory for inventory.json, the text and the raw outputs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what this machine is."""
    from kit import inventory as inventories
    from kit import workflow
    from kit.errors import HostError, UsageError
    from kit.hardware import hardware_text
    from kit.host import LocalHost

    collected = inventories.collect(LocalHost())
    if as_json:
        typer.echo(collected.inventory.to_json().decode(), nl=False)
    else:
        typer.echo(hardware_text(collected.inventory), nl=False)
    if out is not None:
        try:
            written = workflow.write_inventory(collected, out)
        except FileExistsError as error:
            raise UsageError(f"{error.filename} exists already", hint="give another directory with --out") from error
        except OSError as error:
            raise HostError(f"{out} cannot be written: {error.strerror}") from error
        for path in written:
            typer.echo(path, err=True)


def clean(
    cache: Annotated[bool, typer.Option("--cache", help="Also remove environments, wheels and made models.")] = False,
) -> None:
    """Stop and remove what a killed kit left behind on this machine; runs are never touched."""
    from kit import workflow

    told = workflow.clean(everything=cache)
    for line in told:
        typer.echo(f"removed {line}")
    if not told:
        typer.echo("nothing to clean", err=True)


@images.command(
    "fetch", epilog="Example: kit image fetch evalscope/1.0.1 --out WHEELS, then elsewhere KIT_WHEELS=WHEELS kit run …"
)
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME[/VERSION]", autocompletion=complete.images)],
    out: Annotated[Path, typer.Option(help="Folder that receives the wheels.")] = Path("wheels"),
) -> None:
    """Fetch the wheels of an environment into a folder, each checked against the lock, to carry them to a machine without network."""
    from kit import workflow

    typer.echo(workflow.fetch(name, out, lambda text: typer.echo(text, err=True)))
