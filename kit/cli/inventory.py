"""`kit inventory` and `kit inventory diff`: what this machine is, and what another is instead."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kit.cli.terminal import echo, echo_json

if TYPE_CHECKING:
    from kit import inventory as steps

inventories = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Say what this machine is.",
    epilog="Examples: kit inventory · kit inventory --out facts · kit inventory --script > inventory.sh · "
    "kit inventory --from facts · kit inventory diff facts/ other/",
)


def add(app: typer.Typer) -> None:
    app.add_typer(inventories, name="inventory")


@inventories.callback()
def inventory(
    context: typer.Context,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Directory for inventory.json, the text and the raw outputs.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    recorded: Annotated[
        Path | None, typer.Option("--from", metavar="DIR", help="Read outputs that were recorded elsewhere.")
    ] = None,
    script: Annotated[
        bool,
        typer.Option("--script", help="Print a POSIX sh script that records the outputs on a machine without kit."),
    ] = False,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Keep serial numbers, MAC and IP addresses.")] = False,
) -> None:
    """Say what this machine is."""
    if context.invoked_subcommand is not None:
        return
    from kit import inventory as steps
    from kit.host import LocalHost
    from kit.report.hardware import hardware_text

    if script:
        echo(steps.script(unmasked=unmasked), nl=False)
        return
    host = LocalHost()
    if recorded is not None:
        collected = steps.read(recorded, host, unmasked=unmasked)
    else:
        collected = steps.collect(host, unmasked=unmasked)
    if as_json:
        echo_json(collected.inventory.to_json().decode(), nl=False)
    else:
        echo(hardware_text(collected.inventory), nl=False)
    if out is not None:
        _write(collected, out)


def _write(collected: "steps.Collected", out: Path) -> None:
    from kit.errors import HostError, UsageError
    from kit.running.beginning import write_inventory

    try:
        written = write_inventory(collected, out)
    except FileExistsError as error:
        raise UsageError(f"{error.filename} exists already", hint="give another directory with --out") from error
    except OSError as error:
        raise HostError(f"{out} cannot be written: {error.strerror}") from error
    for path in written:
        echo(path, err=True)


@inventories.command("diff", epilog="Example: kit inventory diff runs/20261123-210507-smoke facts/inventory.json")
def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="An inventory.json, or a directory that holds one.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
) -> None:
    """List what differs between two machines, or one machine at two times: what affects performance first."""
    from kit import inventory as steps

    one, other = steps.load(before), steps.load(after)
    found = steps.differences(one, other)
    for entry in found:
        kind = "performance" if entry.performance else "other"
        echo(f"{kind}: {entry.name}: {entry.before or _unknown(entry)} → {entry.after or _unknown(entry)}")
    if one.fingerprint == other.fingerprint:
        echo(f"the same in every fact that affects performance ({one.fingerprint})", err=True)


def _unknown(entry: "steps.Difference") -> str:
    return f"unknown ({entry.why})" if entry.why else "none"
