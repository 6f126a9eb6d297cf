"""kit ended by signals at one point after the other, each time gone on with: no finished round is lost, nothing is left."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.bench import ROOT

KILLED, ASKED = 100, 120
"""Every so many points of about 800 in each part of the sweep."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "first", "step"),
    [
        *((signal.SIGKILL, 1 + part * KILLED // 4, KILLED) for part in range(4)),
        *((signal.SIGTERM, 5 + part * ASKED // 2, ASKED) for part in range(2)),
        (signal.SIGHUP, 33, ASKED),
    ],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else str(value),
)
def test_a_run_that_is_ended_at_any_point_is_gone_on_with(
    number: signal.Signals, first: int, step: int, tmp_path: Path
) -> None:
    """The points are before and after each durable write, each commit of a file, and each start of a program."""
    assert swept(tmp_path, number, first, step) > 5


@pytest.mark.docker
@pytest.mark.xdist_group("docker")
@pytest.mark.parametrize(
    ("number", "first", "step"),
    [(signal.SIGKILL, 2, 3), (signal.SIGTERM, 4, 6)],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else str(value),
)
def test_a_run_in_containers_that_is_ended_at_any_point_is_gone_on_with(
    number: signal.Signals, first: int, step: int, tmp_path: Path
) -> None:
    """The points are right after each of the 24 requests that make, start, stop or remove a container or a network."""
    assert swept(tmp_path, number, first, step, "containers") > 3


def swept(home: Path, number: signal.Signals, first: int, step: int, *containers: str) -> int:
    """How many points were tried; nothing was wrong at any of them."""
    words = [str(home), str(int(number)), str(first), str(step), *containers]
    argv = [sys.executable, "-m", "tests.faults.killing", *words]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    total, *points = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = {point["point"]: point["wrong"] for point in points if point["wrong"]}
    assert wrong == {}, (home / "log").read_text()[-4000:]
    assert len(points) == len(range(first, total["total"] + 1, step))
    return len(points)
