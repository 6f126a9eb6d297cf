"""What a machine is, out of recorded outputs."""

from pathlib import Path

import pytest

from kit import inventory
from kit.inventory import Raw
from kit.model import Fact, Inventory, NumaNode
from kit.ports import Output
from kit.report.hardware import hardware_table, hardware_text
from tests.fakes import BEGIN, FakeHost

RECORDED = Path(__file__).parent / "recorded"


def collect(name: str) -> Inventory:
    return inventory.collect(FakeHost(RECORDED / name)).inventory


def with_lscpu(tmp_path: Path, text: str) -> Inventory:
    (tmp_path / "lscpu.txt").write_text(text)
    return inventory.collect(FakeHost(tmp_path)).inventory


def test_a_kunpeng_without_a_model_name_is_named_as_its_bios_names_it() -> None:
    found = collect("kunpeng-7270z").cpu
    assert found.model == Fact[str](value="Huawei Kunpeng 920 7270Z", source="lscpu")
    assert found.architecture.value == "aarch64"
    assert (found.sockets.value, found.physical_cores.value, found.threads.value) == (2, 160, 320)


def test_a_numa_node_without_cpus_is_one() -> None:
    nodes = collect("kunpeng-7270z").cpu.numa_nodes
    assert [(node.index, node.cpus) for node in nodes] == [
        (0, "0-79"),
        (1, "80-159"),
        (2, "160-239"),
        (3, "240-319"),
        (4, ""),
    ]
    meminfo = "/sys/devices/system/node/node4/meminfo"
    distance = "/sys/devices/system/node/node4/distance"
    assert nodes[4] == NumaNode(
        index=4,
        cpus="",
        memory_bytes=Fact[int](value=263959552 * 1024, source=meminfo),
        distances=Fact[tuple[int, ...]](source=distance, reason=f"{distance}: No such file or directory"),
    )


def test_memory_and_system_are_read() -> None:
    found = collect("kunpeng-7270z")
    assert found.memory.total_bytes.value == 1055838208 * 1024
    assert found.memory.available_bytes.value == 900123456 * 1024
    assert found.system.kernel.value == "5.10.0-182.0.0.95.oe2203sp3.aarch64"
    assert found.system.os.value == "openEuler 22.03 LTS-SP3"  # the kernel tells the service pack
    assert found.system.virtualisation.value == "none"
    assert (found.hostname.value, found.collected) == ("node-17", BEGIN)


def test_in_a_container_what_lscpu_does_not_know_is_none_with_a_reason() -> None:
    found = collect("kunpeng-container")
    assert found.cpu.model.value == "Huawei Kunpeng-920"
    assert found.cpu.sockets == Fact[int](source="lscpu", reason="lscpu does not say")
    assert found.cpu.physical_cores.value == 64  # two clusters of 32
    assert found.cpu.threads.value == 64
    assert found.memory.available_bytes == Fact[int](source="/proc/meminfo", reason="/proc/meminfo does not say")
    assert found.hostname == Fact[str](source="hostname", reason="hostname is not installed")
    assert found.system.os.value == "Ubuntu 22.04.4 LTS"
    assert [node.memory_bytes.value for node in found.cpu.numa_nodes] == [None, None]


def test_indented_output_is_read_and_a_bios_that_knows_nothing_is_not_believed() -> None:
    found = collect("xeon-indented").cpu
    assert found.model.value == "Intel(R) Xeon(R) Gold 6348"
    assert (found.sockets.value, found.physical_cores.value, found.threads.value) == (1, 1, 2)
    assert [(node.index, node.cpus) for node in found.numa_nodes] == [(0, "0,1")]


def test_on_a_machine_without_any_tool_every_fact_says_why_it_is_missing() -> None:
    found = inventory.collect(FakeHost())
    facts = [
        found.inventory.hostname,
        *(value for _, value in found.inventory.cpu if isinstance(value, Fact)),
        *(value for _, value in found.inventory.memory),
        *(value for name, value in found.inventory.system if name != "python"),
    ]
    assert len(facts) == 24
    for fact in facts:
        assert fact.value is None
        assert fact.reason
    assert found.inventory.cpu.model.reason == "lscpu is not installed"
    assert found.inventory.memory.total_bytes.reason == "/proc/meminfo: No such file or directory"


def test_a_tool_that_hangs_is_told_and_the_others_are_read() -> None:
    host = FakeHost(RECORDED / "kunpeng-7270z")
    host.hanging = {"lscpu"}
    found = inventory.collect(host).inventory
    assert found.cpu.model == Fact[str](source="lscpu", reason="lscpu gave no answer in 10 s")
    assert found.cpu.numa_nodes == ()
    assert found.system.kernel.value is not None


def test_a_tool_that_fails_without_an_answer_says_what_it_said() -> None:
    host = FakeHost(RECORDED / "kunpeng-7270z")
    host.failing = {"uname": Output(("uname", "-a"), 1, "", "not permitted\n")}
    found = inventory.collect(host).inventory
    assert found.system.kernel.reason == "uname ended with code 1: not permitted"


def test_an_answer_counts_whatever_the_exit_code() -> None:
    host = FakeHost(RECORDED / "kunpeng-7270z")
    host.failing = {"systemd-detect-virt": Output(("systemd-detect-virt",), 1, "none\n", "")}
    assert inventory.collect(host).inventory.system.virtualisation.value == "none"


def test_the_evidence_is_kept_as_it_was() -> None:
    host = FakeHost(RECORDED / "kunpeng-container")
    raw = inventory.collect(host).raw
    assert raw["lscpu"] == Raw((RECORDED / "kunpeng-container" / "lscpu.txt").read_text())
    assert raw["hostname"] == Raw(None, "hostname is not installed")
    assert raw["/proc/meminfo"].text == "MemTotal:       263959552 kB\n"


def test_a_second_reading_of_the_evidence_gives_the_same_facts() -> None:
    host = FakeHost(RECORDED / "kunpeng-7270z")
    collected = inventory.collect(host)
    assert inventory.parse(collected.raw, BEGIN) == collected.inventory


@pytest.mark.parametrize(
    ("lines", "model"),
    [
        ("Model name: Kunpeng-920\nBIOS Model name: HUAWEI Kunpeng 920 5250", "Huawei Kunpeng 920 5250"),
        ("Model name: Kunpeng-920\nBIOS Model name: ", "Huawei Kunpeng-920"),
        ("Model name: Kunpeng-920\nBIOS Model name: 0000", "Huawei Kunpeng-920"),
        ("Model name:          -", None),
        ("Model name:\nBIOS Model name:\nModel: 0", None),
        ("BIOS Model name:     To be filled by O.E.M.", None),
        ("Model name: AMD EPYC 9654 96-Core\nBIOS Model name: AMD EPYC 9654 CPU @ 2.4GHz", "AMD EPYC 9654 96-Core"),
        ("Model name: AMD EPYC 9554 64-Core Processor", "AMD EPYC 9554"),
        ("Model name: Hygon C86 7380 32-core Processor", "Hygon C86 7380"),
        ("Model name: Intel(R) Xeon(R) CPU           E5-2690 v4 @ 2.60GHz", "Intel(R) Xeon(R) CPU E5-2690 v4"),
        ("Model name: Kunpeng-920\nBIOS Model name: virt-6.2 CPU @ 2.0GHz", "Huawei Kunpeng-920"),
        ("Model name: -\nBIOS Model name: virt-rhel9.2.0 CPU @ 2.0GHz", None),
        ("Model name: Intel Xeon Processor\nBIOS Model name: pc-q35-7.2 CPU @ 2.0GHz", "Intel Xeon Processor"),
        ("Model name: Neoverse-V1\nBIOS Model name: AWS Graviton3 AWS Graviton3 CPU @ 2.6GHz", "AWS Graviton3"),
        ("Model name: Neoverse-N1\nBIOS Model name: Not Specified", "Neoverse-N1"),
        ("Architecture: x86_64", None),
    ],
)
def test_the_name_of_a_processor_is_never_a_guess(tmp_path: Path, lines: str, model: str | None) -> None:
    assert with_lscpu(tmp_path, lines + "\n").cpu.model.value == model


@pytest.mark.parametrize("text", ["", "\n", "lscpu: failed\n", "CPU(s): many\n", "Socket(s): -1\n", "\x00\xff"])
def test_nonsense_is_no_fact(tmp_path: Path, text: str) -> None:
    found = with_lscpu(tmp_path, text).cpu
    assert (found.model.value, found.sockets.value, found.threads.value, found.numa_nodes) == (None, None, None, ())


def test_a_fact_has_a_value_or_a_reason() -> None:
    for wrong in ({"value": None, "reason": None}, {"value": 1, "reason": "x"}):
        with pytest.raises(ValueError, match="either a value or the reason"):
            Fact[int].model_validate({"source": "x", **wrong})


def test_a_stored_inventory_comes_back_as_it_was() -> None:
    found = collect("kunpeng-7270z")
    assert Inventory.model_validate_json(found.to_json()) == found


# --- in words ----------------------------------------------------------------------------------------------------


def test_the_hardware_table_names_processor_and_memory() -> None:
    table = hardware_table(collect("kunpeng-7270z"), "en")
    assert table[0] == ("CPU", "Huawei Kunpeng 920 7270Z (160 Cores)")
    assert ("Memory", "1006.9 GiB") in table


def test_the_hardware_table_says_what_was_not_read() -> None:
    table = dict(hardware_table(inventory.collect(FakeHost()).inventory, "zh-CN"))
    assert table["CPU"] == "未读到（lscpu is not installed）"
    assert table["内存"].startswith("未读到")


def test_where_only_threads_are_known_they_are_not_called_cores(tmp_path: Path) -> None:
    found = with_lscpu(tmp_path, "Model name: X\nCPU(s): 64\n")
    assert found.cpu.physical_cores.value is None
    assert hardware_table(found, "en")[0] == ("CPU", "X (64 Threads)")


def test_the_attachment_tells_every_fact_or_its_reason() -> None:
    text = hardware_text(collect("kunpeng-7270z"))
    assert "【处理器】\n  型号：Huawei Kunpeng 920 7270Z" in text
    assert "  物理核数：160" in text
    assert "NUMA 节点 3：CPU 240-319" in text
    assert "5.10.0-182.0.0.95.oe2203sp3.aarch64" in text
    missing = hardware_text(inventory.collect(FakeHost()).inventory)
    assert missing.count("未读到") >= 10
