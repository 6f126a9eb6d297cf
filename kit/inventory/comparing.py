"""What two machines differ in, most relevant first; and the fingerprint of the facts that affect performance."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from kit.model.fact import Fact
from kit.model.inventory import Inventory

# Parameters of the kernel that change how fast programs run; others name this machine's disks.
_PARAMETERS = frozenset(
    {
        *(
            "isolcpus",
            "nohz_full",
            "mitigations",
            "iommu",
            "nosmt",
            "idle",
            "processor.max_cstate",
            "intel_idle.max_cstate",
        ),
        *("default_hugepagesz", "hugepagesz", "hugepages", "transparent_hugepage", "numa_balancing", "numa"),
    }
)


@dataclass(frozen=True, slots=True)
class Named:
    """A fact by a name for people. `performance`: it belongs to the fingerprint. `why`: the reason where it has no value."""

    name: str
    value: str | None
    why: str | None = None
    performance: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that two machines do not share; None where one of them does not know it."""

    name: str
    before: str | None
    after: str | None
    performance: bool
    why: str | None


def facts(inventory: Inventory) -> Iterator[Named]:
    """What is compared, the most relevant first. Temperatures, load, free memory and time of collection are not."""
    yield from _accelerators(inventory)
    cpu, memory, system, board = inventory.cpu, inventory.memory, inventory.system, inventory.board
    yield _named("CPU", cpu.model)
    yield _named("CPU architecture", cpu.architecture)
    yield _named("CPU sockets", cpu.sockets)
    yield _named("CPU physical cores", cpu.physical_cores)
    yield _named("CPU threads", cpu.threads)
    yield _named("CPU maximum clock, MHz", cpu.max_mhz)
    yield _named("CPU governor", cpu.governor)
    yield _named("CPU flags", cpu.flags)
    yield Named("NUMA nodes", json.dumps([[node.cpus, node.distances.value] for node in cpu.numa_nodes]))
    total = memory.total_bytes
    # The kernel keeps a few MiB more or less for itself at every start.
    yield Named("memory, GiB", None if total.value is None else str(round(total.value / 1024**3)), total.reason)
    slots = memory.dimms.value
    plugged = Counter(f"{d.type} {d.size_bytes} {d.rated_mts} {d.configured_mts}" for d in slots or () if d.size_bytes)
    yield Named("memory modules", None if slots is None else json.dumps(sorted(plugged.items())), memory.dimms.reason)
    channels = memory.channels.value
    spread = None if channels is None else json.dumps([[c.socket, c.channel, c.size_bytes] for c in channels])
    yield Named("memory channels", spread, memory.channels.reason)
    yield _named("transparent hugepages", system.transparent_hugepages)
    yield _named("hugepages", system.hugepages)
    yield _named("NUMA balancing", system.numa_balancing)
    yield _named("swappiness", system.swappiness)
    yield _named("kernel", system.kernel)
    line = system.command_line
    kept = [word for word in (line.value or "").split() if word.partition("=")[0] in _PARAMETERS]
    yield Named("kernel parameters", None if line.value is None else " ".join(kept), line.reason)
    yield _named("operating system", system.os)
    yield _named("virtualisation", system.virtualisation)
    yield _named("server", board.product)
    yield _named("BIOS", board.bios)
    yield _named("Docker", inventory.containers.docker, performance=False)
    yield _named("Docker runtimes", inventory.containers.docker_runtimes, performance=False)
    yield _named("Podman", inventory.containers.podman, performance=False)
    yield _named("Podman runtime", inventory.containers.podman_runtime, performance=False)
    yield _named("clock synchronised", system.clock_synchronised, performance=False)
    yield _named("Python", system.python, performance=False)
    yield _named("server vendor", board.vendor, performance=False)
    disks = inventory.storage.disks
    models = None if disks.value is None else json.dumps(sorted(f"{d.model} {d.size_bytes}" for d in disks.value))
    yield Named("disks", models, disks.reason, performance=False)
    yield _named("hostname", inventory.hostname, performance=False)


def _accelerators(inventory: Inventory) -> Iterator[Named]:
    for family in inventory.accelerators:
        found = family.devices
        if found.value is None:
            # That a vendor's tool is not installed here says nothing about the machine.
            continue
        yield Named(f"{family.vendor} devices", str(len(found.value)))
        for device in found.value:
            name = f"{family.vendor} {device.card}.{device.chip}"
            yield _named(f"{name} name", device.name)
            yield _named(f"{name} memory, bytes", device.memory_bytes)
            yield _named(f"{name} clock, MHz", device.clock_mhz)
            yield _named(f"{name} power limit, W", device.power_limit_w)
            yield _named(f"{name} cores", device.cores)
            yield _named(f"{name} partitions", device.partitions)
            yield _named(f"{name} health", device.health, performance=False)
        topology = family.topology
        links = None if topology.value is None else json.dumps([topology.value.links, topology.value.cpus])
        yield Named(f"{family.vendor} topology", links, topology.reason)
        for version in family.software:
            yield _named(f"{family.vendor} {version.name}", version.version)


def _named(
    name: str,
    found: Fact[str] | Fact[int] | Fact[float] | Fact[bool] | Fact[tuple[str, ...]],
    *,
    performance: bool = True,
) -> Named:
    value = found.value
    told = None if value is None else " ".join(value) if isinstance(value, tuple) else str(value)
    return Named(name, told, found.reason, performance)


def fingerprint(inventory: Inventory) -> str:
    """SHA-256 over the facts that affect performance, those included that could not be read."""
    kept = [[entry.name, entry.value] for entry in facts(inventory) if entry.performance]
    return "sha256:" + hashlib.sha256(json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def differences(before: Inventory, after: Inventory) -> tuple[Difference, ...]:
    """Every fact that is not the same, what affects performance first, and what only one of them knows behind that."""
    old = {entry.name: entry for entry in facts(before)}
    new = {entry.name: entry for entry in facts(after)}
    found = []
    for name in dict.fromkeys((*old, *new)):
        a, b = old.get(name), new.get(name)
        one, other = a.value if a else None, b.value if b else None
        if one != other:
            performs = any(entry.performance for entry in (a, b) if entry)
            why = (a.why if a and one is None else None) or (b.why if b and other is None else None)
            found.append(Difference(name, one, other, performs, why))
    return tuple(sorted(found, key=lambda d: (not d.performance, d.before is None or d.after is None)))
