"""Iluvatar CoreX: `ixsmi`."""

import re

from kit.accelerators import boxes, tables
from kit.accelerators.device import blank, cards, drawn, in_order, listed, mebibytes, nothing, printed, readings
from kit.model.accelerator import Device, Family, Version
from kit.model.evidence import UNSAID, Command, Evidence, Question, fact, number, stated
from kit.model.fact import Fact
from kit.model.telemetry import CardReading

_INDEX = re.compile(r"[0-9]{1,5}")
KIND = "iluvatar"
VENDOR = "Iluvatar"
TABLE = "ixsmi"
TOPO = "ixsmi topo -m"
# A row without titles for every GPU, where the table is of a form that kit does not know.
_FIELDS = ("index", "name", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu")
QUERY = f"ixsmi --format=csv,noheader --query-gpu={','.join(_FIELDS)}"
QUESTIONS: tuple[Question, ...] = tuple(Command(tuple(key.split()), 20.0) for key in (TABLE, TOPO, QUERY))
grant = nothing
SAMPLES: tuple[Command, ...] = (Command((TABLE,), 20.0),)
DETAIL: Command | None = None


def sample(evidence: Evidence) -> tuple[CardReading, ...]:
    """What the tool prints at this moment."""
    return readings(family(evidence))


def family(evidence: Evidence) -> Family:
    """All GPUs of Iluvatar."""
    devices = in_order(_device(evidence, card) for card in cards(evidence, TABLE, "IX-ML")) or in_order(
        _queried(row) for row in _rows(evidence[QUERY].text or "")
    )
    return Family(
        kind=KIND,
        vendor=VENDOR,
        devices=listed(
            evidence, devices[0].name.source if devices else TABLE, devices, ("1e3e", "[0-9a-f]{4}", "Iluvatar")
        ),
        topology=fact(evidence, TOPO, tables.topology),
        software=(
            Version(name="driver", version=fact(evidence, TABLE, printed(r"Driver Version:\s*([\w.]+)"))),
            Version(name="IX-ML", version=fact(evidence, TABLE, printed(r"IX-ML:\s*([\w.]+)"))),
            Version(name="CUDA", version=fact(evidence, TABLE, printed(r"CUDA Version:\s*([\w./]+)"))),
        ),
        notes=(),
    )


def _rows(text: str) -> list[dict[str, str]]:
    rows = [[cell.strip() for cell in line.split(",")] for line in tables.lines(text)]
    return [
        dict(zip(_FIELDS, row, strict=True)) for row in rows if len(row) == len(_FIELDS) and _INDEX.fullmatch(row[0])
    ]


def _queried(row: dict[str, str]) -> Device:
    facts = blank(QUERY)
    index = int(row["index"])
    facts["physical_id"] = Fact(value=index, source=QUERY)
    facts["name"] = stated(None if row["name"] in UNSAID else row["name"].removeprefix("Iluvatar "), QUERY)
    facts["memory_bytes"] = stated(mebibytes(row["memory.total"]) or None, QUERY)
    facts["memory_used_bytes"] = stated(mebibytes(row["memory.used"]), QUERY)
    facts["utilisation_percent"] = stated(number(row["utilization.gpu"]), QUERY)
    # A number without its unit may be half of one.
    facts["temperature_c"] = stated(
        number(row["temperature.gpu"]) if row["temperature.gpu"].endswith("C") else None, QUERY
    )
    return Device(card=index, chip=0, **facts)


def _device(evidence: Evidence, card: boxes.Card) -> Device:
    facts = drawn(card, evidence, TABLE)
    name = card.name.removeprefix("Iluvatar ") if card.name else None
    facts["name"] = stated(name, TABLE, f"{TABLE} shortens the name")
    return Device(card=card.index, chip=0, **facts)
