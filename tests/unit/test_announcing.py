"""What a run says before it starts anything."""

from pathlib import Path

import pytest

from kit import profile
from kit.model import Plan
from kit.running import announcing
from kit.store import RunDir
from tests.fakes import FakeRuntime
from tests.unit.test_plan import make
from tests.unit.test_remaking import SMALL
from tests.unit.world import EXTERNAL, PROFILE, World


def docker(text: str) -> Plan:
    profile.parse(text, "p.yaml")
    return make(text, runtime="docker")


@pytest.mark.parametrize("gone_on_with", [False, True])
def test_what_a_container_gets_beyond_the_least_is_told_of_new_runs_and_old_ones(
    gone_on_with: bool, tmp_path: Path
) -> None:
    run = RunDir(tmp_path) if gone_on_with else None
    plan = docker(SMALL.replace("cap_add: [SYS_NICE]", "privileged: true"))
    *_, last = announcing.starting(plan, FakeRuntime(), run)
    assert last == "the server's container gets beyond the least: --privileged"


def test_a_new_run_with_the_least_says_nothing() -> None:
    plan = docker(SMALL.replace(", cap_add: [SYS_NICE]", ""))
    assert list(announcing.starting(plan, FakeRuntime(), None)) == []


def test_of_a_run_that_is_gone_on_with_every_command_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, PROFILE)
    world.execute()
    (world.run.round_directory(world.plan.rounds[-1]) / "result.json").unlink()
    first, model, server, load = announcing.starting(world.plan, world.runtime, world.run)
    assert first == f"going on with {world.run.path}: 1 of 4 rounds have no result yet"
    assert model.startswith("starts the make-model: /env/llamacpp/bin/llamacpp-make-model ")
    assert world.plan.server is not None
    assert server == f"starts the server: {world.runtime.command(world.plan.server.program, None)}"
    assert load == f"starts the load: {world.runtime.command(world.plan.rounds[-1].program, None)}"


def test_a_key_is_told_as_where_it_is(tmp_path: Path) -> None:
    world = World(tmp_path, EXTERNAL)
    *_, load = announcing.starting(world.plan, world.runtime, world.run)
    assert '="$MY_KEY"' in load
