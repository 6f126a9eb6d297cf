"""Collecting the inventory: what this machine is, with the raw outputs that say so."""

import platform
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from kit.model import Cpu, Fact, Inventory, Memory, NumaNode, System
from kit.ports import Host, ToolMissing, ToolTimeout

TOOL_LIMIT_S = 10.0
_COMMANDS: dict[str, tuple[str, ...]] = {
    "lscpu": ("lscpu",),
    "uname": ("uname", "-a"),
    "systemd-detect-virt": ("systemd-detect-virt",),
    "hostname": ("hostname",),
}
_FILES = ("/proc/meminfo", "/proc/cpuinfo", "/etc/os-release", "/sys/devices/system/node/online", "/proc/version")
_NODE = re.compile(r"^NUMA node(\d+) CPU\(s\):\s*(\S*)\s*$", re.MULTILINE)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Raw:
    """What a tool or a file said, untouched, or why it said nothing."""

    text: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """An inventory with its evidence, by name of the tool or path of the file."""

    inventory: Inventory
    raw: dict[str, Raw]


def collect(host: Host) -> Collected:
    """Ask every tool once, in parallel, each within its time."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        asked = {name: pool.submit(_ask, host, argv) for name, argv in _COMMANDS.items()}
        read = {path: pool.submit(_read, host, path) for path in _FILES}
    raw = {name: future.result() for name, future in (*asked.items(), *read.items())}
    for index in _numbers((raw["/sys/devices/system/node/online"].text or "").strip()):
        path = f"/sys/devices/system/node/node{index}/meminfo"
        raw[path] = _read(host, path)
    return Collected(parse(raw, host), raw)


def parse(raw: dict[str, Raw], host: Host) -> Inventory:
    """The facts that the raw outputs hold."""
    return Inventory(
        collected=host.now(),
        hostname=_fact(raw, "hostname", lambda text: text.strip()),
        cpu=_cpu(raw),
        memory=Memory(
            total_bytes=_fact(raw, "/proc/meminfo", lambda text: _kibibytes(text, "MemTotal")),
            available_bytes=_fact(raw, "/proc/meminfo", lambda text: _kibibytes(text, "MemAvailable")),
        ),
        system=System(
            os=_fact(raw, "/etc/os-release", _os),
            kernel=_fact(raw, "uname", lambda text: text.split()[2]),
            virtualisation=_fact(raw, "systemd-detect-virt", lambda text: text.strip() or None),
            python=Fact(value=platform.python_version(), source="python"),
        ),
    )


def _ask(host: Host, argv: tuple[str, ...]) -> Raw:
    try:
        output = host.run(argv, timeout_s=TOOL_LIMIT_S)
    except ToolMissing:
        return Raw(None, f"{argv[0]} is not installed")
    except ToolTimeout as error:
        return Raw(None, str(error))
    # systemd-detect-virt says `none` with exit code 1: an answer is an answer.
    if output.stdout.strip():
        return Raw(output.stdout)
    return Raw(None, f"{argv[0]} ended with code {output.code}: {output.stderr.strip()[:200] or 'no output'}")


def _read(host: Host, path: str) -> Raw:
    try:
        return Raw(host.read(path))
    except OSError as error:
        return Raw(None, f"{path}: {error.strerror}")


def _fact(raw: dict[str, Raw], source: str, find: Callable[[str], T | None]) -> Fact[T]:
    """One fact out of one source; what cannot be found there is told as such."""
    said = raw[source]
    if said.text is None:
        return Fact(source=source, reason=said.reason or "nothing was read")
    try:
        value = find(said.text)
    except (ValueError, IndexError):
        value = None
    if value is None:
        return Fact(source=source, reason=f"{source} does not say")
    return Fact(value=value, source=source)


def _cpu(raw: dict[str, Raw]) -> Cpu:
    def count(*names: str) -> Callable[[str], int | None]:
        return lambda text: next((int(v) for n in names if (v := _field(text, n)) and v.isdigit()), None)

    def cores(text: str) -> int | None:
        per_socket = count("Core(s) per socket")(text)
        sockets = count("Socket(s)")(text)
        return per_socket * sockets if per_socket and sockets else None

    return Cpu(
        # New Kunpengs have no `Model name`, only what the BIOS calls them.
        model=_fact(raw, "lscpu", lambda text: _model(_field(text, "BIOS Model name"), _field(text, "Model name"))),
        architecture=_fact(raw, "lscpu", lambda text: _field(text, "Architecture")),
        sockets=_fact(raw, "lscpu", count("Socket(s)")),
        physical_cores=_fact(raw, "lscpu", cores),
        threads=_fact(raw, "lscpu", count("CPU(s)")),
        numa_nodes=tuple(
            NumaNode(index=int(index), cpus=cpus, memory_bytes=_node_memory(raw, int(index)))
            for index, cpus in _NODE.findall(raw["lscpu"].text or "")
        ),
    )


def _model(bios: str | None, plain: str | None) -> str | None:
    """The processor's name: the kernel's, or what the BIOS says where the kernel knows none (`Kunpeng-920`, or nothing)."""
    name = bios if plain is None or re.fullmatch(r"Kunpeng-\d+", plain) else plain
    if name is None or not re.search(r"[A-Za-z]", name):
        name = plain
    if name is None:
        return None
    name = re.sub(r"\s*\[?(To be filled by O\.E\.M\.|Not Specified)\]?\s*", " ", name)
    return re.sub(r"\s*CPU @ .*$", "", name).strip() or None


def _node_memory(raw: dict[str, Raw], index: int) -> int | None:
    said = raw.get(f"/sys/devices/system/node/node{index}/meminfo")
    found = re.search(r"MemTotal:\s*(\d+) kB", said.text) if said is not None and said.text else None
    return int(found[1]) * 1024 if found else None


def _field(text: str, name: str) -> str | None:
    """The value of a `Name: value` line, indented or not."""
    found = re.search(rf"^\s*{re.escape(name)}:\s*(\S.*?)\s*$", text, re.MULTILINE)
    return found[1] if found and found[1] != "-" else None


def _kibibytes(text: str, name: str) -> int | None:
    value = _field(text, name)
    return int(value.split()[0]) * 1024 if value else None


def _os(text: str) -> str | None:
    pairs = dict(re.findall(r'^([A-Z_]+)="?(.*?)"?$', text, re.MULTILINE))
    name, version = pairs.get("NAME"), pairs.get("VERSION_ID")
    if pairs.get("ID") == "openEuler" and version:
        return f"openEuler {version}"
    return pairs.get("PRETTY_NAME") or (f"{name} {version}" if name and version else name)


def _numbers(text: str) -> list[int]:
    """The numbers of a kernel list such as `0-3,8`."""
    numbers: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            numbers.extend(range(int(first), int(last or first) + 1))
    return numbers[:1024]
