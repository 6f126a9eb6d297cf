"""`kit image add-artifact`: takes in a file that only its vendor can give."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli.terminal import echo


def add(images: typer.Typer) -> None:
    images.command(
        "add-artifact",
        epilog="Examples: kit image add-artifact Ascend-cann-*.run · kit image add-artifact wheels/*.whl --name ftransformers",
    )(add_artifact)


def add_artifact(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Makeself installers, wheels, or an image archive.")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name", metavar="NAME[/VERSION]", help="The image that they are for: needed for further wheels."
        ),
    ] = None,
    called: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="The name that its vendor gave it, where it was renamed.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take it instead of the file recorded so far.")] = False,
) -> None:
    """Check files of a vendor, put them where builds find them, and record size and SHA-256 in the image's artifacts.toml."""
    from kit.errors import UsageError
    from kit.formats import gib
    from kit.images import artifacts
    from kit.images.artifacts import adding
    from kit.resources import cache, folder

    if called is not None and len(files) > 1:
        raise UsageError("--as names one file", hint="give one FILE with it")
    missing: dict[str, str] = {}
    for file in files:
        taken = adding.add(
            folder("images"),
            artifacts.store(cache()),
            file,
            lambda text: echo(text, err=True),
            image=name,
            called=called,
            replace=replace,
        )
        record = taken.record
        size = gib(record.size) if record.size >= 1024**3 else f"{record.size} bytes"
        echo(f"{taken.image} {record.version}: {record.file}, {size}, sha256:{record.sha256}")
        needs = [f"{need.file} for {need.platform} ({need.what}; from: {need.source})" for need in taken.missing]
        missing[f"{taken.image} {record.version}"] = "".join(f"\n  {need}" for need in needs)
    for image, lines in missing.items():
        command = f"kit image build {image.replace(' ', '/')}"
        echo(f"{image} still needs:{lines}" if lines else f"{image} has all that it needs: {command}", err=True)
