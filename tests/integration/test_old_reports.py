"""An old report taken through: imported, run again against a server, shown beside what was measured, judged, audited."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.model.verdict import Audit
from tests.integration.driver import Done, Kit
from tests.integration.test_perf import DISTURBED
from tests.stub_server import Behaviour, serving
from tests.unit.old_reports import LABELS, markdown, slid

pytestmark = pytest.mark.xdist_group("evalscope-1.0.1")
ACCELERATOR = "| **GPU**  | Huawei Ascend 910B4（64 GiB）* 2     |\n"
# 0.4 s to the first of 8 tokens, then one every 0.2 s; twice as long with two clients.
OLD = [
    (*LABELS, "64", "8", "1", "1.8", "4.44", "0.4", "0.2", "5.000", "4.440"),
    (*LABELS, "64", "8", "2", "3.6", "4.44", "0.8", "0.4", "2.500", "2.220"),
]


@dataclass(frozen=True)
class Outcome:
    """What importing and running said, and where the run lies."""

    imported: Done
    done: Done
    kit: Kit
    profile: str

    @property
    def report(self) -> str:
        return (self.kit.the_run / "report" / "report.md").read_text("utf-8")


@pytest.fixture(scope="module")
def again(cache: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The old test on a machine without accelerator, sent to a server that runs, and held against a limit it cannot meet."""
    kit = Kit(tmp_path_factory.mktemp("old"), cache)
    with serving(Behaviour(input_tokens=64, first_text_s=1.0, gap_s=0.002)) as stub:
        load = (
            f"python perf_via_es10x.py --ip 127.0.0.1 --port {stub.url.rpartition(':')[2]} --parallel 1 2 --number 1 2 "
            f"--model good --tokenizer-path {tokenizer} --input-length 64 --output-length 8"
        )
        text = markdown(slid(OLD), start="./start.sh --fast", load=load)
        assert ACCELERATOR in text
        (kit.home / "old.md").write_text(text.replace(ACCELERATOR, "").replace("aarch64", ""), "utf-8")
        imported = kit.run("import", "old.md", "-o", "old")
        profile = imported.out.splitlines()[1]
        limits = "acceptance.limits=[{limit: ttft <= 1 ms, concurrency: 2}]"
        tolerance = "acceptance.tolerance={output_throughput: -5%}"
        done = kit.run("run", profile, "--set", limits, "--set", tolerance, "--set", "acceptance.least_requests=1")
    return Outcome(imported, done, kit, profile)


def test_what_the_old_report_leaves_open_is_listed(again: Outcome) -> None:
    assert again.imported.code == 0
    assert "look at line 30: no engine that kit knows starts with: ./start.sh --fast" in again.imported.err
    assert f"next: kit run {again.profile}" in again.imported.err


def test_the_report_shows_the_old_figures_beside_the_new(again: Outcome) -> None:
    lines = [line for line in again.report.splitlines() if "1.8 → " in line or "3.6 → " in line]
    assert len(lines) == 2
    assert all("4.44 → " in line and "%" in line for line in lines)
    assert "baselines/" in again.report


def test_a_limit_that_is_not_met_ends_with_7_and_says_by_how_much(again: Outcome) -> None:
    assert again.done.code == 7
    assert "1 of 3 criteria are not met" in again.done.err
    assert "经测试，上述测试性能未达到预期：3 项验收标准中有 1 项未满足" in again.report
    (row,) = [line for line in again.report.splitlines() if line.startswith("| 64-8-c2 | 首 token 时延 TTFT |")]
    assert "≤ 0.001 s" in row
    assert "未满足" in row
    assert "64-8-c2 首 token 时延 TTFT：实测" in again.report
    assert "经测试，上述测试性能符合预期" not in again.report


def test_a_run_satisfies_the_audit_until_a_figure_is_changed(again: Outcome) -> None:
    before = Audit.model_validate_json(again.kit.run("audit", "latest", "--json").out)
    assert (before.rows, before.skipped) == (2, ())
    assert {finding.identity for finding in before.findings} <= DISTURBED
    (path,) = again.kit.the_run.glob("cases/64-8-c2/round-1/result.json")
    result = json.loads(path.read_bytes())
    result["figures"]["latency_s"]["mean"] *= 0.9
    path.write_text(json.dumps(result))
    changed = again.kit.run("audit", "latest", "--lang", "zh-CN")
    assert changed.code == 7
    assert "运行目录中的文件在测试后被改动过" in changed.out
    assert "cases/64-8-c2/round-1/result.json" in changed.out
