"""The operating system and its settings, the board below it, and the container engines on it."""

import re
from datetime import UTC, datetime

from kit.inventory.memory import kibibytes
from kit.model.evidence import Command, Evidence, File, Question, Unread, fact, field, first, whole
from kit.model.fact import Fact
from kit.model.inventory import Board, Containers, System

_DMI = "/sys/class/dmi/id"
_BOARD = ("sys_vendor", "product_name", "product_serial", "bios_vendor", "bios_version", "bios_date")
_THP = "/sys/kernel/mm/transparent_hugepage/enabled"
_OS = "/etc/os-release"
PYTHON = "python"
_PODMAN_RUNTIME = "podman info --format {{.Host.OCIRuntime.Name}}"
_DATE = Command(("date", "-u", "+%Y-%m-%dT%H:%M:%SZ"))
QUESTIONS: tuple[Question, ...] = (
    _DATE,
    Command(("uname", "-a")),
    Command(("hostname",)),
    Command(("systemd-detect-virt",)),
    Command(("timedatectl", "show")),
    Command(("chronyc", "-n", "tracking")),
    Command(("docker", "version")),
    Command(("docker", "info")),
    Command(("podman", "--version")),
    Command(tuple(_PODMAN_RUNTIME.split())),
    Command(("lspci", "-nn")),
    Command(("dmidecode", "-t", "system")),
    Command(("dmidecode", "-t", "bios")),
    File(_OS),
    File("/etc/openEuler-release"),
    File("/proc/cmdline"),
    File("/proc/version"),
    File("/proc/sys/kernel/numa_balancing"),
    File("/proc/sys/vm/swappiness"),
    File(_THP),
    *(File(f"{_DMI}/{name}") for name in _BOARD),
)


def recorded_at(evidence: Evidence) -> datetime | None:
    """When outputs were recorded, where the recording says so."""
    try:
        return datetime.strptime((evidence[_DATE.key].text or "").strip(), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def board(evidence: Evidence) -> Board:
    """Maker, model and firmware of the server."""

    def of(name: str, table: str, *fields: str) -> Fact[str]:
        return first(
            fact(evidence, f"{_DMI}/{name}", lambda text: _named(text.strip())),
            fact(evidence, f"dmidecode -t {table}", lambda text: _named(field(text, *fields) or "")),
        )

    version, date = of("bios_version", "bios", "Version"), of("bios_date", "bios", "Release Date")
    bios = version
    if version.value is not None and date.value is not None:
        bios = Fact(value=f"{version.value} ({date.value})", source=version.source)
    return Board(
        vendor=of("sys_vendor", "system", "Manufacturer"),
        product=of("product_name", "system", "Product Name"),
        serial=of("product_serial", "system", "Serial Number"),
        bios=bios,
    )


def _named(text: str) -> str | None:
    nothing = re.fullmatch(
        r"|To be filled by O\.E\.M\.|Not Specified|Default string|None|0+|System (Product|Serial).*", text, re.I
    )
    return None if nothing else text


def system(evidence: Evidence) -> System:
    """Operating system, kernel and the settings that inference feels."""
    return System(
        os=_os(evidence),
        kernel=fact(evidence, "uname -a", lambda text: text.split()[2]),
        command_line=fact(evidence, "/proc/cmdline", lambda text: text.strip() or None),
        virtualisation=first(
            fact(evidence, "systemd-detect-virt", lambda text: text.strip() or None),
            fact(evidence, "lscpu", lambda text: field(text, "Hypervisor vendor")),
        ),
        hugepages=fact(evidence, "/proc/meminfo", lambda text: whole(field(text, "HugePages_Total"))),
        hugepage_bytes=fact(evidence, "/proc/meminfo", lambda text: kibibytes(text, "Hugepagesize")),
        transparent_hugepages=fact(evidence, _THP, lambda text: text[text.index("[") + 1 : text.index("]")]),
        numa_balancing=fact(evidence, "/proc/sys/kernel/numa_balancing", lambda text: text.strip() or None),
        swappiness=fact(evidence, "/proc/sys/vm/swappiness", whole),
        clock_synchronised=_synchronised(evidence),
        python=fact(evidence, PYTHON, lambda text: text.strip() or None),
    )


def _os(evidence: Evidence) -> Fact[str]:
    """The name as its makers print it; openEuler with its service pack, which the kernel's name tells for certain."""
    plain = fact(evidence, _OS, _distribution)
    base = re.fullmatch(r"openEuler (\d\d)\.(\d\d)(?: LTS)?", plain.value or "")
    kernel = re.search(r"\.oe(\d\d)(\d\d)(sp\d+)\b", evidence["uname -a"].text or "", re.IGNORECASE)
    if base and kernel and base.groups() == kernel.groups()[:2]:
        return Fact(value=f"openEuler {base[1]}.{base[2]} LTS-{kernel[3].upper()}", source=f"{_OS}, uname -a")
    return plain


def _distribution(text: str) -> str | None:
    pairs = {name: value.strip("\"'") for name, value in re.findall(r"^([A-Z_]+)=(.*?)\s*$", text, re.MULTILINE)}
    name, version = pairs.get("NAME"), pairs.get("VERSION_ID")
    if pairs.get("ID") == "openEuler":
        # `22.03 LTS` or `22.03 (LTS-SP3)`
        told = re.sub(r"[()]", "", pairs.get("VERSION") or version or "").strip()
        return f"openEuler {told}" if told else None
    return pairs.get("PRETTY_NAME") or (f"{name} {version}" if name and version else name) or None


def _synchronised(evidence: Evidence) -> Fact[bool]:
    def by_systemd(text: str) -> bool | None:
        return {"yes": True, "no": False}.get(field(text, "NTPSynchronized") or "")

    def by_chrony(text: str) -> bool | None:
        status = field(text, "Leap status")
        return None if status is None else status == "Normal"

    systemd = fact(evidence, "timedatectl show", by_systemd)
    return systemd if systemd.value else first(fact(evidence, "chronyc -n tracking", by_chrony), systemd)


def containers(evidence: Evidence) -> Containers:
    """The container engines that answer, and the runtimes that Docker knows."""
    return Containers(
        docker=fact(evidence, "docker version", _docker),
        docker_runtimes=fact(evidence, "docker info", _runtimes),
        podman=fact(evidence, "podman --version", lambda text: text.strip().removeprefix("podman version ") or None),
        podman_runtime=fact(
            evidence, _PODMAN_RUNTIME, lambda text: found if (found := text.strip()).isalnum() else None
        ),
    )


def _docker(text: str) -> str | None:
    """The engine's version; openEuler's own builds have a fourth part that tells them apart."""
    server = text.partition("Server:")[2]
    if not server.strip():
        who = "Podman under Docker's name" if "podman" in text.lower() else "a client alone"
        raise Unread(f"docker version is of {who}: the engine does not run, or this user may not use it")
    return field(server, "EulerVersion", "Version")


def _runtimes(text: str) -> tuple[str, ...] | None:
    found = field(text, "Runtimes")
    return None if found is None else tuple(sorted(found.split()))
