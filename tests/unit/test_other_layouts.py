"""Old reports that differ from the original: each piece is read right, or listed with its line."""

import io
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from kit import renderers
from kit.legacy import cells, lines, report, tables
from kit.legacy import profiles as writing
from kit.legacy.cells import Column
from tests.unit.old_reports import LOAD, START, TITLES, line, markdown, slid, written
from tests.unit.test_legacy import problems, read, rows
from tests.unit.written import PROFILE as PLAN
from tests.unit.written import Written

ROWS = written()
ENGLISH = (
    *("Model", "Environment", "Input Length", "Output Length", "Concurrency", "Avg Latency (s)"),
    *("Output Throughput (tok/s)", "TTFT (s)", "TPOT (ms)", "Avg TPS", "Per-stream throughput (tok/s)"),
)
FULL_WIDTH = str.maketrans("0123456789.", "０１２３４５６７８９．")
SWAPPED = (0, 1, 2, 3, 4, 6, 5, 8, 7, 10, 9)
MIXED = (4, 0, 2, 3, 1, 6, 5, 8, 7, 10, 9)
ABOUT_COMMANDS = re.compile(r"\| \*\*启动模型.*?\n\n(?=1\. ## 性能)", re.DOTALL)


def table(found: Sequence[Sequence[str]], titles: Sequence[str] = TITLES) -> str:
    """The report with this table."""
    return markdown([tuple(row) for row in found]).replace(line(TITLES), line(titles))


def picked(order: Sequence[int], found: Sequence[Sequence[str]] = ROWS) -> list[tuple[str, ...]]:
    return [tuple(row[at] for at in order) for row in found]


def blank(found: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Repeated cells blank, but in their own columns."""
    return [
        tuple(
            "" if at < 4 and number and found[number - 1][: at + 1] == row[: at + 1] else cell
            for at, cell in enumerate(row)
        )
        for number, row in enumerate(found)
    ]


def ms(text: str) -> str:
    return f"{float(text) * 1000:g}"


def hypertext(found: Sequence[tuple[str, ...]]) -> str:
    """The report with its table in HTML, cells merged downwards."""
    written = ["<table>", f"<tr>{''.join(f'<th>{title}</th>' for title in TITLES)}</tr>"]
    for number, row in enumerate(found):
        shown = ""
        for at, cell in enumerate(row):
            head = row[: at + 1]
            if at < 4 and number and found[number - 1][: at + 1] == head:
                continue
            below = next((i for i, other in enumerate(found[number:]) if other[: at + 1] != head), len(found) - number)
            shown += f'<td rowspan="{below if at < 4 else 1}">{cell}</td>'
        written.append(f"<tr>{shown}</tr>")
    text = markdown()
    return (
        text[: text.index(line(TITLES))] + "\n".join(written) + "\n</table>\n\n" + text[text.index("1. # 测试结论") :]
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(table(picked(SWAPPED), picked(SWAPPED, [TITLES])[0]), id="other order of figures"),
        pytest.param(table(slid(picked(SWAPPED)), picked(SWAPPED, [TITLES])[0]), id="other order, slid"),
        pytest.param(table(picked(MIXED), picked(MIXED, [TITLES])[0]), id="other order of all"),
        pytest.param(table(picked(MIXED, blank(ROWS)), picked(MIXED, [TITLES])[0]), id="other order, blanks"),
        pytest.param(table([(*row[:8], ms(row[8]), *row[9:]) for row in ROWS], ENGLISH), id="english, milliseconds"),
        pytest.param(
            table(
                [
                    (*row[:5], f"{row[5]} s", f"{row[6]} tok/s", f"{row[7]}秒", f"{ms(row[8])} ms", *row[9:])
                    for row in ROWS
                ]
            ),
            id="cells with units",
        ),
        pytest.param(
            table([(*row[:2], *(cell.translate(FULL_WIDTH) for cell in row[2:])) for row in ROWS]),
            id="full-width digits",
        ),
        pytest.param(
            table([tuple("1,024" if cell == "1024" else cell for cell in row) for row in ROWS]), id="thousands"
        ),
        pytest.param(hypertext(ROWS), id="html with merged cells"),
        pytest.param(
            table(ROWS[:8]).replace(
                "\n1. # 测试结论",
                f"\n{line(TITLES)}\n   {'| -- ' * 11}|\n" + "\n".join(map(line, ROWS[8:])) + "\n\n1. # 测试结论",
            ),
            id="two tables",
        ),
    ],
)
def test_a_table_written_otherwise_is_read_the_same(text: str) -> None:
    found = read(text)
    assert rows(found) == ROWS
    assert problems(found) == []
    assert writing.imported(found).baseline == writing.imported(read(markdown())).baseline


def code(before: str, after: str) -> str:
    """The report with its commands in blocks of code instead of a table."""
    start = START.removeprefix("export HCCL_OP_EXPANSION_MODE=AIV ").replace(" --", " \\\n    --")
    blocks = f"{before}```bash\n# 服务\nexport HCCL_OP_EXPANSION_MODE=AIV\n{start}\n```\n\n{after}```\n{LOAD}\n```\n\n"
    return ABOUT_COMMANDS.sub(lambda _: blocks, markdown())


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(code("启动模型：\n\n", "**执行测试**：\n\n"), id="lines before"),
        pytest.param(code("1. ### 启动模型\n\n", "1. ### 执行测试\n\n"), id="headings before"),
        pytest.param(code("", ""), id="by what they start"),
    ],
)
def test_commands_in_blocks_of_code_are_read(text: str) -> None:
    found = read(text)
    assert problems(found) == []
    taken, original = lines.server(found.start_command), lines.server(START)
    assert (taken.engine, taken.env, taken.args, taken.problems) == (original.engine, original.env, original.args, ())
    assert found.load_command == LOAD


@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param(
            lambda text: text.replace("\n1. # 测试结论", "   | 平均 |" + " |" * 10 + "\n\n1. # 测试结论"),
            "line 57: its values cannot be given to the titles for certain",
            id="a row of means",
        ),
        pytest.param(
            lambda text: text.replace("Avg TPOT(s)", "Avg TPOT"),
            "line 39, 平均每 token 延迟 Avg TPOT: '0.06' has no unit, and neither has its title: s or ms",
            id="no unit",
        ),
        pytest.param(
            lambda text: text.replace("(tok/s)", "(req/s)"),
            f"line 37: the column {'系统吞吐 Output token throughput (req/s)'!r} is not one that is known",
            id="another unit",
        ),
        pytest.param(
            lambda text: text.replace("| 28.94 |", "| 28.94 min |"),
            "line 39, 端到端时延（s） Avg Latency(s): '28.94 min' is not in seconds or milliseconds",
            id="a cell in minutes",
        ),
        pytest.param(
            lambda text: re.sub(r"1\. ## 硬件配置.*?(?=1\. ## 软件配置)", "", text, flags=re.DOTALL),
            "old.md: no hardware is told: machine.accelerator was left out",
            id="no hardware",
        ),
        pytest.param(
            lambda text: text.replace("--parallel 1 2 4", "--parallel 1,2,4"),
            "line 33: --parallel is no list of whole numbers and was left out",
            id="a list with commas",
        ),
        pytest.param(
            lambda text: text.replace(
                "\n1. # 测试结论", f"\n{line(TITLES)}\n   {'| -- ' * 11}|\n{line(ROWS[3])}\n\n1. # 测试结论"
            ),
            "line 60: the case 128-512-c8 stands there twice; the first was taken",
            id="a case in two tables",
        ),
        pytest.param(
            lambda text: text.replace(
                "\n1. # 测试结论",
                f"\n{line(TITLES)}\n   {'| -- ' * 11}|\n{line(('Other', *ROWS[3][1:2], '64', *ROWS[3][3:]))}\n\n1. # 测试结论",
            ),
            "line 58: a table of another model, 'Other', which was not taken",
            id="a table of another model",
        ),
        pytest.param(
            lambda text: text.replace(line(ROWS[9]), line(("Other", *ROWS[9][1:]))),
            "line 48: is of another model, 'Other', and was not taken",
            id="a row of another model",
        ),
        pytest.param(
            lambda text: text.replace(
                "1. # 测试结论", "| 输入 | 备注 |\n| -- | -- |\n| 128 | 好 |\n\n1. # 测试结论"
            ).replace("输入 | 备注", "指标 | 备注"),
            "line 58: a table that begins with '指标 | 备注'",
            id="a table of something else",
        ),
    ],
)
def test_what_is_not_certain_is_listed_with_its_line(change: Callable[[str], str], told: str) -> None:
    assert told in problems(read(change(markdown(ROWS))))


def test_a_second_command_below_the_first_is_listed() -> None:
    taken = lines.server(f"{START}\n{LOAD}")
    assert taken.args == lines.server(START).args
    assert taken.problems == (f"not taken, since it needs a shell: ; {LOAD}",)


def test_requests_that_a_table_tells_are_in_the_profile() -> None:
    titles = (*TITLES[:5], "请求数", *TITLES[5:])
    found = read(table([(*row[:5], str(3 * int(row[4])), *row[5:]) for row in ROWS], titles))
    made = writing.imported(found).profile
    assert "- {input: 128, output: 512, concurrency: [1, 2, 4, 8, 16], requests: [3, 6, 12, 24, 48]}" in made


@pytest.mark.parametrize("name", ["md", "docx"])
@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_kits_own_reports_are_read_whole(tmp_path: Path, name: str, language: Literal["zh-CN", "en"]) -> None:
    built = Written(tmp_path, text=PLAN.replace("rounds: 2", "rounds: 2\n  requests_per_client: 3")).report(language)
    found = report.read(renderers.render(name, built), f"own.{name}")
    assert found.unread == ()
    assert found.language == language
    assert [row.requests for row in found.rows] == [3, 6, 3]
    made = writing.imported(found).profile
    assert f"\n  language: {language}\n" in made


def test_a_workbook_with_merged_cells_and_a_title_is_read() -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["DeepSeek R1"])
    sheet.append(list(TITLES))
    for row in blank(ROWS):
        sheet.append([None if cell == "" else cell for cell in row])
    for at in range(4):
        first = 0
        for number in range(1, len(ROWS) + 1):
            if number == len(ROWS) or ROWS[number][: at + 1] != ROWS[first][: at + 1]:
                if number - first > 1:
                    sheet.merge_cells(None, first + 3, at + 1, number + 2, at + 1)
                first = number
    stored = io.BytesIO()
    book.save(stored)
    found = tables.read(stored.getvalue(), "old.xlsx")
    assert [row.key for row in found.rows] == [row.key for row in read(markdown()).rows]
    assert [str(problem) for problem in found.problems] == ["row 1: stands above the table and was not read"]


@pytest.mark.parametrize(
    ("written", "card"),
    [
        ("Huawei Ascend 910B4（64 GiB）＊２", '{kind: ascend, model: "910B4", count: 2, memory_gib: 64}'),
        ("2 x 昇腾 910B4 (64GiB)", '{kind: ascend, model: "910B4", count: 2, memory_gib: 64}'),
        ("910B4（64 GiB）* 2", '{kind: ascend, model: "910B4", count: 2, memory_gib: 64}'),
        ("8 x 华为 910b", '{kind: ascend, model: "910b", count: 8}'),
        ("NVIDIA H200 × 8", "{kind: nvidia, model: H200, count: 8}"),
    ],
)
def test_accelerators_are_recognised(written: str, card: str) -> None:
    text = markdown().replace("Huawei Ascend 910B4（64 GiB）* 2", written)
    assert f"  accelerator: {card}\n" in writing.imported(read(text)).profile


@pytest.mark.parametrize("written", ["华为 TaiShan 200 * 2", "Kunpeng 920 * 2", "SSD 910 * 4", "X910B4 * 2"])
def test_other_parts_of_a_machine_are_no_accelerators(written: str) -> None:
    text = markdown().replace("Huawei Ascend 910B4（64 GiB）* 2", written)
    assert "accelerator:" not in writing.imported(read(text)).profile


@given(
    st.decimals(min_value=0, max_value=999_999, places=3, allow_nan=False),
    st.sampled_from([("s", 1), ("ms", 1000), ("秒", 1), ("毫秒", 1000), (" S", 1)]),
    st.booleans(),
)
def test_a_number_with_its_unit_is_that_number(value: object, unit: tuple[str, int], wide: bool) -> None:
    number = f"{value:,}" if wide else str(value)
    text = (number + unit[0]).translate(FULL_WIDTH) if wide else number + unit[0]
    found = cells.figure(text, Column("ttft", "s"))
    assert found.value == pytest.approx(float(str(value)) / unit[1], rel=1e-12)


@given(st.text(max_size=30))
def test_any_cell_is_a_number_or_refused(text: str) -> None:
    cells.column(text)
    cells.length(text)
    for read_as in (lambda: cells.figure(text, Column("ttft", "s")), lambda: cells.count(text, least=1)):
        with suppress(ValueError):
            read_as()
