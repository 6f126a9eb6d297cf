"""A repetition that is cut short and gone on with ends as one that nothing disturbed."""

import subprocess
import sys
from pathlib import Path

import pytest

from kit.errors import KitError
from kit.host import LocalHost
from kit.model.reproduction import REPRODUCTION, Reproduction
from kit.report import repetition
from kit.workflows import reproducing
from tests.faults.bench import ROOT, Bench

SEEN = ("original", "source_sha256", "signed_by", "machine_known", "differences")
"""What does not depend on what was measured."""


def repeated(bench: Bench, original: Path) -> Reproduction:
    with reproducing.ready(str(original), bench.out, reproducing.Wanted(), lambda _: None, LocalHost()) as found:
        return reproducing.repeat(found.brought(lambda _: None), bench.seen.append)[1]


def test_a_repetition_that_is_gone_on_with_ends_with_its_verdict(bench: Bench) -> None:
    original = bench.run(bench.plan()).run
    undisturbed = repeated(bench, original.path)
    starts = len(list(bench.home.glob("load-*")))
    bench.faults({"load": {str(starts + 2): "killed"}})
    with pytest.raises(KitError):
        repeated(bench, original.path)
    run = bench.runs[-1]
    assert run.status().rounds_done == 1
    assert not (run.path / REPRODUCTION).exists()
    words = [sys.executable, "-m", "kit", "run", "--resume", str(run.path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    result = run.reproduction()
    assert result is not None, done.stderr
    assert done.returncode == (0 if result.outcome == "reproduced" else 7), done.stderr
    assert [getattr(result, name) for name in SEEN] == [getattr(undisturbed, name) for name in SEEN]
    keys = [
        [(one.case, one.metric, one.original, one.tolerance) for one in each.figures] for each in (result, undisturbed)
    ]
    assert keys[0] == keys[1]
    said = repetition.sentence(result, "en")
    assert f"{said}." in done.stdout
    assert str(run.path / REPRODUCTION) in done.stdout
    assert repetition.sentence(result, "zh-CN") in (run.path / "report" / "report.md").read_text("utf-8")
