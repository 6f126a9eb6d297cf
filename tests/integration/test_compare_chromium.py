"""The HTML of a comparison in a real browser: drawn, walked, hidden and sorted, without network or complaint, at every width."""

import subprocess
from pathlib import Path

import pytest

from kit.renderers import comparison
from tests.integration.test_html_chromium import AXE, CHROMIUM, DARK, FLAGS, LIGHT, probed
from tests.integration.test_html_chromium import pytestmark as marks
from tests.unit.test_compare_formats import runs, whole

__all__ = ["runs"]
pytestmark = marks


@pytest.fixture(scope="module")
def page(runs: Path) -> str:
    return comparison.write("html", whole(runs, "en")).decode()


def test_charts_are_drawn_walked_and_hidden_and_tables_sorted(page: str, tmp_path: Path) -> None:
    script = """
    const charts = [...document.querySelectorAll("figure.chart")];
    const pareto = document.getElementById("chart-pareto");
    const svg = pareto.querySelector("svg"), tip = pareto.querySelector(".tip");
    const press = (key) => { svg.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); return tip.textContent; };
    const found = { lines: charts.map((one) => one.querySelectorAll("polyline").length) };
    found.sizes = charts.every((one) => one.querySelector("svg").getBoundingClientRect().height > 100);
    found.walked = press("ArrowRight");
    pareto.querySelector(".legend button").click();
    found.hidden = getComputedStyle(svg.querySelector('g[data-series="0"] polyline')).visibility;
    const table = document.querySelector('#overall').closest("section").querySelector("table");
    const column = () => [...table.tBodies[0].rows].map((row) => row.cells[2].textContent.slice(0, 5));
    table.tHead.rows[0].cells[2].querySelector("button").click();
    found.sorted = column();
    found.asked = performance.getEntriesByType("resource").length;
    say(found);
    """
    assert probed(page, script, tmp_path) == {
        # Two sides with accelerators and a table without: the trade is drawn of whole machines.
        "lines": [6, 6, 6, 6],
        "sizes": True,
        "walked": "A · 128/512 · TPS (tok/s) 18.2 · Output throughput (tok/s) 17.93",
        "hidden": "hidden",
        "sorted": ["0.995", "1.097"],
        "asked": 0,
    }


def test_the_page_complains_of_nothing_and_lets_no_foreign_script_run(page: str, tmp_path: Path) -> None:
    def opened(text: str) -> tuple[str, str]:
        path = tmp_path / "page.html"
        path.write_text(text, "utf-8")
        done = subprocess.run(
            [
                str(CHROMIUM),
                *FLAGS,
                "--enable-logging=stderr",
                f"--user-data-dir={tmp_path}",
                "--dump-dom",
                path.as_uri(),
            ],
            capture_output=True,
            timeout=120,
            check=True,
        )
        return done.stdout.decode(), "\n".join(line for line in done.stderr.decode().splitlines() if "CONSOLE" in line)

    dom, said = opened(page)
    assert 'data-ready="yes"' in dom
    assert said == ""
    dom, said = opened(page.replace("</body>", "<script>document.body.id = 'foreign'</script></body>"))
    assert '<body id="foreign"' not in dom
    assert "Content Security Policy" in said


def test_a_phone_scrolls_tables_and_not_the_page_and_breaks_no_figure(page: str, tmp_path: Path) -> None:
    script = """
    const wide = [...document.querySelectorAll(".wide")].map((one) => one.scrollWidth > one.clientWidth);
    const cells = [...document.querySelectorAll("#cases, #phases")].flatMap((one) => [...one.closest("section").querySelectorAll("td")]);
    const line = parseFloat(getComputedStyle(cells[0]).lineHeight);
    say({ page: document.documentElement.scrollWidth - document.documentElement.clientWidth, some: wide.includes(true),
          broken: cells.filter((cell) => cell.clientHeight > 2.4 * line).length, cells: cells.length > 100 });
    """
    found = probed(page, script, tmp_path, "--window-size=500,900")
    assert found == {"page": 0, "some": True, "broken": 0, "cells": True}


def test_nothing_is_cut_off_on_paper(page: str, tmp_path: Path) -> None:
    """At the width of a landscape A4 page, with the rules for print."""
    script = """
    const rules = [...document.styleSheets[0].cssRules].filter((rule) => rule.media && rule.media.mediaText === "print");
    for (const rule of rules) rule.media.mediaText = "screen";
    const right = Math.max(...[...document.querySelectorAll("table, figure")].map((one) => one.getBoundingClientRect().right));
    say([rules.length, right <= document.documentElement.clientWidth]);
    """
    # 297 mm less two margins of 14 mm, at 96 dots per inch.
    assert probed(page, script, tmp_path, "--window-size=1016,700", "--hide-scrollbars") == [1, True]


@pytest.mark.parametrize("flag", [LIGHT, DARK], ids=["light", "dark"])
def test_an_accessibility_checker_finds_nothing(page: str, tmp_path: Path, flag: str) -> None:
    script = (
        AXE.read_text("utf-8").replace("</", "<\\/")
        + """
    const done = await axe.run(document, { resultTypes: ["violations"] });
    say(done.violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 120))]));
    """
    )
    assert probed(page, script, tmp_path, flag) == []
