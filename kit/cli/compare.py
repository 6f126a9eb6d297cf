"""`kit compare`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kit.cli import complete
from kit.cli.run import RunsOption
from kit.cli.terminal import echo, echo_json


def add(app: typer.Typer) -> None:
    app.command(
        epilog="Examples: kit compare 20261123-2105 latest · kit compare latest --baseline expected.csv --to comparison · "
        "kit compare A B C --by hardware --cost prices.yaml --format md,docx,html,xlsx · kit compare A B --allow seed"
    )(compare)


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…",
            help="Runs, tables (.csv, .xlsx) and old reports (.md, .docx); the first is the baseline.",
            autocompletion=complete.runs,
        ),
    ],
    out: RunsOption = Path("runs"),
    baseline: Annotated[
        str | None, typer.Option(metavar="RUN", help="What the others are held against, if not the first.")
    ] = None,
    by: Annotated[
        Literal["case", "hardware"], typer.Option(help="One table by case, or one for each hardware.")
    ] = "case",
    formats: Annotated[
        str, typer.Option("--format", help="Formats, separated by commas: md, docx, html, xlsx.")
    ] = "md,docx,html",
    cost: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Prices of an hour, as YAML; docs/compare.md shows one.")
    ] = None,
    allow: Annotated[
        list[str], typer.Option(metavar="KEY", help="Compare although this differs; may be repeated.")
    ] = [],  # noqa: B006  (typer's way to say "none")
    lang: Annotated[Literal["zh-CN", "en"], typer.Option(help="Language of the comparison.")] = "zh-CN",
    to: Annotated[Path, typer.Option(help="Directory for the files, which must not exist yet.")] = Path("comparison"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and write no files.")] = False,
) -> None:
    """Hold runs against each other: what differs by more than the noise, per accelerator, joule and cost.

    Exit code 5 where they were not measured alike; every key that differs is named with its values.
    """
    from kit.workflows import comparing

    found = comparing.compare(runs, out, baseline=baseline, allow=allow, cost=cost, lang=lang, by=by)
    if as_json:
        echo_json(found.model_dump_json(indent=2))
        return
    for path in comparing.write(found, [name.strip() for name in formats.split(",")], to):
        echo(path)
    for line in found.words:
        echo(line, err=True)
