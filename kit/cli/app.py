"""The tree of commands, and what turns an error into its message and exit code."""

import importlib
import os
import sys
import threading
import traceback
from types import TracebackType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from kit import __version__, signals, streams
from kit.cli.terminal import echo, outlive_readers
from kit.errors import HostError, KitError, UsageError, interruption

_INTERRUPTED = "kit: interrupted"
_MAY = "let kit's user read it, and enter the folders above it; or run kit as one who may"


def _told(error: KitError) -> typer.Exit:
    from kit.redaction import without_secrets

    echo(f"kit: {without_secrets(str(error))}", err=True)
    return typer.Exit(error.exit_code)


class KitGroup(TyperGroup):
    """Turns a `KitError` into its message and its exit code, for users and tests alike."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KitError as error:
            raise _told(error) from error
        except PermissionError as error:
            # Wherever a command only asks whether something is there: what this user may not reach is no defect of kit.
            if error.filename is None:
                raise
            raise _told(HostError(f"{error.filename}: {error.strerror}", hint=_MAY)) from error
        except (KeyboardInterrupt, RuntimeError) as error:
            # `typer.Exit` is a RuntimeError, too, and decides by itself.
            if isinstance(error, typer.Exit | typer.Abort) or interruption(error) is None:
                raise
            echo(_INTERRUPTED, err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="kit",
    cls=KitGroup,
    no_args_is_help=True,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Benchmark an LLM inference server by a profile, and write a test report that can be checked.",
    epilog="First steps: kit profile list · kit run smoke · kit report latest",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        echo(f"kit {__version__}")
        raise typer.Exit


@app.callback()
def before_every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print kit's version.")
    ] = False,
) -> None:
    """Runs before every command: whatever a killed kit left is cleared up first."""
    del version
    try:
        os.getcwd()
    except FileNotFoundError:
        msg = "the directory in which kit was started has been removed"
        raise UsageError(msg, hint="change to one that is there, and start kit again") from None
    from kit.running.leftovers import sweep

    for told in sweep():
        echo(f"kit: {told}", err=True)


for _module in (
    "run",
    "runs",
    "profiles",
    "inventory",
    "doctor",
    "machine",
    "judge",
    "compare",
    "perf",
    "images",
    "signing",
    "reference",
    "calibrate",
    "rehearse",
    "bundles",
    "reproduce",
):
    importlib.import_module(f"kit.cli.{_module}").add(app)


def _unexpected(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """A defect of kit: its traceback, which may quote whatever a failing call was given, without secrets."""
    from kit.redaction import without_secrets

    told = "".join(traceback.format_exception(kind, error, where))
    echo(without_secrets(told) + "kit: this is a defect of kit; please report it with the lines above", err=True)


def main() -> None:
    """The console script."""
    outlive_readers()
    sys.excepthook = _unexpected
    threading.excepthook = lambda hooked: _unexpected(
        hooked.exc_type, hooked.exc_value or hooked.exc_type(), hooked.exc_traceback
    )
    signals.listen()
    try:
        # Called by itself, `app` would put a hook of its own in place of ours.
        typer.main.get_command(app)()
    except streams.UnwrittenError as error:
        echo(f"kit: {error.strerror}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        # Before the command had begun, or after its end.
        echo(_INTERRUPTED, err=True)
        sys.exit(130)
    finally:
        signals.ignore()
