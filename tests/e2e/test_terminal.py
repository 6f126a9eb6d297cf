"""What a user sees on a terminal: the live view, Ctrl-C, a closed window, completion, help."""

import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from kit.cli.app import app
from kit.model import RunStatus
from tests.integration.driver import KIT, Kit, await_true, free_port, variables

CASES = "load.cases=[{input: 64, output: 8, concurrency: [1, 2]}]"


@dataclass(frozen=True)
class Terminal:
    """A tmux session with one window."""

    socket: Path

    def tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-S", str(self.socket), *words], capture_output=True, text=True, check=False)
        return done.stdout

    @property
    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-J")

    @property
    def history(self) -> str:
        return self.tmux("capture-pane", "-p", "-J", "-S", "-500")

    def shows(self, pattern: str) -> None:
        """Wait until the screen shows something."""
        await_true(lambda: re.search(pattern, self.screen), f"{pattern!r} on the screen:\n{self.screen}")


@dataclass(frozen=True)
class Opened:
    """A kit in a terminal."""

    terminal: Terminal
    port: int
    kit: Kit

    def programs(self) -> list[int]:
        """Whatever carries the run's port on its command line."""
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if str(self.port).encode() in words or f"http://127.0.0.1:{self.port}/v1".encode() in b" ".join(words):
                    found.append(int(path.parent.name))
        return found


@pytest.fixture
def opened(kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """`kit run smoke` with two small cases, in a terminal of 110 columns."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    port = free_port()
    # A socket's path must be short.
    terminal = Terminal(tmp_path_factory.mktemp("t") / "s")
    settings = (f"server.port={port}", CASES, "load.rounds=1")
    command = shlex.join([str(KIT), "run", "smoke", *(word for setting in settings for word in ("--set", setting))])
    subprocess.run(
        [
            *("tmux", "-S", str(terminal.socket), "-f", os.devnull),
            *("new-session", "-d", "-x", "110", "-y", "40"),
            # The shell between must not end by the Ctrl-C that is meant for kit.
            f"trap : INT; {command}; echo EXIT=$?; sleep 600",
        ],
        cwd=kit.home,
        env=variables(kit.cache, {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "SHELL": "/bin/sh", "TMUX": None}),
        check=True,
    )
    try:
        yield Opened(terminal, port, kit)
    finally:
        terminal.tmux("kill-server")


def status(kit: Kit) -> RunStatus:
    return RunStatus.model_validate_json((kit.the_run / "run.json").read_bytes())


def test_the_live_view_shows_phase_case_progress_and_rest(opened: Opened) -> None:
    terminal = opened.terminal
    terminal.shows(r"smoke: llama\.cpp \S+ · evalscope 1\.0\.1")
    terminal.shows(r"case 1 of 2: 64-8-c1, round 1 of 1")
    terminal.shows(r"the server is ready after")
    terminal.shows(r"0/2 rounds, [0-9.]+ s")
    terminal.shows(r"case 2 of 2: 64-8-c2, round 1 of 1")
    # The first case's figures, and how long the second will take.
    terminal.shows(r"1/2 rounds, [0-9.]+ s, about [0-9.]+ s left")
    terminal.shows(r"64-8-c1 #1 +latency [0-9.]+")
    terminal.shows(r"EXIT=0")
    history = terminal.history
    assert "report: runs/" in history
    assert "1/2 rounds" not in history  # the live view gives way to the result
    assert "Traceback" not in history


def test_ctrl_c_stops_cleanly(opened: Opened) -> None:
    opened.terminal.shows(r"case 1 of 2")
    await_true(lambda: len(opened.programs()) >= 2, "server and load generator run")
    opened.terminal.tmux("send-keys", "C-c")
    opened.terminal.shows(r"EXIT=130")
    history = opened.terminal.history
    assert "stopped after 0 of 2 rounds" in history
    assert "kit run --resume runs/" in history
    assert "Traceback" not in history
    assert opened.programs() == []
    assert status(opened.kit).status == "interrupted"


def test_a_closed_window_stops_the_run_cleanly(opened: Opened) -> None:
    opened.terminal.shows(r"case 1 of 2")
    opened.terminal.tmux("kill-server")
    await_true(lambda: status(opened.kit).status != "running", "the run is closed")
    await_true(lambda: not opened.programs(), "all that belongs to the run has ended")
    assert (status(opened.kit).status, status(opened.kit).reason) == ("interrupted", "the terminal was closed")


def test_the_exit_code_of_a_run_whose_terminal_is_closed_is_that_of_an_interrupted_one(kit: Kit) -> None:
    command = [str(KIT), "run", "smoke", "--set", f"server.port={free_port()}", "--set", CASES]
    environment = variables(kit.cache, {"TERM": "xterm-256color"})
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(kit.home)
        os.execve(command[0], command, environment)
    shown = b""
    while b"case 1 of 2" not in shown:
        shown += os.read(terminal, 4096)
    os.close(terminal)
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == 130
    assert (status(kit).status, status(kit).reason) == ("interrupted", "the terminal was closed")


@contextmanager
def piped(kit: Kit, *before: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`kit run smoke` with two small cases, whose output goes into one pipe, in its first round."""
    settings = (f"server.port={free_port()}", CASES, "load.rounds=1")
    with subprocess.Popen(
        [*before, str(KIT), "run", "smoke", *(word for setting in settings for word in ("--set", setting))],
        cwd=kit.home,
        env=variables(kit.cache),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        assert any(b"round-start" in line for line in process.stdout)
        yield process


def test_a_run_outlives_who_reads_its_output(kit: Kit) -> None:
    with piped(kit) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == 0
    assert (status(kit).status, status(kit).rounds_done) == ("complete", 2)
    assert (kit.the_run / "report" / "report.md").is_file()
    assert "nobody reads stderr any more" in (kit.the_run / "journal.jsonl").read_text("utf-8")


def test_what_nohup_started_outlives_its_terminal(kit: Kit) -> None:
    with piped(kit, "nohup") as process:
        process.send_signal(signal.SIGHUP)
        process.communicate()
        assert process.returncode == 0
    assert status(kit).status == "complete"


# --- completion ----------------------------------------------------------------------------------------------------


def completed(kit: Kit, line: str, shell: str = "bash") -> str:
    """What the shell is told for a line that ends where the cursor stands."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_TYPER_COMPLETE_ARGS": line}
    return kit.run(env={"_KIT_COMPLETE": f"complete_{shell}", **asked}).out


def bare(tmp_path: Path) -> Kit:
    return Kit(tmp_path, tmp_path / "cache")


def test_profiles_are_completed(tmp_path: Path) -> None:
    assert completed(bare(tmp_path), "kit run sm").split() == ["smoke"]
    assert "external" in completed(bare(tmp_path), "kit profile check ").split()
    assert '"smoke"' in completed(bare(tmp_path), "kit run sm", "zsh")


def test_commands_and_options_are_completed(tmp_path: Path) -> None:
    assert {"run", "runs", "show", "report", "profile"} <= set(completed(bare(tmp_path), "kit ").split())
    assert "--resume" in completed(bare(tmp_path), "kit run --re").split()


def test_runs_are_completed(tmp_path: Path) -> None:
    (tmp_path / "runs" / "20260102-030405-smoke").mkdir(parents=True)
    (tmp_path / "runs" / "20260102-030405-smoke" / "plan.json").write_text("{}")
    assert completed(bare(tmp_path), "kit show ").split() == ["latest", "20260102-030405-smoke"]


def test_versions_of_environments_are_completed(tmp_path: Path) -> None:
    assert "evalscope/1.0.1" in completed(bare(tmp_path), "kit image fetch ev").split()


# --- help ----------------------------------------------------------------------------------------------------------


def commands() -> list[tuple[str, ...]]:
    """Every command of kit, groups included."""

    def below(group: TyperGroup, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for name, command in group.commands.items():
            yield (*path, name)
            if isinstance(command, TyperGroup):
                yield from below(command, (*path, name))

    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return list(below(root, ()))


def test_the_first_help_shows_the_first_steps(tmp_path: Path) -> None:
    done = bare(tmp_path).run("--help")
    assert done.code == 0
    assert "First steps: kit profile list" in done.out


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_the_help_of_a_command_has_examples(path: tuple[str, ...], tmp_path: Path) -> None:
    done = bare(tmp_path).run(*path, "--help")
    assert done.code == 0
    assert "-h" in done.out
    assert re.search(r"Examples?: kit ", done.out), done.out


def test_every_target_of_make_is_told_in_one_line() -> None:
    root = Path(__file__).resolve().parents[2]
    told = [
        f"{found[1]:<17}{found[2]}"
        for found in re.finditer(r"(?m)^([a-z]+):.*?## (.*)$", (root / "Makefile").read_text("utf-8"))
    ]
    done = subprocess.run(["make", "-s", "-C", str(root), "help"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == told


def test_an_unknown_command_is_a_matter_of_usage(tmp_path: Path) -> None:
    done = bare(tmp_path).run("rnu")
    assert done.code == 2
    assert "rnu" in done.err
