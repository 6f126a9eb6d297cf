"""The one way to the terminal: texts come from other machines, programs and files, and nothing in them may act on it."""

import typer

from kit.controls import for_terminal, in_json


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text."""
    typer.echo(for_terminal(str(text)), err=err, nl=nl)


def echo_json(text: str, *, nl: bool = True) -> None:
    """Print JSON: it stays the same data."""
    typer.echo(in_json(text), nl=nl)
