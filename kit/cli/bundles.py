"""`kit bundle` and `kit bundle list`: all that repeating a run takes in one file, and what is in such a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from kit.cli.run import RunsOption, SetOption
from kit.cli.runs import JsonOption
from kit.cli.terminal import echo, echo_json

if TYPE_CHECKING:  # the command line begins without pydantic
    from kit.model.bundle import Kind

OnOption = Annotated[
    Literal["process", "docker"] | None,
    typer.Option(
        "--on", help="How programs are started there: environments, or containers; as the run was, unless given."
    ),
]
_LEFT_OUT: "dict[Kind, str]" = {"image": "images", "wheel": "wheels", "kit": "kit", "tokenizer": "tokenizer"}
"""What may be left out of a bundle, as it is called on the command line."""


class _Making(TyperGroup):
    """`kit bundle RUN` is `kit bundle make RUN`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = (*self.commands, "--help", "-h")
        return super().parse_args(ctx, ["make", *args] if args and args[0] not in known else args)


_EXAMPLES = (
    "Examples: kit bundle latest -o run.kit · kit bundle smoke -o smoke.kit · kit bundle latest -o light.kit --without images · "
    "kit bundle list run.kit"
)

bundles = typer.Typer(
    cls=_Making,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Put all that repeating a run takes into one file: kit bundle RUN|PROFILE -o FILE.",
    epilog=_EXAMPLES,
)


def add(app: typer.Typer) -> None:
    app.add_typer(bundles, name="bundle")


@bundles.command(epilog=_EXAMPLES)
def make(
    subject: Annotated[str, typer.Argument(metavar="RUN|PROFILE", help="A run, or the name or file of a profile.")],
    file: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The bundle to write, which must not exist.")
    ],
    without: Annotated[
        list[str],
        typer.Option("--without", help="Leave these out: images, wheels, tokenizer, kit; may be repeated."),
    ] = [],  # noqa: B006  (typer's way to say "none")
    on: OnOption = None,
    platforms: Annotated[
        list[str], typer.Option("--platform", help="Platform of the new machine, such as linux/arm64; may be repeated.")
    ] = [],  # noqa: B006
    settings: SetOption = [],  # noqa: B006
    out: RunsOption = Path("runs"),
) -> None:
    """Bundle a run, or a profile with what its run takes. Made twice of the same, it is the same to the last byte."""
    from kit.errors import UsageError
    from kit.formats import size
    from kit.workflows import packing

    if unknown := [word for word in without if word not in _LEFT_OUT.values()]:
        known = ", ".join(_LEFT_OUT.values())
        raise UsageError(f"--without {unknown[0]}: there is no such part", hint=f"one of: {known}")
    kinds = tuple(kind for kind, word in _LEFT_OUT.items() if word in without)
    wanted = packing.Wanted(tuple(settings), on, tuple(platforms), kinds)
    made = packing.make(subject, out, file, wanted, lambda text: echo(text, err=True))
    for note in made.notes:
        echo(f"note: {note}", err=True)
    echo(f"{made.path}: {len(made.manifest.members)} files, {size(made.size_bytes)}, sha256:{made.sha256}")


@bundles.command("list", epilog="Examples: kit bundle list run.kit · kit bundle list run.kit --json")
def list_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle.")],
    as_json: JsonOption = False,
) -> None:
    """List what is in a bundle with sizes, and what its profile asks for; its signatures are checked by kit verify."""
    from kit.cli import output
    from kit.formats import size
    from kit.workflows import opening

    found = opening.look(file)
    if as_json:
        echo_json(found.bundle.manifest.to_json().decode(), nl=False)
        return
    manifest = found.bundle.manifest
    output.bundle(manifest)
    echo(f"{file.name}: {manifest.run or manifest.profile}, {size(file.stat().st_size)}, by kit {manifest.kit_version}")
    for kind in manifest.left_out:
        echo(f"left out: {_LEFT_OUT.get(kind, kind)}")
    for weights in manifest.weights:
        known = sum(one.sha256 is not None for one in weights.files)
        total = size(sum(one.size for one in weights.files))
        echo(f"not in it: {weights.path}, {len(weights.files)} files, {total}, {known} of them with their SHA-256")
    for asked in found.asks:
        echo(f"asks for: {asked}")
