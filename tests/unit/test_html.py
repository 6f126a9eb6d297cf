"""The HTML report, read by a parser: complete without a network, accessible, and every text itself."""

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given

from kit.model.report import Report
from kit.renderers import html
from kit.renderers.word import clean
from kit.texts import say
from tests.unit.test_docx import any_text
from tests.unit.written import Written, failing

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Element:
    """An element of the page."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    @property
    def text(self) -> str:
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, tag: str = "", **wanted: str) -> list["Element"]:
        """The elements below of this name and with these attributes."""
        found = []
        for child in self.children:
            if isinstance(child, str):
                continue
            same = all(child.attributes.get(name.rstrip("_")) == value for name, value in wanted.items())
            if tag in ("", child.tag) and same:
                found.append(child)
            found.extend(child.all(tag, **wanted))
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def page(content: bytes) -> Element:
    reader = _Reader()
    reader.feed(content.decode())
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is not closed"
    return reader.root


@pytest.fixture
def built(tmp_path: Path) -> Report:
    return Written(tmp_path, change=failing).report()


def test_the_same_run_gives_the_same_page(built: Report) -> None:
    assert html.render(built) == html.render(built)


def test_nothing_is_fetched_from_anywhere(built: Report) -> None:
    found = page(html.render(built))
    for element in found.all():
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert element.attributes.get(name, "#").startswith("#"), element.attributes
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]
    assert {element.tag for element in found.all()}.isdisjoint({"link", "iframe", "object", "embed", "img"})
    assert "url(" not in found.all("style")[0].text
    assert "import" not in found.all("script")[0].text


def test_only_kits_own_style_and_script_may_run(built: Report) -> None:
    found = page(html.render(built))
    policy = found.all("meta", **{"http-equiv": "Content-Security-Policy"})[0].attributes["content"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    for rule, tag in (("style-src", "style"), ("script-src", "script")):
        own = found.all(tag)
        assert len(own) == 1
        digest = base64.b64encode(hashlib.sha256(own[0].text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_every_figure_stands_under_its_title(built: Report) -> None:
    table = page(html.render(built)).all("table", id="results")[0]
    titles = [head.text for head in table.all("thead")[0].all("th")]
    keys = ("model", "environment", "input", "output", "concurrency", "latency", "throughput", "ttft", "tpot", "tps")
    assert titles == [*(say("zh-CN", f"col-{key}") for key in keys), say("zh-CN", "col-per-stream")]
    rows = []
    reaching: dict[int, tuple[int, str]] = {}
    for row in table.all("tbody")[0].all("tr"):
        own = [cell for cell in row.children if isinstance(cell, Element)]
        texts = []
        for column in range(len(titles)):
            if column in reaching:
                left, text = reaching.pop(column)
                if left > 1:
                    reaching[column] = (left - 1, text)
            else:
                cell = own.pop(0)
                text = cell.text
                if (span := int(cell.attributes.get("rowspan", "1"))) > 1:
                    reaching[column] = (span - 1, text)
            texts.append(text)
        assert not own
        rows.append(texts)
    assert not reaching
    assert [row[:6] for row in rows] == [
        ["DeepSeek-R1-0528-w8a8", built.environment_label, "128", "512", "1", "30.44"],
        ["DeepSeek-R1-0528-w8a8", built.environment_label, "128", "512", "2", "30.69"],
        ["DeepSeek-R1-0528-w8a8", built.environment_label, "2k", "512", "1", "30.44"],
    ]
    assert rows[2][10].endswith("[2][3]")


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_page_can_be_read_without_seeing_it(tmp_path: Path, language: Literal["zh-CN", "en"]) -> None:
    found = page(html.render(Written(tmp_path, change=failing).report(language)))
    assert found.all("html")[0].attributes["lang"] == language
    assert len(found.all("h1")) == len(found.all("main")) == 1
    levels = [int(element.tag[1]) for element in found.all() if re.fullmatch("h[1-6]", element.tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [element.attributes["id"] for element in found.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in found.all():
        for name in ("aria-labelledby", "href"):
            if (wanted := element.attributes.get(name, "").removeprefix("#")) != "":
                assert wanted in ids
    for table in found.all("table"):
        assert all(head.attributes.get("scope") for head in table.all("th"))
    for drawing in found.all("svg"):
        assert drawing.attributes["role"] == "img"
        assert len(drawing.attributes["aria-label"]) > 10
    for scrolled in found.all("div", class_="wide"):
        assert scrolled.attributes["tabindex"] == "0"
        assert scrolled.attributes["aria-labelledby"]


def test_every_measured_point_is_in_its_chart(built: Report) -> None:
    chart = page(html.render(built)).all("figure", id="chart-latency")[0]
    told = [point.attributes["data-text"] for point in chart.all() if point.attributes.get("class") == "point"]
    assert told == [
        "128/512 · 并发数 1 · 时延（s） 30.44",
        "128/512 · 并发数 2 · 时延（s） 30.69",
        "2k/512 · 并发数 1 · 时延（s） 30.44",
    ]
    assert [button.text for button in chart.all("button")] == ["128/512", "2k/512"]
    assert [button.attributes["class"] for button in chart.all("button")] == ["s0 circle", "s1 square"]


def test_every_case_shows_how_its_requests_spread(built: Report) -> None:
    table = page(html.render(built)).all("table", class_="histograms")[0]
    drawn = [svg.attributes["aria-label"] for svg in table.all("svg")]
    # The second case lost one of its four requests.
    assert [int(re.findall(r"(\d+) 个请求", label)[0]) for label in drawn] == [2, 2, 2, 3, 3, 3, 2, 2, 2]


def test_a_draft_says_so_in_title_page_and_captions(tmp_path: Path) -> None:
    built = Written(tmp_path, missing=["2k-512-c1/round-2"], state="incomplete").report("en")
    found = page(html.render(built))
    assert built.draft is not None
    assert found.all("title")[0].text.startswith(f"[{built.draft}]")
    assert [one.text for one in found.all("p", class_="draft")] == [built.draft]
    assert built.draft in found.all("table", id="results")[0].all("caption")[0].text
    assert found.all("meta", name="status")[0].attributes["content"] == "draft"


def test_a_run_without_any_result_is_a_page(tmp_path: Path) -> None:
    everything = [f"{case}/round-{number}" for case in ("128-512-c1", "128-512-c2", "2k-512-c1") for number in (1, 2)]
    found = page(html.render(Written(tmp_path, missing=everything, state="incomplete").report()))
    assert found.all("figure") == []
    assert {cell.text for cell in found.all("table", class_="histograms")[0].all("td")} == {"—"}


def test_the_commands_are_there_to_the_letter(built: Report) -> None:
    found = page(html.render(built))
    blocks = [block.text for block in found.all("pre")]
    assert blocks == [built.hardware_text, *(execution.command for execution in built.executions)]
    assert [block.text for block in found.all("code")] == [built.start_command, built.load_command]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return Written(tmp_path_factory.mktemp("plain")).report()


def seen(written: str) -> str:
    """What a browser makes of a text: every line end is one; a NUL and what XML cannot hold are gone."""
    return clean(written)


@given(given_text=any_text)
@example(given_text="</title></style></script><script>alert(1)</script>")
@example(given_text="\"' onmouseover=alert(1) x='")
@example(given_text="{{ 7 * 7 }}{% raw %}{# x #}")
@example(given_text="&amp;&#65;&lt;<!-- -->]]>")
@example(given_text="x" * 5000)
@example(given_text="\ud800\x00")
def test_any_text_comes_out_as_that_text(plain: Report, given_text: str) -> None:
    executions = tuple(one.model_copy(update={"command": given_text}) for one in plain.executions)
    changed = plain.model_copy(
        update={
            **dict.fromkeys(("project", "model", "model_label", "environment_label", "start_command"), given_text),
            "notes": (given_text,),
            "conclusion": (given_text,),
            "hardware": ((given_text, given_text),),
            "executions": executions,
        }
    )
    found = page(html.render(changed))
    wanted = seen(given_text)
    assert len(found.all("script")) == 1
    assert found.all("h1")[0].text == wanted
    assert found.all("title")[0].text == wanted
    facts = [[cell.text for cell in row.all() if cell.tag in ("th", "td")] for row in found.all("tr")]
    assert facts[0][1] == facts[1][1] == wanted
    assert [wanted, wanted] in facts
    assert [one.text for one in found.all("li", id="note-1")] == [wanted]
    assert {one.text for one in found.all("pre")[1:]} == {wanted}
    assert [cell.text for cell in found.all("th", scope="rowgroup")][:2] == [wanted, wanted]
