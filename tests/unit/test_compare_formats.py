"""A comparison of three sides with all that one can hold, as it looks in every format; see the golden files."""

import io
from pathlib import Path
from typing import Literal

import pytest
from docx import Document
from openpyxl import load_workbook

from kit.model.comparison import Comparison
from kit.renderers import comparison
from kit.workflows import comparing as comparisons
from tests.unit.conftest import CheckGolden
from tests.unit.planted import planted, with_accelerators, with_power
from tests.unit.test_docx import outline

Language = Literal["zh-CN", "en"]

CASES = """\
    - {input: 128, output: 512, concurrency: [1, 4]}
    - {input: 2k, output: 512, concurrency: [1, 4]}
"""
EXPECTED = """\
input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s
128,512,1,28.59,17.9,0.49,0.06
128,512,4,61.2,33.1,0.62,0.12
2k,512,1,29.8,17.1,1.73,0.06
2k,512,4,66.1,31.3,3.92,0.12
"""
PRICES = "currency: CNY\naccelerators: {910B4: 6.5}\nruns: {expected.csv: 9.75}\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, the second on twice the accelerators, a tenth faster, and with another seed; a table; prices."""
    out = tmp_path_factory.mktemp("runs")
    with_power(with_accelerators(planted(out, "a", 1, cases=CASES), 2), 400)
    second = planted(out, "b", 2, "load.seed=7", cases=CASES, faster=0.1, engine="0.5.4", memory="0.95")
    with_power(with_accelerators(second, 4), 500)
    (out / "expected.csv").write_text(EXPECTED)
    (out / "prices.yaml").write_text(PRICES)
    return out


def whole(runs: Path, lang: Language, by: Literal["case", "hardware"] = "case") -> Comparison:
    names = ("507-a", "507-b", str(runs / "expected.csv"))
    return comparisons.compare(names, runs, allow=("seed",), cost=runs / "prices.yaml", lang=lang, by=by)


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_markdown_and_word_are_what_they_were(runs: Path, lang: Language, golden: CheckGolden) -> None:
    found = whole(runs, lang)
    golden(f"comparison-{lang}.md", comparison.write("md", found))
    golden(f"comparison-{lang}.docx.txt", ("\n".join(outline(comparison.write("docx", found))) + "\n").encode())


def test_the_tables_by_hardware_are_what_they_were(runs: Path, golden: CheckGolden) -> None:
    golden("comparison-by-hardware.md", comparison.write("md", whole(runs, "en", "hardware")))


def test_the_workbook_is_what_it_was(runs: Path, golden: CheckGolden) -> None:
    book = load_workbook(io.BytesIO(comparison.write("xlsx", whole(runs, "en"))), read_only=True)
    lines = []
    for sheet in book.worksheets:
        lines.append(f"# {sheet.title}")
        for row in sheet.iter_rows(values_only=True):
            # Six digits: what lies behind them is the arithmetic of one processor.
            texts = (f"{value:.6g}" if isinstance(value, float) else str(value or "") for value in row)
            lines.append(" | ".join(texts).rstrip())
    golden("comparison.xlsx.txt", ("\n".join(lines) + "\n").encode())


def test_what_was_admitted_stands_on_top_of_every_format(runs: Path) -> None:
    found = whole(runs, "en")
    told = "Compared although these differ (--allow), so take care what you conclude: seed (A: 42, B: 7, C: not told)"
    assert comparison.write("md", found).decode().splitlines()[0] == f"> **{told}**"
    page = comparison.write("html", found).decode()
    assert page.index(told) < page.index("<nav")
    texts = [paragraph.text for paragraph in Document(io.BytesIO(comparison.write("docx", found))).paragraphs]
    assert texts.index(told) < 4
    book = load_workbook(io.BytesIO(comparison.write("xlsx", found)), read_only=True)
    assert [row[0] for row in book["verdict"].iter_rows(values_only=True)][1] == told


def test_per_joule_is_of_the_power_that_was_read(runs: Path) -> None:
    first, second, table = whole(runs, "en").contenders
    for entry, watts in ((first, 400), (second, 500)):
        for case in entry.cases:
            assert case.output_throughput is not None
            assert case.per_joule == pytest.approx(case.output_throughput / watts, rel=1e-3)
    assert {case.per_joule for case in table.cases} == {None}
    # Throughput is 1.1 times as much, of 500 instead of 400 W, and of twice the accelerators and money.
    gained = dict(second.efficiency)
    assert gained["per_joule"] == pytest.approx(1.1 * 400 / 500, rel=0.02)
    assert gained["per_accelerator"] == pytest.approx(1.1 / 2, rel=0.02)
    assert gained["per_cost"] == pytest.approx(gained["per_accelerator"])
    assert set(dict(table.efficiency)) == {"per_cost"}
