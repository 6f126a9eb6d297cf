"""What an error of a command becomes: its message and its exit code."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kit.cli.app import KitGroup
from kit.cli.app import app as kit
from kit.errors import HostError


def interrupted() -> None:
    raise KeyboardInterrupt


def not_let_in() -> None:
    raise PermissionError(13, "Permission denied", "/secret/model")


def interrupted_in_a_wait() -> None:
    """As in `Condition.wait`, which gives its lock up before it waits: `with` finds a lock that is not held."""
    lock = threading.Lock()
    with lock:
        lock.release()
        raise KeyboardInterrupt


def leaves_with_seven() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise typer.Exit(7) from None


def lacks_something() -> None:
    raise HostError("no engine", hint="install one")


def quotes_what_it_was_given() -> None:
    raise HostError("no \x1b]0;x\aengine\x9b2J", hint="install \u202eone")


@pytest.mark.parametrize(
    ("does", "code", "said"),
    [
        (interrupted, 130, "kit: interrupted\n"),
        (
            not_let_in,
            3,
            "kit: /secret/model: Permission denied\nwhat to do: let kit's user read it, and enter the folders above it; or run kit as one who may\n",
        ),
        (interrupted_in_a_wait, 130, "kit: interrupted\n"),
        (leaves_with_seven, 7, ""),
        (lacks_something, 3, "kit: no engine\nwhat to do: install one\n"),
        (quotes_what_it_was_given, 3, "kit: no engine\nwhat to do: install one\n"),
    ],
)
def test_an_error_becomes_its_message_and_its_exit_code(does: Callable[[], None], code: int, said: str) -> None:
    app = typer.Typer(cls=KitGroup)
    app.command("do")(does)
    app.command("other")(interrupted)
    done = CliRunner().invoke(app, ["do"])
    assert (done.exit_code, done.stderr) == (code, said)


def test_an_error_about_a_lock_that_no_interrupt_caused_stays_a_defect() -> None:
    app = typer.Typer(cls=KitGroup)
    app.command("do")(lambda: threading.Lock().release())
    app.command("other")(interrupted)
    assert isinstance(CliRunner().invoke(app, ["do"]).exception, RuntimeError)


def test_a_working_directory_that_was_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = CliRunner().invoke(kit, ["runs"])
    assert done.exit_code == 2
    assert done.stderr.startswith("kit: the directory in which kit was started has been removed\nwhat to do: ")
