"""What cannot be told ends no run: outputs that nobody reads, that are full, or that were closed before kit began."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.bench import PROFILE, Bench, finished
from tests.faults.test_programs import ROUNDS
from tests.integration.driver import free_port


def full_pipe() -> tuple[int, int]:
    """A pipe that does not block, and holds all that it can."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while os.write(writer, b"-"):
            pass
    return reader, writer


def ran(bench: Bench, redirected: str, pipe: int = 2) -> int:
    """The exit code of a run whose outputs a shell redirected; standard error is the pipe where it does not say otherwise."""
    profile = bench.home / "stub.yaml"
    profile.write_text(PROFILE.format(port=free_port(), model="good", rounds=2, stall=30, restart="never"))
    kit = [sys.executable, "-m", "kit", "run", str(profile), "--out", str(bench.out)]
    return subprocess.run(["sh", "-c", f'"$@" {redirected}', "sh", *kit], stderr=pipe, check=False).returncode


@pytest.mark.parametrize(
    "redirected",
    [">/dev/full 2>&1", "<&- >&- 2>&-", "2</dev/null"],
    ids=["full", "closed", "cannot-be-written"],
)
def test_a_run_goes_on_whatever_its_output_is(bench: Bench, redirected: str) -> None:
    assert ran(bench, redirected) == 0
    assert finished(bench.the_run) == ROUNDS
    assert bench.the_run.status().status == "complete"
    assert (bench.the_run.path / "report" / "report.docx").is_file()
    told = ["cannot be written: " in text for text in texts(bench.the_run.path)].count(True)
    assert told == (0 if "&-" in redirected else 1)


def test_a_run_goes_on_beside_a_reader_that_hangs(bench: Bench) -> None:
    reader, writer = full_pipe()
    try:
        assert ran(bench, "", pipe=writer) == 0
    finally:
        os.close(reader)
        os.close(writer)
    assert finished(bench.the_run) == ROUNDS
    assert bench.the_run.status().status == "complete"
    told = "stderr cannot be written: nobody reads it in time: the run goes on"
    assert any(told in text for text in texts(bench.the_run.path))


def texts(run: Path) -> list[str]:
    return [str(json.loads(line)["text"]) for line in (run / "journal.jsonl").read_text("utf-8").splitlines()]
