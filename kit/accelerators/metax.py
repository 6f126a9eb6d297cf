"""MetaX: `mx-smi`."""

import re

from kit.accelerators import boxes, tables
from kit.accelerators.device import cards, drawn, in_order, listed, nothing, printed, readings
from kit.model.accelerator import Device, Family, Version
from kit.model.evidence import Command, Evidence, Question, fact, stated
from kit.model.telemetry import CardReading

KIND = "metax"
VENDOR = "MetaX"
TABLE = "mx-smi"
TOPO = "mx-smi topo -m"
QUESTIONS: tuple[Question, ...] = (Command((TABLE,), 20.0), Command(tuple(TOPO.split()), 20.0))
grant = nothing
SAMPLES: tuple[Command, ...] = (Command((TABLE,), 20.0),)
DETAIL: Command | None = None


def sample(evidence: Evidence) -> tuple[CardReading, ...]:
    """What the tool prints at this moment."""
    return readings(family(evidence))


def family(evidence: Evidence) -> Family:
    """All GPUs of MetaX."""
    devices = in_order(_device(evidence, card) for card in cards(evidence, TABLE, "MX-SMI"))
    return Family(
        kind=KIND,
        vendor=VENDOR,
        devices=listed(evidence, TABLE, devices, ("9999", "[0-9a-f]{4}", "MetaX")),
        topology=fact(evidence, TOPO, tables.topology),
        software=(
            Version(name="driver", version=fact(evidence, TABLE, printed(r"Kernel Mode Driver Version:\s*([\w.]+)"))),
            Version(name="MACA", version=fact(evidence, TABLE, printed(r"MACA Version:\s*([\w.]+)"))),
            Version(name="BIOS", version=fact(evidence, TABLE, printed(r"BIOS Version:\s*([\w.]+)"))),
        ),
        notes=(),
    )


def _device(evidence: Evidence, card: boxes.Card) -> Device:
    facts = drawn(card, evidence, TABLE)
    facts["name"] = stated(
        re.sub(r"^(?:MetaX |MX)", "", card.name) if card.name else None, TABLE, f"{TABLE} shortens the name"
    )
    return Device(card=card.index, chip=0, **facts)
