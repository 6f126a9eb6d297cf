"""The process runtime with real programs: nothing goes through a shell, and nothing outlives its context."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from kit import owners
from kit.errors import EnvironmentUnavailableError, HostError
from kit.host import LocalHost
from kit.model import Container, Environment, Program
from kit.ports import Exit
from kit.runtimes import marks
from kit.runtimes.process import ProcessRuntime
from tests.integration.driver import await_true

HERE = Environment(name="here", kind="lock", digest="sha256:00")
SECRET = "sk-canary-0123456789"
PATIENCE_S = 60.0


class Bench:
    """A runtime whose environment is this machine's own Python and shell tools."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runtime = ProcessRuntime(home / "images", home / "cache")
        self.log = home / "log.txt"
        self.lines: list[str] = []
        binaries = self.runtime.environments.path(HERE) / "bin"
        binaries.mkdir(parents=True)
        (binaries / "python").symlink_to(sys.executable)

    def program(self, script: str, *arguments: str, secrets: tuple[str, ...] = ()) -> Program:
        return Program(name="test", environment=HERE, argv=("python", "-c", script, *arguments), secrets=secrets)

    def run(self, script: str, *arguments: str, secrets: dict[str, str] | None = None) -> Exit:
        """A program to its end."""
        named = secrets or {}
        program = self.program(script, *arguments, secrets=tuple(named))
        with self.runtime.start(
            program, directory=self.home, log=self.log, secrets=named, on_line=self.lines.append
        ) as running:
            ended = running.wait(PATIENCE_S)
            assert ended is not None
            return ended

    def text(self) -> str:
        return self.log.read_text("utf-8")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# --- how a program is started --------------------------------------------------------------------------------------


def test_arguments_reach_the_program_as_they_are(bench: Bench) -> None:
    wild = ("$HOME", "`id`", "a b", "; touch x", "*", "", '"', "\\", "$(id)", "&& false", "中文", "\n")
    ended = bench.run("import sys; print(ascii(sys.argv[1:]))", *wild)
    assert ended == Exit(0)
    assert bench.lines == [ascii(list(wild))]
    assert not (bench.home / "x").exists()


def test_a_program_sees_its_variables_and_not_those_of_kit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_TEST_STRAY", "stray")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    script = "import os; print(sorted(os.environ)); print(os.environ['PATH'])"
    bench.run(script)
    assert "KIT_TEST_STRAY" not in bench.lines[0]
    assert "PYTHONPATH" not in bench.lines[0]
    assert "HTTP_PROXY" not in bench.lines[0]
    assert bench.lines[1].startswith(str(bench.runtime.environments.path(HERE) / "bin"))


def test_a_program_runs_in_its_directory_and_reads_nothing(bench: Bench) -> None:
    bench.run("import os, sys; print(os.getcwd()); print(repr(sys.stdin.read()))")
    assert bench.lines == [str(bench.home), "''"]


def test_a_program_keeps_to_its_cpus_and_kit_does_not(bench: Bench) -> None:
    before = os.sched_getaffinity(0)
    cpu = max(before)
    program = bench.program("import os; print(os.sched_getaffinity(0))")
    program = program.model_copy(update={"container": Container(cpuset=str(cpu))})
    with bench.runtime.start(
        program, directory=bench.home, log=bench.log, secrets={}, on_line=bench.lines.append
    ) as running:
        assert running.wait(PATIENCE_S) == Exit(0)
    assert bench.lines == [f"{{{cpu}}}"]
    assert os.sched_getaffinity(0) == before
    assert bench.runtime.command(program, None).startswith(f"taskset -c {cpu} /")


def test_cpus_that_the_machine_lacks_are_told(bench: Bench) -> None:
    program = bench.program("").model_copy(update={"container": Container(cpuset="4000-4001")})
    with (
        pytest.raises(HostError, match="CPUs 4000-4001 cannot be used"),
        bench.runtime.start(program, directory=bench.home, log=bench.log, secrets={}, on_line=bench.lines.append),
    ):
        pass


def test_an_exit_code_and_a_signal_are_told_apart(bench: Bench) -> None:
    assert bench.run("raise SystemExit(3)") == Exit(3)
    assert bench.run("import os; os.kill(os.getpid(), 9)") == Exit(-9)
    assert str(Exit(-9)) == "ended by signal 9"


def test_a_program_that_ends_at_once_has_its_last_words_kept(bench: Bench) -> None:
    assert bench.run("import sys; sys.stdout.write('no newline'); sys.exit(1)") == Exit(1)
    assert bench.lines == ["no newline"]
    assert bench.text() == "no newline"


def test_a_missing_program_is_told(bench: Bench) -> None:
    program = Program(name="load", environment=HERE, argv=("not-there",))
    with (
        pytest.raises(
            EnvironmentUnavailableError, match=r"load: cannot start .*/bin/not-there: No such file"
        ) as caught,
        bench.runtime.start(program, directory=bench.home, log=bench.log, secrets={}, on_line=print),
    ):
        pass
    assert "kit clean --cache" in caught.value.hint


# --- output --------------------------------------------------------------------------------------------------------


def test_secrets_are_struck_out_of_log_and_lines(bench: Bench) -> None:
    script = (
        "import os, sys\n"
        "key = os.environ['KEY']\n"
        "print('key', key)\n"
        "sys.stderr.write(key * 3 + '\\n')\n"
        "sys.stdout.write(key[:7]); sys.stdout.flush()\n"
        "sys.stdout.write(key[7:] + '\\n')\n"
        "sys.stdout.write('x' * 65530 + key + 'y' * 70000)\n"
    )
    assert bench.run(script, secrets={"KEY": SECRET}) == Exit(0)
    assert SECRET not in bench.text()
    assert SECRET not in "".join(bench.lines)
    assert bench.text().count("***") == 6
    assert bench.text().count("x") == 65530
    assert bench.text().count("y") >= 70000


def test_huge_output_is_kept_whole_and_does_not_stop_the_program(bench: Bench) -> None:
    script = "import sys\nfor number in range(200_000): print(f'line {number:06d} ' + 'x' * 80)"
    assert bench.run(script) == Exit(0)
    lines = bench.text().splitlines()
    assert (len(lines), lines[0][:11], lines[-1][:11]) == (200_000, "line 000000", "line 199999")
    assert len(bench.lines) == 200_000


def test_bytes_that_are_no_text_are_kept_as_they_are(bench: Bench) -> None:
    assert bench.run("import sys; sys.stdout.buffer.write(b'a\\xff\\x00b\\n')") == Exit(0)
    assert bench.log.read_bytes() == b"a\xff\x00b\n"
    assert bench.lines == ["a�b"]


def test_escape_codes_stay_in_the_log_and_leave_the_lines(bench: Bench) -> None:
    bench.run("print('\\x1b[31mred\\x1b[0m')")
    assert bench.text() == "\x1b[31mred\x1b[0m\n"
    assert bench.lines == ["red"]


def test_a_log_grows_over_starts(bench: Bench) -> None:
    bench.run("print(1)")
    bench.run("print(2)")
    assert bench.text() == "1\n2\n"


# --- the end -------------------------------------------------------------------------------------------------------

CHILD = "import time\ntime.sleep(600)"
FAMILY = f"""
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}])
print(child.pid, flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        open(sys.argv[1] + ".part", "w").write(str(os.getpid()))
        os.rename(sys.argv[1] + ".part", sys.argv[1])
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""


def test_children_and_what_they_sent_into_the_background_end_with_the_program(bench: Bench) -> None:
    daemon = bench.home / "daemon.pid"
    with bench.runtime.start(
        bench.program(FAMILY, str(daemon)), directory=bench.home, log=bench.log, secrets={}, on_line=bench.lines.append
    ):
        await_true(daemon.exists, "the daemon runs")
        await_true(lambda: bench.lines, "the child runs")
        pids = [int(daemon.read_text()), int(bench.lines[0])]
        assert all(map(alive, pids))
    assert not any(map(alive, pids))


def test_children_of_a_program_that_ended_by_itself_end_too(bench: Bench) -> None:
    script = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {CHILD!r}], start_new_session=True)\n"
        "print(child.pid)\n"
    )
    assert bench.run(script) == Exit(0)
    assert not alive(int(bench.lines[0]))


EMPTIED = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], env={{}}, start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_child_without_its_environment_in_a_session_of_its_own_ends_with_the_program(bench: Bench) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", CHILD], env={}, start_new_session=True)
    try:
        with bench.runtime.start(
            bench.program(EMPTIED), directory=bench.home, log=bench.log, secrets={}, on_line=bench.lines.append
        ):
            await_true(lambda: bench.lines, "the child runs")
            assert alive(int(bench.lines[0]))
        assert not alive(int(bench.lines[0]))
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_program_that_ignores_sigterm_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from kit.runtimes import process

    monkeypatch.setattr(process, "GRACE_S", 0.2)
    script = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(600)"
    with bench.runtime.start(
        bench.program(script), directory=bench.home, log=bench.log, secrets={}, on_line=bench.lines.append
    ) as running:
        await_true(lambda: bench.lines, "the program ignores the signal")
    assert running.exited() == Exit(-signal.SIGKILL)


def test_a_program_is_asked_before_it_is_killed(bench: Bench) -> None:
    script = (
        "import signal, sys, time\n"
        "signal.signal(15, lambda *_: (print('tidied up', flush=True), sys.exit(0)))\n"
        "print('ready', flush=True)\ntime.sleep(600)"
    )
    with bench.runtime.start(
        bench.program(script), directory=bench.home, log=bench.log, secrets={}, on_line=bench.lines.append
    ):
        await_true(lambda: bench.lines, "the program runs")
    assert bench.lines == ["ready", "tidied up"]


def test_a_program_ends_with_an_exception_of_its_user(bench: Bench) -> None:
    started: list[int] = []

    def interrupted() -> None:
        program = bench.program("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
        with bench.runtime.start(program, directory=bench.home, log=bench.log, secrets={}, on_line=bench.lines.append):
            await_true(lambda: bench.lines, "the program runs")
            started.append(int(bench.lines[0]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not alive(started[0])


SIGNALLED = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from kit import owners
from kit.runtimes import marks
from tests.integration.driver import programs_of
from tests.integration.test_process import Bench, CHILD

def interrupt(*_):
    raise KeyboardInterrupt

bench = Bench(Path(sys.argv[1]))
signal.signal(signal.SIGALRM, interrupt)
for step in range(1, 161):
    # From before the program is there to after it runs.
    signal.setitimer(signal.ITIMER_REAL, step * 0.00005)
    try:
        with bench.runtime.start(
            bench.program(CHILD), directory=bench.home, log=bench.log, secrets={}, on_line=lambda _: None
        ):
            time.sleep(60)
    except (KeyboardInterrupt, RuntimeError) as error:
        # What waits on a lock turns an interrupt at the wrong moment into an error about that lock.
        if not isinstance(error, KeyboardInterrupt) and not isinstance(error.__context__, KeyboardInterrupt):
            raise
        left = programs_of(owners.identity(os.getpid()))
        if left:
            print(step, left)
            marks.end(left)
"""


def test_a_signal_at_any_moment_of_a_start_leaves_nothing_running(tmp_path: Path) -> None:
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-W", "ignore::ResourceWarning", "-c", SIGNALLED, str(tmp_path), root]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_program_is_known_by_its_mark_before_its_environment_can_be_read() -> None:
    mark = owners.fresh()
    late = f"import os, sys, time; time.sleep(0.2); os.execve(sys.executable, sys.argv[:1] + ['-c', {CHILD!r}], dict(KIT_OWNER={mark!r}))"
    with subprocess.Popen([sys.executable, "-c", late], env={}) as process:
        try:
            assert marks.carrying(mark) == [process.pid]
        finally:
            process.kill()


# --- a kit that was killed -----------------------------------------------------------------------------------------

OWNER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.integration.test_process import Bench, FAMILY
bench = Bench(Path(sys.argv[1]))
program = bench.program(FAMILY, str(bench.home / "daemon.pid"))
with bench.runtime.start(program, directory=bench.home, log=bench.log, secrets={}, on_line=lambda _: None):
    (bench.home / "started").touch()
    time.sleep(600)
"""


@pytest.fixture
def orphans(tmp_path: Path) -> Iterator[list[int]]:
    """A program, its child and its daemon, whose kit was killed."""
    root, home = str(Path(__file__).resolve().parents[2]), tmp_path / "owner"
    home.mkdir()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home), root])
    who = owners.identity(owner.pid)
    await_true((home / "started").exists, "the program was started")
    await_true((home / "daemon.pid").exists, "the daemon runs")
    found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if who in mark_of(pid)]
    owner.kill()
    owner.wait()
    yield found
    marks.end(found)


def mark_of(pid: int) -> str:
    with suppress(OSError):
        for variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if variable.startswith(marks.MARK.encode()):
                return variable.decode()
    return ""


def test_what_a_killed_kit_left_is_swept(orphans: list[int], bench: Bench) -> None:
    assert len(orphans) == 3
    bench.runtime.sweep()
    assert not any(map(alive, orphans))
    assert not set(marks.sweep()) & {f"process {pid}" for pid in orphans}


def test_the_children_of_what_a_killed_kit_left_are_swept_with_it(bench: Bench) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", EMPTIED],
        env={**os.environ, marks.MARK: f"1.1.1.{os.stat('/proc/self/ns/pid').st_ino}"},
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        child = int(program.stdout.readline())
        bench.runtime.sweep()
        assert program.wait() != 0
        await_true(lambda: not alive(child), "the child has ended")


def test_programs_of_a_living_kit_and_of_nobody_are_not_swept(bench: Bench) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", CHILD])
    try:
        with bench.runtime.start(
            bench.program(CHILD), directory=bench.home, log=bench.log, secrets={}, on_line=bench.lines.append
        ) as running:
            bench.runtime.sweep()
            assert running.exited() is None
            assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


# --- ports ---------------------------------------------------------------------------------------------------------


def test_a_port_with_a_listener_is_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        listener.listen()
        assert not LocalHost().port_is_free(port)
    assert LocalHost().port_is_free(port)


def test_a_port_with_a_listener_on_every_address_is_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        assert not LocalHost().port_is_free(listener.getsockname()[1])
