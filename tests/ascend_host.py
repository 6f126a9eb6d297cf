"""A machine like the original report's, as its tools and files describe it: two Ascend 910B4 with 64 GiB, a Kunpeng 920 7263Z.

Written for these tests in the forms that the tools print; the values are not of any real machine.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from kit import inventory as inventories
from kit.model import Inventory
from kit.model.evidence import Evidence, Raw

AT = datetime(2025, 12, 8, 3, 58, 31, tzinfo=UTC)
GIB = 1024**3

NPU_INFO = """\
+------------------------------------------------------------------------------------------------+
| npu-smi 25.0.rc1.1               Version: 25.0.rc1.1                                           |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
| {first:<5} {model:<19} | {health:<13} | {power:<11} {temp:<17} 0    / 0             |
| 0                         | 0000:41:00.0  | {busy:<11} 0    / 0          {used:<5}/ {total:<13} |
+===========================+===============+====================================================+
| {second:<5} {model:<19} | OK            | 87.4        43                0    / 0             |
| 0                         | 0000:C1:00.0  | {busy:<11} 0    / 0          3381 / {total:<13} |
+===========================+===============+====================================================+
+---------------------------+---------------+----------------------------------------------------+
| NPU     Chip              | Process id    | Process name             | Process memory(MB)      |
+===========================+===============+====================================================+
{processes}
+===========================+===============+====================================================+
"""
FREE = """\
| No running processes found in NPU {first:<60} |
+===========================+===============+====================================================+
| No running processes found in NPU {second:<60} |"""
HELD = """\
| {first:<7} 0                 | 41877         | python3                  | 52210                   |
+===========================+===============+====================================================+
| No running processes found in NPU {second:<60} |"""


def npu_info(**changes: object) -> str:
    """What `npu-smi info` prints; NPUs 1 and 5, as a machine with sparse slots numbers them."""
    said = {
        "first": 1,
        "second": 5,
        "model": "910B4",
        "health": "OK",
        "power": 88.1,
        "temp": 44,
        "busy": 0,
        "used": 3376,
        "total": 65536,
        **changes,
    }
    processes = (HELD if changes.get("held") else FREE).format(first=said["first"], second=said["second"])
    return NPU_INFO.format(**{**said, "processes": processes})


_MAP = """\
\tNPU ID                         Chip ID                        Chip Logic ID                  Chip Name
\t1                              0                              0                              Ascend 910B4
\t1                              1                              -                              Mcu
\t5                              0                              1                              Ascend 910B4
\t5                              1                              -                              Mcu
"""
_TOPO = """\
\t           NPU1       NPU5       CPU Affinity
\tNPU1       X          SYS        0-31
\tNPU5       SYS        X          64-95

Legend:

  X    = Self
  SYS  = Path traversing PCIe and NUMA nodes.
"""
_BOARD = """\
\tNPU ID                         : {npu}
\tSoftware Version               : 25.0.rc1.1
\tFirmware Version               : 7.7.0.1.231
\tCompatibility                  : OK
\tBoard ID                       : 0x29
\tPCB ID                         : A
\tChip Count                     : 1
"""
_COMMON = """\
\tNPU ID                         : {npu}
\tChip Count                     : 1

\tChip ID                        : 0
\tMemory Usage Rate(%)           : 0
\tHBM Usage Rate(%)              : 5
\tAicore Usage Rate(%)           : 0
\tAicore Freq(MHZ)               : 1650
\tAicore curFreq(MHZ)            : 1650
\tAicore Count                   : 20
\tTemperature(C)                 : 44
\tNPU Real-time Power(W)         : 88.1
"""
_LSCPU = """\
Architecture:           aarch64
CPU op-mode(s):         64-bit
Byte Order:             Little Endian
CPU(s):                 128
On-line CPU(s) list:    0-127
Vendor ID:              HiSilicon
BIOS Vendor ID:         HiSilicon
BIOS Model name:        Kunpeng 920 7263Z To be filled by O.E.M. CPU @ 2.6GHz
Model:                  0
Thread(s) per core:     1
Core(s) per socket:     64
Socket(s):              2
CPU max MHz:            2600.0000
BogoMIPS:               200.00
Flags:                  fp asimd evtstrm aes sha1 sha2 crc32 atomics fphp asimdhp cpuid sve i8mm bf16
NUMA node(s):           4
NUMA node0 CPU(s):      0-31
NUMA node1 CPU(s):      32-63
NUMA node2 CPU(s):      64-95
NUMA node3 CPU(s):      96-127
"""
_DIMM = """\
Handle 0x{handle:04X}, DMI type 17, 92 bytes
Memory Device
\tTotal Width: {width}
\tData Width: {width}
\tSize: {size}
\tForm Factor: DIMM
\tLocator: DIMM{socket}{channel}{slot}
\tBank Locator: SOCKET {socket} CHANNEL {channel} DIMM {slot}
\tType: {kind}
\tSpeed: {speed}
\tManufacturer: {maker}
\tPart Number: {part}
\tConfigured Memory Speed: {speed}

"""


def _dimms() -> str:
    """Twenty modules of 64 GB in 2 x 8 channels of two slots: four channels hold two."""
    text = "# dmidecode 3.4\nGetting SMBIOS data from sysfs.\nSMBIOS 3.4.0 present.\n\n"
    for number in range(32):
        socket, channel, slot = number // 16, number % 16 // 2, number % 2
        there = slot == 0 or channel in (0, 1)
        text += _DIMM.format(
            handle=0x40 + number,
            socket=socket,
            channel=channel,
            slot=slot,
            size="64 GB" if there else "No Module Installed",
            width="80 bits" if there else "Unknown",
            kind="DDR5" if there else "Unknown",
            speed="5600 MT/s" if there else "Unknown",
            maker="Example" if there else "NO DIMM",
            part="EX-64G-5600" if there else "NO DIMM",
        )
    return text


_MEMINFO = """\
MemTotal:       1341300736 kB
MemFree:        1271300736 kB
MemAvailable:   {available} kB
HugePages_Total:       0
Hugepagesize:       2048 kB
"""
KERNEL = "5.10.0-182.0.0.95.oe2203sp3.aarch64"
_DRIVER = """\
Version=25.0.rc1.1
ascendhal_version=7.35.23
Innerversion=V100R001C21SPC002B220
compatible_version=[V100R001C17],[V100R001C19],[V100R001C21]
compatible_version_fw=[7.0.0,7.7.99]
package_version=25.0.rc1.1
"""

COMMANDS: dict[str, str] = {
    "npu-smi info": npu_info(),
    "npu-smi info -m": _MAP,
    "npu-smi info -t topo": _TOPO,
    **{f"npu-smi info -t board -i {npu}": _BOARD.format(npu=npu) for npu in (1, 5)},
    **{f"npu-smi info -t common -i {npu}": _COMMON.format(npu=npu) for npu in (1, 5)},
    "ls /dev": "davinci1\ndavinci5\ndavinci_manager\ndevmm_svm\nhisi_hdc\nnull\n",
    "lscpu": _LSCPU,
    "dmidecode -t memory": _dimms(),
    "uname -a": f"Linux node-1 {KERNEL} #1 SMP Sat Mar 30 09:39:41 UTC 2024 aarch64 aarch64 aarch64 GNU/Linux\n",
    "hostname": "node-1\n",
    "systemd-detect-virt": "none\n",
    "timedatectl show": "Timezone=Asia/Shanghai\nNTPSynchronized=yes\n",
    "docker version": "Client:\n Version:           18.09.0\n\nServer:\n Engine:\n  Version:          18.09.0\n",
    "docker info": "Runtimes: ascend runc\n",
}
"""What each tool prints, by the command as typed."""

FILES: dict[str, str] = {
    "/etc/os-release": 'NAME="openEuler"\nVERSION="22.03 (LTS-SP3)"\nID="openEuler"\nVERSION_ID="22.03"\n',
    "/proc/meminfo": _MEMINFO.format(available=1281300736),
    "/proc/sys/kernel/numa_balancing": "0\n",
    "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
    "/etc/ascend_install.info": "UserName=HwHiAiUser\nDriver_Install_Path_Param=/usr/local/Ascend\n",
    "/usr/local/Ascend/driver/version.info": _DRIVER,
    "/usr/local/Ascend/firmware/version.info": "Version=7.7.0.1.231\npackage_version=25.0.rc1.1\n",
}
"""What each file holds."""


def inventory(changes: Mapping[str, str | None] | None = None) -> Inventory:
    """What kit reads there; `changes` replace what a tool or a file says, or take it away (None)."""
    said: dict[str, str | None] = {**COMMANDS, **FILES, **(changes or {})}
    evidence = Evidence({key: Raw(text, None if text is not None else "not there") for key, text in said.items()})
    return inventories.parse(evidence, AT)


def available(gib: float) -> dict[str, str]:
    """Another amount of main memory that is free."""
    return {"/proc/meminfo": _MEMINFO.format(available=int(gib * GIB / 1024))}
