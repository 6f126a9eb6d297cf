"""A run directory from somebody else: going on with it starts what its profile says, and writes nowhere else."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.errors import UsageError
from tests.faults.bench import Bench, finished
from tests.faults.test_programs import ROUNDS, require_resumes


@pytest.fixture
def stopped(bench: Bench) -> Iterator[Bench]:
    """A run that ended in its second round."""
    bench.faults({"load": {"2": "killed"}})
    bench.fails(bench.plan())
    bench.seen.clear()
    yield bench
    if bench.the_run.status().status != "complete":
        # What was refused left the run as it was.
        require_resumes(bench)


def test_a_plan_that_names_another_program_is_refused_before_anything_starts(stopped: Bench, tmp_path: Path) -> None:
    path = stopped.the_run.path / "plan.json"
    kept = path.read_bytes()
    plan = json.loads(kept)
    plan["rounds"][1]["program"]["argv"] = ["../../../bin/sh", "-c", f"touch {tmp_path}/pwned"]
    plan["server"]["program"]["container"]["privileged"] = True
    path.write_text(json.dumps(plan))
    with pytest.raises(UsageError) as told:
        stopped.resume()
    where = [problem.where for problem in told.value.problems]
    assert where == ["plan: server.program.container.privileged", "plan: 10-8-c1/round-2.program.argv"]
    assert not (tmp_path / "pwned").exists()
    assert stopped.seen == []
    path.write_bytes(kept)


@pytest.mark.parametrize("name", ["cases", "cases/10-8-c1", "cases/10-8-c1/round-2"])
def test_nothing_is_written_through_a_link(stopped: Bench, tmp_path: Path, name: str) -> None:
    path, outside = stopped.the_run.path / name, tmp_path / "outside"
    shutil.copytree(path, outside)
    before = sorted(outside.rglob("*"))
    path.rename(tmp_path / "kept")
    path.symlink_to(outside)
    with pytest.raises(UsageError, match=f"{name}: is a link to {outside}"):
        stopped.resume()
    assert sorted(outside.rglob("*")) == before
    path.unlink()
    (tmp_path / "kept").rename(path)


def test_what_will_be_started_is_told_first(stopped: Bench) -> None:
    stopped.faults({})
    stopped.resume()
    told = [event.text for event in stopped.events[:4]]
    assert told[0] == f"going on with {stopped.the_run.path}: 1 of 2 rounds have no result yet"
    assert [text.split(":")[0] for text in told[1:]] == [
        "starts the make-model",
        "starts the server",
        "starts the load",
    ]
    assert finished(stopped.the_run) == ROUNDS
