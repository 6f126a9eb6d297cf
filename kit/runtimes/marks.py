"""The mark that every program of kit carries in its environment, and finding programs by it.

By the mark a program and all it started are found even after they left their process group, and after kit was killed.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

MARK = "KIT_OWNER"
TERM_S = 3.0
KILL_S = 3.0
_NUMBERS = count(1)


def fresh() -> str:
    """A new mark: this kit's process, a number within it, and the namespace in which its process id means something."""
    return f"{identity(os.getpid())}.{next(_NUMBERS)}.{_namespace()}"


def identity(pid: int) -> str:
    """A process id with its start time in ticks since boot: unlike the id alone, never used again before the next boot."""
    return f"{pid}.{_stat(pid)[19]}"


def carrying(mark: str) -> list[int]:
    """The running processes that carry this mark."""
    return [pid for pid, found in _marked() if found == mark]


@contextmanager
def ended(mark: str) -> Iterator[None]:
    """Whatever carries the mark has ended when the context is left.

    A signal may come after a program was started and before anybody holds it: then only its mark leads to it.
    """
    try:
        yield
    finally:
        end(carrying(mark))


def sweep() -> tuple[str, ...]:
    """Stop every program whose kit is no longer alive; one line for each."""
    orphans = [pid for pid, mark in _marked() if not owner_alive(mark)]
    told = tuple(f"process {pid} ({_name(pid)}), left by a kit that was killed" for pid in orphans)
    end(orphans)
    return told


def end(pids: Iterable[int]) -> None:
    """Ask processes to end, and end those that do not. A number that meanwhile belongs to another process is left alone."""
    known = {pid: who for pid in pids if (who := _running(pid)) is not None}
    for number, patience_s in ((signal.SIGTERM, TERM_S), (signal.SIGKILL, KILL_S)):
        for pid, who in known.items():
            if _running(pid) == who:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while known and time.monotonic() < deadline:
            known = {pid: who for pid, who in known.items() if _running(pid) == who}
            if known:
                time.sleep(0.02)


def _namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold anything: state first, start time at 19."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _running(pid: int) -> str | None:
    """The identity of a process that runs, or None; one that only waits to be reaped does not run."""
    try:
        fields = _stat(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{pid}.{fields[19]}"


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"


def owner_alive(mark: str) -> bool:
    """Whether the kit that made this mark still runs; of another namespace (kit in a container) that cannot be known here,
    and what it owns is left alone."""
    if mark.rpartition(".")[2] != _namespace():
        return True
    pid = mark.split(".")[0]
    owner = _running(int(pid)) if pid.isdigit() else None
    return owner is not None and mark.startswith(f"{owner}.")


def _marked() -> Iterator[tuple[int, str]]:
    """Every process with a mark that this user may look into, except this one."""
    wanted = f"{MARK}=".encode()
    own = os.getpid()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == own:
            continue
        try:
            with open(f"/proc/{entry.name}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue
        for variable in variables:
            if variable.startswith(wanted):
                yield int(entry.name), variable.removeprefix(wanted).decode(errors="replace")
                break
