"""`kit profile list|show|check|schema`."""

from typing import Annotated

import typer

from kit.cli import complete
from kit.cli.run import ProfileArgument, SetOption
from kit.cli.terminal import echo, echo_json

group = typer.Typer(
    no_args_is_help=True,
    help="Look at profiles and check them.",
    epilog="Examples: kit profile list · kit profile show smoke · kit profile check my.yaml",
    rich_markup_mode=None,
)


def add(app: typer.Typer) -> None:
    app.add_typer(group, name="profile")


@group.command("list", epilog="Example: kit profile list")
def list_() -> None:
    """List the profiles: those that come with kit, and those in ./profiles."""
    from kit import library

    known = list(library.descriptions())
    width = max((len(name) for name, _ in known), default=0)
    for name, description in known:
        echo(f"{name:<{width}}  {description}")


@group.command(epilog="Examples: kit profile show smoke · kit profile show my.yaml --set load.rounds=3")
def show(profile: ProfileArgument, settings: SetOption = []) -> None:  # noqa: B006
    """Print a profile with everything in it said explicitly."""
    from kit import profile as profiles

    echo(profiles.resolved(profiles.load(profile, settings).profile).decode(), nl=False)


@group.command(epilog="Examples: kit profile check my.yaml · kit profile check smoke external")
def check(
    names: Annotated[list[str], typer.Argument(metavar="PROFILE...", autocompletion=complete.profiles)],
    settings: SetOption = [],  # noqa: B006
) -> None:
    """Check profiles, their files and images: exit code 2 if one is wrong.

    All that can be known is told at once; what a field that is wrong leaves open is told when it is mended.
    """
    from kit.errors import ProfileError
    from kit.workflows import checking

    failed: list[ProfileError] = []
    for name in names:
        try:
            checked = checking.check(name, settings)
        except ProfileError as error:
            failed.append(error)
            continue
        load = checked.loaded.profile.load
        rounds = f"{load.rounds} round(s)" if load.until is None else f"{load.until.least} to {load.rounds} rounds"
        where = ", with --runtime docker only" if checked.contained else ""
        echo(f"{name}: ok, {len(load.expanded())} cases x {rounds}{where}, {checked.loaded.sha256}")
    if failed:
        raise ProfileError("\nkit: ".join(str(error) for error in failed))


@group.command(epilog="Example: kit profile schema > profile.schema.json")
def schema() -> None:
    """Print the JSON schema of profiles, for editors."""
    import json

    from kit import profile as profiles

    echo_json(json.dumps(profiles.schema(), indent=2, ensure_ascii=False))
