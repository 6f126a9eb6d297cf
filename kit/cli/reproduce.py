"""`kit reproduce`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.cli import complete
from kit.cli.bundles import OnOption
from kit.cli.run import RunsOption, SetOption
from kit.cli.terminal import echo

if TYPE_CHECKING:
    from kit.model.reproduction import Otherwise, Reproduction
    from kit.store import RunDir


def add(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: kit reproduce run.kit --trust trust.yaml · kit reproduce run.kit --unsigned --model-root /data/models · "
        "kit reproduce latest · kit reproduce imported.yaml --on docker · kit reproduce old-report.docx --model-root /data"
    )(reproduce)


def reproduce(
    original: Annotated[
        str,
        typer.Argument(
            metavar="BUNDLE|RUN|PROFILE|REPORT",
            help="A bundle, a run, a profile with a baseline such as kit import writes, or an old report.",
            autocompletion=complete.runs,
        ),
    ],
    on: OnOption = None,
    platform: Annotated[
        str | None, typer.Option(help="Platform of the images, such as linux/arm64, if not the engine's own.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option("--model-root", metavar="DIR", help="Directory below which the models lie here.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="KIT_TRUST", help="Which keys may sign as what.")
    ] = None,
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Take a bundle that nobody vouches for, with the code in it.")
    ] = False,
    privileged: Annotated[
        bool, typer.Option("--allow-privileged", help="Grant what the profile asks for beyond the least.")
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option(metavar="PERCENT", min=0.1, max=99, help="For figures whose tolerance the profile does not say."),
    ] = 10,
    settings: SetOption = [],  # noqa: B006  (typer's way to say "none")
    plan_only: Annotated[bool, typer.Option("--plan", help="Show what would differ and stop.")] = False,
    out: RunsOption = Path("runs"),
    force: Annotated[
        bool, typer.Option("--force", help="Go on although a check of the machine fails; the report says so.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another run on this machine to end.")] = False,
) -> None:
    """Repeat a run on this machine as it was, and say whether its figures came out again: exit code 7 where they did not."""
    from kit.cli import view
    from kit.host import LocalHost
    from kit.texts import say
    from kit.workflows import reproducing

    def tell(text: str) -> None:
        echo(text, err=True)

    wanted = reproducing.Wanted(on, platform, root, trust, tuple(settings), unsigned, privileged, tolerance / 100)
    with reproducing.ready(original, out, wanted, tell, LocalHost()) as found:
        signed = ", ".join(found.original.signed_by)
        tell(
            f"the original: {found.original.name}, " + (f"signed by {signed}" if signed else "which nobody vouches for")
        )
        known = found.original.run is not None
        for line in _differences(found.differences) if known else [say("en", "repeat-figures-only")]:
            echo(line)
        if plan_only:
            return
        brought = found.brought(tell)
        with view.of(brought.prepared.plan, as_json=False) as watching:
            finished, outcome = reproducing.repeat(brought, watching.observe, force=force, wait=wait)
        view.summary(finished, as_json=False)
    tell_outcome(finished.run, outcome)


def tell_outcome(run: "RunDir", outcome: "Reproduction") -> None:
    """What came of repeating another run. Raises `NotAcceptedError` where that was not reproduced, or where it cannot be said."""
    from kit.model.reproduction import REPRODUCTION
    from kit.report import repetition
    from kit.workflows import repeated

    echo("")
    for line in _figures(outcome):
        echo(line)
    first, *more = repetition.lines(outcome, "en")
    echo(f"{first}.")
    for line in more:
        echo(line)
    echo(f"comparison: {run.path / REPRODUCTION}")
    repeated.require_reproduced(outcome)


def _differences(found: "tuple[Otherwise, ...]") -> list[str]:
    from kit.report import repetition

    if not found:
        return ["nothing that kit knows differs from the original"]
    lines = [f"{'performance' if one.performance else 'other'}: {repetition.change(one)}" for one in found]
    return ["differs from the original:", *(f"  {line}" for line in lines)]


def _figures(found: "Reproduction") -> list[str]:
    """Every figure that is not within its tolerance, with its interval."""
    from kit.report import repetition

    return [
        f"{case} {metric}: {before} → {after}, {moved}; allowed {allowed}: {why}"
        for case, metric, before, after, moved, allowed, why in repetition.beyond(found, "en")
    ]
