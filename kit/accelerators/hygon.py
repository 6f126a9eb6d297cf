"""Hygon DCU: `hy-smi` (`rocm-smi` before it), and `rocminfo` for names and memory, or for all where neither is there."""

import re

from kit.accelerators import rocm, tables
from kit.accelerators.device import blank, in_order, listed, mebibytes, nothing, readings
from kit.model.accelerator import Device, Family, Version
from kit.model.evidence import Command, Evidence, Question, fact, first, number, stated, whole
from kit.model.fact import Fact
from kit.model.telemetry import CardReading

KIND = "hygon"
VENDOR = "Hygon"
TABLE = "hy-smi"
# The same tool under its older name; AMD's prints other titles.
OLD_TABLE = "rocm-smi"
NAMES = "hy-smi --showproductname"
MEMORY = "hy-smi --showmeminfo vram"
DRIVER = "hy-smi --showdriverversion"
TOPO = "hy-smi --showtopotype"
QUESTIONS: tuple[Question, ...] = tuple(
    Command(tuple(key.split()), 20.0) for key in (TABLE, OLD_TABLE, NAMES, MEMORY, DRIVER, TOPO, rocm.ROCMINFO)
)
_SAID = re.compile(r"(?:HCU|DCU|GPU)\[(\d{1,5})\]\s*:\s*(.+?)\s*:\s*(.+)")
grant = nothing
SAMPLES: tuple[Command, ...] = (Command((TABLE,), 20.0),)
DETAIL: Command | None = None


def sample(evidence: Evidence) -> tuple[CardReading, ...]:
    """What the tool prints at this moment."""
    return readings(family(evidence))


def family(evidence: Evidence) -> Family:
    """All DCUs of Hygon."""
    agents = [
        agent
        for agent in rocm.agents(evidence[rocm.ROCMINFO].text or "")
        if re.search("hygon", agent.vendor, re.IGNORECASE)
    ]
    table = next((key for key in (TABLE, OLD_TABLE) if _rows(evidence[key].text or "")), None)
    if table is None:
        devices = in_order(rocm.device(index, agent) for index, agent in enumerate(agents))
    else:
        rows = _rows(evidence[table].text or "")
        devices = in_order(
            _device(evidence, table, index, row, agents[at] if len(agents) == len(rows) else None)
            for at, (index, row) in enumerate(sorted(rows.items()))
        )
    return Family(
        kind=KIND,
        vendor=VENDOR,
        devices=listed(
            evidence, table or (rocm.ROCMINFO if devices else TABLE), devices, ("1d94", "[0-9a-f]{4}", "Hygon|Haiguang")
        ),
        topology=fact(evidence, TOPO, tables.topology),
        software=(Version(name="driver", version=fact(evidence, DRIVER, _driver)),),
        notes=(),
    )


def _driver(text: str) -> str | None:
    found = re.search(r"(?i)driver version\s*:\s*([\w.+-]+)", text)
    return found[1] if found else None


def _rows(text: str) -> dict[int, dict[str, str]]:
    """The table without borders: titles, then one line for every device."""
    found: dict[int, dict[str, str]] = {}
    titles: list[str] = []
    # A last line without an end may go on.
    for line in tables.lines(text[: text.rfind("\n") + 1]):
        words = line.split()
        if words[:1] in (["HCU"], ["DCU"]) and len(words) > 2:
            titles = words
        elif titles and len(words) == len(titles) and re.fullmatch(r"\d{1,5}", words[0]):
            found.setdefault(int(words[0]), dict(zip(titles, words, strict=True)))
        elif line.startswith("="):
            titles = [] if found else titles
    return found


def _said(evidence: Evidence, key: str, index: int, name: str) -> str | None:
    """The value of a `HCU[0] : name : value` line."""
    for line in tables.lines(evidence[key].text or ""):
        found = _SAID.fullmatch(line)
        if found and int(found[1]) == index and re.search(name, found[2], re.IGNORECASE):
            return found[3]
    return None


def _memory(evidence: Evidence, index: int, name: str) -> Fact[int]:
    size = mebibytes(_said(evidence, MEMORY, index, rf"{name} memory \(MiB\)"))
    if size is None:
        size = whole(_said(evidence, MEMORY, index, rf"{name} memory \(B\)"))
    return stated(size, MEMORY, evidence[MEMORY].reason or "")


def _device(evidence: Evidence, table: str, index: int, row: dict[str, str], agent: rocm.Agent | None) -> Device:
    facts = blank(table)
    total = _memory(evidence, index, "total")
    facts["physical_id"] = Fact(value=index, source=table)
    facts["name"] = first(
        stated(_said(evidence, NAMES, index, r"card series"), NAMES, evidence[NAMES].reason or ""),
        stated(agent.name if agent else None, rocm.ROCMINFO, evidence[rocm.ROCMINFO].reason or ""),
    )
    facts["series"] = stated(agent.gfx if agent else None, rocm.ROCMINFO, evidence[rocm.ROCMINFO].reason or "")
    facts["memory_bytes"] = first(
        total if total.value != 0 else Fact(source=MEMORY, reason=f"{MEMORY} says 0"),
        stated(agent.memory_bytes if agent else None, rocm.ROCMINFO),
    )
    facts["memory_used_bytes"] = _memory(evidence, index, "used")
    facts["health"] = stated(row.get("Mode") if row.get("Mode") != "N/A" else None, table)
    facts["temperature_c"] = stated(number(row.get("Temp")), table)
    facts["power_w"] = stated(number(row.get("AvgPwr")), table)
    facts["power_limit_w"] = stated(number(row.get("PwrCap")), table)
    facts["utilisation_percent"] = stated(number(row.get("HCU%", row.get("DCU%"))), table)
    return Device(card=index, chip=0, **facts)
