"""Chinese text: whole-width marks, and no blanks between Chinese characters. Read in what the golden files hold."""

import re
from pathlib import Path

import pytest

from kit.renderers import html
from kit.texts import say
from tests.unit.written import Written

GOLDEN = Path(__file__).parents[1] / "golden"
FOREIGN = re.compile(r"[\u4e00-\u9fff）]([:;,] | ?\()|[。；，：] (?!`)|[\u4e00-\u9fff] [\u4e00-\u9fff]|-c[0-9]+: ")


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*-zh-CN.md")))
def test_chinese_reports_are_written_with_chinese_marks(name: str) -> None:
    # What the machine's tools and commands say, which stands in the attachments, is theirs.
    lines = (GOLDEN / name).read_text("utf-8").partition("\n# 5 ")[0].splitlines()
    assert [line for line in lines if FOREIGN.search(line)] == []


def test_no_blank_stands_between_two_sentences_of_the_page(tmp_path: Path) -> None:
    page = html.render(Written(tmp_path).report("zh-CN")).decode()
    assert f'。<span class="screen">{say("zh-CN", "sort-help")}</span>' in page


def test_the_turns_of_a_conversation_are_not_called_rounds() -> None:
    assert say("zh-CN", "turns-turn") != say("zh-CN", "rounds")
