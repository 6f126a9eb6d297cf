"""`kit doctor` and `kit model digest`: is this machine ready, and is this copy of the weights a good one."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kit.cli import complete
from kit.cli.run import RunsOption, SetOption
from kit.cli.terminal import echo, echo_json

models = typer.Typer(
    no_args_is_help=True,
    help="Look after the files of models.",
    epilog="Example: kit model digest /models/x > /models/x/SHA256SUMS",
    rich_markup_mode=None,
)

_MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def add(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: kit doctor · kit doctor smoke · "
        "kit doctor ascend-910b4x2-deepseek-r1-w8a8 --runtime docker · kit doctor smoke --fix · kit doctor smoke --json"
    )(doctor)
    app.add_typer(models, name="model")


def doctor(
    profile: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROFILE]", help="Name of a profile, or a YAML file.", autocompletion=complete.profiles
        ),
    ] = None,
    runtime: Annotated[Literal["process", "docker"], typer.Option(help="How programs would be started.")] = "process",
    platform: Annotated[str | None, typer.Option(help="Platform of the images, such as linux/arm64.")] = None,
    settings: SetOption = [],  # noqa: B006  (typer's way to say "none")
    out: RunsOption = Path("runs"),
    digests: Annotated[
        bool, typer.Option("--digests", help="Read the weights and compare them with their SHA256SUMS: takes long.")
    ] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Print the shell commands that would mend what is not right; none is run.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON, one a line.")] = False,
) -> None:
    """Check this machine, or whether it can run a profile: exit code 3 where a check fails."""
    from kit import doctor as checks
    from kit.workflows import preflight

    found = preflight.look(profile, settings, runtime, out, platform=platform, digests=digests)
    if fix:
        lines = checks.fixes(found)
        for line in lines:
            echo(line)
        if not lines and any(check.level != "ok" for check in found):
            echo("kit: no shell command mends what is not right; without --fix each finding says what to do", err=True)
    elif as_json:
        for check in found:
            echo_json(check.model_dump_json())
    else:
        for check in found:
            needed = f"; needed: {check.needed}" if check.needed and check.level != "ok" else ""
            echo(f"{_MARKS[check.level]}  {check.name}: {check.found}{needed}")
            if check.remedy and check.level != "ok":
                echo(f"      → {check.remedy}")
        counted = ", ".join(
            f"{sum(check.level == level for check in found)} {name}"
            for level, name in (("ok", "ok"), ("warn", "to look at"), ("fail", "failed"))
        )
        echo(f"{len(found)} checks: {counted}", err=True)
    if any(check.level == "fail" for check in found):
        raise typer.Exit(3)


@models.command(
    epilog="Examples: kit model digest /models/m > /models/m/SHA256SUMS · kit model digest /models/m --check"
)
def digest(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The directory of a model.")],
    check: Annotated[bool, typer.Option("--check", help="Compare the files with the SHA256SUMS in DIR.")] = False,
) -> None:
    """Print the SHA-256 of every file of a model, in the form of sha256sum; or check them."""
    from kit import weights
    from kit.errors import HostError, Problem

    if not check:
        for value, name in weights.digests(directory):
            echo(f"{value}  {name}")
        return
    wrong = tuple(weights.differ(directory, contents=True))
    if wrong:
        problems = [Problem("", text) for text in wrong]
        raise HostError(
            f"{directory} is not as its {weights.LIST} says", problems=problems, hint="copy those files again"
        )
    echo(f"{directory}: all files are as {weights.LIST} says")
