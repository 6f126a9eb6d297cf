"""`kit reference-server`: what kit's own measuring is measured against."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from kit.cli.terminal import echo


def add(app: typer.Typer) -> None:
    app.command(
        "reference-server",
        epilog="Examples: kit reference-server · kit reference-server --ttft 200ms --itl 20ms --record sent.jsonl · "
        "kit reference-server --ttft lognormal:300ms,0.4 --itl normal:20ms,2ms --seed 7 · "
        "kit reference-server --role early --tokens-per-chunk 2 --pause 2s@10 · "
        "kit reference-server --fault http-500@2 --fault reset@5-7:10",
    )(reference_server)


def reference_server(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port to listen on.")] = 18080,
    model: Annotated[str, typer.Option(help="The name that it answers to.")] = "reference",
    ttft: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="From a request to its first token: 100ms, or normal:MEAN,SD, lognormal:MEDIAN,SIGMA, uniform:LOW,HIGH, "
            "exponential:MEAN.",
        ),
    ] = "100ms",
    itl: Annotated[str, typer.Option(metavar="TIME", help="From each token to the next; likewise.")] = "10ms",
    seed: Annotated[int, typer.Option(help="Of what is drawn; a request's times follow from it and its number.")] = 0,
    role: Annotated[
        Literal["first", "early", "none"],
        typer.Option(help="The chunk that only names the role: with the first token, at once, or not at all."),
    ] = "first",
    tokens_per_chunk: Annotated[int, typer.Option(min=1, help="Tokens in each chunk after the first.")] = 1,
    usage: Annotated[bool, typer.Option(help="Whether answers end with the server's counts of tokens.")] = True,
    input_tokens: Annotated[
        int | None, typer.Option(min=1, help="What usage says of the prompt; else a quarter of its characters.")
    ] = None,
    pauses: Annotated[
        list[str], typer.Option("--pause", metavar="TIME@TOKEN", help="Silence after a token; may be repeated.")
    ] = [],  # noqa: B006  (typer's way to say "none")
    faults: Annotated[
        list[str],
        typer.Option(
            "--fault",
            metavar="KIND@REQUEST[:TOKEN]",
            help="http-400, http-401, http-429, http-500, http-503, redirect, not-a-stream, empty or silent instead of an "
            "answer; reset, close, error, garbage or stall after a token. REQUEST is 3, 3-5 or *; may be repeated.",
        ),
    ] = [],  # noqa: B006
    record: Annotated[
        Path | None, typer.Option(help="A file that gets one line per request: when each chunk was due, and left.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Speak TLS with this certificate and its key, as PEM in one file.")
    ] = None,
) -> None:
    """Serve an OpenAI-compatible API whose every token leaves at a known time, and say how exactly that was kept."""
    from kit.workflows import referencing

    referencing.require_valid(ttft, itl, pauses, faults)
    words = ["--host", host, "--port", str(port), "--model", model, "--ttft", ttft, "--itl", itl, "--seed", str(seed)]
    words += ["--role", role, "--tokens-per-chunk", str(tokens_per_chunk)]
    words += [] if usage else ["--no-usage"]
    words += ["--input-tokens", str(input_tokens)] if input_tokens is not None else []
    words += [word for pause in pauses for word in ("--pause", pause)]
    words += [word for fault in faults for word in ("--fault", fault)]
    words += ["--record", str(record.absolute())] if record is not None else []
    words += ["--certificate", str(certificate.absolute())] if certificate is not None else []
    referencing.serve(tuple(words), port, lambda line: echo(line, err=not line.startswith("reference:")))
