"""Checks of the accelerators: what is declared against what was measured, who uses them, and how they are."""

import re
from collections.abc import Iterator

from kit.doctor.asked import Asked, check, unread
from kit.formats import many, size
from kit.model import AcceleratorWish, Check, Device, Family
from kit.model.check import Level

_GIB = 1024**3
# Firmware keeps a little: 143771 MiB are sold as 141 GB.
_SIZE_TOLERANCE = 0.05
_IDLE_SHARE = 0.10
"""More than this of a card's memory in use while no program holds it is worth a look: 64 GiB cards idle at 3 to 4 GiB."""
_SMALL_SHARE = 0.01
_WELL = frozenset({"OK", "NORMAL", "AVAILABLE", "HEALTHY"})
_ALARMS = frozenset({"ALARM", "CRITICAL", "ERROR", "FAULT"})


def present(asked: Asked) -> Iterator[Check]:
    """The declared kind, count, model and memory are those of the cards that are there."""
    wish = asked.plan.machine.accelerator if asked.plan is not None else None
    if wish is None:
        return
    memory = f" with {wish.memory_gib} GiB" if wish.memory_gib else ""
    needed = f"{wish.count} x {wish.kind} {wish.model or 'of any model'}{memory}"
    family = asked.family()
    if family is None or family.devices.value is None:
        reason = family.devices.reason if family is not None else f"kit knows no accelerators called {wish.kind}"
        remedy = "check the driver, and that the user may call its tool"
        yield check("accelerators", "fail", f"none could be seen ({reason})", needed=needed, remedy=remedy)
        return
    devices = family.devices.value
    if len(devices) < wish.count:
        remedy = "set machine.accelerator.count to what is there, and the engine's parallel flags with it"
        yield check("accelerators", "fail", many(len(devices), f"{family.vendor} device"), needed=needed, remedy=remedy)
    else:
        chosen = ", ".join(_title(family, device) for _, device in asked.devices())
        yield check(
            "accelerators",
            "ok",
            f"{many(len(devices), f'{family.vendor} device')}; for this run: {chosen}",
            needed=needed,
        )
    for _, device in asked.devices():
        if asked.in_container and device.physical_id.value is None:
            remedy = "set server.container.devices by hand"
            found = f"the number of its node is not known ({device.physical_id.reason})"
            yield check(_title(family, device), "fail", found, needed="its device node", remedy=remedy)
        yield from _model(family, device, wish)
        yield from _memory(family, device, wish)


def _model(family: Family, device: Device, wish: AcceleratorWish) -> Iterator[Check]:
    if wish.model is None:
        return
    name, needed = _title(family, device), f"the profile declares {wish.model}"
    if device.name.value is None:
        yield unread(f"{name} model", device.name, needed=needed)
        return
    fit = fits(device.name.value, wish.model)
    remedy = "declare in machine.accelerator.model what is there, or take the profile of this card"
    found = f"{device.name.value}, a variant" if fit == "warn" else device.name.value
    yield check(f"{name} model", fit, found, needed=needed, remedy="" if fit == "ok" else remedy)


def fits(measured: str, declared: str) -> Level:
    """`ok` for the declared model with its maker's words before it, `warn` for a variant of it, `fail` for another."""
    found, wanted = (_words(text) for text in (measured, declared))
    if wanted and found[-len(wanted) :] == wanted:
        return "ok"
    if any(found[at : at + len(wanted)] == wanted for at in range(len(found))):
        return "warn"
    return "fail"


def _words(name: str) -> list[str]:
    # Some drivers are branded: they call a 910B4 A2G4.
    plain = re.sub(r"(?i)\bA2G(\d)", r"910B\1", name)
    return re.findall(r"[a-z0-9]+", re.sub(r"(?i)^(ascend)(?=\d)", "", plain).lower())


def _memory(family: Family, device: Device, wish: AcceleratorWish) -> Iterator[Check]:
    if wish.memory_gib is None:
        return
    name, needed = f"{_title(family, device)} memory", f"the profile declares {wish.memory_gib} GiB"
    if device.memory_bytes.value is None:
        yield unread(name, device.memory_bytes, needed=needed)
    elif abs(device.memory_bytes.value / (wish.memory_gib * _GIB) - 1) > _SIZE_TOLERANCE:
        remedy = "declare what the card has in machine.accelerator.memory_gib: a label does not make it larger"
        yield check(name, "fail", f"{size(device.memory_bytes.value)} measured", needed=needed, remedy=remedy)
    else:
        yield check(name, "ok", f"{size(device.memory_bytes.value)} measured", needed=needed)


def use(asked: Asked) -> Iterator[Check]:
    """Nobody else holds a card, and its memory is free."""
    for family, device in asked.devices():
        name, total, used = f"{_title(family, device)} use", device.memory_bytes.value, device.memory_used_bytes.value
        held = ", ".join(
            f"{process.name or 'a program'} (pid {process.pid}"
            + (f", {size(process.memory_bytes)})" if process.memory_bytes is not None else ")")
            for process in device.processes.value or ()
        )
        free = f"{size(total - used)} of {size(total)} free" if total is not None and used is not None else ""
        # A desktop or a monitor holds a few MiB, which is not what a run must wait for.
        large = any(
            process.memory_bytes is None or total is None or process.memory_bytes > _SMALL_SHARE * total
            for process in device.processes.value or ()
        )
        needed = "a card that nothing else uses"
        if held and asked.plan is None:
            yield check(name, "warn", f"used by {held}; {free or 'free memory not known'}", needed=needed)
        elif held:
            remedy = "stop that program, or wait until it ends"
            yield check(name, "fail" if large else "warn", f"used by {held}", needed=needed, remedy=remedy)
        elif used is None or total is None:
            yield unread(name, device.memory_used_bytes if used is None else device.memory_bytes, needed=needed)
        elif used > _IDLE_SHARE * total:
            remedy = "a container or a virtual machine may hold it unseen: docker ps lists those that run"
            yield check(name, "warn", f"{free}, though no program is listed", needed=needed, remedy=remedy)
        elif device.processes.value is None:
            yield check(name, "warn", f"{free}; who uses it is not known ({device.processes.reason})", needed=needed)
        else:
            yield check(name, "ok", f"{free}, no other program")


def health(asked: Asked) -> Iterator[Check]:
    """No card raises an alarm."""
    for family, device in asked.devices():
        said = device.health.value
        if said is None:
            continue  # most makers' tools have no such word: nothing was promised, nothing is doubted
        name = f"{_title(family, device)} health"
        if said.upper() in _WELL:
            yield check(name, "ok", said)
            continue
        remedy = "figures of a card that raises an alarm prove nothing"
        if family.kind == "ascend":
            remedy += f": npu-smi info -t health -i {device.card} names the error code"
        yield check(name, "fail" if said.upper() in _ALARMS else "warn", said, needed="OK", remedy=remedy)
    for family in asked.inventory.accelerators:
        for note in family.notes if asked.plan is None or family is asked.family() else ():
            if not re.search(r"reports [\w ]+$", note):
                yield check(family.vendor, "warn", note, remedy="kit inventory shows what its tool says")


def compatibility(asked: Asked) -> Iterator[Check]:
    """Driver, firmware and CANN name each other as compatible. Their files are not complete: this only ever warns."""
    for family in asked.inventory.accelerators:
        if family.kind != "ascend" or not family.devices.value or (asked.plan and family is not asked.family()):
            continue
        said = {version.name: version.version.value for version in family.software}
        firmware, fits_firmware = said.get("firmware"), said.get("driver, fits firmware")
        if firmware and fits_firmware and (within := inside(firmware, fits_firmware)) is not None:
            found = f"firmware {firmware}, driver {said.get('driver') or '?'}"
            needed = f"the driver names {fits_firmware}"
            remedy = "" if within else "install the firmware that belongs to the driver (one HDK release)"
            yield check("firmware", "ok" if within else "warn", found, needed=needed, remedy=remedy)
        toolkit, fits_toolkit = said.get("CANN toolkit, internal"), said.get("driver, fits CANN")
        branch = re.match(r"V\d+R\d+C\d+", toolkit or "")
        if branch and fits_toolkit:
            listed = branch[0] in fits_toolkit
            found = f"CANN {said.get('CANN toolkit') or '?'} ({branch[0]})"
            needed = f"the driver names {fits_toolkit}"
            remedy = "" if listed else "often works all the same; the vendor's matrix of HDK and CANN decides"
            yield check("CANN", "ok" if listed else "warn", found, needed=needed, remedy=remedy)


def inside(version: str, ranges: str) -> bool | None:
    """Whether a version lies in one of the ranges `[7.0.0,7.7.99]`; None where no range can be read."""
    found = re.findall(r"\[\s*([\d.]+)\s*,\s*([\d.]+)\s*\]", ranges)
    numbers = _numbers(version)
    if not found or not numbers:
        return None
    # As many parts as the range has: 7.7.0.1.231 lies in 7.7.99.
    return any(
        _numbers(low) <= numbers[: len(_numbers(low))] and numbers[: len(_numbers(high))] <= _numbers(high)
        for low, high in found
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d{1,9}", version))


def _title(family: Family, device: Device) -> str:
    chips = any(other.chip for other in family.devices.value or ())
    return f"{'NPU' if family.kind == 'ascend' else family.vendor} {device.card}" + (
        f" chip {device.chip}" if chips else ""
    )
