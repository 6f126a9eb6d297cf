"""Checks of the machine itself: processors, memory, the settings that move figures, the clock, and who else measures."""

import re
from collections.abc import Iterator

from kit.doctor import models
from kit.doctor.asked import Asked, check, unread
from kit.formats import many, size
from kit.model import Check

_LEAST_FREE_BYTES = 1024**3
_GOVERNORS = "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


def architecture(asked: Asked) -> Iterator[Check]:
    """The processor's kind is the one that the profile expects."""
    wanted = asked.plan.machine.architecture if asked.plan is not None else None
    found = asked.inventory.cpu.architecture
    if wanted is None:
        return
    needed = f"the profile is for {wanted}"
    if found.value is None:
        yield unread("architecture", found, needed=needed)
    elif found.value != wanted:
        yield check("architecture", "fail", found.value, needed=needed, remedy="take a profile for this machine")
    else:
        yield check("architecture", "ok", found.value, needed=needed)


def alone(asked: Asked) -> Iterator[Check]:
    """No other run of kit measures on this machine."""
    if asked.busy is not None:
        yield check(
            "other runs",
            "fail",
            asked.busy,
            needed="one run at a time, or both measure each other",
            remedy="wait for it (kit run --wait does), or stop it with Ctrl-C where it runs",
        )
    else:
        yield check("other runs", "ok", "no other run of kit on this machine")


def memory(asked: Asked) -> Iterator[Check]:
    """Main memory has room for the weights that stay in it."""
    available = asked.inventory.memory.available_bytes
    if available.value is None:
        yield unread("main memory", available)
        return
    weight = models.in_main_memory(asked)
    found = f"{size(available.value)} available"
    if weight is None:
        scarce = available.value < _LEAST_FREE_BYTES
        yield check("main memory", "warn" if scarce else "ok", found, needed=size(_LEAST_FREE_BYTES))
        return
    where, size_bytes = weight
    needed = f"{size(size_bytes)} for the weights in {where}"
    remedy = "free memory: ps -eo pid,rss,args --sort -rss shows who holds it"
    if available.value < size_bytes:
        yield check("main memory", "fail", found, needed=needed, remedy=remedy)
    elif available.value < 1.05 * size_bytes:
        yield check("main memory", "warn", found, needed=f"{needed}, and some more for the engine", remedy=remedy)
    else:
        yield check("main memory", "ok", found, needed=needed)


def channels(asked: Asked) -> Iterator[Check]:
    """Memory channels hold the same everywhere: what is computed on the CPUs is bound by their bandwidth."""
    if asked.serves_with_cards and asked.inventory.memory.channels_even.value is False:
        modules = sum(bool(dimm.size_bytes) for dimm in asked.inventory.memory.dimms.value or ())
        yield check(
            "memory channels",
            "warn",
            f"{many(modules, 'module')}, not the same in every channel",
            needed="the same in every channel for full bandwidth",
            remedy="compare only with machines filled alike; kit inventory shows the channels",
        )


def threads(asked: Asked) -> Iterator[Check]:
    """The engine's compute threads are no more than there are physical cores."""
    wanted, cores = asked.number("cpu_threads"), asked.inventory.cpu.physical_cores
    if wanted is None:
        return
    needed = f"the engine is started with {many(wanted, 'compute thread')}, one per physical core"
    if cores.value is None:
        yield unread("compute threads", cores, needed=needed)
        return
    found = f"{wanted} on {many(cores.value, 'physical core')}"
    if wanted > cores.value:
        remedy = f"set {asked.spelling('cpu_threads')} to {cores.value}: two threads on one core slow each other down"
        yield check("compute threads", "warn", found, needed=needed, remedy=remedy)
    else:
        yield check("compute threads", "ok", found, needed=needed)


def pools(asked: Asked) -> Iterator[Check]:
    """The engine's pools of threads are one per NUMA node."""
    wanted = asked.number("cpu_pools")
    if wanted is None:
        return
    # Nodes without CPUs are memory only: no pool of threads can live there.
    nodes = sum(bool(node.cpus) for node in asked.inventory.cpu.numa_nodes)
    needed = f"the engine is started with {many(wanted, 'pool')} of threads, one per NUMA node"
    if not nodes:
        yield check("NUMA nodes", "warn", "not known (lscpu names none)", needed=needed, remedy="see by hand: lscpu")
    elif wanted != nodes:
        remedy = f"set {asked.spelling('cpu_pools')} to {nodes}, or compare only with runs of the same layout (BIOS: NPS, die interleaving)"
        yield check(
            "NUMA nodes", "warn", f"there {'is' if nodes == 1 else 'are'} {nodes}", needed=needed, remedy=remedy
        )
    else:
        yield check("NUMA nodes", "ok", str(nodes), needed=needed)


def governor(asked: Asked) -> Iterator[Check]:
    """The CPUs run at their full clock."""
    found = asked.inventory.cpu.governor
    if not asked.serves_with_cards:
        return
    if found.value is None:
        if re.search("(?i)no such file", found.reason or ""):
            yield check("CPU governor", "ok", "this machine has none to set")
        else:
            yield unread("CPU governor", found, needed="performance")
    elif found.value != "performance":
        commands = (f"for file in {_GOVERNORS}; do echo performance | sudo tee $file >/dev/null; done",)
        remedy = "set it to performance: --fix prints how"
        yield check("CPU governor", "warn", found.value, needed="performance", remedy=remedy, commands=commands)
    else:
        yield check("CPU governor", "ok", found.value)


def numa_balancing(asked: Asked) -> Iterator[Check]:
    """The kernel moves no pages between NUMA nodes while figures are taken."""
    found = asked.inventory.system.numa_balancing
    if not asked.serves_with_cards or len(asked.inventory.cpu.numa_nodes) < 2:
        return
    if found.value is None:
        yield unread("NUMA balancing", found, needed="0")
    elif found.value != "0":
        commands = ("sudo sysctl -w kernel.numa_balancing=0",)
        remedy = "switch it off: --fix prints how"
        yield check("NUMA balancing", "warn", f"{found.value} (on)", needed="0", remedy=remedy, commands=commands)
    else:
        yield check("NUMA balancing", "ok", "off")


def clock(asked: Asked) -> Iterator[Check]:
    """The wall clock is right: it dates the report."""
    found = asked.inventory.system.clock_synchronised
    if found.value is None:
        yield check(
            "clock",
            "warn",
            f"whether it follows a time server is not known ({found.reason})",
            needed="right date and time for the report",
            remedy=f"compare it with a clock that is right: it says {asked.host.now():%Y-%m-%d %H:%M:%S} UTC",
        )
    elif not found.value:
        commands = ("timedatectl", "sudo timedatectl set-ntp true")
        yield check(
            "clock",
            "warn",
            f"follows no time server; it says {asked.host.now():%Y-%m-%d %H:%M:%S} UTC",
            needed="right date and time for the report",
            remedy="compare it with a clock that is right",
            commands=commands,
        )
    else:
        yield check("clock", "ok", "follows a time server")
