"""Run directories of every earlier form: read, reported, worked out again and gone on with by the kit of today.

Each archive in `earlier/` was written by the kit of its time: a run of four rounds, stopped in the last. Its name says what was
new in the form. A change of what is stored adds the form before it.
"""

import tarfile
from pathlib import Path

import pytest

from kit import profile, recount, renderers
from kit.report import building, reading
from kit.running import remaking, resuming, runner
from kit.store import RunDir, runs
from tests.fakes import FakeRuntime
from tests.unit.world import ROUNDS, World

EARLIER = sorted((Path(__file__).parent / "earlier").glob("*.tar.gz"))


@pytest.fixture(params=EARLIER, ids=lambda path: path.name.removesuffix(".tar.gz"))
def earlier(request: pytest.FixtureRequest, tmp_path: Path) -> RunDir:
    with tarfile.open(request.param) as packed:
        packed.extractall(tmp_path / "earlier", filter="data")
    (found,) = runs(tmp_path / "earlier")
    return found


def test_there_is_an_archive_of_each_form() -> None:
    assert len(EARLIER) == 7


def test_a_run_of_an_earlier_form_is_reported_with_the_same_figures(earlier: RunDir, tmp_path: Path) -> None:
    now = World(tmp_path / "now")
    now.execute()
    then = earlier.results(earlier.plan())
    assert [f"{found.case.id}/round-{found.round}" for found in then] == ROUNDS[:3]
    for found, today in zip(then, now.run.results(now.plan), strict=False):
        assert recount.values(found.figures) == recount.values(today.figures)
    report = renderers.render("md", building.build(reading.read(earlier), None))
    assert b"20261123-130507-tiny" in report


def test_every_figure_of_an_earlier_form_is_what_its_requests_say(earlier: RunDir) -> None:
    assert [line for line in recount.of(earlier).findings if line.identity == "recount"] == []


def test_the_plan_of_an_earlier_form_is_the_one_that_its_profile_gives(earlier: RunDir) -> None:
    plan, stored = earlier.plan(), (earlier.path / "profile.yaml").read_text("utf-8")
    again = remaking.again(
        profile.alone(stored, "stored").profile,
        plan,
        FakeRuntime(),
        earlier.inventory(),
        models=Path("/tmp/then/models"),
        cpus="",
    )
    assert list(remaking.differences(plan, again)) == []


def test_a_run_of_an_earlier_form_is_gone_on_with(earlier: RunDir, tmp_path: Path) -> None:
    plan = earlier.plan()
    world = World(tmp_path / "now")
    resuming.tidy(earlier)
    attempt = resuming.next_attempt(earlier)
    assert attempt == 2
    resuming.require_missing(earlier, plan)
    runner.execute(plan, doors=world.doors, run=earlier, key=None, observe=world.seen.append, attempt=attempt)
    assert [f"{found.case.id}/round-{found.round}" for found in earlier.results(plan)] == ROUNDS
    assert earlier.status().status == "complete"
    assert [event.case for event in world.events if event.kind == "round-end"] == ["10-3-c2"]
