"""An inventory in words: the hardware table of the report, and the readable text that is its attachment."""

from collections import Counter
from collections.abc import Iterator, Sequence

from kit.formats import gib
from kit.model import Device, Family, Inventory
from kit.model.inventory import Channel, Dimm
from kit.model.profile import Language
from kit.texts import say
from kit.texts.told import in_gib, listed, said, unread

_Entries = list[tuple[str, str]]


def hardware_table(inventory: Inventory, lang: Language) -> tuple[tuple[str, str], ...]:
    """The rows CPU, GPU and memory as the original report has them; no row GPU where there is no accelerator."""
    accelerators = [_family(family, lang) for family in inventory.accelerators if family.devices.value]
    rows = [("CPU", _cpu(inventory, lang))]
    if accelerators:
        rows.append((say(lang, "gpu"), say(lang, "and").join(accelerators)))
    return (*rows, (say(lang, "memory"), _memory(inventory, lang)))


def _cpu(inventory: Inventory, lang: Language) -> str:
    cpu = inventory.cpu
    if cpu.model.value is None:
        return say(lang, "unknown", reason=cpu.model.reason)
    if cpu.physical_cores.value is not None:
        return f"{cpu.model.value} ({cpu.physical_cores.value} Cores)"
    # Threads are no cores: with SMT there are twice as many.
    return f"{cpu.model.value} ({cpu.threads.value} Threads)" if cpu.threads.value is not None else cpu.model.value


def _family(family: Family, lang: Language) -> str:
    """`Huawei Ascend 910B4（64 GiB）* 2`: equal names with equal measured memory counted together."""
    kinds = Counter((_name(family, device), _size(device)) for device in family.devices.value or ())
    return say(lang, "and").join(
        say(lang, "accelerator", name=name, size=size or say(lang, "size-unknown"), count=count)
        for (name, size), count in kinds.items()
    )


def _name(family: Family, device: Device) -> str:
    name = device.name.value or ""
    # `Ascend910` is called so by its own tool.
    return f"{family.vendor} {name.removeprefix(family.vendor.split()[-1]).strip()}".strip()


def _size(device: Device) -> str | None:
    return None if device.memory_bytes.value is None else gib(device.memory_bytes.value)


def _memory(inventory: Inventory, lang: Language) -> str:
    """`DDR5 64 GB * 20`; the size alone where the modules could not be read."""
    modules = _modules(inventory.memory.dimms.value or ())
    if modules:
        return " + ".join(modules)
    total = inventory.memory.total_bytes
    return say(lang, "unknown", reason=total.reason) if total.value is None else gib(total.value)


def _modules(dimms: Sequence[Dimm]) -> list[str]:
    """Equal modules counted together; none where the size of any is not known."""
    if any(dimm.size_bytes is None for dimm in dimms):
        return []
    kinds = Counter((dimm.type, dimm.size_bytes) for dimm in dimms if dimm.size_bytes)
    return [f"{kind or ''} {_capacity(size)} * {count}".strip() for (kind, size), count in kinds.items()]


def _capacity(size_bytes: int) -> str:
    """As it is printed on a module: `64 GB`; the memory of a virtual machine may be an odd `3968 MB`."""
    whole, rest = divmod(size_bytes, 1024**3)
    return f"{size_bytes // 1024**2} MB" if rest else f"{whole} GB"


def hardware_text(inventory: Inventory) -> str:
    """A text with Chinese section titles; a fact that could not be read says why."""
    sections: list[tuple[str, _Entries]] = [
        ("采集信息", _collected(inventory)),
        ("服务器", _board(inventory)),
        ("处理器", _processors(inventory)),
        ("内存", _main_memory(inventory)),
        *(
            (f"加速卡 {family.vendor}", list(_accelerators(family)))
            for family in inventory.accelerators
            if _there(family)
        ),
        ("存储", list(_storage(inventory))),
        ("网络", list(_network(inventory))),
        ("系统", _system(inventory)),
        ("容器", _containers(inventory)),
    ]
    absent = [family for family in inventory.accelerators if not _there(family)]
    if absent:
        sections.append(("未发现的加速卡", [(f.vendor, f.devices.reason or "没有设备") for f in absent]))
    lines: list[str] = []
    for title, entries in sections:
        lines += [f"【{title}】", *(f"  {name}：{value}" for name, value in entries), ""]
    return "\n".join(lines)


def _there(family: Family) -> bool:
    """Whether there is something to say: devices, or a bus that shows some which their tool does not."""
    return bool(family.devices.value) or "lspci" in (family.devices.reason or "")


def _collected(inventory: Inventory) -> _Entries:
    return [
        ("采集时间", f"{inventory.collected.astimezone():%Y-%m-%d %H:%M:%S %z}"),
        ("主机名", said(inventory.hostname)),
        ("指纹", inventory.fingerprint),
    ]


def _board(inventory: Inventory) -> _Entries:
    board = inventory.board
    return [
        ("厂商", said(board.vendor)),
        ("型号", said(board.product)),
        ("序列号", said(board.serial)),
        ("BIOS", said(board.bios)),
    ]


def _processors(inventory: Inventory) -> _Entries:
    cpu = inventory.cpu
    flags = cpu.flags
    return [
        ("型号", said(cpu.model)),
        ("架构", said(cpu.architecture)),
        ("插槽数", said(cpu.sockets)),
        ("物理核数", said(cpu.physical_cores)),
        ("逻辑核数", said(cpu.threads)),
        ("最高主频", said(cpu.max_mhz, " MHz")),
        ("调频策略", said(cpu.governor)),
        ("指令集", unread(flags) if flags.value is None else " ".join(flags.value) or "无"),
        *(
            (
                f"NUMA 节点 {node.index}",
                f"CPU {node.cpus or '无'}，内存 {in_gib(node.memory_bytes)}，距离 {listed(node.distances)}",
            )
            for node in cpu.numa_nodes
        ),
    ]


def _main_memory(inventory: Inventory) -> _Entries:
    memory = inventory.memory
    entries = [("总量", in_gib(memory.total_bytes)), ("可用", in_gib(memory.available_bytes))]
    dimms = memory.dimms.value
    if dimms is None:
        return [*entries, ("内存条", unread(memory.dimms))]
    entries.append(("内存条", " + ".join(_modules(dimms)) or "未读到"))
    for dimm in dimms:
        if dimm.size_bytes:
            speed = f"额定 {dimm.rated_mts or '?'} MT/s，运行 {dimm.configured_mts or '?'} MT/s"
            maker = " ".join(filter(None, (dimm.manufacturer, dimm.part_number)))
            entries.append(
                (f"插槽 {dimm.locator}", f"{dimm.type or '?'} {gib(dimm.size_bytes)}，{speed}，{maker or '?'}")
            )
    if memory.channels.value is None:
        return [*entries, ("通道", unread(memory.channels))]
    entries += list(_channels(memory.channels.value))
    if memory.channels_even.value is False:
        entries.append(("警告", "各通道内存不一致，内存带宽可能低于满配"))
    return entries


def _channels(channels: Sequence[Channel]) -> Iterator[tuple[str, str]]:
    for socket in dict.fromkeys(channel.socket for channel in channels):
        own = [channel for channel in channels if channel.socket == socket]
        yield (
            f"CPU {socket} 通道",
            "；".join(
                f"{c.channel}: {gib(c.size_bytes)}（{c.modules} 条）" if c.modules else f"{c.channel}: 空" for c in own
            ),
        )


_SOFTWARE = {
    "driver": "驱动",
    "driver, internal": "驱动（内部版本）",
    "driver, fits CANN": "驱动兼容的 CANN",
    "driver, fits firmware": "驱动兼容的固件",
    "firmware": "固件",
    "CANN toolkit": "CANN 工具包",
    "CANN toolkit, internal": "CANN 工具包（内部版本）",
    "CANN kernels": "CANN 算子包",
}


def _accelerators(family: Family) -> Iterator[tuple[str, str]]:
    devices = family.devices.value
    if devices is None:
        yield "设备", unread(family.devices)
        return
    yield "数量", str(len(devices))
    for device in devices:
        name = f"设备 {device.card}" + (f" 芯片 {device.chip}" if any(d.chip for d in devices) else "")
        told = [
            _name(family, device),
            f"健康 {said(device.health)}",
            f"显存 {in_gib(device.memory_bytes)}",
            f"采集时已用 {in_gib(device.memory_used_bytes)}",
            f"功率 {said(device.power_w, ' W')}",
            f"温度 {said(device.temperature_c, ' °C')}",
            f"总线 {said(device.bus_id)}",
        ]
        if device.physical_id.value is not None:
            told.append(f"物理编号 {device.physical_id.value}")
        if device.board.value is not None:
            told.append(f"板卡 {device.board.value}")
        if device.serial.value is not None:
            told.append(f"序列号 {device.serial.value}")
        if device.clock_mhz.value is not None:
            told.append(f"主频 {device.clock_mhz.value:g} MHz")
        if device.cores.value is not None:
            told.append(f"AI 核 {device.cores.value}")
        if device.partitions.value:
            told.append(f"切分 {' '.join(device.partitions.value)}")
        yield name, "，".join(told)
        if device.processes.value is None:
            yield f"{name} 进程", unread(device.processes)
        for process in device.processes.value or ():
            size = "?" if process.memory_bytes is None else gib(process.memory_bytes)
            yield f"{name} 进程", f"{process.pid} {process.name or '?'} {size}"
    for version in family.software:
        if version.version.value is not None:
            yield f"版本 {_SOFTWARE.get(version.name, version.name)}", version.version.value
    topology = family.topology.value
    if topology is not None:
        for device_name, links, cpus in zip(topology.names, topology.links, topology.cpus, strict=True):
            yield f"拓扑 {device_name}", " ".join(links) + (f"，CPU {cpus}" if cpus else "")
    for note in family.notes:
        yield "警告", note


def _storage(inventory: Inventory) -> Iterator[tuple[str, str]]:
    disks, systems = inventory.storage.disks, inventory.storage.file_systems
    if disks.value is None:
        yield "磁盘", unread(disks)
    for disk in disks.value or ():
        kind = {True: "机械盘", False: "固态盘", None: "?"}[disk.rotates]
        yield f"磁盘 {disk.name}", f"{disk.model or '?'}，{gib(disk.size_bytes)}，{kind}，{disk.transport or '?'}"
    if systems.value is None:
        yield "文件系统", unread(systems)
    for system in systems.value or ():
        yield f"文件系统 {system.path}", f"{system.device}，共 {gib(system.size_bytes)}，可用 {gib(system.free_bytes)}"


def _network(inventory: Inventory) -> Iterator[tuple[str, str]]:
    if inventory.network.value is None:
        yield "网卡", unread(inventory.network)
    for card in inventory.network.value or ():
        speed = "?" if card.speed_mbps.value is None else f"{card.speed_mbps.value} Mb/s"
        yield (
            f"网卡 {card.name}",
            f"{card.model.value or '?'}，{card.driver.value or '?'}，{speed}，{card.state.value or '?'}，{card.mac.value or '?'}",
        )


def _system(inventory: Inventory) -> _Entries:
    system = inventory.system
    return [
        ("操作系统", said(system.os)),
        ("内核版本", said(system.kernel)),
        ("内核参数", said(system.command_line)),
        ("虚拟化", said(system.virtualisation)),
        ("大页数量", said(system.hugepages)),
        ("大页大小（字节）", said(system.hugepage_bytes)),
        ("透明大页", said(system.transparent_hugepages)),
        ("NUMA 自动均衡", said(system.numa_balancing)),
        ("swappiness", said(system.swappiness)),
        (
            "时钟同步",
            {True: "是", False: "否", None: unread(system.clock_synchronised)}[system.clock_synchronised.value],
        ),
        ("Python", said(system.python)),
    ]


def _containers(inventory: Inventory) -> _Entries:
    found = inventory.containers
    return [
        ("Docker", said(found.docker)),
        ("Docker 运行时", listed(found.docker_runtimes)),
        ("Podman", said(found.podman)),
        ("Podman 运行时", said(found.podman_runtime)),
    ]
