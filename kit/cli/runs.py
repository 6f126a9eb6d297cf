"""`kit runs`, `kit show`, `kit report`."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli import complete
from kit.cli.run import RunsOption

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's directory, its name or a part of it, or `latest`.", autocompletion=complete.runs
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add(app: typer.Typer) -> None:
    app.command("runs", epilog="Examples: kit runs · kit runs --out /data/runs --json")(runs)
    app.command("show", epilog="Examples: kit show latest · kit show 20261123-210507-smoke --json")(show)
    app.command(
        "report",
        epilog="Examples: kit report latest · kit report latest --format md --lang en --to /tmp/report · "
        "kit report latest --template brief",
    )(report)


def runs(out: RunsOption = Path("runs"), as_json: JsonOption = False) -> None:
    """List the runs, newest first."""
    import json

    from kit import store
    from kit.cli import output

    found = [run.status() for run in store.runs(out) if (run.path / "run.json").is_file()]
    if as_json:
        typer.echo(json.dumps([status.model_dump(mode="json") for status in found], indent=2, ensure_ascii=False))
    elif found:
        output.runs(found)
    else:
        typer.echo(f"no runs in {out}; kit run smoke makes the first", err=True)


def show(run: RunArgument, out: RunsOption = Path("runs"), as_json: JsonOption = False) -> None:
    """Show a run: its state, its figures, and what to know about them."""
    from kit import report as reports
    from kit import store
    from kit.cli import output

    found = reports.read(store.find(run, out))
    built = reports.build(found)
    if as_json:
        typer.echo(built.model_dump_json(indent=2, exclude={"requests", "timelines"}))
    else:
        output.run(found.status)
        output.table(reports.build(found, "en"))


def report(
    run: RunArgument,
    out: RunsOption = Path("runs"),
    formats: Annotated[
        str,
        typer.Option("--format", help="Formats, separated by commas: md, docx, html, xlsx, csv, pdf (by LibreOffice)."),
    ] = "md,docx,html,xlsx,csv",
    lang: Annotated[str | None, typer.Option(help="zh-CN or en; the profile's language unless given.")] = None,
    to: Annotated[Path | None, typer.Option(help="Directory for the files; the run's report/ unless given.")] = None,
    template: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Another layout: `brief`, one page, or a folder with templates of your own."),
    ] = None,
) -> None:
    """Write the report of a run again, from what lies in its directory."""
    from kit import store, workflow

    _, written = workflow.write_report(store.find(run, out), formats.split(","), lang, to, template)
    for path in written:
        typer.echo(path)
