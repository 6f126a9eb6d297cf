"""Hygon DCU: `hy-smi` (`rocm-smi` before it), and `rocminfo` for names and memory."""

import re

from kit.accelerators import rocm, tables
from kit.accelerators.device import blank, in_order, listed, mebibytes, nothing
from kit.model.accelerator import Device, Family, Version
from kit.model.evidence import Command, Evidence, Question, fact, first, number, stated
from kit.model.fact import Fact

KIND = "hygon"
VENDOR = "Hygon"
TABLE = "hy-smi"
MEMORY = "hy-smi --showmeminfo vram"
DRIVER = "hy-smi --showdriverversion"
QUESTIONS: tuple[Question, ...] = (
    *(Command(tuple(key.split()), 20.0) for key in (TABLE, MEMORY, DRIVER)),
    Command((rocm.ROCMINFO,), 20.0),
)
_SAID = re.compile(r"(?:HCU|DCU|GPU)\[(\d{1,5})\]\s*:\s*(.+?)\s*:\s*(.+)")
grant = nothing


def family(evidence: Evidence) -> Family:
    """All DCUs of Hygon."""
    agents = [
        agent
        for agent in rocm.agents(evidence[rocm.ROCMINFO].text or "")
        if re.search("hygon", agent.vendor, re.IGNORECASE)
    ]
    rows = _rows(evidence[TABLE].text or "")
    devices = in_order(
        _device(evidence, index, row, agents[at] if len(agents) == len(rows) else None)
        for at, (index, row) in enumerate(sorted(rows.items()))
    )
    return Family(
        kind=KIND,
        vendor=VENDOR,
        devices=listed(evidence, TABLE, devices, ("1d94", "[0-9a-f]{4}", "Hygon|Haiguang")),
        topology=Fact(source=TABLE, reason="kit does not ask for it"),
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
    for line in tables.lines(text):
        words = line.split()
        if words[:1] in (["HCU"], ["DCU"], ["GPU"]) and len(words) > 2:
            titles = words
        elif titles and len(words) == len(titles) and re.fullmatch(r"\d{1,5}", words[0]):
            found.setdefault(int(words[0]), dict(zip(titles, words, strict=True)))
        elif line.startswith("="):
            titles = [] if found else titles
    return found


def _device(evidence: Evidence, index: int, row: dict[str, str], agent: rocm.Agent | None) -> Device:
    facts = blank(TABLE)
    said = {
        match[2]: match[3]
        for line in tables.lines(evidence[MEMORY].text or "")
        if (match := _SAID.fullmatch(line)) and int(match[1]) == index
    }
    total = next((value for name, value in said.items() if re.search(r"(?i)total memory \(MiB\)", name)), None)
    used = next((value for name, value in said.items() if re.search(r"(?i)used memory \(MiB\)", name)), None)
    facts["physical_id"] = Fact(value=index, source=TABLE)
    facts["name"] = stated(agent.name if agent else None, rocm.ROCMINFO)
    facts["series"] = stated(agent.gfx if agent else None, rocm.ROCMINFO)
    facts["memory_bytes"] = first(
        stated(mebibytes(total) or None, MEMORY, evidence[MEMORY].reason or ""),
        stated(agent.memory_bytes if agent else None, rocm.ROCMINFO),
    )
    facts["memory_used_bytes"] = stated(mebibytes(used), MEMORY, evidence[MEMORY].reason or "")
    facts["health"] = stated(row.get("Mode"), TABLE)
    facts["temperature_c"] = stated(number(row.get("Temp")), TABLE)
    facts["power_w"] = stated(number(row.get("AvgPwr")), TABLE)
    facts["power_limit_w"] = stated(number(row.get("PwrCap")), TABLE)
    facts["utilisation_percent"] = stated(number(row.get("HCU%", row.get("DCU%"))), TABLE)
    return Device(card=index, chip=0, **facts)
