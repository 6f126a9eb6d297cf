"""Who began something: the mark that a kit puts on all that could outlive it, and whether the kit of a mark still lives.

A mark is `pid.start.number.namespace.boot.machine`. The first four tell a process of one kernel, the boot tells one kernel from
another, and the machine tells whether another boot is an earlier one of this machine. Earlier kits wrote the first four only.
"""

import hashlib
import os
import re
from functools import cache
from itertools import count
from pathlib import Path

PATTERN = r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+(?:\.[0-9a-f]{8}\.(?:[0-9a-f]{8}|0))?"
_FIRST_NAMESPACE = "4026531836"
"""The namespace of process ids that every Linux begins with; those of containers have other numbers."""
_NUMBERS = count(1)


def fresh() -> str:
    """A new mark of this kit."""
    return f"{identity(os.getpid())}.{next(_NUMBERS)}.{_namespace()}.{_boot()}.{_machine()}"


def identity(pid: int) -> str:
    """A process id with its start time in ticks since boot: unlike the id alone, never used again before the next boot."""
    return f"{pid}.{stat(pid)[19]}"


def running(pid: int) -> str | None:
    """The identity of a process that runs, or None; one that only waits to be reaped does not run."""
    try:
        fields = stat(pid)
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{pid}.{fields[19]}"


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold anything: state first, parent at 1, start time at 19."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def alive(mark: str) -> bool:
    """Whether the kit that made this mark may still run. Where that cannot be known here (another machine, another namespace,
    no mark of kit) it may, and what it owns is left alone."""
    if not re.fullmatch(PATTERN, mark):
        return True
    pid, start, _, namespace, *where = mark.split(".")
    if where and where[0] != _boot():
        # Nothing outlives a boot of its machine.
        return where[1] == "0" or where[1] != _machine()
    return namespace != _namespace() or running(int(pid)) == f"{pid}.{start}"


def _namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino)


@cache
def _boot() -> str:
    """Which start of which kernel this is; containers share that of their machine."""
    try:
        return _short(Path("/proc/sys/kernel/random/boot_id").read_text())
    except OSError:
        return _short("")  # not Linux's own kernel; then the namespace alone must tell


@cache
def _machine() -> str:
    """Which machine this is, the same after each boot. Both of its names: copies of one disk have one id, and many machines are
    called localhost. `0` in a container, whose names are those of its image: there no other boot is known to be an earlier one.
    """
    if _namespace() != _FIRST_NAMESPACE:
        return "0"
    try:
        identity_ = Path("/etc/machine-id").read_text().strip()
    except OSError:
        identity_ = ""
    return _short(f"{identity_} {os.uname().nodename}")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
