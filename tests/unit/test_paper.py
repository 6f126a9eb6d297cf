"""Tables of the Word report: no line breaks where a figure, an interval or its sign would be torn."""

import re
from xml.etree import ElementTree

import pytest

from kit.renderers import paper, word
from kit.renderers.document import LANDSCAPE, PORTRAIT
from kit.renderers.table import Table

NAMES = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@pytest.mark.parametrize("text", ["-54.2% [-77.0, -9.0] ?", "相差 -3%（-0.5）", "+0.12% (-0.10% … -0.31%)"])
def test_no_line_breaks_behind_the_sign_of_a_number(text: str) -> None:
    made = ElementTree.fromstring(word.run(text).replace("<w:r>", f"<w:r {NAMES}>", 1))
    pieces = ["-" if piece.tag.endswith("noBreakHyphen") else piece.text or "" for piece in made]
    assert "".join(pieces) == text
    assert pieces.count("-") == text.count("-")


@pytest.mark.parametrize(
    ("text", "code"), [("64-16-c4-file0169482e", False), ("2027-03-31", False), ("--seed -1", True)]
)
def test_the_hyphens_of_names_dates_and_commands_stay_what_they_are(text: str, code: bool) -> None:
    assert word.run(text, code=code) == f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_a_column_is_as_wide_as_what_stands_in_it() -> None:
    titles = ("输入", "并发数", "CPU 利用率（%）")
    shape = "4 (in ±20% · out σ80% · prefix 30 · 3 turns of 20)"
    short, shaped, use = paper.widths(titles, [("64", "1", "—"), ("64", shape, "100")], LANDSCAPE)
    assert short + shaped + use == LANDSCAPE
    assert shaped > use > short


def test_words_are_whole_where_the_page_has_room_for_them() -> None:
    row = ("64-16-c2-u50", *("一段很长的说明" * 9 for _ in range(7)))
    key, *_ = paper.widths(("工况", *"说" * 7), [row], PORTRAIT)
    assert key >= len(row[0]) * 90


def test_figures_have_their_room_before_titles_do() -> None:
    interval = "(0.044–0.072)"
    titles = ("端到端时延 p50（s）",) * 14
    shares = paper.widths(titles, [(f"0.053 {interval}",) * 7 + ("n=16",) * 7], LANDSCAPE)
    assert sum(shares) == LANDSCAPE
    assert min(shares[:7]) >= 1020 + 160, "its glyphs in Times at 9 pt, and the margins of a cell"
    assert min(shares[:7]) > max(shares[7:-1])


@pytest.mark.parametrize(("width", "text"), [(2000, "0.64 (0.49–0.75)"), (1200, "0.64\n(0.49–0.75)")])
def test_an_interval_is_not_torn_from_within(width: int, text: str) -> None:
    assert paper.folded("0.64 (0.49–0.75)", width) == text


def test_only_intervals_are_put_on_a_line_of_their_own() -> None:
    assert paper.folded("4 (in ±20% · out σ80% · prefix 30)", 900) == "4 (in ±20% · out σ80% · prefix 30)"


def test_the_widths_of_a_table_are_those_of_its_columns() -> None:
    found = Table("t", ("工况", "实测"), (("64-16-c1", "0.64 (0.49–0.75)"),), ("n",))
    made = paper.laid(found, PORTRAIT, (0,))
    across = [int(width) for width in re.findall(r'<w:gridCol w:w="(\d+)"', made)]
    assert tuple(across) == paper.widths(found.columns, found.rows, PORTRAIT)
