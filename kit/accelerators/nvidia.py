"""NVIDIA: `nvidia-smi`, by its queries; by its table where a query fails."""

import re
from collections.abc import Callable, Sequence

from kit.accelerators import boxes, tables
from kit.accelerators.device import blank, cards, drawn, in_order, listed, mebibytes, printed, uses_of
from kit.model.accelerator import Device, Family, Process, Version
from kit.model.evidence import UNSAID, Command, Evidence, Question, fact, first, number, stated, whole
from kit.model.fact import Fact
from kit.model.plan import Grant
from kit.model.telemetry import CardReading

KIND = "nvidia"
VENDOR = "NVIDIA"
# Fields that drivers from 5xx on know: one unknown field fails the whole query.
_FIELDS = (
    "index,name,pci.bus_id,driver_version,vbios_version,memory.total,memory.used,utilization.gpu,temperature.gpu,"
    "power.draw,power.limit,clocks.max.sm,pstate,persistence_mode,mig.mode.current,ecc.mode.current"
)
_UNITS = {
    **dict.fromkeys(("memory.total", "memory.used", "used_gpu_memory"), "MiB"),
    "utilization.gpu": "%",
    "power.draw": "W",
    "power.limit": "W",
    "clocks.max.sm": "MHz",
}
# Without persistence mode, many GPUs have taken fifteen seconds.
_LIMIT_S = 30.0
TABLE = "nvidia-smi"
QUERY = f"nvidia-smi --query-gpu={_FIELDS} --format=csv"
# Asked apart: what some driver does not know costs no more than this.
HEALTH = (
    "nvidia-smi --query-gpu=pci.bus_id,ecc.errors.uncorrected.volatile.total,remapped_rows.pending,remapped_rows.failure"
    " --format=csv"
)
APPS = "nvidia-smi --query-compute-apps=gpu_bus_id,pid,process_name,used_gpu_memory --format=csv"
LIST = "nvidia-smi -L"
TOPO = "nvidia-smi topo -m"
QUESTIONS: tuple[Question, ...] = tuple(
    Command(tuple(key.split()), _LIMIT_S) for key in (TABLE, QUERY, HEALTH, APPS, LIST, TOPO)
)


def family(evidence: Evidence) -> Family:
    """All GPUs of NVIDIA."""
    foreign = "NVIDIA-SMI" not in (evidence[TABLE].text or "NVIDIA-SMI")
    queried = [] if foreign else tables.comma_separated(evidence[QUERY].text or "") or []
    devices = in_order(
        [device for row in queried if (device := _queried(evidence, row)) is not None]
        or [_drawn(evidence, card) for card in cards(evidence, TABLE, "NVIDIA-SMI")]
    )
    return Family(
        kind=KIND,
        vendor=VENDOR,
        devices=listed(
            evidence, QUERY if queried else TABLE, devices, ("10de", "[0-9a-f]{4}", "NVIDIA"), "No devices were found"
        ),
        topology=fact(evidence, TOPO, tables.topology),
        software=(
            Version(
                name="driver",
                version=first(
                    # Driver 610 calls it KMD.
                    fact(evidence, TABLE, printed(r"(?:Driver|KMD) Version:\s*([\d.]+)")),
                    stated(_common(queried, "driver_version"), QUERY),
                ),
            ),
            Version(
                name="CUDA",
                version=fact(evidence, TABLE, printed(r"CUDA (?:UMD )?Version:\s*([\d.]+)")),
            ),
        ),
        notes=(),
    )


_MOMENT = "index,pci.bus_id,power.draw,utilization.gpu,memory.used,temperature.gpu,clocks.current.sm"
# Power caps are left out: a GPU at full load lives at its cap.
_SLOWED = ("hw_slowdown", "hw_thermal_slowdown", "sw_thermal_slowdown", "hw_power_brake_slowdown")
_SLOWDOWNS = tuple(f"clocks_throttle_reasons.{name}" for name in _SLOWED)
# Since driver 535 the reasons have another name, and one day the old one will be gone.
_NEW_SLOWDOWNS = tuple(f"clocks_event_reasons.{name}" for name in _SLOWED)
SAMPLES: tuple[Command, ...] = tuple(
    Command(("nvidia-smi", f"--query-gpu={fields}", "--format=csv"), 10.0)
    for fields in (f"{_MOMENT},{','.join(_SLOWDOWNS)}", f"{_MOMENT},{','.join(_NEW_SLOWDOWNS)}", _MOMENT)
)
DETAIL: Command | None = Command(
    ("nvidia-smi", "--query-compute-apps=pid,process_name", "--format=csv", "-i", "{}"), 10.0
)


def sample(evidence: Evidence) -> tuple[CardReading, ...]:
    """What the first query that was answered says, and who was last seen to use each GPU."""
    for question in SAMPLES:
        rows = tables.comma_separated(evidence[question.key].text or "") or []
        found = [reading for row in rows if (reading := _moment(evidence, row)) is not None]
        if found:
            return tuple(found)
    return ()


def _moment(evidence: Evidence, row: dict[str, str]) -> CardReading | None:
    index = whole(_value(row, "index"))
    if index is None or index < 0:
        return None
    reasons = [row[name] for name in (*_SLOWDOWNS, *_NEW_SLOWDOWNS) if row.get(name) in ("Active", "Not Active")]
    return CardReading(
        card=index,
        chip=0,
        power_w=number(_value(row, "power.draw")),
        utilisation_percent=number(_value(row, "utilization.gpu")),
        memory_used_bytes=mebibytes(_value(row, "memory.used")),
        temperature_c=number(_value(row, "temperature.gpu")),
        clock_mhz=number(_value(row, "clocks.current.sm")),
        throttled="Active" in reasons if reasons else None,
        pids=_pids(evidence, index),
    )


def _pids(evidence: Evidence, index: int) -> tuple[int, ...] | None:
    assert DETAIL is not None
    rows = tables.comma_separated(evidence[DETAIL.of(str(index)).key].text or "")
    if rows is None:
        return None
    return tuple(pid for row in rows if (pid := whole(row.get("pid"))) is not None and pid >= 0)


def grant(chosen: Sequence[Device], there: Sequence[Device], present: Callable[[str], bool]) -> Grant:
    """GPUs by their index. In a container NVIDIA's runtime adds driver and nodes: `--gpus` is younger than Docker 18.09."""
    del present
    ids = ",".join(str(device.card) for device in chosen)
    return Grant(
        runtime="nvidia",
        inside=(("NVIDIA_VISIBLE_DEVICES", ids or "void"), ("NVIDIA_DRIVER_CAPABILITIES", "compute,utility")),
        outside=(("CUDA_VISIBLE_DEVICES", ids),) if len(chosen) < len(there) else (),
    )


def _common(rows: list[dict[str, str]], name: str) -> str | None:
    values = {row.get(name, "") for row in rows}
    return values.pop() if len(values) == 1 and values - UNSAID else None


def _value(row: dict[str, str], name: str) -> str | None:
    value = row.get(name, "")
    # `[N/A]`, `[Not Supported]`, `[Unknown Error]`, `[Requested functionality has been deprecated]`;
    # and a number without its unit may be half of one.
    return None if value in UNSAID or value.startswith("[") or not value.endswith(_UNITS.get(name, "")) else value


def _queried(evidence: Evidence, row: dict[str, str]) -> Device | None:
    index, bus = whole(_value(row, "index")), tables.BUS_ID.fullmatch(row.get("pci.bus_id", ""))
    if index is None or index < 0 or bus is None:
        return None
    facts = blank(QUERY)
    facts["physical_id"] = Fact(value=index, source=QUERY)
    facts["name"] = stated(_bare(_value(row, "name")), QUERY)
    facts["bus_id"] = Fact(value=bus[0], source=QUERY)
    facts["memory_bytes"] = stated(mebibytes(_value(row, "memory.total")) or None, QUERY)
    facts["memory_used_bytes"] = stated(mebibytes(_value(row, "memory.used")), QUERY)
    facts["utilisation_percent"] = stated(number(_value(row, "utilization.gpu")), QUERY)
    facts["temperature_c"] = stated(number(_value(row, "temperature.gpu")), QUERY)
    facts["power_w"] = stated(number(_value(row, "power.draw")), QUERY)
    facts["power_limit_w"] = stated(number(_value(row, "power.limit")), QUERY)
    facts["clock_mhz"] = stated(number(_value(row, "clocks.max.sm")), QUERY)
    facts["health"] = _health(evidence, bus[0])
    facts["partitions"] = _partitions(evidence, index, _value(row, "mig.mode.current"))
    facts["processes"] = _processes(evidence, index, bus[0])
    return Device(card=index, chip=0, **facts)


def _drawn(evidence: Evidence, card: boxes.Card) -> Device:
    facts = drawn(card, evidence, TABLE)
    # The table shortens long names; the list does not.
    whole_name = printed(rf"(?m)^GPU {card.index}: (.+?) \(UUID:")
    facts["name"] = first(
        stated(_bare(card.name), TABLE, f"{TABLE} shortens the name"),
        fact(evidence, LIST, lambda text: _bare(whole_name(text))),
    )
    facts["health"] = _health(evidence, card.bus_id)
    facts["partitions"] = _partitions(evidence, card.index, None)
    facts["processes"] = _processes(evidence, card.index, card.bus_id)
    return Device(card=card.index, chip=0, **facts)


def _health(evidence: Evidence, bus: str) -> Fact[str]:
    """Whether memory works, which is all that a driver tells of a GPU's health: `OK`, or what is wrong."""
    rows = tables.comma_separated(evidence[HEALTH].text or "")
    if rows is None:
        return Fact(source=HEALTH, reason=evidence[HEALTH].reason or "this driver does not know the question")
    row = next((row for row in rows if row.get("pci.bus_id") == bus), {})
    errors = whole(_value(row, "ecc.errors.uncorrected.volatile.total"))
    wrong = [f"{errors} uncorrected ECC errors since the driver was loaded"] if errors else []
    remapping = [name for name in ("pending", "failure") if _value(row, f"remapped_rows.{name}") == "Yes"]
    wrong += [f"row remapping: {name}" for name in remapping]
    told = "; ".join(wrong) or (None if errors is None else "OK")
    return stated(told, HEALTH, "the GPU counts no errors of its memory")


def _bare(name: str | None) -> str | None:
    return None if name is None else re.sub(r"^NVIDIA\s+", "", name) or None


def _partitions(evidence: Evidence, index: int, mode: str | None) -> Fact[tuple[str, ...]]:
    """The MIG instances of a GPU by their profiles; none where MIG is off."""
    if mode == "Disabled":
        return Fact(value=(), source=QUERY)

    def find(text: str) -> tuple[str, ...] | None:
        found: dict[int, list[str]] = {}
        current = None
        for line in tables.lines(text):
            if gpu := re.match(r"GPU (\d{1,5}):", line):
                current = found.setdefault(int(gpu[1]), [])
            elif current is not None and (part := re.match(r"MIG (\S+)\s+Device\s+\d+:", line)):
                current.append(part[1])
        return tuple(found[index]) if index in found else None

    return fact(evidence, LIST, find)


def _processes(evidence: Evidence, index: int, bus: str) -> Fact[tuple[Process, ...]]:
    rows = tables.comma_separated(evidence[APPS].text or "")
    if rows is not None:
        return Fact(
            value=tuple(
                Process(
                    pid=pid, name=_value(row, "process_name"), memory_bytes=mebibytes(_value(row, "used_gpu_memory"))
                )
                for row in rows
                if row.get("gpu_bus_id") == bus and (pid := whole(row.get("pid"))) is not None and pid >= 0
            ),
            source=APPS,
        )
    return uses_of(evidence, TABLE, index)
