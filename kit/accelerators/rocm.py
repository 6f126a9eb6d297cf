"""What `rocminfo` prints, which AMD and Hygon share: agents, and the memory of each that is no CPU."""

import re
from dataclasses import dataclass

from kit.accelerators import tables
from kit.accelerators.device import blank
from kit.model.accelerator import Device
from kit.model.evidence import stated

ROCMINFO = "rocminfo"


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that computes for others. `memory_bytes`: the largest pool of its own."""

    kind: str
    vendor: str
    name: str | None
    gfx: str | None
    memory_bytes: int | None


def agents(text: str) -> tuple[Agent, ...]:
    """The agents that are no CPUs, in the order printed; half of one is none."""
    found: list[Agent] = []
    parts = re.split(r"(?m)^Agent \d+\s*$", "\n".join(tables.lines(text)))
    for part in parts[1:]:
        fields: dict[str, str] = {}
        pools: list[int] = []
        whole = False
        segment = ""
        for line in part.splitlines():
            name, separator, value = line.partition(":")
            if line.startswith("ISA Info"):
                whole = True
                break
            if name == "Segment":
                segment = value
            elif (
                name == "Size"
                and segment.strip().startswith("GLOBAL")
                and (size := re.match(r"\s*(\d{1,15})\(0x\w+\) KB", value))
            ):
                pools.append(int(size[1]) * 1024)
            if separator:
                fields.setdefault(name.strip(), value.strip())
        kind = fields.get("Device Type", "CPU")
        if whole and kind != "CPU":
            found.append(
                Agent(
                    kind=kind,
                    vendor=fields.get("Vendor Name", ""),
                    name=fields.get("Marketing Name") or None,
                    gfx=fields.get("Name") or None,
                    memory_bytes=max(pools, default=None),
                )
            )
    return tuple(found)


def device(index: int, agent: Agent) -> Device:
    """A device of which no more is known than its agent tells; its number is its place among them."""
    facts = blank(ROCMINFO)
    facts["name"] = stated(agent.name, ROCMINFO)
    facts["series"] = stated(agent.gfx, ROCMINFO)
    facts["memory_bytes"] = stated(agent.memory_bytes, ROCMINFO)
    return Device(card=index, chip=0, **facts)
