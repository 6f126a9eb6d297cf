"""Processors and NUMA nodes."""

import operator
import re
from collections.abc import Callable

from kit.model.evidence import (
    Command,
    Each,
    Evidence,
    File,
    Question,
    fact,
    field,
    first,
    number,
    numbers,
    ranges,
    stated,
    whole,
)
from kit.model.fact import Fact
from kit.model.inventory import Cpu, NumaNode
from kit.ports import Host

_NODES = "/sys/devices/system/node"
_ONLINE = f"{_NODES}/online"
_MAX_FREQUENCY = "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"
_GOVERNOR = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
_NODE = re.compile(r"^[ \t]*NUMA node(\d+) CPU\(s\):[ \t]*(\S*)[ \t]*$", re.MULTILINE)
# What virtual firmware tells in place of a processor: the kind of machine.
_MACHINE = re.compile(r"(?i)^(?:virt|pc|rhel|microvm)\b|i440fx|q35")
_CHINESE = {
    "架构": "Architecture",
    "CPU": "CPU(s)",
    "每个核的线程数": "Thread(s) per core",
    "每个座的核数": "Core(s) per socket",
    "座": "Socket(s)",
    "型号名称": "Model name",
    "BIOS 型号名称": "BIOS Model name",
    "CPU 最大 MHz": "CPU max MHz",
    "超管理器厂商": "Hypervisor vendor",
    "标记": "Flags",
}
# What kernels for inference choose their code by.
_FLAGS = frozenset(
    {
        *("fphp", "asimdhp", "asimddp", "bf16", "i8mm", "sve", "sve2", "svebf16", "svei8mm", "sme"),
        *("avx2", "avx_vnni", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
        *("amx_tile", "amx_bf16", "amx_int8", "amx_fp16"),
    }
)


def english(text: str) -> str:
    """What lscpu printed, with English labels: a folder recorded by hand may come from a shell that speaks Chinese."""

    def label(found: re.Match[str]) -> str:
        node = re.fullmatch(r"NUMA 节点[ \t]*(\d+) CPU", found[2])
        return f"{found[1]}{f'NUMA node{node[1]} CPU(s)' if node else _CHINESE.get(found[2], found[2])}:"

    return re.sub(r"(?m)^([ \t]*)([^\n:：]+?)[ \t]*[:：]", label, text) if "架构" in text else text


def _node_numbers(evidence: Evidence) -> list[str]:
    listed = numbers(evidence[_ONLINE].text or "")
    nodes = _NODE.findall(english(evidence["lscpu"].text or ""))
    return [str(index) for index in listed or [int(index) for index, _ in nodes]]


def _first_cpus(evidence: Evidence) -> list[str]:
    """One CPU of every node: a governor belongs to a policy, and policies do not cross nodes."""
    lists = (cpus for _, cpus in _NODE.findall(english(evidence["lscpu"].text or "")))
    return sorted({str(found[0]) for cpus in lists if (found := numbers(cpus))} or {"0"}, key=int)


QUESTIONS: tuple[Question, ...] = (
    Command(("lscpu",)),
    Command(("numactl", "-H")),
    Command(("dmidecode", "-t", "processor")),
    File("/proc/cpuinfo"),
    File(_ONLINE),
    File(_MAX_FREQUENCY),
    Each(
        (File(f"{_NODES}/node{{}}/meminfo"), File(f"{_NODES}/node{{}}/distance")),
        names=_node_numbers,
        shell=f'for node in {_NODES}/node[0-9]*; do echo "${{node##*node}}"; done',
    ),
    Each(
        (File(_GOVERNOR),),
        names=_first_cpus,
        shell=f"{{ echo 0; cat {_NODES}/node*/cpulist 2>/dev/null; }} | sed -n 's/^\\([0-9][0-9]*\\).*/\\1/p' | sort -u",
    ),
)


def online(host: Host) -> str:
    """The CPUs of this machine as the kernel lists them, such as `0-127`; empty where that cannot be read."""
    try:
        return host.read("/sys/devices/system/cpu/online").strip()
    except OSError:
        return ""


def cpu(evidence: Evidence) -> Cpu:
    """The facts about processors."""

    def count(*names: str) -> Callable[[str], int | None]:
        def find(text: str) -> int | None:
            value = whole(field(text, *names))
            return value if value is not None and value > 0 else None

        return find

    def cores(text: str) -> int | None:
        # In containers on Arm lscpu knows no sockets, and counts in clusters. Where cores are of several kinds, each has
        # counts of its own.
        for per, groups in (("Core(s) per socket", "Socket(s)"), ("Core(s) per cluster", "Cluster(s)")):
            each, number_of = _counts(text, per), _counts(text, groups)
            if each and len(each) == len(number_of):
                return sum(map(operator.mul, each, number_of)) or None
        return None

    return Cpu(
        model=_model(evidence),
        architecture=first(
            fact(evidence, "lscpu", lambda text: field(text, "Architecture")), fact(evidence, "uname -a", _machine)
        ),
        sockets=first(fact(evidence, "lscpu", count("Socket(s)")), _populated_sockets(evidence)),
        physical_cores=fact(evidence, "lscpu", cores),
        threads=fact(evidence, "lscpu", count("CPU(s)")),
        max_mhz=_max_mhz(evidence),
        governor=_governor(evidence),
        flags=fact(evidence, "lscpu", _flags),
        numa_nodes=tuple(_nodes(evidence)),
    )


def _values(text: str, name: str) -> list[str]:
    """All values of a label, in their order: lscpu repeats some where cores are of several kinds."""
    return re.findall(rf"^[ \t]*{re.escape(name)}:[ \t]*(\S.*?)[ \t\r]*$", text, re.MULTILINE)


def _counts(text: str, name: str) -> list[int]:
    found = [whole(value) for value in _values(text, name)]
    return [value for value in found if value is not None and value > 0] if None not in found else []


def _machine(text: str) -> str | None:
    found = re.findall(r"(?<!\S)(aarch64|x86_64|loongarch64|riscv64|ppc64le)(?!\S)", text)
    return found[-1] if found else None


def _populated_sockets(evidence: Evidence) -> Fact[int]:
    def find(text: str) -> int | None:
        populated = re.findall(r"^\s*Status:\s*Populated", text, re.MULTILINE)
        return len(populated) or None

    return fact(evidence, "dmidecode -t processor", find)


def _model(evidence: Evidence) -> Fact[str]:
    # New Kunpengs have no `Model name`, only what the BIOS calls them.
    said = fact(evidence, "lscpu", _names)
    if said.value is not None and not re.fullmatch(r"Huawei Kunpeng-\d+", said.value):
        return said
    firmware = fact(evidence, "dmidecode -t processor", lambda text: _name(None, field(text, "Version")))
    kernel = fact(evidence, "/proc/cpuinfo", lambda text: _name(None, field(text, "model name")))
    if firmware.value is not None and "Kunpeng" in firmware.value:
        return firmware
    return first(said, firmware, kernel)


def _names(text: str) -> str | None:
    """The processor's name; the names of its kinds of cores where they differ."""
    kinds = list(dict.fromkeys(filter(None, (_name(None, name) for name in _values(text, "Model name")))))
    return " + ".join(kinds) if len(kinds) > 1 else _name(field(text, "BIOS Model name"), field(text, "Model name"))


def _name(bios: str | None, plain: str | None) -> str | None:
    """The processor's name: the kernel's, or what the BIOS says where the kernel knows but the design of its cores, or nothing."""
    design = plain is not None and re.fullmatch(r"Kunpeng-\d+|(?:Cortex|Neoverse)-\w+", plain)
    asked = (plain is None or design) and bios is not None and not _MACHINE.search(bios)
    return (_product(bios) if asked and bios is not None else None) or (None if plain is None else _product(plain))


def _product(name: str) -> str | None:
    """A name as its maker sells it; None where nothing of it is one."""
    name = re.sub(r"\s*\[?(To be filled by O\.E\.M\.|Not Specified)\]?\s*", " ", name)
    # The clock is measured, and the cores of all sockets are counted elsewhere.
    name = re.sub(r"\s*(?:CPU )?@ .*$|\s+\d+-[Cc]ore Processor\s*$", "", name)
    # Version and part number may be one and the same.
    name = re.sub(r"^(.+) \1$", r"\1", " ".join(name.split()))
    name = re.sub(r"^(?:HUAWEI |Huawei |HiSilicon )?(?=Kunpeng)", "Huawei ", name)
    return name if re.search(r"[A-Za-z]", name) else None


def _max_mhz(evidence: Evidence) -> Fact[float]:
    def positive(value: float | None) -> float | None:
        return value if value is not None and value > 0 else None

    def kilohertz(text: str) -> float | None:
        value = positive(number(text))
        return None if value is None else value / 1000

    return first(
        fact(
            evidence,
            "lscpu",
            lambda text: positive(max(filter(None, map(number, _values(text, "CPU max MHz"))), default=None)),
        ),
        fact(evidence, _MAX_FREQUENCY, kilohertz),
        fact(evidence, "dmidecode -t processor", lambda text: positive(number(field(text, "Max Speed")))),
    )


def _governor(evidence: Evidence) -> Fact[str]:
    """The governor; several, where nodes differ."""
    found = [
        fact(evidence, _GOVERNOR.replace("{}", cpu), lambda text: text.strip() or None) for cpu in _first_cpus(evidence)
    ]
    said = [entry.value for entry in found if entry.value is not None]
    if not said:
        return found[0]
    return Fact(value=", ".join(sorted(set(said))), source=found[0].source)


def _flags(text: str) -> tuple[str, ...] | None:
    flags = field(text, "Flags")
    return None if flags is None else tuple(sorted(_FLAGS & set(flags.split())))


def _nodes(evidence: Evidence) -> list[NumaNode]:
    lists = {int(index): cpus for index, cpus in _NODE.findall(evidence["lscpu"].text or "")}
    listed, sizes, distances = _numactl(evidence["numactl -H"].text or "")
    found = []
    for index, cpus in (lists or listed).items():
        meminfo, distance = f"{_NODES}/node{index}/meminfo", f"{_NODES}/node{index}/distance"
        found.append(
            NumaNode(
                index=index,
                cpus=cpus,
                memory_bytes=first(fact(evidence, meminfo, _total), stated(sizes.get(index), "numactl -H")),
                distances=first(fact(evidence, distance, _distances), stated(distances.get(index), "numactl -H")),
            )
        )
    return found


def _total(text: str) -> int | None:
    found = re.search(r"MemTotal:\s*(\d{1,15}) kB", text)
    return int(found[1]) * 1024 if found else None


def _distances(text: str) -> tuple[int, ...] | None:
    words = text.split()
    return (
        tuple(int(word) for word in words)
        if words and all(word.isdigit() and len(word) < 6 for word in words)
        else None
    )


def _numactl(text: str) -> tuple[dict[int, str], dict[int, int], dict[int, tuple[int, ...]]]:
    """CPUs, sizes and distances by node."""
    cpus = {
        int(node): ranges(int(word) for word in row.split())
        for node, row in re.findall(r"^node (\d{1,5}) cpus:((?:[ \t]+\d{1,6})*)[ \t]*$", text, re.M)
    }
    sizes = {
        int(node): int(size) * 1024**2 for node, size in re.findall(r"^node (\d{1,5}) size: (\d{1,12}) MB", text, re.M)
    }
    matrix = text.partition("node distances:")[2]
    rows = re.findall(r"^\s*(\d{1,5}):((?:\s+\d{1,5})+)\s*$", matrix, re.MULTILINE)
    return cpus, sizes, {int(node): tuple(int(word) for word in row.split()) for node, row in rows}
