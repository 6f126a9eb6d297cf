"""AMD: `amd-smi`, `rocm-smi` where it is not there, `rocminfo` where neither is."""

import json
import re

from kit.accelerators import amd_smi, rocm, tables
from kit.accelerators.device import blank, in_order, listed, nothing, readings
from kit.model.accelerator import Device, Family, Version
from kit.model.evidence import UNSAID, Command, Evidence, Question, fact, first, number, stated, whole
from kit.model.fact import Fact
from kit.model.telemetry import CardReading

KIND = "amd"
VENDOR = "AMD"
SMI = "rocm-smi --showproductname --showmeminfo vram --showuse --showpower --showtemp --showbus --json"
_NEWER = (amd_smi.STATIC, amd_smi.METRIC, amd_smi.PROCESS)
TOPO = "rocm-smi --showtopotype"
DRIVER = "rocm-smi --showdriverversion --json"
QUESTIONS: tuple[Question, ...] = tuple(
    Command(tuple(key.split()), 20.0) for key in (*_NEWER, SMI, DRIVER, TOPO, rocm.ROCMINFO)
)
grant = nothing
SAMPLES: tuple[Command, ...] = (Command(tuple(SMI.split()), 20.0),)
DETAIL: Command | None = None


def sample(evidence: Evidence) -> tuple[CardReading, ...]:
    """What the tool prints at this moment."""
    return readings(family(evidence))


def family(evidence: Evidence) -> Family:
    """All GPUs of AMD. Hygon's rocm-smi prints the same form: a card that does not name AMD is not taken."""
    newest = in_order(amd_smi.devices(evidence))
    queried = in_order(
        _device(int(name[4:]), card)
        for name, card in _cards(evidence[SMI].text or "").items()
        if re.search(r"\bAMD\b|Advanced Micro Devices", " ".join(card.values()))
    )
    agents = [agent for agent in rocm.agents(evidence[rocm.ROCMINFO].text or "") if agent.vendor == "AMD"]
    devices = newest or queried or in_order(rocm.device(index, agent) for index, agent in enumerate(agents))
    return Family(
        kind=KIND,
        vendor=VENDOR,
        devices=listed(
            evidence,
            amd_smi.STATIC if newest else SMI if queried or not devices else rocm.ROCMINFO,
            devices,
            ("1002", "74[0-9a-f]{2}|75[0-9a-f]{2}", "AMD.*Instinct"),
        ),
        topology=fact(evidence, TOPO, tables.topology),
        software=(
            Version(
                name="driver",
                version=first(fact(evidence, amd_smi.STATIC, amd_smi.driver), fact(evidence, DRIVER, _driver)),
            ),
        ),
        notes=(),
    )


def _cards(text: str) -> dict[str, dict[str, str]]:
    """The objects `card0`, `card1` …; warnings before the JSON are left out."""
    try:
        found = json.loads(text[text.index("{") :])
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        name: {str(key): str(value) for key, value in card.items()}
        for name, card in found.items()
        if re.fullmatch(r"card\d{1,4}", str(name)) and isinstance(card, dict)
    }


def _driver(text: str) -> str | None:
    found = re.search(r'"Driver version"\s*:\s*"([^"]+)"', text)
    return found[1] if found else None


def _device(index: int, card: dict[str, str]) -> Device:
    facts = blank(SMI)

    def said(pattern: str) -> str | None:
        return next((v for k, v in card.items() if re.fullmatch(pattern, k, re.IGNORECASE) and v not in UNSAID), None)

    facts["physical_id"] = Fact(value=index, source=SMI)
    facts["name"] = stated(said("Card Series") or said("Device Name"), SMI)
    facts["series"] = stated(said("GFX Version"), SMI)
    facts["bus_id"] = stated(said("PCI Bus"), SMI)
    facts["memory_bytes"] = stated(whole(said(r"VRAM Total Memory \(B\)")) or None, SMI)
    facts["memory_used_bytes"] = stated(whole(said(r"VRAM Total Used Memory \(B\)")), SMI)
    facts["utilisation_percent"] = stated(number(said(r"GPU use \(%\)")), SMI)
    facts["temperature_c"] = stated(number(said(r"Temperature \(Sensor (?:edge|junction)\) \(C\)")), SMI)
    facts["power_w"] = stated(number(said(r"(?:Average|Current Socket|Current) Graphics Package Power \(W\)")), SMI)
    return Device(card=index, chip=0, **facts)
