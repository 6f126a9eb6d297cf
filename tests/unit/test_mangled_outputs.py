"""Outputs that are wider, narrower, indented, in another order, with more columns, or cut: never a crash, never a new device.

A layout that changes keeps every fact; an output that loses something loses facts, and no fact becomes another.
"""

import random
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import inventory
from kit.accelerators import ACCELERATORS, amd, amd_smi, hygon, iluvatar, metax, nvidia
from kit.accelerators.rocm import ROCMINFO
from kit.model import Device, Family
from kit.model.evidence import Evidence, Raw

FIXTURES = Path(__file__).parents[1] / "fixtures"
AT = datetime(2026, 11, 23, 13, 5, 7, tzinfo=UTC)
BOXES = [
    *(("ascend", "npu-smi info", f"npu-smi/{name}.txt") for name in ("910B4-64g", "910B4-1-sparse", "910B4-32g-wide")),
    *(("ascend", "npu-smi info", f"npu-smi/{name}.txt") for name in ("910-first-generation", "A3", "950PR", "950DT")),
    *(("ascend", "npu-smi info", f"npu-smi/{name}.txt") for name in ("310P3-two-chips", "310P3-one-chip")),
    *(
        ("nvidia", nvidia.TABLE, f"nvidia-smi/{name}.txt")
        for name in ("table-H200-570", "table-4090-610", "table-MIG-590")
    ),
    *(("metax", metax.TABLE, f"mx-smi/{name}.txt") for name in ("C550-idle", "C500-busy", "four-columns")),
    ("iluvatar", iluvatar.TABLE, "ixsmi/BI-V150.txt"),
]
OTHERS = [
    ("nvidia", nvidia.QUERY, "nvidia-smi/query.csv"),
    ("nvidia", nvidia.QUERY, "nvidia-smi/query-other-order.csv"),
    ("iluvatar", iluvatar.QUERY, "ixsmi/query.csv"),
    ("hygon", hygon.TABLE, "hy-smi/table.txt"),
    ("hygon", hygon.OLD_TABLE, "hy-smi/old-table.txt"),
    ("hygon", ROCMINFO, "rocm/rocminfo-hygon.txt"),
    ("amd", ROCMINFO, "rocm/rocminfo-amd.txt"),
    ("amd", amd.SMI, "rocm/amd.json"),
    ("amd", amd_smi.STATIC, "amd-smi/static.json"),
]
boxes = st.sampled_from(BOXES)
outputs = st.sampled_from([*BOXES, *OTHERS])
Output = tuple[str, str, str]


def text_of(output: Output) -> str:
    return (FIXTURES / output[2]).read_text("utf-8")


def family(output: Output, text: str) -> Family:
    kind, question, _ = output
    return ACCELERATORS[kind].family(Evidence({question: Raw(text)}))


def devices(output: Output, text: str) -> dict[tuple[int, int], Device]:
    return {(device.card, device.chip): device for device in family(output, text).devices.value or ()}


def is_row(line: str) -> bool:
    return bool(re.fullmatch(r"\|.*\|", line)) and not re.fullmatch(r"[|+=\s-]+", line) and line.count("|") > 2


def widened(text: str, seed: int) -> str:
    """Every run of two or more blanks as another one; what stands alone between two words stays."""
    draw = random.Random(seed)
    return re.sub(r" {2,}", lambda _: " " * draw.randint(2, 9), text)


def narrowed(text: str) -> str:
    return re.sub(r" {2,}", " ", text)


def with_another_column(text: str, at: int) -> str:
    def more(line: str) -> str:
        if not is_row(line):
            return line
        cells = line[1:-1].split("|")
        return "|" + "|".join([*cells[:at], " Slot ", *cells[at:]]) + "|"

    return "\n".join(map(more, text.splitlines())) + "\n"


def with_columns_in_another_order(text: str, seed: int) -> str:
    def shuffled(line: str) -> str:
        if not is_row(line):
            return line
        cells = line[1:-1].split("|")
        random.Random(seed + len(cells)).shuffle(cells)
        return "|" + "|".join(cells) + "|"

    return "\n".join(map(shuffled, text.splitlines())) + "\n"


def assert_nothing_new(output: Output, text: str) -> None:
    """Every device is one of the whole output's, and every fact is that device's or missing."""
    whole = devices(output, text_of(output))
    for key, device in devices(output, text).items():
        assert key in whole
        for name, fact in device:
            if name == "processes":
                known = {use.pid: use for use in whole[key].processes.value or ()}
                for use in fact.value or ():
                    assert use.name in (None, known[use.pid].name)
                    assert use.memory_bytes in (None, known[use.pid].memory_bytes)
            elif name not in ("card", "chip") and fact.value is not None:
                assert fact.value == getattr(whole[key], name).value, (key, name)


@given(output=boxes, seed=st.integers(0, 10_000), indent=st.integers(0, 9))
def test_widths_and_indents_do_not_matter(output: Output, seed: int, indent: int) -> None:
    text = text_of(output)
    whole = devices(output, text)
    for changed in (
        widened(text, seed),
        "\n".join(" " * indent + line + " " * (seed % 3) for line in text.splitlines()) + "\n",
        text.replace("\n", "\r\n"),
        re.sub(r"(OK|\d+C)\b", "\x1b[32m\\1\x1b[0m", text),
        "some line before\n\n" + text + "\nand one behind\n",
    ):
        assert devices(output, changed) == whole


@given(output=boxes)
def test_single_blanks_do_not_matter_where_titles_are_known(output: Output) -> None:
    assert devices(output, narrowed(text_of(output))) == devices(output, text_of(output))


@given(output=boxes, at=st.integers(1, 5))
def test_a_column_more_does_not_matter(output: Output, at: int) -> None:
    assert devices(output, with_another_column(text_of(output), at)) == devices(output, text_of(output))


@given(output=boxes, seed=st.integers(0, 10_000))
def test_the_order_of_columns_does_not_matter(output: Output, seed: int) -> None:
    assert devices(output, with_columns_in_another_order(text_of(output), seed)) == devices(output, text_of(output))


@given(output=outputs, data=st.data())
def test_an_output_that_ends_too_early_loses_devices_and_changes_none(output: Output, data: st.DataObject) -> None:
    text = text_of(output)
    assert_nothing_new(output, text[: data.draw(st.integers(0, len(text)))])


# rocminfo and hy-smi print no end of a line: there is nothing to see where one is cut.
@given(
    output=outputs.filter(lambda output: output[2].split("/")[0] not in ("rocm", "hy-smi")), width=st.integers(5, 130)
)
def test_an_output_cut_at_a_width_changes_no_device(output: Output, width: int) -> None:
    assert_nothing_new(output, "\n".join(line[:width] for line in text_of(output).splitlines()) + "\n")


@given(output=st.sampled_from(BOXES), data=st.data())
def test_lines_that_are_missing_make_no_device(output: Output, data: st.DataObject) -> None:
    lines = text_of(output).splitlines()
    gone = data.draw(st.sets(st.integers(0, len(lines) - 1), max_size=8))
    left = "\n".join(line for number, line in enumerate(lines) if number not in gone) + "\n"
    assert set(devices(output, left)) <= set(devices(output, text_of(output)))


@given(output=outputs, data=st.data())
def test_whatever_a_tool_prints_nothing_crashes(output: Output, data: st.DataObject) -> None:
    text = text_of(output)
    draw = random.Random(data.draw(st.integers(0, 100_000)))
    characters = list(text)
    for _ in range(data.draw(st.integers(1, 200))):
        characters[draw.randrange(len(characters))] = draw.choice(' |+-=:/,.0123456789abcdefNAX()%\n\t\x1b{}[]"')
    family(output, "".join(characters))


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=400))
def test_no_text_is_a_device(text: str) -> None:
    for kind, question, _ in {(kind, question, "") for kind, question, _ in (*BOXES, *OTHERS)}:
        assert not ACCELERATORS[kind].family(Evidence({question: Raw(text)})).devices.value


class Everywhere(Evidence):
    """The same answer to every question."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def __missing__(self, key: str) -> Raw:
        return Raw(self._text)


@pytest.mark.parametrize("path", sorted(path for path in FIXTURES.rglob("*") if path.is_file()), ids=lambda p: p.name)
def test_an_answer_in_the_place_of_any_other_does_not_crash(path: Path) -> None:
    inventory.parse(Everywhere(path.read_text("utf-8")), AT)


HOST = [
    ("lscpu", "host/lscpu-7263Z.txt"),
    ("numactl -H", "host/numactl.txt"),
    ("dmidecode -t memory", "host/dmidecode-20-of-32.txt"),
    ("lsblk -J -b -d -o NAME,SIZE,MODEL,ROTA,TYPE,TRAN", "host/lsblk.json"),
    ("df -P -k -T", "host/df.txt"),
    ("docker info", "host/docker-info.txt"),
]


@given(answer=st.sampled_from(HOST), data=st.data())
def test_a_host_s_output_that_ends_too_early_does_not_crash(answer: tuple[str, str], data: st.DataObject) -> None:
    text = (FIXTURES / answer[1]).read_text("utf-8")
    left = text[: data.draw(st.integers(0, len(text)))]
    found = inventory.parse(Evidence({answer[0]: Raw(left)}), AT)
    slots = found.memory.dimms.value or ()
    assert sum(1 for slot in slots if slot.size_bytes) <= 20
    assert found.cpu.sockets.value in (None, 2)
    assert len(found.cpu.numa_nodes) <= 4
