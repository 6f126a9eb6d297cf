"""Ascend cards, out of outputs in the forms that their tools have been seen to print."""

import pytest

from kit.accelerators import ascend
from kit.model.evidence import Evidence, Raw
from tests.unit.cards import FIXTURES, NPU_FILES, answers, holders, software, told


@pytest.mark.parametrize(
    ("name", "devices"),
    [
        (
            "910B4-64g",
            [
                "0.0/- 910B4, 910B, OK, 2917/65536 MiB, 0 %, 86.4 W, 37 °C",
                "1.0/- 910B4, 910B, OK, 2913/65536 MiB, 0 %, 88.9 W, 38 °C",
            ],
        ),
        (
            "910B4-1-sparse",
            [
                "1.0/- 910B4-1, 910B, OK, 3205/65536 MiB, 0 %, 90.5 W, 35 °C",
                "3.0/- 910B4-1, 910B, OK, 3205/65536 MiB, 0 %, 91.5 W, 36 °C",
                "5.0/- 910B4-1, 910B, OK, 3205/65536 MiB, 0 %, 92.5 W, 37 °C",
                "7.0/- 910B4-1, 910B, OK, 3205/65536 MiB, 0 %, 93.5 W, 38 °C",
                "8.0/- 910B4-1, 910B, OK, 61044/65536 MiB, 7 %, 94 W, 39 °C",
                "9.0/- 910B4-1, 910B, OK, 61044/65536 MiB, 0 %, 94.5 W, 40 °C",
                "10.0/- 910B4-1, 910B, OK, 3205/65536 MiB, 0 %, 95 W, 41 °C",
                "11.0/- 910B4-1, 910B, OK, 3205/65536 MiB, 0 %, 95.5 W, 42 °C",
            ],
        ),
        ("910B4-32g-wide", ["5.0/- 910B4, 910B, OK, 2864/32768 MiB, 0 %, 79.3 W, 33 °C"]),
        (
            "910B2-alarm",
            [
                "0.0/- 910B2, 910B, Alarm, 60117/65536 MiB, 98 %, 301.7 W, 71 °C",
                "1.0/- 910B2, 910B, Warning, 3377/65536 MiB, 0 %, 96 W, 44 °C",
                "2.0/- 910B2, 910B, OK, 3370/65536 MiB, 0 %, - W, 43 °C",
            ],
        ),
        (
            # Without a digit behind it the B is a first-generation 910, whose other memory is no HBM.
            "910-first-generation",
            [
                "0.0/- 910B, 910, OK, 2/32768 MiB, 0 %, 68.2 W, 42 °C",
                "1.0/- 910B, 910, OK, 0/32768 MiB, 0 %, 66.9 W, 40 °C",
            ],
        ),
        ("910ProA", ["7.0/- 910ProA, 910, OK, 0/32768 MiB, 0 %, 71 W, 45 °C"]),
        (
            "A2G-branded",
            [
                "0.0/- A2G4, 910B, OK, 2830/65536 MiB, 0 %, 84.8 W, 36 °C",
                "1.0/- A2G4, 910B, OK, 2829/65536 MiB, 0 %, 85.1 W, 36 °C",
            ],
        ),
        (
            "A3",
            [
                "0.0/0 Ascend910, A3, OK, 49120/65536 MiB, 12 %, 188.4 W, 33 °C",
                "0.1/1 Ascend910, A3, OK, 49877/65536 MiB, 12 %, - W, 34 °C",
                "1.0/2 Ascend910, A3, OK, 3148/65536 MiB, 0 %, 171.2 W, 35 °C",
                "1.1/3 Ascend910, A3, OK, 2893/65536 MiB, 0 %, - W, 36 °C",
            ],
        ),
        (
            "310P3-two-chips",
            [
                "2.0/0 310P3, 310P, OK, 1500/44278 MiB, 0 %, - W, 45 °C",
                "2.1/1 310P3, 310P, OK, 1501/43693 MiB, 0 %, - W, 46 °C",
                "4.0/2 310P3, 310P, OK, 1510/44278 MiB, 0 %, - W, 45 °C",
                "4.1/3 310P3, 310P, OK, 1511/43693 MiB, 0 %, - W, 46 °C",
            ],
        ),
        ("310P3-one-chip", ["32.0/0 310P3, 310P, OK, 2044/21527 MiB, 3 %, - W, 51 °C"]),
        ("310B1", ["0.0/0 310B1, 310B, Alarm, 6990/11577 MiB, 2 %, 9.4 W, 58 °C"]),
        (
            "950PR",
            [
                "0.0/- Ascend950PR, 950, OK, 6044/131072 MiB, 0 %, 187.6 W, 46 °C",
                "1.0/- Ascend950PR, 950, Alarm, 90120/131072 MiB, 99 %, 203.2 W, 70 °C",
            ],
        ),
        (
            "950DT",
            [
                "0.0/- Ascend950DT, 950, OK, 4851/98304 MiB, 0 %, 377 W, 48 °C",
                "6.0/- Ascend950DT, 950, OK, 4850/98304 MiB, 0 %, 380.1 W, 50 °C",
            ],
        ),
        (
            "prelude",
            [
                "0.0/- 910B3, 910B, OK, 3402/65536 MiB, 0 %, 97.5 W, 41 °C",
                "1.0/- 910B3, 910B, OK, 3400/65536 MiB, 0 %, 95.1 W, 40 °C",
            ],
        ),
        # Half a card is none.
        ("cut-in-the-second-card", ["0.0/- 910B3, 910B, OK, 3402/65536 MiB, 0 %, 97.5 W, 41 °C"]),
    ],
)
def test_ascend_cards_are_read_as_npu_smi_prints_them(name: str, devices: list[str]) -> None:
    found = ascend.family(answers({"npu-smi info": f"npu-smi/{name}.txt"}))
    assert [told(device) for device in found.devices.value or ()] == devices


def test_ascend_cards_without_a_process_table_have_unknown_holders() -> None:
    found = ascend.family(answers({"npu-smi info": "npu-smi/910B1-no-process-table.txt"}))
    assert [device.card for device in found.devices.value or ()] == [*range(8)]
    assert [device.bus_id.value for device in found.devices.value or ()][:3] == [
        "0000:C1:00.0",
        "0000:C2:00.0",
        "0000:81:00.0",
    ]
    assert set(holders(found)) == {f"{n}.0" for n in range(8)}
    assert all(value is None for value in holders(found).values())
    assert software(found) == {"driver": "24.1.rc3"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("910B4-64g", {"0.0": [], "1.0": []}),
        (
            "910B4-1-sparse",
            {
                **{f"{npu}.0": [] for npu in (1, 3, 5, 7, 10, 11)},
                "8.0": [(70112, "python3", 57811), (70399, None, 112)],
                "9.0": [(70113, "VLLMWorker_TP", 57809)],
            },
        ),
        ("910B4-32g-wide", {"5.0": [(1201, "mindie_llm", 20110)]}),
        (
            "A3",
            {"0.0": [(91001, None, 46002), (91002, None, 110)], "0.1": [(91002, None, 46811)], "1.0": [], "1.1": []},
        ),
        ("310P3-one-chip", {"32.0": [(811, "atc", 1011)]}),
        ("950PR", {"0.0": [], "1.0": [(5501, "python", 83990)]}),
        ("cut-in-the-second-card", {"0.0": None}),
    ],
)
def test_programs_that_hold_an_ascend_card_are_told(
    name: str, expected: dict[str, list[tuple[int, str | None, int | None]] | None]
) -> None:
    assert holders(ascend.family(answers({"npu-smi info": f"npu-smi/{name}.txt"}))) == expected


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "not-permitted",
            "dcmi module initialize failed. ret is -8005 "
            "(the driver is not loaded, the user may not use it, or another container has the device)",
        ),
        (
            "taken",
            "dcmi model initialized failed, because the device is used. ret is -8020 (another container has the device)",
        ),
        (
            "no-library",
            "npu-smi: error while loading shared libraries: libc_sec.so: cannot open shared object file: "
            "No such file or directory",
        ),
        ("not-supported", "This device does not support querying usages."),
    ],
)
def test_why_npu_smi_lists_no_card_is_told(name: str, reason: str) -> None:
    found = ascend.family(answers({"npu-smi info": f"npu-smi/{name}.txt"})).devices
    assert (found.value, found.reason) == (None, reason)


def test_a_machine_whose_tool_says_that_there_is_no_card_has_none() -> None:
    assert ascend.family(answers({"npu-smi info": "npu-smi/no-card.txt"})).devices.value == ()


def test_a_table_that_is_cut_off_is_told() -> None:
    found = ascend.family(answers({"npu-smi info": "npu-smi/cut-in-the-second-card.txt"}))
    assert found.notes == ("npu-smi info is cut off: there may be more devices than those listed",)


def test_an_alarm_is_told() -> None:
    found = ascend.family(answers({"npu-smi info": "npu-smi/910B2-alarm.txt"}))
    assert found.notes == ("NPU 0 chip 0 reports Alarm", "NPU 1 chip 0 reports Warning")


def test_a_card_that_fell_off_the_bus_is_told() -> None:
    found = ascend.family(answers({"npu-smi info": "npu-smi/910B4-32g-wide.txt", "lspci -nn": "host/lspci.txt"}))
    assert found.notes == ("lspci lists 2 accelerators, npu-smi info only 1: a card may have fallen off the bus",)
    absent = ascend.family(answers({"lspci -nn": "host/lspci.txt"}))
    assert absent.devices.reason == "lspci lists 2 of them, but npu-smi info was not asked"


@pytest.mark.parametrize(
    ("table", "mapping", "expected"),
    [
        ("A3", "map-A3", [0, 1, 2, 3]),
        ("950DT", "map-950", [4, 9]),
        # Logic ids are no physical ones.
        ("910B4-64g", "map-mcu", [None, None]),
    ],
)
def test_physical_ids_come_from_where_they_are_printed(table: str, mapping: str, expected: list[int | None]) -> None:
    found = ascend.family(
        answers({"npu-smi info": f"npu-smi/{table}.txt", "npu-smi info -m": f"npu-smi/{mapping}.txt"})
    )
    assert [device.physical_id.value for device in found.devices.value or ()] == expected


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ("davinci0\ndavinci1\ndavinci_manager\ndevmm_svm\n", [0, 1]),
        ("davinci4\ndavinci5\ndavinci_manager\n", [None, None]),
        ("null\n", [None, None]),
    ],
)
def test_device_nodes_with_the_same_numbers_are_evidence_for_physical_ids(
    nodes: str, expected: list[int | None]
) -> None:
    found = answers({"npu-smi info": "npu-smi/910B4-64g.txt"})
    found["ls /dev"] = Raw(nodes)
    assert [device.physical_id.value for device in ascend.family(found).devices.value or ()] == expected


def test_what_board_and_common_say_of_an_ascend_card() -> None:
    found = ascend.family(
        answers(
            {
                "npu-smi info": "npu-smi/910B4-64g.txt",
                "npu-smi info -t board -i 0": "npu-smi/board.txt",
                "npu-smi info -t common -i 1": "npu-smi/common-mcu.txt",
            }
        )
    )
    first, second = found.devices.value or ()
    assert (first.board.value, first.serial.value) == ("Atlas 300I A2", "2106AB00KC41")
    assert (second.clock_mhz.value, second.cores.value) == (1650.0, 20)
    assert second.board.reason == "npu-smi info -t board -i 1 was not asked"
    assert software(found) == {"driver": "25.0.rc1.1", "firmware": "7.7.0.1.231"}


@pytest.mark.parametrize(
    ("chips", "npu", "power", "reason"),
    [
        ("one-chip", 32, 31.5, None),
        (
            "two-chips",
            2,
            None,
            "npu-smi info -t common -i 2 tells the power of the whole card only: 44.7 W",
        ),
    ],
)
def test_the_power_of_a_card_is_not_shared_out_among_its_chips(
    chips: str, npu: int, power: float | None, reason: str | None
) -> None:
    question = f"npu-smi info -t common -i {npu}"
    found = ascend.family(
        answers({"npu-smi info": f"npu-smi/310P3-{chips}.txt", question: f"npu-smi/common-310P-{chips}.txt"})
    )
    chip = (found.devices.value or ())[0]
    assert (chip.power_w.value, chip.power_w.reason) == (power, reason)


@pytest.mark.parametrize(
    ("question", "name", "mib"),
    [("npu-smi info -t usages -i 0", "usages", 32768), ("npu-smi info -t memory -i 0", "memory", 65536)],
)
def test_memory_is_read_elsewhere_where_the_table_has_none(question: str, name: str, mib: int) -> None:
    found = answers({"npu-smi info": "npu-smi/910B4-64g.txt", question: f"npu-smi/{name}.txt"})
    found["npu-smi info"] = Raw((found["npu-smi info"].text or "").replace("2917 / 65536", "0    / 0    "))
    first = (ascend.family(found).devices.value or ())[0]
    assert first.memory_bytes.value == mib * 1024**2
    assert first.memory_used_bytes.value is None


def test_a_capacity_is_never_taken_from_a_name() -> None:
    found = Evidence()
    text = (FIXTURES / "npu-smi/910B4-64g.txt").read_text("utf-8")
    found["npu-smi info"] = Raw(text.replace("/ 65536", "/ NA   "))
    assert [device.memory_bytes.value for device in ascend.family(found).devices.value or ()] == [None, None]


@pytest.mark.parametrize(
    ("name", "names", "first_row", "cpus"),
    [
        ("topo-2", ("NPU0", "NPU1"), ("X", "PHB"), ("96-127", "96-127")),
        (
            "topo-8",
            tuple(f"NPU{n}" for n in range(8)),
            ("X", *("HCCS",) * 7),
            ("72-95", "72-95", "48-71", "48-71", "24-47", "24-47", "0-23", "0-23"),
        ),
    ],
)
def test_how_ascend_cards_are_connected(
    name: str, names: tuple[str, ...], first_row: tuple[str, ...], cpus: tuple[str, ...]
) -> None:
    found = ascend.family(answers({"npu-smi info -t topo": f"npu-smi/{name}.txt"})).topology.value
    assert found is not None
    assert (found.names, found.links[0], found.cpus) == (names, first_row, cpus)


def test_half_a_matrix_is_none() -> None:
    found = ascend.family(answers({"npu-smi info -t topo": "npu-smi/topo-cut.txt"})).topology
    assert (found.value, found.reason) == (None, "the matrix is not whole")


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        (
            "driver/version.info",
            "driver-24.1.rc2.info",
            {
                "driver": "24.1.rc2",
                "driver, internal": "V100R001C18SPC004B210",
                "driver, fits CANN": "[V100R001C13],[V100R001C15],[V100R001C17],[V100R001C18]",
                "driver, fits firmware": "[7.0.0,7.5.99]",
            },
        ),
        (
            "driver/version.info",
            "driver-25.3.rc1.info",
            {
                "driver": "25.3.rc1",
                "driver, internal": "V100R001C23SPC002B217",
                "driver, fits CANN": "[V100R001C21],[V100R001C22],[V100R001C23]",
                "driver, fits firmware": "[7.0.0,8.9.9]",
            },
        ),
        ("firmware/version.info", "firmware.info", {"firmware": "7.8.0.2.212"}),
        (
            "ascend-toolkit/latest/aarch64-linux/ascend_toolkit_install.info",
            "toolkit-8.2.info",
            {"CANN toolkit": "8.2.RC1", "CANN toolkit, internal": "V100R001C22SPC001B229"},
        ),
        (
            "cann/aarch64-linux/ascend_toolkit_install.info",
            "toolkit-8.5.info",
            {"CANN toolkit": "8.5.0", "CANN toolkit, internal": "V100R001C25SPC001B210"},
        ),
        ("ascend-toolkit/latest/version.cfg", "version.cfg", {"CANN toolkit": "8.1.RC1"}),
        ("ascend-toolkit/latest/opp_kernel/version.info", "opp_kernel.info", {"CANN kernels": "8.2.RC1"}),
        ("nnae/latest/ascend_nnae_install.info", "nnae.info", {"nnae": "8.0.RC2"}),
        ("nnal/atb/latest/version.info", "nnal.info", {"nnal": "8.3.RC1.B101"}),
        ("mindie/latest/version.info", "mindie.info", {"MindIE": "2.2.RC1.B110"}),
    ],
)
def test_versions_of_what_is_installed_for_ascend(path: str, name: str, expected: dict[str, str]) -> None:
    assert software(ascend.family(answers({f"{NPU_FILES}/{path}": f"ascend/{name}"}))) == expected


def test_versions_are_looked_for_where_the_installer_says() -> None:
    found = ascend.family(
        answers(
            {
                "/etc/ascend_install.info": "ascend/install-elsewhere.info",
                "/data/Ascend/driver/version.info": "ascend/driver-25.3.rc1.info",
            }
        )
    )
    assert software(found)["driver"] == "25.3.rc1"
