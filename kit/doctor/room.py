"""Checks of what a run takes: ports, and room for what it writes."""

import re
import shutil
from collections.abc import Iterator

from kit.doctor.asked import Asked, check
from kit.formats import size
from kit.model import Check

_LEAST_FREE_BYTES = 200 * 1024**2
_TOKEN_BYTES = 4096
"""What load generators and kit keep of one output token: 1.7 KB were measured, raw and derived files stand side by side."""
_HCCL_PORT = 16666
_LISTENING = "0A"


def port(asked: Asked) -> Iterator[Check]:
    """The server's port is free."""
    if asked.server is None:
        return
    number = asked.server.port
    show = (f"sudo ss -ltnp 'sport = :{number}'",)
    hint = "stop the program that listens there (ss -ltnp shows it), or --set server.port=…"
    # The first asks for loopback, the second sees a listener on any address.
    if not asked.host.port_is_free(number) or number in listening(asked):
        yield check(f"port {number}", "fail", "is taken", needed="free for the server", remedy=hint, commands=show)
    else:
        yield check(f"port {number}", "ok", "free")


def hccl(asked: Asked) -> Iterator[Check]:
    """Cards that talk to each other through HCCL need its ports of the host."""
    wish = asked.plan.machine.accelerator if asked.plan is not None else None
    if asked.server is None or wish is None or wish.kind != "ascend" or wish.count < 2:
        return
    program = asked.server.program
    if asked.in_container and program.container.network != "host":
        return
    base = dict(program.env).get("HCCL_IF_BASE_PORT", "")
    first = int(base) if base.isdigit() else _HCCL_PORT
    taken = sorted(set(range(first, first + wish.count)) & listening(asked))
    name = f"HCCL ports {first}–{first + wish.count - 1}"
    if taken:
        hint = "another job uses HCCL: stop it, or set HCCL_IF_BASE_PORT in server.env"
        yield check(name, "fail", f"taken: {', '.join(map(str, taken))}", needed="free on the host", remedy=hint)
    else:
        yield check(name, "ok", "free")


def listening(asked: Asked) -> set[int]:
    """The TCP ports of this machine on which somebody listens, whatever the address."""
    found: set[int] = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            text = asked.host.read(path)
        except OSError:
            continue  # without IPv6 there is no second file; what cannot be seen here fails when the port is bound
        found |= {
            int(line[1], 16)
            for line in re.finditer(r"^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2})", text, re.M)
            if line[2] == _LISTENING
        }
    return found


def output(asked: Asked) -> Iterator[Check]:
    """Runs can be written where they are to go, and there is room for this one."""
    path = asked.output
    name = f"output directory {path}"
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".kit-probe"
        probe.write_bytes(b"kit")
        probe.unlink()
        free = shutil.disk_usage(path).free
        # A look leaves nothing behind: the run makes the directory when it begins.
        for folder in made:
            folder.rmdir()
    except OSError as error:
        yield check(name, "fail", str(error.strerror), remedy="give a writable directory with --out")
        return
    sent = (*asked.plan.warmups, *asked.plan.rounds) if asked.plan else ()
    tokens = sum(entry.case.requests * entry.case.output.tokens for entry in sent)
    needed = _LEAST_FREE_BYTES + tokens * _TOKEN_BYTES
    text = f"{needed // 1024**2} MiB" if needed < 1024**3 else size(needed)
    if free < needed:
        found = f"has only {free // 1024**2} MiB free"
        yield check(name, "fail", found, needed=text, remedy="make room, or use --out")
    else:
        yield check(name, "ok", f"writable, {size(free)} free", needed=text)
