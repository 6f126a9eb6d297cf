"""The HTML report in a real browser: it runs with no network, sorts, walks over its charts, and can be read by everyone.

The accessibility checker is axe-core, from its Python package; `KIT_AXE` may name another `axe.min.js`.
"""

import json
import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from kit import renderers
from kit.model.report import Report
from kit.renderers import layouts
from tests.conftest import REQUIRED
from tests.unit.test_machine_report import measured, report_of
from tests.unit.written import Written, failing

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    # Whatever asks for a host finds none.
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=5000"),
)
AXE = Path(os.environ.get("KIT_AXE") or str(resources.files("axe_core_python") / "axe.min.js"))
LIGHT, DARK = "--blink-settings=preferredColorScheme=1", "--blink-settings=preferredColorScheme=0"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None and "chromium" not in REQUIRED, reason="chromium is not installed"),
    pytest.mark.xdist_group("chromium"),
]


@pytest.fixture
def built(tmp_path: Path) -> Report:
    return Written(tmp_path / "run", change=failing).report("en")


def chromium(*arguments: str, scratch: Path) -> str:
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={scratch / 'profile'}", *arguments],
        capture_output=True,
        timeout=120,
        check=True,
    )
    return done.stdout.decode()


def probe(built: Report, script: str, scratch: Path, *flags: str, layout: str | None = None) -> object:
    """What a script finds in the page of a report."""
    return probed(renderers.render("html", built, layouts.find(layout)).decode(), script, scratch, *flags)


def probed(page: str, script: str, scratch: Path, *flags: str) -> object:
    """What a script finds in a page; for it the policy that forbids foreign scripts is taken out."""
    before, _, rest = page.partition('<meta http-equiv="Content-Security-Policy"')
    open_page = before + rest.partition(">\n")[2]
    added = (
        "<script>(async () => { const say = (found) => { const out = document.createElement('pre'); out.id = 'probe';"
        f" out.textContent = JSON.stringify(found); document.body.append(out); }};\n{script}\n}})();</script></body>"
    )
    path = scratch / "probe.html"
    path.write_text(open_page.replace("</body>", added), "utf-8")
    dom = chromium(*flags, "--dump-dom", path.as_uri(), scratch=scratch)
    text = dom.rpartition('<pre id="probe">')[2].partition("</pre>")[0]
    for name, sign in (("lt", "<"), ("gt", ">"), ("amp", "&")):
        text = text.replace(f"&{name};", sign)
    found: object = json.loads(text)
    return found


def test_kits_script_runs_and_no_other_does(built: Report, tmp_path: Path) -> None:
    page = renderers.render("html", built).decode()
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", "<script>document.body.id = 'foreign'</script></body>"), "utf-8")
    dom = chromium("--dump-dom", path.as_uri(), scratch=tmp_path)
    assert 'data-ready="yes"' in dom
    assert "foreign" not in dom.partition("<script>document.body")[0]
    assert '<button type="button">' in dom


def test_the_page_asks_for_nothing(built: Report, tmp_path: Path) -> None:
    assert probe(built, "say(performance.getEntriesByType('resource').map((one) => one.name))", tmp_path) == []


def test_the_table_is_sorted_by_any_column(built: Report, tmp_path: Path) -> None:
    script = """
    const table = document.getElementById("results");
    const column = (at) => [...table.tBodies[0].rows].map((row) => row.cells[at].textContent);
    const click = (at) => table.tHead.rows[0].cells[at].querySelector("button").click();
    const found = {};
    click(5); found.up = column(5); found.widths = [...table.tBodies[0].rows].map((row) => row.cells.length);
    click(5); found.down = column(5); found.inputs = column(2);
    click(2); found.sorted = column(2);
    found.said = table.tHead.rows[0].cells[2].getAttribute("aria-sort");
    say(found);
    """
    assert probe(built, script, tmp_path) == {
        "up": ["30.44", "30.44", "30.69"],
        # Merged cells are taken apart: each row carries its own.
        "widths": [11, 11, 11],
        "down": ["30.69", "30.44", "30.44"],
        "inputs": ["128", "128", "2k"],
        # 2k is 2000, and so it comes after 128.
        "sorted": ["128", "128", "2k"],
        "said": "ascending",
    }


def test_charts_are_walked_by_keyboard_and_lines_hidden_by_their_legend(built: Report, tmp_path: Path) -> None:
    script = """
    const chart = document.getElementById("chart-latency");
    const svg = chart.querySelector("svg"), tip = chart.querySelector(".tip");
    const press = (key) => { svg.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true })); return tip.textContent; };
    const found = { walked: [press("ArrowRight"), press("ArrowRight"), press("ArrowLeft")] };
    const button = chart.querySelector(".legend button");
    button.click();
    found.pressed = button.getAttribute("aria-pressed");
    found.hidden = getComputedStyle(svg.querySelector('g[data-series="0"] polyline')).visibility;
    found.left = press("ArrowRight");
    const point = svg.querySelector('g[data-series="1"] .point').getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent("pointermove", { clientX: point.x + 6, clientY: point.y + 6 }));
    found.pointed = tip.textContent;
    say(found);
    """
    first, second = "128/512 · Concurrency 1 · Latency (s) 30.44", "128/512 · Concurrency 2 · Latency (s) 30.69"
    other = "2k/512 · Concurrency 1 · Latency (s) 30.44"
    assert probe(built, script, tmp_path) == {
        "walked": [first, second, first],
        "pressed": "false",
        "hidden": "hidden",
        "left": other,
        "pointed": other,
    }


@pytest.mark.parametrize(("flag", "dark"), [(LIGHT, False), (DARK, True)], ids=["light", "dark"])
def test_the_page_is_light_or_dark_as_the_reader_likes(built: Report, tmp_path: Path, flag: str, dark: bool) -> None:
    found = probe(built, "say(getComputedStyle(document.body).backgroundColor)", tmp_path, flag)
    shades = [int(part) for part in str(found).removeprefix("rgb(").removesuffix(")").split(",")]
    assert (sum(shades) < 3 * 64) is dark


def test_a_phone_scrolls_tables_and_not_the_page(built: Report, tmp_path: Path) -> None:
    long = built.model_copy(update={"start_command": "x" * 3000, "hardware": (("CPU", "y" * 500),)})
    script = """
    const wide = [...document.querySelectorAll(".wide")].map((one) => one.scrollWidth > one.clientWidth);
    say({ page: document.documentElement.scrollWidth - document.documentElement.clientWidth, some: wide.includes(true) });
    """
    assert probe(long, script, tmp_path, "--window-size=500,900") == {"page": 0, "some": True}


def test_printing_opens_what_is_folded(built: Report, tmp_path: Path) -> None:
    script = """
    const closed = () => document.querySelectorAll("details:not([open])").length;
    const before = closed();
    window.dispatchEvent(new Event("beforeprint")); const during = closed();
    window.dispatchEvent(new Event("afterprint"));
    say([before > 0, during, closed() === before]);
    """
    assert probe(built, script, tmp_path) == [True, 0, True]


def test_tables_with_requests_of_a_shape_fit_a_usual_window_and_a_single_chart_is_no_larger_than_others(
    tmp_path: Path,
) -> None:
    shape = "lengths: {input: 20%, output: lognormal 80%}, prefix: 30, turns: {number: 3, input: 20}, ramp: 1s"
    cases = f"load.cases=[{{input: 64, output: 16, concurrency: 4, requests: 12, {shape}}}]"
    built = Written(tmp_path / "run", "load.transport=precise", cases).report("zh-CN")
    script = """
    const tables = ["#results", "h4 + .wide > table"].map((one) => document.querySelector(one));
    const charts = document.createElement("div");
    charts.className = "charts"; charts.innerHTML = '<figure class="chart"></figure>';
    document.querySelector("main").append(charts);
    say([...tables.map((one) => one.scrollWidth <= one.parentElement.clientWidth),
      charts.firstChild.offsetWidth < charts.offsetWidth * 0.6]);
    """
    assert probe(built, script, tmp_path, "--window-size=1280,900") == [True, True, True]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext is not installed (poppler)")
def test_a_table_of_many_pages_shows_its_titles_on_each(built: Report, tmp_path: Path) -> None:
    many = built.model_copy(update={"details": built.details * 40})
    path, printed = tmp_path / "long.html", tmp_path / "long.pdf"
    path.write_bytes(renderers.render("html", many))
    chromium(f"--print-to-pdf={printed}", path.as_uri(), scratch=tmp_path)
    read = subprocess.run(["pdftotext", "-layout", printed, "-"], capture_output=True, check=True).stdout.decode()
    pages = [page for page in read.split("\f") if page.count("100%") > 5]
    assert len(pages) > 2
    assert [page.count("Concurrency") > 0 for page in pages] == [True] * len(pages)


@pytest.mark.parametrize("layout", [None, "brief"])
@pytest.mark.parametrize("flag", [LIGHT, DARK], ids=["light", "dark"])
def test_an_accessibility_checker_finds_nothing(tmp_path: Path, flag: str, layout: str | None) -> None:
    built = report_of(measured(tmp_path / "run"))
    axe = AXE.read_text("utf-8").replace("</", "<\\/")
    script = (
        axe
        + """
    const done = await axe.run(document, { resultTypes: ["violations"] });
    say(done.violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 120))]));
    """
    )
    assert probe(built, script, tmp_path, flag, layout=layout) == []
