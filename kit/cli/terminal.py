"""The one way to the terminal: texts come from other machines, programs and files, and nothing in them may act on it."""

import sys

import typer

from kit import streams
from kit.controls import for_terminal, in_json


def outlive_readers() -> None:
    """From now on nothing stops because nobody reads any more what is printed, or because it cannot be."""
    sys.stdin = streams.opened(sys.stdin, "r")
    sys.stdout = streams.lasting(streams.opened(sys.stdout, "w"), "stdout", result=True)
    sys.stderr = streams.lasting(streams.opened(sys.stderr, "w"), "stderr")


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text."""
    typer.echo(for_terminal(str(text)), err=err, nl=nl)


def echo_json(text: str, *, nl: bool = True) -> None:
    """Print JSON: it stays the same data."""
    typer.echo(in_json(text), nl=nl)
