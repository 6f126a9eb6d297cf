"""The Word report in a real office program: it opens, its pages hold what they should, and `pdf` is made from it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kit import renderers
from kit.host import LocalHost
from kit.model.report import Report
from kit.renderers import layouts, pdf
from tests.conftest import REQUIRED
from tests.unit.written import Written, failing

MISSING = [name for name in ("soffice", "pdftotext", "pdfinfo") if shutil.which(name) is None]

pytestmark = [
    pytest.mark.skipif(
        bool(MISSING) and "libreoffice" not in REQUIRED,
        reason=f"{', '.join(MISSING)} not installed (LibreOffice, poppler)",
    ),
    pytest.mark.xdist_group("libreoffice"),
]


@pytest.fixture
def built(tmp_path: Path) -> Report:
    return Written(tmp_path / "run", change=failing).report()


def poppler(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, timeout=60, check=True).stdout.decode()


def pages(content: bytes, scratch: Path) -> list[str]:
    path = scratch / "report.pdf"
    path.write_bytes(content)
    return poppler("pdftotext", "-layout", str(path), "-").split("\f")[:-1]


def test_the_document_opens_and_shows_every_figure(built: Report, tmp_path: Path) -> None:
    text = "\n".join(pages(pdf.laid_out(renderers.render("docx", built), LocalHost()), tmp_path))
    for wanted in (
        "1 基本信息",
        "2.1 硬件配置",
        "3.2 性能数据",
        "5.2 测试脚本",
        "30.44",
        "30.69",
        "编制",
        "审核",
        "批准",
    ):
        assert wanted in text
    assert re.search(r"表 1\s+硬件配置", text)
    assert len(re.findall(r"图 \d\s+\S", text)) == 4


def test_the_pdf_has_page_numbers_in_its_table_of_contents(built: Report, tmp_path: Path) -> None:
    found = pages(renderers.render("pdf", built), tmp_path)
    entries = re.findall(r"^\s*(\d(?:\.\d)?) (\S+?)\s*\.{5,}\s*(\d+)$", found[0], re.MULTILINE)
    assert len(entries) == 11
    for number, title, page in entries:
        assert re.search(rf"^\s*{re.escape(number)} {title}\s*$", found[int(page) - 1], re.MULTILINE), (number, title)
    assert re.search(rf"\b1 ?/ ?{len(found)}\s*$", found[0])


def test_the_wide_tables_are_on_landscape_pages(built: Report, tmp_path: Path) -> None:
    found = pages(renderers.render("pdf", built), tmp_path)
    sizes = re.findall(
        r"Page\s+\d+ size:\s+([\d.]+) x ([\d.]+)",
        poppler("pdfinfo", "-f", "1", "-l", str(len(found)), str(tmp_path / "report.pdf")),
    )
    wide = [float(width) > float(height) for width, height in sizes]
    table = next(number for number, text in enumerate(found) if "性能数据" in text and "30.44" in text)
    assert wide[table]
    assert not wide[0]
    assert not wide[-1]


def test_a_long_table_repeats_its_header(built: Report, tmp_path: Path) -> None:
    rows = tuple(row.model_copy(update={"notes": ()}) for row in built.rows) * 20
    found = pages(renderers.render("pdf", built.model_copy(update={"rows": rows, "details": ()})), tmp_path)
    assert sum("并发数" in text and "30.44" in text for text in found) >= 2


def test_a_long_command_wraps_and_loses_nothing(built: Report, tmp_path: Path) -> None:
    command = "run " + "".join(f"{number:05d}" for number in range(300))
    executions = (built.executions[0].model_copy(update={"command": command}),)
    changed = built.model_copy(update={"executions": executions, "start_command": command})
    text = re.sub(r"\s", "", "".join(pages(renderers.render("pdf", changed), tmp_path)))
    assert text.count(command.replace(" ", "")[:400]) == 2


def test_a_draft_says_so_on_the_first_page_and_in_the_title(tmp_path: Path) -> None:
    built = Written(tmp_path / "run", missing=["2k-512-c1/round-2"], state="incomplete").report("en")
    found = pages(renderers.render("pdf", built), tmp_path)
    assert built.draft is not None
    assert built.draft in found[0]
    assert built.draft in poppler("pdfinfo", str(tmp_path / "report.pdf"))


@pytest.mark.parametrize("lines", [1, 30])
def test_the_brief_is_one_page(built: Report, tmp_path: Path, lines: int) -> None:
    long = built.model_copy(
        update={"conclusion": tuple(f"128-512-c{n} 端到端时延：实测 30.44，要求 ≤ 20，差 52%" for n in range(lines))}
    )
    found = pages(renderers.render("pdf", long, layouts.find("brief")), tmp_path)
    assert len(found) == 1
    assert "24.56" in found[0]
    assert "87.5%" in found[0]
    assert "编制" in found[0]
