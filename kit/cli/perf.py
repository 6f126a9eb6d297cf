"""`kit perf`: the command line of the original load script."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from kit.cli.run import RunsOption
from kit.cli.terminal import echo

_LISTS = ("--parallel", "--number")
KEY_VARIABLE = "KIT_PERF_API_KEY"


class Lists(TyperCommand):
    """Takes the values of a list unquoted too, as everybody writes them: `--parallel 1 2 4 8`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, joined(args))


def joined(args: list[str]) -> list[str]:
    """The arguments with the values of every list as one word."""
    result: list[str] = []
    into: int | None = None
    for word in args:
        name, equals, _ = word.partition("=")
        if word.startswith("-"):
            into = None
            result.append(word)
            if name in _LISTS:
                if not equals:
                    result.append("")
                into = len(result) - 1
        elif into is None:
            result.append(word)
        else:
            result[into] = f"{result[into]} {word}".strip()
    return result


def add(app: typer.Typer) -> None:
    app.command(
        "perf",
        cls=Lists,
        epilog="Examples: kit perf --port 8001 --parallel 1 2 4 8 --number 1 2 4 8 --model NAME --tokenizer-path DIR "
        "--input-length 16000 --output-length 512 · kit perf --port 8001 --model NAME --tokenizer-path DIR --loop 3 "
        "--output-csv night",
    )(perf)


def perf(
    ip: Annotated[str, typer.Option(help="Where the server runs.")] = "127.0.0.1",
    port: Annotated[str, typer.Option(help="Its port.")] = "10011",
    parallel: Annotated[str, typer.Option(metavar="N …", help="Numbers of clients, quoted or not: 1 2 4 8.")] = "1 4",
    number: Annotated[str, typer.Option(metavar="N …", help="Requests for each number of clients.")] = "1 4",
    model: Annotated[str, typer.Option(help="The name that the server answers to.")] = "DeepSeek-R1",
    tokenizer_path: Annotated[
        str, typer.Option(help="Directory with the model's tokenizer.")
    ] = "/mnt/data/models/DeepSeek-R1-GPTQ4-experts",
    api_key: Annotated[
        str | None,
        typer.Option(envvar=KEY_VARIABLE, help="The endpoint's key. On a command line others can read it."),
    ] = None,
    input_length: Annotated[int, typer.Option(help="Tokens of a prompt.")] = 128,
    output_length: Annotated[int, typer.Option(help="Tokens of an answer.")] = 512,
    read_timeout: Annotated[int, typer.Option(help="Seconds without an answer before a request fails.")] = 600,
    seed: Annotated[int, typer.Option(help="Of the first loop; each further one has the next.")] = 42,
    loop: Annotated[int, typer.Option(help="How often each level is measured.")] = 1,
    name: Annotated[str, typer.Option(help="Name of the test.")] = "appauto-bench",
    debug: Annotated[bool, typer.Option("--debug", help="Print the load generator's own output at the end.")] = False,
    output_csv: Annotated[str | None, typer.Option(help="The csv, which must not exist; else named by time.")] = None,
    output_xlsx: Annotated[str | None, typer.Option(help="The xlsx; else named like the csv.")] = None,
    runtime: Annotated[
        Literal["process", "docker"], typer.Option(help="How evalscope is started: environments here, or containers.")
    ] = "process",
    out: RunsOption = Path("runs"),
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Let code run that lies beside the tokenizer.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Go on although a check of the machine fails; the report says so.")
    ] = False,
) -> None:
    """Load a server that runs, with the options of perf_via_es10x.py; write a csv and an xlsx with its columns."""
    from kit.cli import view
    from kit.host import LocalHost
    from kit.model import Secret
    from kit.workflows import perf as tests

    if api_key is not None:
        # Plans and run directories only ever name the variable.
        os.environ[KEY_VARIABLE] = api_key
    wanted = tests.Wanted(
        ip=ip,
        port=port,
        parallel=parallel,
        number=number,
        model=model,
        tokenizer=tokenizer_path,
        input_length=input_length,
        output_length=output_length,
        read_timeout_s=read_timeout,
        seed=seed,
        loop=loop,
        name=name,
        api_key=Secret(env=KEY_VARIABLE) if api_key is not None else None,
        trust_remote_code=trust_remote_code,
    )
    prepared = tests.prepare(wanted, runtime, out)
    tables = tests.claim(output_csv, output_xlsx, f"{LocalHost().now().astimezone():%Y%m%d_%H%M%S}")

    def tell(text: str) -> None:
        echo(text, err=True)

    try:
        with view.of(prepared.plan, as_json=False) as watching:
            finished = tests.run(prepared, tables, watching.observe, tell if debug else None, force=force)
        view.summary(finished, as_json=False)
    finally:
        for path in tables.written:
            echo(f"results: {path}")
    tests.require_whole(finished.report)
