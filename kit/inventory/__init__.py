"""The inventory: what this machine is, with the raw outputs that say so."""

import platform
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kit import bounded
from kit.accelerators import ACCELERATORS
from kit.errors import UsageError
from kit.inventory import asking, cpu, masking, memory, storage, system
from kit.inventory.asking import written
from kit.inventory.comparing import Difference, differences, fingerprint
from kit.inventory.script import script
from kit.model.evidence import Evidence, Raw, fact, file_name
from kit.model.inventory import Inventory
from kit.ports import Host

__all__ = [
    "Collected",
    "Difference",
    "Raw",
    "collect",
    "differences",
    "file_name",
    "load",
    "parse",
    "read",
    "script",
    "take",
    "written",
]


@dataclass(frozen=True, slots=True)
class Collected:
    """An inventory with its evidence: the answers by command or path."""

    inventory: Inventory
    raw: Evidence


def collect(host: Host, *, unmasked: bool = False) -> Collected:
    """Ask every tool once, in parallel, each within its time. Serial numbers and addresses are struck out of everything."""
    evidence = asking.ask(host)
    evidence[system.PYTHON] = Raw(platform.python_version())
    return take(evidence, host.now(), unmasked=unmasked)


def take(evidence: Evidence, at: datetime, *, unmasked: bool = False) -> Collected:
    """The inventory that this evidence gives, with what was kept of the evidence; `at` is when it was collected."""
    kept = evidence if unmasked else masking.evidence(evidence)
    return Collected(parse(kept, at), kept)


def read(folder: Path, host: Host, *, unmasked: bool = False) -> Collected:
    """The inventory of another machine, from the outputs recorded there. Raises `UsageError` where there are none."""
    evidence = asking.recorded(folder)
    return take(evidence, system.recorded_at(evidence) or host.now(), unmasked=unmasked)


def parse(evidence: Evidence, at: datetime) -> Inventory:
    """The facts that the evidence holds."""
    if (said := evidence["lscpu"]).text is not None:
        evidence = Evidence({**evidence, "lscpu": Raw(cpu.english(said.text))})
    blank = Inventory(
        collected=at,
        hostname=fact(evidence, "hostname", lambda text: text.strip() or None),
        board=system.board(evidence),
        cpu=cpu.cpu(evidence),
        memory=memory.memory(evidence),
        accelerators=tuple(accelerator.family(evidence) for accelerator in ACCELERATORS.values()),
        storage=storage.storage(evidence),
        network=storage.network(evidence),
        system=system.system(evidence),
        containers=system.containers(evidence),
        fingerprint="",
    )
    return blank.model_copy(update={"fingerprint": fingerprint(blank)})


_MOST_BYTES = 64 * 1024**2


def load(reference: Path) -> Inventory:
    """The inventory in a file, or of a directory that holds one. Raises `UsageError` where there is none."""
    path = reference / "inventory.json" if reference.is_dir() else reference
    try:
        return Inventory.model_validate_json(bounded.read(path, _MOST_BYTES))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", hint="kit inventory --out DIR writes one"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is no inventory of this version of kit") from error
