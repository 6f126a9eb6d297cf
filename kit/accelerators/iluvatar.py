"""Iluvatar CoreX: `ixsmi`."""

from kit.accelerators import tables
from kit.accelerators.device import cards, drawn, in_order, listed, nothing, printed
from kit.model.accelerator import Device, Family, Version
from kit.model.evidence import Command, Evidence, Question, fact, stated
from kit.model.fact import Fact

KIND = "iluvatar"
VENDOR = "Iluvatar"
TABLE = "ixsmi"
QUESTIONS: tuple[Question, ...] = (Command((TABLE,), 20.0),)
grant = nothing


def family(evidence: Evidence) -> Family:
    """All GPUs of Iluvatar."""
    devices = in_order(_device(evidence, card) for card in cards(evidence, TABLE, "IX-ML"))
    return Family(
        kind=KIND,
        vendor=VENDOR,
        devices=listed(evidence, TABLE, devices, ("1e3e", "[0-9a-f]{4}", "Iluvatar")),
        topology=Fact(source=TABLE, reason="kit does not ask for it"),
        software=(
            Version(name="driver", version=fact(evidence, TABLE, printed(r"Driver Version:\s*([\w.]+)"))),
            Version(name="IX-ML", version=fact(evidence, TABLE, printed(r"IX-ML:\s*([\w.]+)"))),
            Version(name="CUDA", version=fact(evidence, TABLE, printed(r"CUDA Version:\s*([\w./]+)"))),
        ),
        notes=(),
    )


def _device(evidence: Evidence, card: tables.Card) -> Device:
    facts = drawn(card, evidence, TABLE)
    name = card.name.removeprefix("Iluvatar ") if card.name else None
    facts["name"] = stated(name, TABLE, f"{TABLE} shortens the name")
    return Device(card=card.index, chip=0, **facts)
