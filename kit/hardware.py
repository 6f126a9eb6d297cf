"""An inventory in words: the hardware table of the report, and the readable text that is its attachment."""

from kit.formats import gib
from kit.model import Fact, Inventory
from kit.model.profile import Language
from kit.texts import say


def hardware_table(inventory: Inventory, lang: Language) -> tuple[tuple[str, str], ...]:
    """The rows CPU and memory as the original report has them."""
    return (("CPU", _cpu(inventory, lang)), (say(lang, "memory"), _memory(inventory, lang)))


def _cpu(inventory: Inventory, lang: Language) -> str:
    cpu = inventory.cpu
    if cpu.model.value is None:
        return say(lang, "unknown", reason=cpu.model.reason)
    cores = cpu.physical_cores.value or cpu.threads.value
    return f"{cpu.model.value} ({cores} Cores)" if cores else cpu.model.value


def _memory(inventory: Inventory, lang: Language) -> str:
    total = inventory.memory.total_bytes
    return say(lang, "unknown", reason=total.reason) if total.value is None else gib(total.value)


def hardware_text(inventory: Inventory) -> str:
    """A text with Chinese section titles; a fact that could not be read says why."""
    cpu, memory, system = inventory.cpu, inventory.memory, inventory.system
    sections: list[tuple[str, list[tuple[str, str]]]] = [
        ("采集信息", [("采集时间", f"{inventory.collected.astimezone():%Y-%m-%d %H:%M:%S %z}")]),
        (
            "处理器",
            [
                ("型号", _said(cpu.model)),
                ("架构", _said(cpu.architecture)),
                ("插槽数", _said(cpu.sockets)),
                ("物理核数", _said(cpu.physical_cores)),
                ("逻辑核数", _said(cpu.threads)),
                *(
                    (f"NUMA 节点 {node.index}", f"CPU {node.cpus}，内存 {_bytes(node.memory_bytes)}")
                    for node in cpu.numa_nodes
                ),
            ],
        ),
        (
            "内存",
            [
                ("总量", _said_bytes(memory.total_bytes)),
                ("可用", _said_bytes(memory.available_bytes)),
            ],
        ),
        (
            "系统",
            [
                ("操作系统", _said(system.os)),
                ("内核版本", _said(system.kernel)),
                ("虚拟化", _said(system.virtualisation)),
                ("Python", _said(system.python)),
            ],
        ),
    ]
    lines: list[str] = []
    for title, entries in sections:
        lines += [f"【{title}】", *(f"  {name}：{value}" for name, value in entries), ""]
    return "\n".join(lines)


def _said(fact: Fact[str] | Fact[int]) -> str:
    return f"未读到（{fact.reason}）" if fact.value is None else str(fact.value)


def _said_bytes(fact: Fact[int]) -> str:
    return f"未读到（{fact.reason}）" if fact.value is None else f"{gib(fact.value)}（{fact.value} 字节）"


def _bytes(amount: int | None) -> str:
    return "未读到" if amount is None else gib(amount)
