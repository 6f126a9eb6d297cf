"""`kit audit`, `kit import`, `kit perf`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kit.cli import complete
from kit.cli.run import RunsOption
from kit.cli.terminal import echo, echo_json


def add(app: typer.Typer) -> None:
    app.command("audit", epilog="Examples: kit audit results.csv · kit audit old-report.docx · kit audit latest")(audit)
    app.command("import", epilog="Examples: kit import old-report.md · kit import old-report.docx -o profiles")(import_)


def audit(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="FILE|RUN",
            help="A table (.csv, .xlsx), a report (.md, .docx), or a run.",
            autocompletion=complete.runs,
        ),
    ],
    out: RunsOption = Path("runs"),
    lang: Annotated[Literal["en", "zh-CN"], typer.Option(help="Language of the findings.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Hold a table of results against what any such table must satisfy; exit code 7 where it does not."""
    from kit.report import verdicts
    from kit.workflows import judging

    found = judging.audited(subject, out)
    if as_json:
        echo_json(found.model_dump_json(indent=2))
    else:
        for line in verdicts.audited(found, lang):
            echo(line)
    judging.require_sound(found)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A report made by hand: Markdown or Word.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Directory for the profile and its baseline.")] = Path("."),
    formats: Annotated[
        str, typer.Option("--format", help="Also write the report again, in these formats: md, docx, …")
    ] = "",
) -> None:
    """Turn an old report into a profile that reproduces its test, and a baseline; what was not understood is listed."""
    from kit.workflows import judging

    taken = judging.take(file, out, tuple(name for name in formats.split(",") if name))
    for path in taken.files:
        echo(path)
    for problem in taken.problems:
        echo(f"look at {problem}", err=True)
    echo(f"next: kit run {taken.profile}", err=True)
