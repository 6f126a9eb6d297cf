"""Huawei Ascend: `npu-smi`, the driver's version files and CANN's.

npu-smi prints errors on standard output too, and its numbers may be sparse: a machine may have NPU 5 alone.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kit.accelerators import tables
from kit.accelerators.ascend_details import FILES, Chip, about_chip, clocks, device_nodes, install_roots, versions
from kit.accelerators.device import MIB, blank, in_order, listed, mebibytes, readings, seen_on_the_bus
from kit.model.accelerator import Device, Family, Process
from kit.model.evidence import UNSAID, Command, Each, Evidence, File, Question, fact, first, number, stated, whole
from kit.model.fact import Fact
from kit.model.plan import Grant
from kit.model.profile import Mount
from kit.model.telemetry import CardReading

KIND = "ascend"
VENDOR = "Huawei Ascend"
INFO = "npu-smi info"
TOPO = "npu-smi info -t topo"
# Eight cards asked one after the other have taken more than five seconds.
_LIMIT_S = 20.0


def npus(evidence: Evidence) -> tuple[str, ...]:
    """The NPU IDs that `npu-smi info` lists."""
    return tuple(str(npu) for npu in sorted({row.npu for row in _rows(evidence)}))


QUESTIONS: tuple[Question, ...] = (
    *(Command(("npu-smi", *words), _LIMIT_S) for words in (("info",), ("info", "-m"), ("info", "-t", "topo"))),
    Command(("ls", "/dev")),
    File("/etc/ascend_install.info"),
    Each(
        tuple(
            Command(("npu-smi", "info", "-t", subject, "-i", "{}"), _LIMIT_S)
            for subject in ("board", "memory", "usages", "common")
        ),
        names=npus,
        # The first number of every row above the process table: a chip's among them, which costs a question and no more.
        shell=r"sed -n '/Process id/q; s/^[[:blank:]]*|[[:blank:]]*\([0-9][0-9]*\)[[:blank:]|].*/\1/p' npu-smi_info.txt | sort -u",
    ),
    Each(
        tuple(File(path) for path in FILES),
        names=install_roots,
        shell=r"{ echo /usr/local/Ascend; sed -n 's/^[A-Za-z]*_Install_Path_Param=//p' etc_ascend_install.info.txt; } | sort -u",
    ),
)
_BUS = ("19e5", "d[0-9a-f]{3}", "Huawei.* d[0-9a-f]{3}")
_SERIES = (
    (r"910B\d.*|A2G\d.*", "910B"),
    (r"910_93.*", "A3"),
    (r"310P.*|I2.*", "310P"),
    (r"310B\d*", "310B"),
    (r"310", "310"),
    (r"950.*", "950"),
    # Without a digit behind it, the B belongs to the first generation.
    (r"910(?:A|B|PremiumA|Pro ?[AB])", "910"),
)


@dataclass(frozen=True, slots=True)
class _Row:
    npu: int
    chip: int
    values: dict[str, str]

    def get(self, *names: str) -> str | None:
        """The value below the first header that is there; None for what stands for nothing."""
        value = next((self.values[name] for name in names if name in self.values), None)
        return None if value is None or value in UNSAID else value


def family(evidence: Evidence) -> Family:
    """All Ascend devices, with what is installed for them."""
    rows = _rows(evidence)
    uses = _uses(evidence)
    # The node's number is the physical id; where npu-smi does not print that, equal sets of numbers are evidence.
    numbers = device_nodes(evidence)
    same = {row.npu for row in rows} == numbers and all(row.chip == 0 for row in rows)
    why = f"/dev has nodes for {', '.join(map(str, sorted(numbers)))}" if numbers else "no node is known"
    two_dies = {row.npu for row in rows if row.chip > 0}
    devices = in_order(
        _device(row, about_chip(evidence, row.npu, row.chip), uses, None if same else why, row.npu in two_dies)
        for row in rows
    )
    return Family(
        kind=KIND,
        vendor=VENDOR,
        devices=_explained(listed(evidence, INFO, devices, _BUS, r"There is no NPU card")),
        topology=fact(evidence, TOPO, tables.topology),
        software=versions(evidence, npus(evidence)),
        notes=tuple(_notes(evidence, devices)),
    )


SAMPLES: tuple[Command, ...] = (Command(tuple(INFO.split()), 10.0),)
DETAIL: Command | None = Command(("npu-smi", "info", "-t", "common", "-i", "{}"), 10.0)
_BUSY_PERCENT = 50.0
_THROTTLED = 0.9


def sample(evidence: Evidence) -> tuple[CardReading, ...]:
    """What `npu-smi info` prints, and the clock that each card was last seen at. An idle card may lower its clock by itself."""
    found = []
    for reading in readings(family(evidence)):
        now, rated = clocks(evidence, reading.card, reading.chip)
        slow = now is not None and rated is not None and now < _THROTTLED * rated
        busy = reading.utilisation_percent is not None and reading.utilisation_percent >= _BUSY_PERCENT
        told = now is not None and rated is not None
        found.append(reading.model_copy(update={"clock_mhz": now, "throttled": slow and busy if told else None}))
    return tuple(found)


_CONTROL_NODES = ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc")
_DRIVER = (
    "/usr/local/dcmi",
    "/usr/local/Ascend/driver/lib64",
    "/usr/local/Ascend/driver/version.info",
    "/etc/ascend_install.info",
)
# Drivers from 25 on put it into sbin.
_TOOL = ("/usr/local/bin/npu-smi", "/usr/local/sbin/npu-smi")


def grant(chosen: Sequence[Device], there: Sequence[Device], present: Callable[[str], bool]) -> Grant:
    """Nodes by their physical ids, the driver's files, and its tool from where it lies.

    The variable counts the devices of this machine in their order, whatever their numbers.
    """
    nodes = [f"/dev/davinci{device.physical_id.value}" for device in chosen if device.physical_id.value is not None]
    tool = next(filter(present, _TOOL), _TOOL[0])
    order = ",".join(str(there.index(device)) for device in chosen)
    return Grant(
        nodes=(*nodes, *_CONTROL_NODES),
        mounts=tuple(Mount(path=path) for path in (*_DRIVER, tool)),
        outside=(("ASCEND_RT_VISIBLE_DEVICES", order),) if len(chosen) < len(there) else (),
    )


# What npu-smi means by its codes, in the words of whoever has to do something about it.
_CODES = {
    "-8002": "not permitted: root is needed",
    "-8005": "the driver is not loaded, the user may not use it, or another container has the device",
    "-8020": "another container has the device",
}


def _explained(found: Fact[tuple[Device, ...]]) -> Fact[tuple[Device, ...]]:
    code = re.search(r"ret is (-\d+)", found.reason or "")
    if code is None or code[1] not in _CODES:
        return found
    return Fact(source=found.source, reason=f"{found.reason} ({_CODES[code[1]]})")


def _rows(evidence: Evidence) -> list[_Row]:
    found: list[_Row] = []
    for section in tables.sections(evidence[INFO].text or ""):
        for values in section.entries:
            npu, chip = values.get("NPU", values.get("NPU ID")), values.get("Chip", values.get("Chip ID", "0"))
            if npu is not None and values.get("Name") and "Process id" not in values:
                found.append(_Row(int(npu), int(chip), values))
    return found


def _device(row: _Row, about: Chip, uses: "_Uses", no_node: str | None, two_dies: bool) -> Device:
    facts = blank(INFO)
    name = row.get("Name")
    series = _series(name, two_dies)
    facts["name"] = stated(name, INFO)
    facts["series"] = stated(series, INFO, f"the name {name} belongs to no series that kit knows")
    facts["health"] = stated(row.get("Health"), INFO)
    facts["bus_id"] = first(stated(row.get("Bus-Id"), INFO), about.bus_id)
    facts["board"], facts["serial"], facts["cores"] = about.board, about.serial, about.cores
    facts["clock_mhz"] = about.clock_mhz
    power = number(row.get("Power(W)"))
    facts["power_w"] = about.power_w if power is None else Fact(value=power, source=INFO)
    facts["temperature_c"] = stated(number(row.get("Temp(C)")), INFO)
    facts["utilisation_percent"] = stated(number(row.get("AICore(%)", "NPU Util(%)")), INFO)
    printed = whole(row.get("Phy-ID", "Device"))
    nodes = stated(row.npu if no_node is None else None, f"{INFO}, ls /dev")
    unknown = f"{INFO} prints no Phy-ID for it, and {no_node}"
    facts["physical_id"] = first(stated(printed, INFO, unknown), about.physical_id, nodes)
    column = "HBM-Usage(MB)" if "HBM-Usage(MB)" in row.values else "Memory-Usage(MB)"
    used, _, total = (row.get(column) or "").partition("/")
    source = f"{INFO}, {column}"
    size = mebibytes(total) or None
    # Not a card without memory, but a column that does not count: the HBM is elsewhere.
    facts["memory_bytes"] = first(stated(size, source), about.memory_bytes)
    facts["memory_used_bytes"] = stated(mebibytes(used) if size else None, source)
    facts["partitions"] = Fact(source=INFO, reason="kit does not ask for virtual NPUs")
    facts["processes"] = _processes(row, uses)
    return Device(card=row.npu, chip=row.chip, **facts)


def _series(name: str | None, two_dies: bool) -> str | None:
    bare = re.sub(r"^Ascend\s*", "", name or "")
    if bare == "910" and two_dies:
        return "A3"
    return next((series for pattern, series in _SERIES if re.fullmatch(pattern, bare)), None)


@dataclass(frozen=True, slots=True)
class _Uses:
    """What the process table says: None where there is none; the NPUs that it speaks of."""

    by_chip: dict[tuple[int, int], tuple[Process, ...]] | None
    spoken: frozenset[int]
    nobody: bool
    cut: bool


def _uses(evidence: Evidence) -> _Uses:
    for section in tables.sections(evidence[INFO].text or ""):
        if not any("Process id" in names for row in section.headers for names in row):
            continue
        found: dict[tuple[int, int], tuple[Process, ...]] = {}
        for values in section.entries:
            key = (
                int(values.get("NPU", values.get("NPU ID", "-1"))),
                int(values.get("Chip", values.get("Chip ID", "0"))),
            )
            process = Process(
                pid=int(values["Process id"]),
                name=values.get("Process name") or None,
                memory_bytes=next((mebibytes(v) for k, v in values.items() if k.startswith("Process memory")), None),
            )
            found[key] = (*found.get(key, ()), process)
        idle = [re.search(r"No running processes found(?: in NPU (\d{1,9}))?", line) for line in section.lone]
        spoken = {int(line[1]) for line in idle if line and line[1]} | {npu for npu, _ in found}
        return _Uses(found, frozenset(spoken), any(line and not line[1] for line in idle), section.cut)
    return _Uses(None, frozenset(), False, False)


def _processes(row: _Row, uses: _Uses) -> Fact[tuple[Process, ...]]:
    if uses.by_chip is None:
        return Fact(source=INFO, reason=f"{INFO} printed no process table")
    if row.npu not in uses.spoken and not uses.nobody:
        return Fact(source=INFO, reason=f"the process table of {INFO} does not speak of NPU {row.npu}")
    if uses.cut:
        return Fact(source=INFO, reason=f"the process table of {INFO} is cut off")
    return Fact(value=uses.by_chip.get((row.npu, row.chip), ()), source=INFO)


def _notes(evidence: Evidence, devices: Sequence[Device]) -> Iterator[str]:
    if devices and any(section.cut for section in tables.sections(evidence[INFO].text or "")):
        yield f"{INFO} is cut off: there may be more devices than those listed"
    on_bus = seen_on_the_bus(evidence, *_BUS)
    if devices and on_bus > len(devices):
        yield f"lspci lists {on_bus} accelerators, {INFO} only {len(devices)}: a card may have fallen off the bus"
    for device in devices:
        if device.health.value is not None and device.health.value != "OK":
            yield f"NPU {device.card} chip {device.chip} reports {device.health.value}"
    sizes = sorted(device.memory_bytes.value for device in devices if device.memory_bytes.value is not None)
    # The two dies of a card may differ by a few percent.
    if sizes and sizes[-1] > 1.1 * sizes[0]:
        yield f"devices differ in memory: {sizes[0] // MIB} MiB to {sizes[-1] // MIB} MiB"
