"""NVIDIA GPUs, out of outputs in the forms that their tools have been seen to print."""

import pytest

from kit.accelerators import nvidia
from kit.model.evidence import Evidence, Raw
from tests.unit.cards import answers, holders, software, told


@pytest.mark.parametrize(
    ("name", "devices", "versions"),
    [
        (
            "table-H200-570",
            [f"{n}.0/{n} H200, -, -, 0/143771 MiB, 0 %, {115 + n} W, {30 + n} °C" for n in range(8)],
            {"driver": "570.172.08", "CUDA": "12.8"},
        ),
        (
            "table-4090-610",
            [
                "0.0/0 GeForce RTX 4090, -, -, 21044/24564 MiB, 97 %, 212 W, 45 °C",
                "1.0/1 GeForce RTX 4090, -, -, 2/24564 MiB, 0 %, 9 W, 31 °C",
            ],
            {"driver": "610.43.02", "CUDA": "13.3"},
        ),
        (
            "table-MIG-590",
            ["0.0/0 H100 80GB HBM3, -, -, 11043/81559 MiB, - %, 121 W, 33 °C"],
            {"driver": "590.48.01", "CUDA": "13.1"},
        ),
        (
            # A limit without a reading is no reading.
            "table-driver-model",
            ["0.0/0 GeForce RTX 3090, -, -, 701/24576 MiB, 1 %, - W, 40 °C"],
            {"driver": "610.62", "CUDA": "13.3"},
        ),
        (
            "table-545-shortened",
            ["0.0/0 -, -, -, 301/16376 MiB, 1 %, 22 W, 38 °C"],
            {"driver": "545.23.08", "CUDA": "12.3"},
        ),
        (
            # A GPU that does not answer has no name, and no figure.
            "table-470-lost",
            ["0.0/0 A30, -, -, 902/24258 MiB, 0 %, 31 W, 34 °C", "1.0/1 -, -, -, -/- MiB, - %, - W, - °C"],
            {"driver": "470.239.06", "CUDA": "11.4"},
        ),
    ],
)
def test_nvidia_gpus_are_read_from_the_table(name: str, devices: list[str], versions: dict[str, str]) -> None:
    found = nvidia.family(answers({nvidia.TABLE: f"nvidia-smi/{name}.txt"}))
    assert [told(device) for device in found.devices.value or ()] == devices
    assert software(found) == versions


def test_a_name_that_the_table_shortens_is_taken_from_the_list() -> None:
    found = nvidia.family(
        answers({nvidia.TABLE: "nvidia-smi/table-545-shortened.txt", nvidia.LIST: "nvidia-smi/list-4080.txt"})
    )
    assert [device.name.value for device in found.devices.value or ()] == ["GeForce RTX 4080 SUPER"]


@pytest.mark.parametrize(
    ("name", "devices"),
    [
        (
            "query",
            [
                "0.0/0 H200, -, -, 4/143771 MiB, 0 %, 78.11 W, 29 °C",
                "3.0/3 H200, -, -, 90211/143771 MiB, 100 %, 655.02 W, 61 °C",
            ],
        ),
        ("query-other-order", ["0.0/0 GeForce RTX 4090, -, -, 12/24564 MiB, - %, - W, 40 °C"]),
    ],
)
def test_nvidia_gpus_are_read_from_a_query_by_its_titles(name: str, devices: list[str]) -> None:
    found = nvidia.family(answers({nvidia.QUERY: f"nvidia-smi/{name}.csv"}))
    assert [told(device) for device in found.devices.value or ()] == devices


def test_memory_that_a_gpu_shares_with_its_processor_has_no_size_of_its_own() -> None:
    titles = "index, name, pci.bus_id, memory.total [MiB], memory.used [MiB], power.draw [W], power.limit [W]"
    row = "0, NVIDIA GB10, 0000000F:01:00.0, [N/A], [N/A], 9.12 W, [N/A]"
    found = nvidia.family(Evidence({nvidia.QUERY: Raw(f"{titles}\n{row}\n")}))
    (device,) = found.devices.value or ()
    assert (device.name.value, device.power_w.value, device.memory_bytes.value) == ("GB10", 9.12, None)
    # A reader of the report is spared the whole question.
    assert device.memory_bytes.reason == "nvidia-smi --query-gpu=index,name,pci.bu… does not say"
    assert device.memory_bytes.source == nvidia.QUERY


def test_where_a_query_fails_the_table_is_read() -> None:
    found = nvidia.family(
        answers({nvidia.QUERY: "nvidia-smi/query-failed.txt", nvidia.TABLE: "nvidia-smi/table-4090-610.txt"})
    )
    assert len(found.devices.value or ()) == 2


def test_programs_that_hold_an_nvidia_gpu_are_told() -> None:
    queried = nvidia.family(answers({nvidia.QUERY: "nvidia-smi/query.csv", nvidia.APPS: "nvidia-smi/apps.csv"}))
    assert holders(queried) == {"0.0": [], "3.0": [(7701, "python3 -m sglang", 90012), (7702, None, None)]}
    drawn = nvidia.family(answers({nvidia.TABLE: "nvidia-smi/table-4090-610.txt"}))
    assert holders(drawn) == {"0.0": [(4471, "python3", 20980), (1201, "/usr/lib/xorg/Xorg", 44)], "1.0": []}
    parted = nvidia.family(answers({nvidia.TABLE: "nvidia-smi/table-MIG-590.txt"}))
    assert holders(parted) == {"0.0": [(8117, "vllm", 9800)]}


def test_the_health_of_a_gpu_is_that_of_its_memory() -> None:
    found = nvidia.family(
        answers({nvidia.TABLE: "nvidia-smi/table-H200-570.txt", nvidia.HEALTH: "nvidia-smi/health.csv"})
    )
    facts = [device.health for device in found.devices.value or ()][:3]
    assert [fact.value for fact in facts] == [
        "OK",
        "3 uncorrected ECC errors since the driver was loaded; row remapping: pending",
        None,
    ]
    assert facts[2].reason == "the GPU counts no errors of its memory"


def test_the_parts_of_a_gpu_are_told() -> None:
    found = nvidia.family(
        answers({nvidia.TABLE: "nvidia-smi/table-MIG-590.txt", nvidia.LIST: "nvidia-smi/list-MIG.txt"})
    )
    assert [device.partitions.value for device in found.devices.value or ()] == [("3g.40gb", "2g.20gb")]
    whole = nvidia.family(answers({nvidia.QUERY: "nvidia-smi/query.csv"}))
    assert [device.partitions.value for device in whole.devices.value or ()] == [(), ()]


def test_how_nvidia_gpus_are_connected() -> None:
    found = nvidia.family(answers({nvidia.TOPO: "nvidia-smi/topo.txt"})).topology.value
    assert found is not None
    assert found.names == ("GPU0", "GPU1", "NIC0")
    assert found.links == (("X", "NV18", "PXB"), ("NV18", "X", "SYS"), ("PXB", "SYS", "X"))
    assert found.cpus == ("0-47", "48-95", None)


def test_why_there_is_no_nvidia_gpu_is_told() -> None:
    assert nvidia.family(answers({nvidia.TABLE: "nvidia-smi/no-devices.txt"})).devices.value == ()
    broken = nvidia.family(answers({nvidia.TABLE: "nvidia-smi/no-driver.txt"})).devices
    assert (broken.value, broken.reason) == (
        None,
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
        "Make sure that the latest NVIDIA driver is installed and running.",
    )
