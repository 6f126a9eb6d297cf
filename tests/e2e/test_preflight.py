"""The checks as users meet them: before a run, forced, by themselves; and two runs on one machine."""

import json
import os
import platform
import re
import signal
from pathlib import Path

import pytest

from tests.integration.driver import Kit, free_port

LOCK = {"KIT_LOCK": f"kit-test-preflight-{os.getpid()}"}
SHORT = ("--set", "load.cases=[{input: 16, output: 4, concurrency: 1}]", "--set", "load.rounds=1")
ELSEWHERE = "x86_64" if platform.machine() == "aarch64" else "aarch64"


def port() -> tuple[str, str]:
    return "--set", f"server.port={free_port()}"


def test_a_failing_check_stops_a_run_before_anything_is_started(kit: Kit) -> None:
    done = kit.run("run", "smoke", *SHORT, *port(), "--set", f"machine.architecture={ELSEWHERE}")
    assert done.code == 3
    assert f"architecture: {platform.machine()}; needed: the profile is for {ELSEWHERE}" in done.err
    assert kit.runs == []


def test_a_forced_run_says_so_on_the_first_page_of_its_report(kit: Kit) -> None:
    done = kit.run("run", "smoke", *SHORT, *port(), "--set", f"machine.architecture={ELSEWHERE}", "--force")
    assert done.code == 0, done.err
    report = (kit.the_run / "report" / "report.md").read_text("utf-8")
    assert "测试前检查未通过，强制执行" in "\n".join(report.splitlines()[:4])
    assert f"（--force）：architecture: {platform.machine()}" in report
    stored = json.loads((kit.the_run / "preflight.json").read_text())
    assert stored["forced"] is True
    assert [check["name"] for check in stored["checks"] if check["level"] == "fail"] == ["architecture"]


def test_a_second_run_refuses_or_waits_and_never_disturbs_the_first(kit: Kit) -> None:
    with kit.start("run", "smoke", *port(), env=LOCK) as first:
        first.event("round-start")
        refused = kit.run("run", "smoke", *SHORT, *port(), env=LOCK)
        assert refused.code == 3
        assert f"other runs: another run of kit: pid {first.process.pid}, user {os.getuid()}" in refused.err
        looked = kit.run("doctor", "smoke", *port(), env=LOCK)
        assert looked.code == 3
        assert f"pid {first.process.pid}" in looked.out
        with kit.start("run", "smoke", *SHORT, *port(), "--wait", env=LOCK) as second:
            second.event("environment", f"waiting: another run of kit: pid {first.process.pid}")
            first.signal(signal.SIGINT)
            assert first.finish().code == 130
            assert second.finish().code == 0


def test_the_machine_is_looked_at_for_itself(kit: Kit) -> None:
    done = kit.run("doctor")
    assert done.code == 0, done.out
    assert "ok    other runs: no other run of kit on this machine" in done.out
    assert re.search(r"\d+ checks: \d+ ok, \d+ to look at, 0 failed", done.err)
    checks = [json.loads(line) for line in kit.run("doctor", "--json").out.splitlines()]
    assert {"other runs", "main memory", "clock"} <= {check["name"] for check in checks}


def test_fix_prints_commands_and_runs_none(kit: Kit) -> None:
    done = kit.run("doctor", "ascend-910b4x2-deepseek-r1-w8a8", "--runtime", "docker", "--fix")
    assert done.code == 3
    assert all(re.match(r"(sudo|for|timedatectl)\b", line) for line in done.out.splitlines())


def test_digests_are_written_and_checked(kit: Kit, tmp_path: Path) -> None:
    model = tmp_path / "m"
    model.mkdir()
    (model / "a.bin").write_bytes(b"weights")
    (model / "SHA256SUMS").write_text(kit.run("model", "digest", str(model)).out)
    assert kit.run("model", "digest", str(model), "--check").code == 0
    (model / "a.bin").write_bytes(b"changed")
    done = kit.run("model", "digest", str(model), "--check")
    assert done.code == 3
    assert "a.bin holds something else than the list says" in done.err


@pytest.mark.parametrize("words", [("model", "digest", "/nowhere"), ("model", "digest", "/nowhere", "--check")])
def test_a_directory_that_is_not_there_is_told(kit: Kit, words: tuple[str, ...]) -> None:
    done = kit.run(*words)
    assert done.code == 3
    assert "/nowhere" in done.err
