"""Whatever a text holds, it comes out of a report as that text, and changes nothing else."""

import io
import re
from pathlib import Path
from zipfile import ZipFile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from kit import renderers
from kit.model import RoundPlan
from kit.model.report import Report
from kit.renderers.markdown import block, code, escape
from tests.unit.written import Written, failing

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
"""Reads CommonMark with tables and strike-through."""


def expected(text: str) -> str:
    """What a reader must see: control characters gone, lines joined, blanks around it gone as in every table cell."""
    return CONTROL.sub("", " ".join(re.split(r"\r\n?|\n", text))).strip()


def cells(row: str) -> list[str]:
    """The cells of a Markdown table's row: cut at bars without a backslash, escapes taken back."""
    parts = re.split(r"(?<!\\)\|", row.strip())
    assert parts[0] == parts[-1] == ""
    return [re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", part).strip() for part in parts[1:-1]]


def shown(cell: str) -> list[tuple[str, str]]:
    """How a reader sees the first cell of a row: the kind and content of each piece."""
    tokens = READER.parse(f"| {cell} | end |\n| --- | --- |\n")
    inner = [token for token in tokens if token.type == "inline"]
    assert [token.content for token in inner[1:]] == ["end"], cell
    return [(child.type, child.content) for child in inner[0].children or ()]


nasty = st.text(
    st.one_of(
        st.sampled_from("|<>`*_[]()~\\#&;:!$\n\r\t \x00\x1b\x7f\x9b-+=^@/.aA1中é😀\u200b\u2028\u202e\u0301"),
        st.characters(codec="utf-8"),
    ),
    max_size=40,
)


@given(nasty)
@example("a|b")
@example("\\|")
@example("\\\\|")
@example("a\\")
@example("~struck~ ~~struck~~")
@example("*a* **b** _c_ __d__ a_b_c * 20")
@example("<b>&amp;&#65;</b><!-- x -->")
@example("[x](http://y) ![z](w) <http://v>")
@example("$x$ `code` ``")
@example("\r\n| --- |")
def test_any_text_in_a_table_comes_out_as_that_text(text: str) -> None:
    cell = escape(text)
    assert "\n" not in cell
    if not expected(text):
        return
    pieces = shown(cell)
    assert {kind for kind, _ in pieces} <= {"text"}
    # Readers drop blanks around a cell, whichever blanks they know.
    assert "".join(content for _, content in pieces).strip() == expected(text)
    assert cells(f"| {cell} | 2 |") == [expected(text), "2"]


@given(nasty)
@example("a|b")
@example("`")
@example("a\\|b")
@example("`a`` b")
@example("\r")
def test_any_command_in_a_table_comes_out_as_that_command(text: str) -> None:
    wanted = expected(text)
    if not wanted:
        return
    assert shown(code(text)) == [("code_inline", wanted)]


@given(nasty, st.sampled_from(["", "bash"]))
@example("```\nx\n```", "")
@example("~~~\n    x", "bash")
def test_any_text_in_a_block_stays_inside_it(text: str, language: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{block(text, language)}\n\nafter\n")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].info == language
    normal = CONTROL.sub("", re.sub(r"\r\n?", "\n", text)).rstrip()
    assert tokens[0].content.rstrip() == normal


hostile = "a|b <img src=x> `c` *d* _e_ [f](g) ~h~ \\ $i$ &amp; \x1b[31m 中 é 😀\nnext"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Report:
    built = Written(tmp_path_factory.mktemp("whole"), change=failing).report("en")
    return built.model_copy(update={"rows": built.rows[:2], "executions": built.executions[:1]})


PLACE = "P0"


def filled(built: Report, text: str) -> str:
    """The report with this text wherever a text may come from outside."""
    row = built.rows[0].model_copy(update={"notes": (1,)})
    found = built.model_copy(
        update={
            **dict.fromkeys(("draft", "project", "model", "model_label", "environment_label", "hardware_file"), text),
            **dict.fromkeys(("start_command", "load_command", "load_example", "start_note"), text),
            **dict.fromkeys(("hardware", "software", "commands"), ((text, text),)),
            **dict.fromkeys(("conclusion", "provenance"), (text, f"x {text.strip()}")),
            # A note always begins with its case.
            "notes": (f"case: round {text.strip()}",),
            "hardware_text": text,
            "rows": (row, *built.rows[1:]),
            "executions": (),
        }
    )
    return renderers.render("md", found).decode()


def outline(text: str) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Every piece of a document as a reader of CommonMark sees it: what it is, and its text."""
    found = []
    for token in READER.parse(text):
        pieces: list[tuple[str, str]] = []
        for child in token.children or ():
            if pieces and child.type == pieces[-1][0] == "text":
                pieces[-1] = ("text", pieces[-1][1] + child.content)
            elif child.type != "text" or child.content:
                pieces.append((child.type, child.content))
        content = re.sub(r"\r\n?", "\n", token.content) if token.type == "fence" else ""
        # How many blanks there are is not seen.
        found.append(
            (token.type, content, tuple((kind, " ".join(re.split("[ \t]+", part)).strip(" ")) for kind, part in pieces))
        )
    return found


@settings(max_examples=20)
@given(nasty)
@example("# x")
@example("- x")
@example("1. x")
@example("12) x")
@example("> x")
@example(">x")
@example("---")
@example("- - -")
@example("* * *")
@example("===")
@example("    x")
@example("~~~")
@example("| - |")
@example("=cmd()|' /C calc'!A0")
@example("<script>alert(1)</script>")
@example("a\n# b\n\n- c")
@example("x" * 5000)
def test_any_text_anywhere_in_the_document_is_that_text_and_changes_nothing_else(whole: Report, text: str) -> None:
    wanted = " ".join(re.split("[ \t]+", expected(text))).strip(" ")
    if not wanted or "\r" in text:
        return
    fenced = CONTROL.sub("", text).rstrip()
    model = [
        (kind, content.replace(PLACE, fenced), tuple((name, part.replace(PLACE, wanted)) for name, part in pieces))
        for kind, content, pieces in outline(filled(whole, PLACE))
    ]
    assert outline(filled(whole, text)) == model


def test_a_hostile_profile_and_server_change_no_line_of_the_report(tmp_path: Path) -> None:
    def change(entry: RoundPlan, index: int) -> dict[str, object]:
        del entry, index
        return {"succeeded": False, "error": hostile}

    written = Written(tmp_path, change=change, state="incomplete", reason=hostile)
    words = written.plan.report.model_copy(
        update={"project": hostile, "model": hostile, "model_label": hostile, "environment": hostile}
    )
    plan = written.plan.model_copy(update={"report": words})
    (written.run.path / "plan.json").write_bytes(plan.to_json())
    built = written.report("en")
    text = renderers.render("md", built).decode()
    assert "\x1b" not in text
    plain = expected(hostile)
    by_title = {row[0]: row for line in text.splitlines() if line.startswith("|") for row in [cells(line)]}
    assert by_title["**Project**"] == ["**Project**", plain]
    assert by_title["**Model**"] == ["**Model**", plain]
    assert by_title[plain][:5] == [plain, plain, "128", "512", "1"]
    html = READER.render(text)
    assert "<img" not in html
    assert "<em>" not in html
    assert "<s>" not in html
    assert 'href="g"' not in html
    widths = {len(cells(line)) for line in text.splitlines() if line.startswith("|") and plain in cells(line)[:1]}
    assert widths == {11}


@pytest.mark.parametrize("name", renderers.STANDARD)
def test_no_format_holds_a_character_that_acts_on_its_reader(whole: Report, name: str) -> None:
    acting = "a\x1b[31m \x9b2J \u202eb \u2066 \u200f \u061c\x7f\x85"
    found = whole.model_copy(
        update={
            **dict.fromkeys(("project", "model", "environment_label", "start_command"), acting),
            **dict.fromkeys(("hardware", "software", "commands"), ((acting, acting),)),
            **dict.fromkeys(("conclusion", "provenance", "notes"), (acting,)),
            "hardware_text": acting,
            "requests": tuple(row.model_copy(update={"error": acting}) for row in whole.requests),
        }
    )
    content = renderers.render(name, found)
    if name in ("docx", "xlsx"):
        with ZipFile(io.BytesIO(content)) as packed:
            texts = [packed.read(part).decode() for part in packed.namelist() if part.endswith((".xml", ".rels"))]
    else:
        texts = [content.decode("utf-8-sig")]
    assert not [CONTROL.findall(text) for text in texts if CONTROL.search(text.replace("\r\n", "\n"))]
