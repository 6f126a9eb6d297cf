"""The other families of accelerators, out of outputs in the forms that their tools have been seen to print; and what holds of all."""

import pytest

from kit.accelerators import ACCELERATORS, amd, amd_smi, ascend, hygon, iluvatar, metax, nvidia
from kit.accelerators.rocm import ROCMINFO
from kit.model.evidence import Evidence, Raw
from tests.unit.cards import answers, holders, software, told


@pytest.mark.parametrize(
    ("name", "devices", "programs"),
    [
        (
            "C550-idle",
            [f"{n}.0/{n} C550, -, Available, 858/65536 MiB, 0 %, {54 + n} W, {29 + n} °C" for n in range(4)],
            {f"{n}.0": [] for n in range(4)},
        ),
        (
            "C500-busy",
            [
                "0.0/0 C500, -, -, 60111/65536 MiB, 88 %, 180 W, 41 °C",
                "1.0/1 C500, -, -, 4980/65536 MiB, 0 %, 66 W, 36 °C",
            ],
            {"0.0": [(8800, "python3.10", 59001), (8801, "python3.10", 120)], "1.0": [(8801, "python3.10", 4100)]},
        ),
        (
            "C500-old",
            [
                "0.0/0 C500, -, -, 60980/65536 MiB, 3 %, 72 W, 50 °C",
                "1.0/1 C500, -, -, 858/65536 MiB, 0 %, 97 W, 49 °C",
            ],
            {"0.0": None, "1.0": None},
        ),
        (
            # Two chips of one board: the second column numbers what programs use.
            "four-columns",
            [
                "0.0/0 C600, -, Available, 861/98304 MiB, 0 %, 61 W, 42 °C",
                "1.0/1 C600, -, Available, 901/98304 MiB, 5 %, 63 W, 43 °C",
            ],
            {"0.0": None, "1.0": None},
        ),
    ],
)
def test_metax_gpus_are_read(
    name: str, devices: list[str], programs: dict[str, list[tuple[int, str | None, int | None]] | None]
) -> None:
    found = metax.family(answers({metax.TABLE: f"mx-smi/{name}.txt"}))
    assert [told(device) for device in found.devices.value or ()] == devices
    assert holders(found) == programs


def test_versions_and_links_of_metax() -> None:
    found = metax.family(answers({metax.TABLE: "mx-smi/C550-idle.txt", metax.TOPO: "mx-smi/topo.txt"}))
    assert software(found) == {"driver": "2.16.1", "MACA": "2.33.0.5", "BIOS": "1.25.1.0"}
    assert found.topology.value is not None
    assert found.topology.value.links[3] == ("NODE", "NODE", "NODE", "X")
    assert found.topology.value.cpus == ("0-31,64-95",) * 3 + ("32-63",)


def test_iluvatar_gpus_are_read() -> None:
    found = iluvatar.family(answers({iluvatar.TABLE: "ixsmi/BI-V150.txt"}))
    assert [told(device) for device in found.devices.value or ()] == [
        "0.0/0 BI-V150, -, -, 116/32768 MiB, 0 %, - W, 34 °C",
        "1.0/1 BI-V150, -, -, 30044/32768 MiB, 96 %, 207 W, 51 °C",
    ]
    assert holders(found) == {"0.0": [], "1.0": [(90210, "python3", 29800)]}
    assert software(found) == {"driver": "4.2.0", "IX-ML": "4.2.0", "CUDA": "10.2"}


def test_iluvatar_gpus_are_read_from_a_query_where_there_is_no_table() -> None:
    found = iluvatar.family(answers({iluvatar.QUERY: "ixsmi/query.csv"}))
    assert [told(device) for device in found.devices.value or ()] == [
        "0.0/0 MR-V50, -, -, 119/16384 MiB, 0 %, - W, 31 °C",
        "1.0/1 MR-V50, -, -, 8044/16384 MiB, 71 %, - W, 55 °C",
    ]


def test_hygon_dcus_are_read() -> None:
    found = hygon.family(
        answers(
            {
                hygon.TABLE: "hy-smi/table.txt",
                hygon.NAMES: "hy-smi/productname.txt",
                hygon.MEMORY: "hy-smi/meminfo.txt",
                hygon.TOPO: "hy-smi/topo.txt",
                ROCMINFO: "rocm/rocminfo-hygon.txt",
            }
        )
    )
    assert [told(device) for device in found.devices.value or ()] == [
        "0.0/0 K100_AI, gfx928, Normal, 12/65520 MiB, 0 %, 52 W, 44 °C",
        "1.0/1 K100_AI, gfx928, Normal, 57001/65520 MiB, 99 %, 371 W, 71 °C",
    ]
    assert found.topology.value is not None
    assert found.topology.value.links == (("0", "XGMI"), ("XGMI", "0"))


def test_hygon_dcus_are_read_from_the_older_tool_and_keep_their_numbers() -> None:
    found = hygon.family(answers({hygon.OLD_TABLE: "hy-smi/old-table.txt"}))
    assert [told(device) for device in found.devices.value or ()] == [
        "0.0/0 -, -, -, -/- MiB, 0 %, 25 W, 49 °C",
        "2.0/2 -, -, -, -/- MiB, 3 %, 22 W, 47 °C",
    ]
    assert amd.family(answers({hygon.OLD_TABLE: "hy-smi/old-table.txt"})).devices.value is None


def test_without_their_tools_dcus_and_gpus_are_taken_from_rocminfo() -> None:
    dcus = hygon.family(answers({ROCMINFO: "rocm/rocminfo-hygon.txt"}))
    assert [told(device) for device in dcus.devices.value or ()] == [
        "0.0/- K100_AI, gfx928, -, -/65520 MiB, - %, - W, - °C",
        "1.0/- K100_AI, gfx928, -, -/65520 MiB, - %, - W, - °C",
    ]
    gpus = amd.family(answers({ROCMINFO: "rocm/rocminfo-amd.txt"}))
    assert [told(device) for device in gpus.devices.value or ()] == [
        "0.0/- AMD Instinct MI300X, gfx942, -, -/196592 MiB, - %, - W, - °C",
    ]
    assert amd.family(answers({ROCMINFO: "rocm/rocminfo-hygon.txt"})).devices.value is None
    assert hygon.family(answers({ROCMINFO: "rocm/rocminfo-amd.txt"})).devices.value is None


def test_amd_gpus_are_read() -> None:
    found = amd.family(answers({amd.SMI: "rocm/amd.json"}))
    assert [told(device) for device in found.devices.value or ()] == [
        "0.0/0 AMD Instinct MI300X, gfx942, -, 284.449/196592 MiB, 0 %, 139 W, 41 °C",
        "2.0/2 AMD Instinct MI300X, -, -, -/196592 MiB, - %, - W, - °C",
    ]


def test_amd_gpus_are_read_from_the_newer_tool() -> None:
    found = amd.family(
        answers(
            {
                amd_smi.STATIC: "amd-smi/static.json",
                amd_smi.METRIC: "amd-smi/metric.json",
                amd_smi.PROCESS: "amd-smi/process.json",
                amd.SMI: "rocm/amd.json",
            }
        )
    )
    assert [told(device) for device in found.devices.value or ()] == [
        "0.0/0 AMD Instinct MI300X, gfx942, -, 285/196592 MiB, 0 %, 141 W, 40 °C",
        "3.0/3 AMD Instinct MI300X, gfx942, -, 170211/196592 MiB, 98 %, - W, 71 °C",
    ]
    assert holders(found) == {"0.0": [], "3.0": [(4242, "python3", 169900)]}
    assert software(found) == {"driver": "6.14.14"}


def test_amds_cards_that_tell_less_are_read_by_what_they_tell() -> None:
    static = '{"gpu_data": [{"gpu": 0, "asic": {"market_name": "AMD Radeon RX 9070"}, "vram": {"size": "N/A"}}]}'
    metric = (
        'WARNING: not in the group render\n[{"gpu": 0, "usage": "N/A", "power": {"socket_power": "N/A", "average_socket_power": '
        '{"value": 88, "unit": "W"}}, "temperature": {"edge": {"value": 44, "unit": "C"}, "hotspot": "N/A"}, '
        '"mem_usage": {"total_vram": {"value": 16304, "unit": "MB"}, "used_vram": {"value": 26, "unit": "MB"}}}]'
    )
    found = amd.family(Evidence({amd_smi.STATIC: Raw(static), amd_smi.METRIC: Raw(metric)}))
    assert [told(device) for device in found.devices.value or ()] == [
        "0.0/0 AMD Radeon RX 9070, -, -, 26/16304 MiB, - %, 88 W, 44 °C"
    ]


def test_no_family_takes_the_devices_of_another() -> None:
    outputs = {
        "ascend": ("npu-smi info", "npu-smi/910B4-64g.txt"),
        "nvidia": (nvidia.TABLE, "nvidia-smi/table-4090-610.txt"),
        "metax": (metax.TABLE, "mx-smi/C550-idle.txt"),
        "iluvatar": (iluvatar.TABLE, "ixsmi/BI-V150.txt"),
        "hygon": (hygon.TABLE, "hy-smi/table.txt"),
        "amd": (amd.SMI, "rocm/amd.json"),
    }
    assert set(outputs) == set(ACCELERATORS)
    for owner, (_, name) in outputs.items():
        for kind, (question, _) in outputs.items():
            found = ACCELERATORS[kind].family(answers({question: name})).devices.value
            assert bool(found) == (kind == owner), (kind, name)


def test_every_fact_of_a_device_says_where_it_is_from_or_why_it_is_missing() -> None:
    found = ascend.family(answers({"npu-smi info": "npu-smi/310P3-two-chips.txt"}))
    for device in found.devices.value or ():
        for name, fact in device:
            if name not in ("card", "chip"):
                assert fact.source, name
                assert (fact.value is None) == bool(fact.reason), name
