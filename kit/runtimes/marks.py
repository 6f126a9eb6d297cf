"""Finding the programs of kit: each carries a mark in its environment.

By the mark a program and all it started are found even after they left their process group, and after kit was killed. What a
program started without its environment is found as its child.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from kit import owners

MARK = "KIT_OWNER"
TERM_S = 3.0
KILL_S = 3.0
STARTING_S = 3.0
"""How long a child of this process may take from being one to having the environment that it was given."""


def carrying(mark: str) -> list[int]:
    """The running processes that carry this mark, and their children."""
    marked = dict(_marked())
    return _with_children([pid for pid, found in marked.items() if found == mark], marked)


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
    marked = dict(_marked())
    orphans = _with_children([pid for pid, mark in marked.items() if not owners.alive(mark)], marked)
    told = tuple(f"process {pid} ({_name(pid)}), left by a kit that was killed" for pid in orphans)
    end(orphans)
    return told


def identified(pids: Iterable[int]) -> dict[int, str]:
    """Those of the processes that run, with their identities."""
    return {pid: who for pid in pids if (who := owners.running(pid)) is not None}


def end(pids: Iterable[int]) -> None:
    """Ask processes to end, and end those that do not."""
    end_all(identified(pids))


def end_all(known: Mapping[int, str]) -> None:
    """As `end`; a number that by now belongs to another process than the one that was meant is left alone."""
    left = dict(known)
    for number, patience_s in ((signal.SIGTERM, TERM_S), (signal.SIGKILL, KILL_S)):
        for pid, who in left.items():
            if owners.running(pid) == who:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while left and time.monotonic() < deadline:
            left = {pid: who for pid, who in left.items() if owners.running(pid) == who}
            if left:
                time.sleep(0.02)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "gone"


def _processes() -> Iterator[int]:
    """All but this one."""
    own = os.getpid()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and int(entry.name) != own:
            yield int(entry.name)


def _marked() -> Iterator[tuple[int, str]]:
    """Every process with a mark that this user may look into, except this one."""
    wanted = f"{MARK}=".encode()
    for pid in _processes():
        for variable in _environment(pid).split(b"\0"):
            if variable.startswith(wanted):
                yield pid, variable.removeprefix(wanted).decode(errors="replace")
                break


def _environment(pid: int) -> bytes:
    """What a process was given as its environment, as far as this user may know it.

    Linux lets a parent go on before the environment of its child can be read: a child without one is waited for.
    """
    deadline = time.monotonic() + STARTING_S
    while True:
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                found = file.read()
            if found:
                return found
            state, parent = owners.stat(pid)[:2]
        except OSError:
            return b""
        if state in "ZX" or int(parent) != os.getpid() or time.monotonic() > deadline:
            return b""
        time.sleep(0.0005)


def _with_children(pids: list[int], marked: Mapping[int, str]) -> list[int]:
    """Processes with those that they started and whose parents still run, but for what carries a mark of its own."""
    if not pids:
        return []
    children: dict[int, list[int]] = {}
    for pid in _processes():
        with suppress(OSError):
            children.setdefault(int(owners.stat(pid)[1]), []).append(pid)
    found = list(pids)
    for parent in found:
        found += [pid for pid in children.get(parent, ()) if pid not in marked and pid not in found]
    return found
