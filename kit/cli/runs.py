"""`kit runs`, `kit show`, `kit report`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from kit.cli import complete
from kit.cli.run import RunsOption
from kit.cli.terminal import echo, echo_json

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="A run's directory, its name or a part of it, or `latest`.", autocompletion=complete.runs
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


IndexOption = Annotated[
    str | None,
    typer.Option(
        "--index", envvar="KIT_INDEX", metavar="URL", help="An index for a team: postgresql+psycopg://host/database."
    ),
]
ModelOption = Annotated[str | None, typer.Option("--model", metavar="PART", help="Part of the model's name.")]
AcceleratorOption = Annotated[
    str | None, typer.Option("--accelerator", metavar="PART", help="Part of the accelerator's name.")
]
EngineOption = Annotated[str | None, typer.Option("--engine", metavar="PART", help="Part of the engine's name.")]
VerdictOption = Annotated[str | None, typer.Option("--verdict", help="none, met, waived, not-met or uncertain.")]
SinceOption = Annotated[str | None, typer.Option("--since", metavar="DATE", help="2026-11-01, or 30d.")]


def add(app: typer.Typer) -> None:
    group = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    group.callback()(runs)
    group.command(
        "trend",
        epilog="Examples: kit runs trend 2k-512-c4 · kit runs trend 128-512-c1 --metric ttft --accelerator 910B4 --since 90d",
    )(trend)
    app.add_typer(
        group,
        name="runs",
        epilog="Examples: kit runs · kit runs --model r1 --accelerator 910B4 --since 30d --verdict met · "
        "kit runs --out /data/runs --json · kit runs --index postgresql+psycopg://db/kit · kit runs trend 2k-512-c4",
    )
    app.command("show", epilog="Examples: kit show latest · kit show 20261123-210507-smoke --json")(show)
    app.command(
        "report",
        epilog="Examples: kit report latest · kit report latest --format md --lang en --to /tmp/report · "
        "kit report latest --template brief",
    )(report)


def runs(
    context: typer.Context,
    out: RunsOption = Path("runs"),
    model: ModelOption = None,
    accelerator: AcceleratorOption = None,
    engine: EngineOption = None,
    since: SinceOption = None,
    verdict: VerdictOption = None,
    index: IndexOption = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read all run directories anew.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the runs, newest first, or those that fit; `trend` shows one case over time."""
    if context.invoked_subcommand is not None:
        return
    import json
    from dataclasses import asdict, replace

    from kit.cli import output
    from kit.model.listed import Filters
    from kit.workflows import finding

    wanted = Filters(model, accelerator, engine, verdict, finding.since(since, datetime.now(UTC)))
    found = finding.runs(out, index, wanted, rebuild=rebuild)
    for line in found.told:
        echo(f"not read: {line}", err=True)
    if as_json:
        listed = [{**asdict(run), "rehearsal": run.rehearsal} for run in found.runs]
        echo_json(json.dumps(listed, indent=2, ensure_ascii=False, default=_plain))
    elif found.runs:
        # A verdict on stand-ins is none on what they stand for.
        output.runs([replace(run, verdict=f"{run.verdict}, rehearsal") if run.rehearsal else run for run in found.runs])
    elif any((model, accelerator, engine, since, verdict)):
        echo(f"no run in {out} fits", err=True)
    else:
        echo(f"no runs in {out}; kit run smoke makes the first", err=True)


def trend(
    case: Annotated[str, typer.Argument(metavar="CASE", help="Such as 2k-512-c4: lengths and clients.")],
    out: RunsOption = Path("runs"),
    metric: Annotated[str, typer.Option(help="output_throughput, latency, ttft or tpot.")] = "output_throughput",
    model: ModelOption = None,
    accelerator: AcceleratorOption = None,
    engine: EngineOption = None,
    since: SinceOption = None,
    index: IndexOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one case over time, and mark changes that are larger than the noise."""
    import json
    from dataclasses import asdict

    from kit.cli import output
    from kit.model.listed import Filters
    from kit.texts import say
    from kit.workflows import finding

    wanted = Filters(model, accelerator, engine, None, finding.since(since, datetime.now(UTC)))
    found = finding.over_time(out, index, wanted, case, metric)
    for line in found.told:
        echo(f"not read: {line}", err=True)
    if as_json:
        echo_json(json.dumps(asdict(found), indent=2, ensure_ascii=False, default=_plain))
        return
    output.trend(found.points)
    newest = found.points[-1].run
    if newest.rehearsal:
        echo(say("en", "rehearsal"), err=True)
    if found.left_out:
        echo(f"left out, measured otherwise than {newest.run}: {', '.join(found.left_out)}", err=True)


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def show(run: RunArgument, out: RunsOption = Path("runs"), as_json: JsonOption = False) -> None:
    """Show a run: its state, its figures, and what to know about them."""
    from kit import store
    from kit.cli import output
    from kit.report import building as reports

    found = reports.read(store.find(run, out))
    built = reports.build(found)
    if as_json:
        echo_json(built.model_dump_json(indent=2, exclude={"requests", "timelines"}))
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
    from kit import store
    from kit.workflows import running

    _, written = running.write_report(store.find(run, out), formats.split(","), lang, to, template)
    for path in written:
        echo(path)
