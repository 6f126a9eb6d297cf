"""Making device records: every field is a fact, and what a tool does not print says so."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict

from kit.accelerators import boxes, tables
from kit.model.accelerator import Device, Family, Process
from kit.model.evidence import UNSAID, Evidence, brief, number, stated, whole
from kit.model.fact import Fact
from kit.model.plan import Grant
from kit.model.telemetry import CardReading

MIB = 1024**2


class Blank(TypedDict):
    """All facts of a device."""

    physical_id: Fact[int]
    name: Fact[str]
    series: Fact[str]
    board: Fact[str]
    serial: Fact[str]
    bus_id: Fact[str]
    health: Fact[str]
    memory_bytes: Fact[int]
    memory_used_bytes: Fact[int]
    utilisation_percent: Fact[float]
    power_w: Fact[float]
    power_limit_w: Fact[float]
    temperature_c: Fact[float]
    clock_mhz: Fact[float]
    cores: Fact[int]
    partitions: Fact[tuple[str, ...]]
    processes: Fact[tuple[Process, ...]]


def blank(source: str) -> Blank:
    """All facts as not told by this source, to be filled with those that are."""
    why = f"{brief(source)} does not say"
    return Blank(
        physical_id=Fact(source=source, reason=why),
        name=Fact(source=source, reason=why),
        series=Fact(source=source, reason=why),
        board=Fact(source=source, reason=why),
        serial=Fact(source=source, reason=why),
        bus_id=Fact(source=source, reason=why),
        health=Fact(source=source, reason=why),
        memory_bytes=Fact(source=source, reason=why),
        memory_used_bytes=Fact(source=source, reason=why),
        utilisation_percent=Fact(source=source, reason=why),
        power_w=Fact(source=source, reason=why),
        power_limit_w=Fact(source=source, reason=why),
        temperature_c=Fact(source=source, reason=why),
        clock_mhz=Fact(source=source, reason=why),
        cores=Fact(source=source, reason=why),
        partitions=Fact(source=source, reason=why),
        processes=Fact(source=source, reason=why),
    )


def mebibytes(text: str | None) -> int | None:
    """Bytes of a number of MiB (tools write MB and mean MiB)."""
    value = whole(text)
    return None if value is None or value < 0 else value * MIB


def drawn(card: boxes.Card, evidence: Evidence, source: str) -> Blank:
    """The facts of a device that a table shows."""
    facts = blank(source)
    facts["physical_id"] = Fact(value=card.index, source=source)
    facts["name"] = stated(card.name, source, f"{source} shortens the name")
    facts["bus_id"] = Fact(value=card.bus_id, source=source)
    facts["health"] = stated(card.state, source)
    facts["memory_bytes"] = stated(mebibytes(card.total) or None, source)
    facts["memory_used_bytes"] = stated(mebibytes(card.used), source)
    facts["utilisation_percent"] = stated(number(card.utilisation), source)
    facts["temperature_c"] = stated(number(card.temperature), source)
    facts["power_w"] = stated(number(card.power), source)
    facts["power_limit_w"] = stated(number(card.power_limit), source)
    facts["processes"] = uses_of(evidence, source, card.index)
    return facts


def cards(evidence: Evidence, source: str, sign: str) -> tuple[boxes.Card, ...]:
    """The devices of a table that bears the maker's sign: some makers install their tool under another's name too."""
    text = evidence[source].text or ""
    return boxes.cards(text) if sign in text else ()


def uses_of(evidence: Evidence, source: str, index: int) -> Fact[tuple[Process, ...]]:
    """The programs that the process table below the devices gives to one of them."""
    found = boxes.uses(evidence[source].text or "")
    if found is None:
        return Fact(source=source, reason=f"{source} printed no whole process table")
    return Fact(
        value=tuple(
            Process(pid=u.pid, name=u.name, memory_bytes=mebibytes(u.memory)) for u in found if u.index == index
        ),
        source=source,
    )


def listed(
    evidence: Evidence, source: str, devices: tuple[Device, ...], bus: tuple[str, str, str], none: str | None = None
) -> Fact[tuple[Device, ...]]:
    """The devices, or why there are none; what lspci lists is told, and `none` is what the tool prints where there are none."""
    if devices:
        return Fact(value=devices, source=source)
    said = evidence[source]
    if none is not None and said.text is not None and re.search(none, said.text):
        return Fact(value=(), source=source)
    reason = said.reason or _complaint(said.text or "") or f"{source} printed no whole table of devices"
    if count := seen_on_the_bus(evidence, *bus):
        reason = f"lspci lists {count} of them, but {reason}"
    return Fact(source=source, reason=reason)


# What drivers print before their tool says anything.
_PRELUDE = re.compile(r"DrvMngGetConsoleLogLevel|g_conLogLevel|^\[WARNING\]", re.IGNORECASE)
_COMPLAINT = re.compile(r"(?i)fail|error|ret is -|not (?:found|permitted|support)|cannot open|couldn't|No devices")


def _complaint(text: str) -> str | None:
    """The line in which a tool says what is wrong; error texts are short, tables are not."""
    said = [line for line in tables.lines(text) if line and not _PRELUDE.search(line)]
    found = next((line for line in said if _COMPLAINT.search(line)), None)
    return None if found is None else found[:200]


def printed(pattern: str) -> Callable[[str], str | None]:
    """Finds the first group of a pattern in a text."""

    def find(text: str) -> str | None:
        found = re.search(pattern, text)
        return found[1] if found and found[1] not in UNSAID else None

    return find


def in_order(devices: Iterable[Device]) -> tuple[Device, ...]:
    """By their numbers, each once."""
    found: dict[tuple[int, int], Device] = {}
    for device in devices:
        found.setdefault((device.card, device.chip), device)
    return tuple(found[key] for key in sorted(found))


PCI = "lspci -nn"


def seen_on_the_bus(evidence: Evidence, vendor: str, ids: str, name: str) -> int:
    """How many PCI devices of this kind lspci lists, by vendor and device id, or by name where it prints no ids."""
    found = 0
    for line in (evidence[PCI].text or "").splitlines():
        if not re.search(
            r"(?i)processing accelerators|co-processor|3D controller|VGA compatible|display controller|\[(?:12|03)[0-9a-f]{2}\]",
            line,
        ):
            continue
        by_id = re.search(rf"\[{vendor}:(?:{ids})\]", line, re.IGNORECASE)
        if by_id or ("[" not in line and re.search(name, line, re.IGNORECASE)):
            found += 1
    return found


def readings(family: Family) -> tuple[CardReading, ...]:
    """What an inventory says that changes from moment to moment; it prints no clock that a device runs at just now."""
    return tuple(
        CardReading(
            card=device.card,
            chip=device.chip,
            power_w=device.power_w.value,
            utilisation_percent=device.utilisation_percent.value,
            memory_used_bytes=device.memory_used_bytes.value,
            temperature_c=device.temperature_c.value,
            pids=tuple(process.pid for process in device.processes.value)
            if device.processes.value is not None
            else None,
        )
        for device in family.devices.value or ()
    )


def nothing(chosen: Sequence[Device], there: Sequence[Device], present: Callable[[str], bool]) -> Grant:
    """No grant: what containers need for this family stands in server.container of the profile."""
    del chosen, there, present
    return Grant()
