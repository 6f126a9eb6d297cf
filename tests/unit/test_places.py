"""What lies in a run directory where kit would write: links are refused, whatever they lead to, and so is what is in the way."""

import os
from pathlib import Path

import pytest

from kit.errors import UsageError
from kit.running import places
from kit.store import RunDir
from tests.unit.world import World


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    """A run that was stopped in its second case."""
    world = World(tmp_path)
    world.execute()
    (world.run.round_directory(world.plan.rounds[-1]) / "result.json").unlink()
    for name in ("abandoned", "calibration", "inventory", "report"):
        (world.run.path / name).mkdir()
    return world.run


def refused(run: RunDir) -> list[str]:
    with pytest.raises(UsageError) as told:
        places.require_own(run)
    assert "rounds that are gone are repeated" in told.value.hint
    return [str(problem) for problem in told.value.problems]


def test_a_run_as_kit_leaves_it_is_gone_on_with(run: RunDir) -> None:
    places.require_own(run)


PLACES = (
    *("abandoned", "calibration", "cases", "inventory", "report", "server", "server-2", "journal.jsonl", "run.json"),
    *("cases/10-3-c2", "cases/10-3-c2/round-2", "cases/10-3-c2/round-2/raw", "cases/other", "cases/.hidden"),
)


@pytest.mark.parametrize("leads", ["somewhere", "nowhere"])
@pytest.mark.parametrize("name", PLACES)
def test_a_link_is_named_with_where_it_leads(run: RunDir, tmp_path: Path, name: str, leads: str) -> None:
    path, outside = run.path / name, tmp_path / "outside"
    if os.path.lexists(path):
        path.rename(outside)
    elif leads == "somewhere":
        outside.mkdir()
    if leads == "nowhere":
        outside = tmp_path / "nowhere"
    path.symlink_to(outside)
    assert refused(run) == [f"{name}: is a link to {outside}: kit would write there"]


def test_all_are_named_at_once(run: RunDir) -> None:
    for name in ("report", "server-2"):
        (run.path / name).rmdir() if (run.path / name).exists() else None
        (run.path / name).symlink_to("/nowhere")
    assert len(refused(run)) == 2


@pytest.mark.parametrize("name", ["abandoned", "calibration", "report", "cases/other"])
def test_what_stands_in_the_place_of_a_directory_is_named(run: RunDir, name: str) -> None:
    path = run.path / name
    if path.exists():
        path.rmdir()
    path.write_text("x")
    assert refused(run) == [f"{name}: is no directory"]


@pytest.mark.parametrize("name", ["journal.jsonl", "run.json", "calibration.json"])
def test_what_stands_in_the_place_of_a_file_is_named(run: RunDir, name: str) -> None:
    path = run.path / name
    path.unlink(missing_ok=True)
    path.mkdir()
    assert refused(run) == [f"{name}: is no plain file"]


def test_what_is_not_kits_is_left_alone(run: RunDir, tmp_path: Path) -> None:
    (run.path / "cases" / ".DS_Store").write_text("x")
    (run.path / "notes").symlink_to(tmp_path)
    places.require_own(run)


def test_a_round_that_is_a_link_to_nothing_is_set_aside_as_it_is(run: RunDir) -> None:
    plan = World(run.path.parent.parent / "other").plan
    entry = plan.rounds[-1]
    run.round_directory(entry).rename(run.path / "moved")
    run.round_directory(entry).symlink_to("/nowhere/at/all")
    (run.path / "abandoned" / "10-3-c2-round-2-1").symlink_to("/nowhere/either")
    run.set_aside(entry)
    assert not os.path.lexists(run.round_directory(entry))
    assert os.readlink(run.path / "abandoned" / "10-3-c2-round-2-2") == "/nowhere/at/all"
