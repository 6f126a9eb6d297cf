"""What is struck out of an inventory, what two inventories differ in, and the fingerprint."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kit import inventory
from kit.cli.app import app
from kit.errors import UsageError
from kit.inventory import masking
from kit.model import Inventory
from kit.model.evidence import Evidence, Raw

FIXTURES = Path(__file__).parents[1] / "fixtures"
AT = datetime(2026, 11, 23, 13, 5, 7, tzinfo=UTC)
MACHINE = {
    "lscpu": "host/lscpu-7263Z.txt",
    "dmidecode -t memory": "host/dmidecode-20-of-32.txt",
    "npu-smi info": "npu-smi/910B4-64g.txt",
    "npu-smi info -t board -i 0": "npu-smi/board.txt",
    "npu-smi info -t topo": "npu-smi/topo-2.txt",
    "/usr/local/Ascend/driver/version.info": "ascend/driver-25.3.rc1.info",
    "docker version": "host/docker-18.09.txt",
}


def machine(*changes: tuple[str, str, str]) -> Inventory:
    """The machine of the fixtures, with (question, old, new) changed in its answers."""
    found = Evidence({question: Raw((FIXTURES / name).read_text("utf-8")) for question, name in MACHINE.items()})
    found["/proc/meminfo"] = Raw("MemTotal:  1336000000 kB\nMemAvailable: 1300000000 kB\n")
    found["/proc/sys/kernel/numa_balancing"] = Raw("0\n")
    found["hostname"] = Raw("node-1\n")
    for question, old, new in changes:
        text = found[question].text or ""
        assert old in text, (question, old)
        found[question] = Raw(text.replace(old, new))
    return inventory.parse(found, AT)


# --- masking -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret",
    [
        "\tSerial Number: 03D5A1C7",
        "Serial Number                  : 2106AB00KC41",
        '"Serial Number": "2106AB00KC41",',
        "Asset Tag: 9911",
        '{"card0": {"GUID": "18190", "Unique ID": "0x2106AB00KC41", "Serial Number": "03D5A1C7"}}',
        '   "asic_serial": "0x2106AB00KC41",',
        "UUID: 11111111-2222-3333-4444-555555555555",
        "GPU 0: NVIDIA H200 (UUID: GPU-11111111-2222-3333-4444-555555555555)",
        "VDie ID                        : 42C711D4 20B03704 4A10C8D4",
        "link/ether aa:bb:cc:00:11:22 brd",
        "Reference ID    : C0A80A01 (192.168.10.1)",
        "10.1.2.3:/weights nfs4 1 1 1 1% /mnt",
        "inet6 fe80::a8bb:ccff:fe00:1122/64",
        "BOOT_IMAGE=/vmlinuz ip=192.168.1.10::192.168.1.1",
        "root=/dev/nfs password=hunter2",
        "http://user:hunter2@proxy:3128",
    ],
)
def test_what_names_a_machine_is_struck_out(secret: str) -> None:
    struck = masking.text(secret)
    assert masking.MASK in struck
    for part in ("03D5A1C7", "2106AB00KC41", "9911", "555555555555", "42C711D4", "00:11:22", "192.168.", "10.1.2.3"):
        assert part not in struck
    for part in ("fe80::", "1122/64", "hunter2"):
        assert part not in struck


@pytest.mark.parametrize(
    "kept",
    [
        "| npu-smi 24.1.0.3                 Version: 24.1.0.3                         |",
        "Version=7.8.0.2.212",
        "package_version=25.0.1.1",
        "| MACA Version: 2.33.0.5              BIOS Version: 1.25.1.0                        |",
        "| 0                         | 0000:C1:00.0  | 0           0    / 0          2917 / 65536         |",
        "|   0  NVIDIA H200         On  |   00000000:0A:00.0 Off |                    0 |",
        "5.10.0-182.0.0.95.oe2203sp3.aarch64",
        "NUMA node0 CPU(s):   0-63",
        "listening on 127.0.0.1 and 0.0.0.0",
        "Mon Nov 16 08:00:01 2026",
        "Serial Number: NA",
        "[7.7.0.1.238:8.1.RC1]",
        "  0:  10  12  35  37 ",
    ],
)
def test_what_names_no_machine_stays(kept: str) -> None:
    assert masking.text(kept) == kept


def test_versions_of_four_numbers_are_no_addresses() -> None:
    name = "/usr/local/Ascend/mindie/latest/version.info"
    found = masking.evidence(
        Evidence(
            {
                name: Raw("Ascend-mindie : 2.1.0.3\n"),
                "/etc/os-release": Raw('PRETTY_NAME="Site Linux 10.19.45.2"\nHOME_URL="http://10.0.7.1/os"\n'),
            }
        )
    )
    assert found[name].text == "Ascend-mindie : 2.1.0.3\n"
    assert found["/etc/os-release"].text == 'PRETTY_NAME="Site Linux 10.19.45.2"\nHOME_URL="http://***/os"\n'


def test_facts_are_read_from_masked_answers() -> None:
    raw = Evidence({"npu-smi info -t board -i 0": Raw((FIXTURES / "npu-smi/board.txt").read_text("utf-8"))})
    raw["npu-smi info"] = Raw((FIXTURES / "npu-smi/910B4-64g.txt").read_text("utf-8"))
    raw["/sys/class/dmi/id/product_serial"] = Raw("2102311XYZ\n")
    masked, plain = inventory.take(raw, AT), inventory.take(raw, AT, unmasked=True)
    first = masked.inventory.accelerators[0].devices.value or ()
    assert (first[0].serial.value, first[0].board.value, first[0].bus_id.value) == (
        "***",
        "Atlas 300I A2",
        "0000:C1:00.0",
    )
    assert masked.inventory.board.serial.value == "***"
    assert "2102311XYZ" not in str(masked)
    assert plain.inventory.board.serial.value == "2102311XYZ"
    # What is struck out belongs to no fingerprint.
    assert masked.inventory.fingerprint == plain.inventory.fingerprint


# --- fingerprint and differences -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        ("npu-smi info", "86.4        37", "91.2        45"),
        ("npu-smi info", "2917 / 65536", "3017 / 65536"),
        (
            "npu-smi info",
            "No running processes found in NPU 0   ",
            "| 0 0 | 1 | x | 7 |                 ".replace("|", " "),
        ),
        ("/proc/meminfo", "MemAvailable: 1300000000", "MemAvailable: 1000000000"),
        ("/proc/meminfo", "MemTotal:  1336000000", "MemTotal:  1336000800"),
        ("hostname", "node-1", "node-2"),
        ("dmidecode -t memory", "Serial Number: 03D5A1C7", "Serial Number: 03D5A1C8"),
    ],
    ids=lambda change: change[1].strip(),
)
def test_what_passes_or_names_only_is_not_in_the_fingerprint(change: tuple[str, str, str]) -> None:
    assert machine(change).fingerprint == machine().fingerprint


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (("npu-smi info", "/ 65536", "/ 32768"), "Huawei Ascend 0.0 memory, bytes"),
        (("npu-smi info", "910B4 ", "910B3 "), "Huawei Ascend 0.0 name"),
        (("npu-smi info -t topo", "PHB  ", "HCCS "), "Huawei Ascend topology"),
        (("/usr/local/Ascend/driver/version.info", "25.3.rc1", "25.5.0"), "Huawei Ascend driver"),
        (("lscpu", "7263Z", "7270Z"), "CPU"),
        (("lscpu", "3100.0000", "2900.0000"), "CPU maximum clock, MHz"),
        (("dmidecode -t memory", "4800 MT/s", "4400 MT/s"), "memory modules"),
        (("/proc/sys/kernel/numa_balancing", "0", "1"), "NUMA balancing"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[2],
)
def test_what_affects_performance_is_in_the_fingerprint_and_told(change: tuple[str, str, str], name: str) -> None:
    one, other = machine(), machine(change)
    assert one.fingerprint != other.fingerprint
    found = inventory.differences(one, other)
    assert name in [entry.name for entry in found if entry.performance]


def test_differences_are_told_most_relevant_first() -> None:
    found = inventory.differences(
        machine(),
        machine(
            ("docker version", "18.09.0.316", "18.09.0.300"),
            ("/proc/sys/kernel/numa_balancing", "0", "1"),
            ("npu-smi info", "2913 / 65536", "2913 / 32768"),
            ("hostname", "node-1", "node-2"),
            ("lscpu", "3100.0000", "2900.0000"),
        ),
    )
    assert [(entry.name, entry.performance) for entry in found] == [
        ("Huawei Ascend 1.0 memory, bytes", True),
        ("CPU maximum clock, MHz", True),
        ("NUMA balancing", True),
        ("Docker", False),
        ("hostname", False),
    ]
    assert (found[1].before, found[1].after) == ("3100.0", "2900.0")


def test_a_machine_does_not_differ_from_itself() -> None:
    assert inventory.differences(machine(), machine()) == ()


def test_what_only_one_of_two_knows_is_told_with_the_reason_and_last() -> None:
    found = inventory.differences(machine(), machine(("dmidecode -t memory", "Memory Device", "Other Device")))
    assert [(entry.name, entry.after) for entry in found] == [("memory modules", None), ("memory channels", None)]
    assert found[0].why == "dmidecode -t memory lists no slots (root may be needed)"


def test_kit_inventory_diff_lists_them(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, found in (
        (one, machine()),
        (other, machine(("lscpu", "7263Z", "7270Z"), ("hostname", "node-1", "node-2"))),
    ):
        folder.mkdir()
        (folder / "inventory.json").write_bytes(found.to_json())
    done = CliRunner().invoke(app, ["inventory", "diff", str(one), str(other / "inventory.json")])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "performance: CPU: Huawei Kunpeng 920 7263Z → Huawei Kunpeng 920 7270Z",
        "other: hostname: node-1 → node-2",
    ]
    same = CliRunner().invoke(app, ["inventory", "diff", str(one), str(one)])
    assert (same.exit_code, same.stdout) == (0, "")
    assert "the same in every fact that affects performance" in same.stderr
    missing = CliRunner().invoke(app, ["inventory", "diff", str(one), str(tmp_path / "none")])
    assert missing.exit_code == 2


def test_a_folder_without_outputs_is_refused(tmp_path: Path) -> None:
    from tests.fakes import FakeHost

    with pytest.raises(UsageError, match="holds no recorded outputs"):
        inventory.read(tmp_path, FakeHost())
