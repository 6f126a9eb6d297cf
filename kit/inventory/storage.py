"""Disks, the room on them, and the network cards."""

import json
import re
from collections.abc import Mapping, Sequence

from kit.model.evidence import Command, Each, Evidence, File, Question, Unread, fact, first, number, stated
from kit.model.fact import Fact
from kit.model.inventory import Disk, FileSystem, NetworkCard, Storage

_DISKS = "lsblk -J -b -d -o NAME,SIZE,MODEL,ROTA,TYPE,TRAN"
# Before util-linux 2.27 (CentOS 7) it knows no JSON.
_PAIRS = _DISKS.replace("-J", "-P")
_ROOM = "df -P -k -T"
_INTERFACES = "/proc/net/dev"
_NETWORK = "/sys/class/net"
_PCI = "lspci -nn"
# What holds no models: memory, layers of containers, and what the kernel shows as files.
_NO_ROOM = re.compile(
    r"tmpfs|devtmpfs|overlay|squashfs|proc|sysfs|cgroup2?|efivarfs|devpts|mqueue|autofs|iso9660|fuse\.(?:lxcfs|snapfuse|gvfsd).*|vfat"
)


def interfaces(evidence: Evidence) -> list[str]:
    """All interfaces but those that are plainly software."""
    names = re.findall(r"^\s*([\w.@-]{1,30}):", evidence[_INTERFACES].text or "", re.MULTILINE)
    return [
        name for name in names if not re.match(r"lo$|veth|docker|br-|virbr|cni|flannel|cali|tun|tap|dummy|vnet", name)
    ]


QUESTIONS: tuple[Question, ...] = (
    Command(tuple(_DISKS.split())),
    Command(tuple(_PAIRS.split())),
    Command(tuple(_ROOM.split())),
    File(_INTERFACES),
    Each(
        tuple(File(f"{_NETWORK}/{{}}/{name}") for name in ("device/uevent", "address", "operstate", "speed")),
        names=interfaces,
        shell=r"sed -n 's/^ *\([^ :]*\):.*/\1/p' proc_net_dev.txt | grep -v -E '^(lo$|veth|docker|br-|virbr|cni|flannel|cali|tun|tap|dummy|vnet)'",
    ),
)


def storage(evidence: Evidence) -> Storage:
    """Disks and file systems."""
    disks = first(fact(evidence, _DISKS, _disks), fact(evidence, _PAIRS, _paired))
    return Storage(disks=disks, file_systems=fact(evidence, _ROOM, _file_systems))


def _disks(text: str) -> tuple[Disk, ...]:
    try:
        return _listed(json.loads(text)["blockdevices"])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unread(f"{_DISKS} printed another form") from error


def _paired(text: str) -> tuple[Disk, ...] | None:
    """The same from lines like `NAME="sda" SIZE="480103981056"`."""
    rows = [dict(re.findall(r'([A-Z]{2,8})="([^"]*)"', line)) for line in text.splitlines()]
    whole = [
        {name.lower(): value for name, value in row.items()} for row in rows if {"NAME", "SIZE", "TYPE"} <= row.keys()
    ]
    return _listed(whole) if whole else None


def _listed(entries: Sequence[Mapping[str, object]]) -> tuple[Disk, ...]:
    return tuple(
        Disk(
            name=str(entry["name"]),
            size_bytes=int(str(entry["size"])),
            model=str(entry["model"]).strip() or None if entry.get("model") else None,
            rotates={"True": True, "1": True, "False": False, "0": False}.get(str(entry.get("rota"))),
            transport=str(entry["tran"]) if entry.get("tran") else None,
        )
        for entry in entries
        if entry.get("type") == "disk" and int(str(entry["size"])) > 0
    )


def _file_systems(text: str) -> tuple[FileSystem, ...] | None:
    found: dict[str, FileSystem] = {}
    for line in text.splitlines():
        row = re.fullmatch(r"(\S.*?)\s+(\S+)\s+(\d{1,15})\s+(\d{1,15})\s+(\d{1,15})\s+(?:\d+%|-)\s+(/.*?)\s*", line)
        if (
            row is None
            or (_NO_ROOM.fullmatch(row[2]) and row[6] != "/")
            or int(row[3]) == 0
            or row[6].startswith(("/boot", "/snap", "/etc/"))
        ):
            continue
        # What is mounted in a second place is the same room.
        found.setdefault(
            row[1],
            FileSystem(path=row[6], device=row[1], size_bytes=int(row[3]) * 1024, free_bytes=int(row[5]) * 1024),
        )
    return tuple(found.values()) if "Mounted on" in text else None


def _model(evidence: Evidence, device: str) -> Fact[str]:
    """What lspci calls the card that the kernel ties to an interface."""
    slot = re.search(r"^PCI_SLOT_NAME=(?:0000:)?(\S+)$", evidence[device].text or "", re.MULTILINE)
    if slot is None:
        return Fact(source=device, reason=evidence[device].reason or f"{device} names no PCI slot")

    def find(text: str) -> str | None:
        found = re.search(rf"^(?:0000:)?{re.escape(slot[1])}\s+[^:]+:\s+(.+?)\s*$", text, re.MULTILINE)
        # The ids behind the name tell nothing more to a reader.
        return re.sub(r"\s*\[[0-9a-f]{4}:[0-9a-f]{4}\].*$|\s*\(rev [0-9a-f]+\).*$", "", found[1]) if found else None

    return fact(evidence, _PCI, find)


def network(evidence: Evidence) -> Fact[tuple[NetworkCard, ...]]:
    """The interfaces that belong to hardware."""

    def card(name: str) -> NetworkCard:
        device, mac, state, speed = (
            f"{_NETWORK}/{name}/{file}" for file in ("device/uevent", "address", "operstate", "speed")
        )
        return NetworkCard(
            name=name,
            model=_model(evidence, device),
            driver=fact(evidence, device, lambda text: text.partition("DRIVER=")[2].split("\n")[0] or None),
            mac=fact(evidence, mac, lambda text: text.strip() or None),
            state=fact(evidence, state, lambda text: text.strip() or None),
            # -1 while there is no link
            speed_mbps=fact(
                evidence, speed, lambda text: int(n) if (n := number(text)) is not None and n > 0 else None
            ),
        )

    said = evidence[_INTERFACES]
    hardware = [name for name in interfaces(evidence) if evidence[f"{_NETWORK}/{name}/device/uevent"].text is not None]
    return stated(None if said.text is None else tuple(map(card, hardware)), _INTERFACES, said.reason or "")
