"""Answers of the tools of accelerators, and what was read from them in a line each."""

from pathlib import Path

from kit.model import Device, Family
from kit.model.evidence import Evidence, Raw

FIXTURES = Path(__file__).parents[1] / "fixtures"
NPU_FILES = "/usr/local/Ascend"


def answers(files: dict[str, str]) -> Evidence:
    """Answers by question, each from a fixture."""
    found = Evidence()
    for question, name in files.items():
        found[question] = Raw((FIXTURES / name).read_text("utf-8"))
    return found


def told(device: Device) -> str:
    """`card.chip/physical name, series, health, used/total MiB, %, W, °C`; `-` where a fact has no value."""

    def mib(value: int | None) -> str:
        return "-" if value is None else f"{value / 1024**2:g}"

    def said(value: float | str | None) -> str:
        return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    return (
        f"{device.card}.{device.chip}/{said(device.physical_id.value)} {said(device.name.value)}, "
        f"{said(device.series.value)}, {said(device.health.value)}, "
        f"{mib(device.memory_used_bytes.value)}/{mib(device.memory_bytes.value)} MiB, "
        f"{said(device.utilisation_percent.value)} %, {said(device.power_w.value)} W, {said(device.temperature_c.value)} °C"
    )


def holders(family: Family) -> dict[str, list[tuple[int, str | None, int | None]] | None]:
    """Programs by device; None where nothing is known."""
    return {
        f"{device.card}.{device.chip}": None
        if device.processes.value is None
        else [
            (p.pid, p.name, None if p.memory_bytes is None else p.memory_bytes // 1024**2)
            for p in device.processes.value
        ]
        for device in family.devices.value or ()
    }


def software(family: Family) -> dict[str, str]:
    return {version.name: version.version.value for version in family.software if version.version.value is not None}
