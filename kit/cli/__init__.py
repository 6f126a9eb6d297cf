"""The command line: reads arguments, calls one workflow, prints. Results go to stdout, everything else to stderr."""

from kit.cli.app import main

__all__ = ["main"]
