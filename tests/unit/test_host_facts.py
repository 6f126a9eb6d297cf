"""What the host is, out of outputs in the forms that tools have been seen to print."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from kit import inventory
from kit.model import Inventory
from kit.model.evidence import Evidence, Raw
from kit.report.hardware import hardware_table, hardware_text

FIXTURES = Path(__file__).parents[1] / "fixtures"
DIMMS = "dmidecode -t memory"
LSPCI = "lspci -nn"
GIB = 1024**3


def host(*texts: tuple[str, str]) -> Inventory:
    return read({}, *texts)


def read(fixtures: dict[str, str], *texts: tuple[str, str]) -> Inventory:
    found = Evidence({question: Raw((FIXTURES / name).read_text("utf-8")) for question, name in fixtures.items()})
    found.update({question: Raw(text) for question, text in texts})
    return inventory.parse(found, datetime(2026, 11, 23, 13, 5, 7, tzinfo=UTC))


@pytest.mark.parametrize(
    ("name", "model", "counts", "mhz", "flags"),
    [
        (
            "7263Z",
            "Huawei Kunpeng 920 7263Z",
            (2, 128, 256),
            3100.0,
            ("asimddp", "asimdhp", "bf16", "fphp", "i8mm", "sve", "sve2", "svebf16", "svei8mm"),
        ),
        ("container", "Huawei Kunpeng-920", (None, 64, 64), 2600.0, None),
        (
            "xeon",
            "Intel(R) Xeon(R) Gold 6454S",
            (2, 64, 128),
            3400.0,
            (
                *("amx_bf16", "amx_int8", "amx_tile", "avx2", "avx512_bf16", "avx512_fp16", "avx512_vnni"),
                *("avx512bw", "avx512f", "avx512vl", "f16c"),
            ),
        ),
    ],
)
def test_processors_are_read(
    name: str,
    model: str,
    counts: tuple[int | None, int, int],
    mhz: float,
    flags: tuple[str, ...] | None,
) -> None:
    found = read({"lscpu": f"host/lscpu-{name}.txt"}).cpu
    assert found.model.value == model
    assert (found.sockets.value, found.physical_cores.value, found.threads.value) == counts
    assert found.max_mhz.value == mhz
    assert found.flags.value == flags


def test_cores_of_several_kinds_are_counted_and_named_together() -> None:
    kind = "  Model name: {}\n    Thread(s) per core: 1\n    Core(s) per socket: {}\n    Socket(s): 1\n    CPU max MHz: {}\n"
    text = (
        "Architecture: aarch64\nCPU(s): 14\n"
        + kind.format("Cortex-A7x", 8, "2500.0000")
        + kind.format("Cortex-X9", 6, "3600.0000")
    )
    found = read({}, ("lscpu", text))
    assert (found.cpu.sockets.value, found.cpu.threads.value, found.cpu.max_mhz.value) == (1, 14, 3600.0)
    assert hardware_table(found, "en")[0] == ("CPU", "Cortex-A7x + Cortex-X9 (14 Cores)")


def test_an_answer_with_chinese_labels_is_read() -> None:
    text = (
        "架构：                           aarch64\nCPU:                             96\n每个核的线程数：                 1\n"
        "每个座的核数：                   48\n座：                             2\nNUMA 节点：                      2\n"
        "型号名称：                       Kunpeng-920\nCPU 最大 MHz：                   2600.0000\n"
        "NUMA 节点0 CPU：                 0-47\nNUMA 节点1 CPU：                 48-95\n标记：                           fp asimddp\n"
    )
    found = read({}, ("lscpu", text)).cpu
    assert (found.model.value, found.architecture.value, found.max_mhz.value) == (
        "Huawei Kunpeng-920",
        "aarch64",
        2600.0,
    )
    assert (found.sockets.value, found.physical_cores.value, found.threads.value) == (2, 96, 96)
    assert [(node.index, node.cpus) for node in found.numa_nodes] == [(0, "0-47"), (1, "48-95")]
    assert found.flags.value == ("asimddp",)


def test_in_a_container_the_firmware_may_tell_the_name_and_the_sockets() -> None:
    found = read({"lscpu": "host/lscpu-container.txt", "dmidecode -t processor": "host/dmidecode-processor.txt"}).cpu
    assert (found.model.value, found.model.source) == ("Huawei Kunpeng 920 5250", "dmidecode -t processor")
    assert found.sockets.value == 1  # the other is not populated


def test_numa_nodes_have_cpus_memory_and_distances() -> None:
    # lscpu says nothing here: numactl alone tells all.
    nodes = read({"numactl -H": "host/numactl.txt"}).cpu.numa_nodes
    assert [(n.index, n.cpus, n.memory_bytes.value, n.distances.value) for n in nodes] == [
        (0, "0-31", 257400 * 1024**2, (10, 12, 35, 36)),
        (1, "32-63", 257401 * 1024**2, (12, 10, 36, 35)),
        (2, "64-95", 257402 * 1024**2, (35, 36, 10, 12)),
        (3, "96-127", 257403 * 1024**2, (36, 35, 12, 10)),
    ]
    files = "/sys/devices/system/node/node0"
    found = read(
        {"lscpu": "host/lscpu-7263Z.txt"},
        (f"{files}/meminfo", "Node 0 MemTotal:       263959552 kB\n"),
        (f"{files}/distance", "10 12 35 37\n"),
    ).cpu.numa_nodes
    assert (found[0].cpus, found[0].memory_bytes.value, found[0].distances.value) == (
        "0-63",
        263959552 * 1024,
        (10, 12, 35, 37),
    )
    assert found[3].distances.reason == "/sys/devices/system/node/node3/distance was not asked"


def test_governors_that_differ_are_all_told() -> None:
    files = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor"
    found = read(
        {"lscpu": "host/lscpu-xeon.txt"}, (files.format(0), "performance\n"), (files.format(32), "powersave\n")
    )
    assert found.cpu.governor.value == "performance, powersave"


def test_an_uneven_memory_is_told_by_channel() -> None:
    found = read({DIMMS: "host/dmidecode-20-of-32.txt"})
    slots = found.memory.dimms.value or ()
    assert len(slots) == 32
    assert sum(1 for slot in slots if slot.size_bytes == 64 * GIB) == 20
    assert (slots[0].locator, slots[0].type, slots[0].rated_mts, slots[0].configured_mts) == (
        "DIMM000",
        "DDR5",
        4800,
        4800,
    )
    assert (slots[5].locator, slots[5].size_bytes, slots[5].type) == ("DIMM021", 0, None)
    channels = found.memory.channels.value or ()
    assert len(channels) == 16
    assert {(c.socket, c.channel) for c in channels if c.modules == 2} == {
        ("0", "0"),
        ("0", "1"),
        ("1", "0"),
        ("1", "1"),
    }
    assert found.memory.channels_even.value is False
    assert dict(hardware_table(found, "zh-CN"))["内存"] == "DDR5 64 GB * 20"
    text = hardware_text(found)
    assert "警告：各通道内存不一致" in text
    assert "CPU 1 通道：0: 128 GiB（2 条）；1: 128 GiB（2 条）；2: 64 GiB（1 条）" in text


def test_a_full_memory_that_runs_slower_than_it_could() -> None:
    found = read({DIMMS: "host/dmidecode-full-supermicro.txt"}).memory
    slots = found.dimms.value or ()
    assert {(slot.rated_mts, slot.configured_mts) for slot in slots} == {(5600, 4800)}
    assert [(c.socket, c.channel, c.modules) for c in found.channels.value or ()] == [
        (socket, channel, 1) for socket in "12" for channel in "ABCDEFGH"
    ]
    assert found.channels_even.value is True


def test_the_speed_is_read_as_older_firmware_tools_call_it() -> None:
    found = read({DIMMS: "host/dmidecode-old.txt"}).memory
    slots = [slot for slot in found.dimms.value or () if slot.size_bytes]
    assert {(slot.type, slot.rated_mts, slot.configured_mts) for slot in slots} == {("DDR4", 2666, 2400)}
    assert [(c.socket, c.channel, c.modules) for c in found.channels.value or ()] == [
        *(("0", "0", 1), ("0", "1", 1), ("0", "2", 0), ("1", "0", 1), ("1", "1", 1), ("1", "2", 0)),
    ]
    assert found.channels_even.value is False


def test_slots_that_do_not_name_their_channels_give_no_map() -> None:
    found = read({DIMMS: "host/dmidecode-no-channels.txt"}).memory
    assert len(found.dimms.value or ()) == 4
    assert found.channels.reason == found.channels_even.reason == "the slot A1 does not name its socket and channel"


def test_without_root_the_memory_is_not_guessed() -> None:
    found = read({DIMMS: "host/dmidecode-not-root.txt"}, ("/proc/meminfo", "MemTotal: 1055838208 kB\n"))
    assert found.memory.dimms.reason == "dmidecode needs root"
    assert dict(hardware_table(found, "zh-CN"))["内存"] == "1006.9 GiB"


@pytest.mark.parametrize(
    ("bank", "locator", "place"),
    [
        ("SOCKET 1 CHANNEL 7 DIMM 0", "DIMM170", ("1", "7")),
        ("P0_Node0_Channel3_Dimm1", "P1-DIMMD2", ("1", "D")),
        ("P0_Node1_Channel0_Dimm0", "DIMME1", ("0", "0")),
        ("_Node1_Channel4_Dimm0", "DIMM140", ("1", "4")),
        ("P0 CHANNEL A", "DIMM 0", ("0", "A")),
        ("NODE 0", "CPU0_C2D1", ("0", "2")),
        ("NODE 1", "CPU1_DIMM_B2", ("1", "B")),
        ("BANK 11", "CPU0_DIMM_L", ("0", "L")),
        ("BANK 0", "DIMM_P1_I0", ("1", "I")),
        ("BANK 7", "CPU1 CH7/D1", ("1", "7")),
        ("NODE 0", "CPU0_MC1_DIMM_C1", ("0", "C")),
        ("Not Specified", "DIMM050 J21", ("0", "5")),
    ],
)
def test_makers_name_channels_in_their_own_ways(bank: str, locator: str, place: tuple[str, str]) -> None:
    text = f"Handle 0x1\nMemory Device\n\tSize: 32 GB\n\tLocator: {locator}\n\tBank Locator: {bank}\n"
    channels = read({}, (DIMMS, text)).memory.channels.value or ()
    assert [(c.socket, c.channel) for c in channels] == [place]


def test_channels_that_each_memory_controller_counts_anew_are_kept_apart() -> None:
    slot = "Handle 0x1\nMemory Device\n\tSize: {} GB\n\tLocator: DIMM{}\n\tBank Locator: P0_Node{}_Channel{}_Dimm0\n\n"
    places = [("A1", 0, 0), ("B1", 0, 1), ("E1", 1, 0), ("F1", 1, 1)]
    text = "".join(slot.format(64 if node == 0 else 32, name, node, channel) for name, node, channel in places)
    found = read({}, (DIMMS, text)).memory
    assert [(c.channel, c.modules, c.size_bytes // GIB) for c in found.channels.value or ()] == [
        ("0.0", 1, 64),
        ("0.1", 1, 64),
        ("1.0", 1, 32),
        ("1.1", 1, 32),
    ]
    assert found.channels_even.value is False


@pytest.mark.parametrize(
    ("modules", "told"),
    [
        ([("DDR5", "64 GB")] * 3 + [("DDR5", "32 GB")], "DDR5 64 GB * 3 + DDR5 32 GB * 1"),
        ([("DDR4", "65536 MB")] * 2, "DDR4 64 GB * 2"),
        ([("Other", "3968 MB"), ("Other", "128 MB"), ("Other", "No Module Installed")], "3968 MB * 1 + 128 MB * 1"),
        ([("RAM", "16 GB")], "RAM 16 GB * 1"),
    ],
)
def test_modules_are_counted_by_what_is_printed_on_them(modules: list[tuple[str, str]], told: str) -> None:
    text = "".join(f"Handle 0x1\nMemory Device\n\tSize: {size}\n\tType: {kind}\n\n" for kind, size in modules)
    assert dict(hardware_table(read({}, (DIMMS, text)), "en"))["Memory"] == told


@pytest.mark.parametrize(
    ("release", "kernel", "name"),
    [
        ("sp3", "5.10.0-182.0.0.95.oe2203sp3.aarch64", "openEuler 22.03 LTS-SP3"),
        # What the file leaves out, the kernel's name tells.
        ("plain", "5.10.0-182.0.0.95.oe2203sp3.aarch64", "openEuler 22.03 LTS-SP3"),
        ("plain", "5.10.0-60.18.0.50.oe2203.aarch64", "openEuler 22.03 LTS"),
        ("plain", "6.6.0-28.0.0.34.oe2403sp1.aarch64", "openEuler 22.03 LTS"),
        ("ubuntu", "5.10.0-182.0.0.95.oe2203sp3.aarch64", "Ubuntu 22.04.4 LTS"),
        ("kylin", "4.19.90-89.11.v2401.ky10.aarch64", "Kylin Linux Advanced Server V10 (Lance)"),
    ],
)
def test_the_operating_system_is_named_with_its_service_pack(release: str, kernel: str, name: str) -> None:
    uname = f"Linux node {kernel} #1 SMP aarch64 aarch64 aarch64 GNU/Linux\n"
    found = read({"/etc/os-release": f"host/os-release-{release}"}, ("uname -a", uname))
    assert (found.system.os.value, found.system.kernel.value) == (name, kernel)
    assert found.cpu.architecture.value == "aarch64"


def test_settings_that_inference_feels_are_read() -> None:
    found = host(
        ("/proc/meminfo", "MemTotal: 100 kB\nHugePages_Total:     512\nHugepagesize:    2048 kB\n"),
        ("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
        ("/proc/sys/kernel/numa_balancing", "1\n"),
        ("/proc/sys/vm/swappiness", "10\n"),
        ("/proc/cmdline", "BOOT_IMAGE=/vmlinuz-5.10 root=/dev/sda2 isolcpus=2-63\n"),
    ).system
    assert (found.hugepages.value, found.hugepage_bytes.value) == (512, 2048 * 1024)
    assert (found.transparent_hugepages.value, found.numa_balancing.value) == ("madvise", "1")
    assert (found.swappiness.value, found.command_line.value) == (
        10,
        "BOOT_IMAGE=/vmlinuz-5.10 root=/dev/sda2 isolcpus=2-63",
    )


def test_the_virtualisation_is_told_by_systemd_or_lscpu() -> None:
    assert host(("systemd-detect-virt", "none\n")).system.virtualisation.value == "none"
    assert read({"lscpu": "host/lscpu-xeon.txt"}).system.virtualisation.value == "KVM"


@pytest.mark.parametrize(
    ("fixtures", "synchronised", "source"),
    [
        ({"timedatectl show": "host/timedatectl.txt"}, False, "timedatectl show"),
        # systemd knows of its own client only.
        (
            {"timedatectl show": "host/timedatectl.txt", "chronyc -n tracking": "host/chronyc.txt"},
            True,
            "chronyc -n tracking",
        ),
    ],
)
def test_whether_the_clock_follows_a_server(fixtures: dict[str, str], synchronised: bool, source: str) -> None:
    found = read(fixtures).system.clock_synchronised
    assert (found.value, found.source) == (synchronised, source)


@pytest.mark.parametrize(("name", "version"), [("18.09", "18.09.0.316"), ("27", "27.2.0")])
def test_the_engine_of_docker_is_told_not_its_client(name: str, version: str) -> None:
    found = read({"docker version": f"host/docker-{name}.txt", "docker info": "host/docker-info.txt"}).containers
    assert found.docker.value == version
    assert found.docker_runtimes.value == ("ascend", "runc")


def test_a_client_without_an_engine_is_no_version() -> None:
    text = "Client:\n Version:           20.10.24\n\nCannot connect to the Docker daemon\n"
    assert host(("docker version", text)).containers.docker.value is None


def test_podman_under_dockers_name_is_told() -> None:
    text = "Emulate Docker CLI using podman.\nClient:       Podman Engine\nVersion:      4.9.4\n"
    assert "Podman under Docker's name" in (host(("docker version", text)).containers.docker.reason or "")


def test_podman_and_its_runtime() -> None:
    found = host(
        ("podman --version", "podman version 4.9.4\n"), ("podman info --format {{.Host.OCIRuntime.Name}}", "crun\n")
    ).containers
    assert (found.podman.value, found.podman_runtime.value) == ("4.9.4", "crun")


@pytest.mark.parametrize(
    ("name", "disks"),
    [
        (
            "lsblk",
            [
                ("sda", 480103981056, "MZ7L3480HCHQ-00B7C", False, "sata"),
                ("nvme0n1", 7681501126656, "HWE62P447T6M005N", False, "nvme"),
            ],
        ),
        ("lsblk-old", [("sdb", 1999844147200, "LOGICAL VOLUME", True, None)]),
    ],
)
def test_disks_are_read(name: str, disks: list[tuple[str, int, str, bool, str | None]]) -> None:
    found = read({"lsblk -J -b -d -o NAME,SIZE,MODEL,ROTA,TYPE,TRAN": f"host/{name}.json"}).storage.disks.value or ()
    assert [(d.name, d.size_bytes, d.model, d.rotates, d.transport) for d in found] == disks


def test_disks_are_read_where_there_is_no_json() -> None:
    asked = "lsblk -J -b -d -o NAME,SIZE,MODEL,ROTA,TYPE,TRAN"
    text = (
        'NAME="sda" SIZE="960197124096" MODEL="SAMSUNG MZ7L3 A  " ROTA="0" TYPE="disk" TRAN="sata"\n'
        'NAME="sdb" SIZE="8001563222016" MODEL="" ROTA="1" TYPE="disk" TRAN=""\n'
        'NAME="sr0" SIZE="1073741312" MODEL="DVD" ROTA="1" TYPE="rom" TRAN="sata"\n'
    )
    found = (
        host((asked, "lsblk: unrecognized option '-J'\n"), (asked.replace("-J", "-P"), text)).storage.disks.value or ()
    )
    assert [(d.name, d.size_bytes, d.model, d.rotates, d.transport) for d in found] == [
        ("sda", 960197124096, "SAMSUNG MZ7L3 A", False, "sata"),
        ("sdb", 8001563222016, None, True, None),
    ]


def test_what_a_tool_complains_of_is_the_reason() -> None:
    found = host(
        ("chronyc -n tracking", "506 Cannot talk to daemon\n"), ("timedatectl show", "Unknown operation show\n")
    )
    assert found.system.clock_synchronised.reason == "chronyc -n tracking says: 506 Cannot talk to daemon"


def test_the_room_where_models_can_lie_is_read() -> None:
    found = read({"df -P -k -T": "host/df.txt"}).storage.file_systems.value or ()
    assert [(s.path, s.device, s.size_bytes, s.free_bytes) for s in found] == [
        ("/", "/dev/mapper/openeuler-root", 71077872 * 1024, 47357708 * 1024),
        ("/home/model data", "/dev/nvme0n1", 7501465600 * 1024, 1501465600 * 1024),
        ("/mnt/weights", "10.1.2.3:/weights", 9999999999 * 1024, 8999999999 * 1024),
    ]


def test_network_cards_are_hardware_with_driver_model_and_speed() -> None:
    net = "/sys/class/net/enp125s0f0"
    interfaces = "Inter-|\n face |bytes\n    lo: 1 2\nenp125s0f0: 1 2\ndocker0: 1 2\n bond0: 1 2\n"
    found = read(
        {LSPCI: "host/lspci.txt"},
        ("/proc/net/dev", interfaces),
        (f"{net}/device/uevent", "DRIVER=hns3\nPCI_CLASS=20000\nPCI_SLOT_NAME=0000:7d:00.0\n"),
        (f"{net}/address", "aa:bb:cc:00:11:22\n"),
        (f"{net}/operstate", "up\n"),
        (f"{net}/speed", "25000\n"),
    ).network.value
    assert found is not None
    assert [(c.name, c.driver.value, c.state.value, c.speed_mbps.value) for c in found] == [
        ("enp125s0f0", "hns3", "up", 25000)
    ]
    assert found[0].model.value == "Huawei Technologies Co., Ltd. HNS GE/10GE/25GE RDMA Network Controller"


def test_the_server_is_named_with_its_firmware() -> None:
    dmi = "/sys/class/dmi/id"
    found = host(
        (f"{dmi}/sys_vendor", "Huawei\n"),
        (f"{dmi}/product_name", "To be filled by O.E.M.\n"),
        (f"{dmi}/bios_version", "6.57\n"),
        (f"{dmi}/bios_date", "08/01/2025\n"),
        (
            "dmidecode -t system",
            "System Information\n\tManufacturer: Huawei\n\tProduct Name: TaiShan 200 (Model 2280)\n",
        ),
    ).board
    assert (found.vendor.value, found.product.value) == ("Huawei", "TaiShan 200 (Model 2280)")
    assert (found.bios.value, found.product.source) == ("6.57 (08/01/2025)", "dmidecode -t system")


def test_the_tables_of_the_original_fill_themselves() -> None:
    found = read(
        {
            "lscpu": "host/lscpu-7263Z.txt",
            DIMMS: "host/dmidecode-20-of-32.txt",
            "npu-smi info": "npu-smi/910B4-64g.txt",
            "/etc/os-release": "host/os-release-plain",
        },
        ("uname -a", "Linux node-3 5.10.0-182.0.0.95.oe2203sp3.aarch64 #1 SMP aarch64 GNU/Linux\n"),
    )
    assert dict(hardware_table(found, "zh-CN")) == {
        "CPU": "Huawei Kunpeng 920 7263Z (128 Cores)",
        "GPU": "Huawei Ascend 910B4（64 GiB）* 2",
        "内存": "DDR5 64 GB * 20",
    }
    assert found.system.kernel.value == "5.10.0-182.0.0.95.oe2203sp3.aarch64"
    assert found.system.os.value == "openEuler 22.03 LTS-SP3"


def test_the_attachment_tells_of_every_card_who_holds_it_and_what_is_installed() -> None:
    text = hardware_text(
        read(
            {
                "npu-smi info": "npu-smi/A3.txt",
                "npu-smi info -t topo": "npu-smi/topo-2.txt",
                "/usr/local/Ascend/driver/version.info": "ascend/driver-25.3.rc1.info",
            }
        )
    )
    section = text.partition("【加速卡 Huawei Ascend】\n")[2].partition("\n\n")[0].splitlines()
    assert section[0] == "  数量：4"
    assert section[1] == (
        "  设备 0 芯片 0：Huawei Ascend 910，健康 OK，显存 64 GiB，采集时已用 48 GiB，功率 188.4 W，温度 33 °C，"
        "总线 0000:9D:00.0，物理编号 0"
    )
    assert "  设备 0 芯片 0 进程：91001 ? 44.9 GiB" in section
    assert "  版本 驱动：25.3.rc1" in section
    assert "  拓扑 NPU1：PHB X，CPU 96-127" in section
    unknown = hardware_text(read({"npu-smi info": "npu-smi/310P3-two-chips.txt"}))
    assert "  设备 2 芯片 1 进程：未读到（npu-smi info printed no process table）" in unknown
    assert "功率 未读到（npu-smi info -t common -i 2 was not asked）" in unknown
