"""What Ascend's other tools and files say: boards, chips, and the versions of driver, firmware and CANN."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kit.accelerators import tables
from kit.accelerators.device import mebibytes, printed
from kit.model.accelerator import Version
from kit.model.evidence import UNSAID, Evidence, fact, field, first, number, stated, whole
from kit.model.fact import Fact

MAP = "npu-smi info -m"
_ROOT = "/usr/local/Ascend"
_TOOLKITS = ("{}/cann", "{}/ascend-toolkit/latest")
FILES = (
    "{}/driver/version.info",
    "{}/firmware/version.info",
    *(
        f"{toolkit}/{file}"
        for toolkit in _TOOLKITS
        for file in (
            "aarch64-linux/ascend_toolkit_install.info",
            "x86_64-linux/ascend_toolkit_install.info",
            "toolkit/version.info",
            "opp_kernel/version.info",
            "version.cfg",
        )
    ),
    "{}/nnae/latest/ascend_nnae_install.info",
    "{}/nnal/atb/latest/version.info",
    "{}/mindie/latest/version.info",
)


@dataclass(frozen=True, slots=True)
class Chip:
    """What is known of a chip beyond the table of devices."""

    board: Fact[str]
    serial: Fact[str]
    bus_id: Fact[str]
    memory_bytes: Fact[int]
    power_w: Fact[float]
    clock_mhz: Fact[float]
    cores: Fact[int]
    physical_id: Fact[int]


def install_roots(evidence: Evidence) -> tuple[str, ...]:
    """Where driver and toolkit lie: the usual place, and the one that the installer wrote down."""
    text = evidence["/etc/ascend_install.info"].text or ""
    written = re.findall(r"^[A-Za-z]+_Install_Path_Param=(/[\w./-]{1,200})\s*$", text, re.MULTILINE)
    return tuple(sorted({_ROOT, *(path.rstrip("/") for path in written if path.strip("/"))}))


def device_nodes(evidence: Evidence) -> set[int]:
    """The numbers N of the nodes /dev/davinciN."""
    return {int(found) for found in re.findall(r"^(?:/dev/)?davinci(\d{1,6})$", evidence["ls /dev"].text or "", re.M)}


def paragraphs(text: str) -> list[dict[str, str]]:
    """Blocks of `Name : value` lines as npu-smi prints them, parted by blank lines; `Chip ID` may stand first or last."""
    found: list[dict[str, str]] = [{}]
    rows = tables.lines(text)
    if rows and not text.endswith("\n") and not rows[-1].startswith("Chip ID"):
        rows.pop()  # its value may go on
    for line in rows:
        name, separator, value = line.partition(":")
        if not line:
            found.append({})
        elif separator and name.strip():
            found[-1].setdefault(name.strip(), value.strip())
    return [block for block in found if block]


def _of_chip(evidence: Evidence, key: str, chip: int) -> dict[str, str]:
    """The values of one chip, with those of its card where the tool gives no chip."""
    blocks = paragraphs(evidence[key].text or "")
    card = blocks[0] if blocks and "Chip ID" not in blocks[0] else {}
    own = next((block for block in blocks if block.get("Chip ID") == str(chip)), {})
    return {name: value for name, value in {**card, **own}.items() if value not in UNSAID}


def about_chip(evidence: Evidence, npu: int, chip: int) -> Chip:
    """What board, usages and the like say of a chip."""
    keys = {name: f"npu-smi info -t {name} -i {npu}" for name in ("board", "memory", "usages", "common")}
    board, memory, usages, common = (_of_chip(evidence, key, chip) for key in keys.values())
    why = {name: evidence[key].reason or f"{key} does not say" for name, key in keys.items()}
    return Chip(
        board=stated(board.get("Product Name"), keys["board"], why["board"]),
        serial=stated(board.get("Serial Number"), keys["board"], why["board"]),
        bus_id=stated(_bus_id(board.get("PCIe Bus Info")), keys["board"], why["board"]),
        memory_bytes=first(
            stated(mebibytes(usages.get("HBM Capacity(MB)")) or None, keys["usages"], why["usages"]),
            stated(mebibytes(memory.get("HBM Capacity(MB)")) or None, keys["memory"], why["memory"]),
        ),
        power_w=_power(common, evidence[keys["common"]].text or "", keys["common"], why["common"]),
        clock_mhz=stated(number(common.get("Aicore Freq(MHZ)")), keys["common"], why["common"]),
        cores=stated(whole(common.get("Aicore Count")), keys["common"], why["common"]),
        physical_id=stated(_physical_ids(evidence).get((npu, chip)), MAP, evidence[MAP].reason or ""),
    )


def _power(common: dict[str, str], text: str, source: str, why: str) -> Fact[float]:
    """A chip's power, or its card's where the card has no other chip; a card's power is not shared out among chips."""
    own = number(common.get("NPU Real-time Power(W)"))
    card = next(
        (number(b.get("NPU Real-time Power(W)")) for b in paragraphs(text) if b.get("Chip Name") == "mcu"), None
    )
    if own is not None or card is None:
        return stated(own, source, why)
    if common.get("Chip Count") == "1":
        return Fact(value=card, source=f"{source}, mcu")
    return Fact(source=source, reason=f"{source} tells the power of the whole card only: {card:g} W")


def clocks(evidence: Evidence, npu: int, chip: int) -> tuple[float | None, float | None]:
    """The clock of the AI cores as it is, and as it is rated, in MHz."""
    common = _of_chip(evidence, f"npu-smi info -t common -i {npu}", chip)
    return number(common.get("Aicore curFreq(MHZ)")), number(common.get("Aicore Freq(MHZ)"))


def _bus_id(text: str | None) -> str | None:
    found = tables.BUS_ID.fullmatch(text or "")
    return found[0] if found else None


def _physical_ids(evidence: Evidence) -> dict[tuple[int, int], int]:
    """From `npu-smi info -m`, where its header has a column for them."""
    found: dict[tuple[int, int], int] = {}
    names: list[str] = []
    for line in tables.lines(evidence[MAP].text or ""):
        if re.match(r"NPU ID\s", line):
            names = re.findall(r"NPU ID|Slot ID|Chip ID|Chip Logic ID|Chip Phy-ID|Chip Name", line)
            continue
        values = line.split(None, len(names) - 1) if names else []
        row = dict(zip(names, values, strict=False))
        npu, chip, own = (whole(row.get(name)) for name in ("NPU ID", "Chip ID", "Chip Phy-ID"))
        # NPU ID -1 stands for a card that is not available.
        if npu is not None and npu >= 0 and chip is not None and own is not None:
            found.setdefault((npu, chip), own)
    return found


def versions(evidence: Evidence, npus: Sequence[str]) -> tuple[Version, ...]:
    """Driver, firmware and CANN as their files tell, the driver as npu-smi tells where its file is not readable."""
    roots = install_roots(evidence)
    boards = [f"npu-smi info -t board -i {npu}" for npu in npus]

    def of(*files: str, names: tuple[str, ...]) -> Fact[str]:
        paths = [file.replace("{}", root) for root in roots for file in files]
        return first(*(fact(evidence, path, lambda text: _plain(field(text, *names))) for path in paths))

    def of_boards(name: str) -> tuple[Fact[str], ...]:
        return tuple(fact(evidence, key, lambda text: _plain(field(text, name))) for key in boards)

    tool = fact(evidence, "npu-smi info", printed(r"\bVersion:\s*(\S+)"))
    driver = of(FILES[0], names=("package_version", "Version"))
    installs = [file for file in FILES if file.endswith("ascend_toolkit_install.info")]
    kernels = [file for file in FILES if file.endswith("opp_kernel/version.info")]
    others = [file for file in FILES if file.endswith("toolkit/version.info")]
    return (
        Version(name="driver", version=first(driver, *of_boards("Software Version"), tool)),
        Version(name="driver, internal", version=of(FILES[0], names=("Innerversion",))),
        Version(name="driver, fits CANN", version=of(FILES[0], names=("compatible_version",))),
        Version(name="driver, fits firmware", version=of(FILES[0], names=("compatible_version_fw",))),
        Version(name="firmware", version=first(of(FILES[1], names=("Version",)), *of_boards("Firmware Version"))),
        Version(
            name="CANN toolkit",
            version=first(
                of(*installs, names=("version",)),
                of(*others, names=("version_dir", "Version")),
                *_running(evidence, roots),
            ),
        ),
        Version(name="CANN toolkit, internal", version=of(*installs, names=("innerversion",))),
        Version(name="CANN kernels", version=of(*kernels, names=("version_dir", "Version"))),
        Version(name="nnae", version=of("{}/nnae/latest/ascend_nnae_install.info", names=("version",))),
        Version(
            name="nnal",
            version=of("{}/nnal/atb/latest/version.info", names=("Ascend-cann-atb Version", "Ascend-cann-atb")),
        ),
        Version(
            name="MindIE",
            version=of("{}/mindie/latest/version.info", names=("Ascend-mindie", "mindie-llm", "mindie-service")),
        ),
    )


def _running(evidence: Evidence, roots: Sequence[str]) -> list[Fact[str]]:
    """Older toolkits have but a version.cfg: `toolkit_running_version=[7.6.0.1.220:8.0.RC3]`."""

    def find(text: str) -> str | None:
        found = re.fullmatch(r"\[[^\[\]:]*:([^\[\]:]+)\]", field(text, "toolkit_running_version") or "")
        return found[1] if found else None

    files = [file for file in FILES if file.endswith("version.cfg")]
    return [fact(evidence, file.replace("{}", root), find) for root in roots for file in files]


def _plain(text: str | None) -> str | None:
    return None if text is None else text.strip("\"'").removeprefix("MindIE ").strip() or None
