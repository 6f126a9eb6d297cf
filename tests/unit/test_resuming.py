"""Going on with a run: what is refused and named, and what a kill leaves is brought into order."""

import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit import inventory, owners, profile
from kit.durable import held
from kit.errors import HostError, UsageError
from kit.instrument import exchange
from kit.inventory import Collected
from kit.model import Environment, Fact, Preflight, RunStatus
from kit.resources import cache
from kit.running import beginning, leftovers, remaking, resuming
from kit.runtimes import marks, notes
from kit.store import RunDir, write_once
from tests.fakes import FakeHost, FakeRuntime
from tests.unit.world import EXTERNAL, KEY, PROFILE, World

RECORDED = Path(__file__).parent / "recorded"


def collected() -> Collected:
    return inventory.collect(FakeHost(RECORDED / "kunpeng-7270z"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A run as it is when its first round begins."""
    made = World(tmp_path)
    loaded = profile.parse(PROFILE, "p.yaml")
    write_once(made.run.path / "profile.yaml", profile.resolved(loaded.profile))
    write_once(made.run.path / "inventory.json", collected().inventory.to_json())
    write_once(made.run.path / "plan.json", made.plan.to_json())
    return made


def again(world: World) -> resuming.Again:
    """Makes the plan of the run again."""
    machine, models = collected().inventory, world.folder / "models"
    return lambda profile: remaking.again(profile, world.plan, world.runtime, machine, models=models, cpus="")


def refused(world: World, machine: Collected, wanted: str | None = None) -> str:
    loaded = profile.parse(wanted, "mine.yaml") if wanted is not None else None
    with pytest.raises(UsageError) as told:
        resuming.require_same(world.run, world.plan, world.runtime, machine, again(world), loaded)
    return str(told.value)


def test_the_same_machine_profile_and_environments_are_accepted(world: World) -> None:
    mine = profile.parse(PROFILE, "mine.yaml")
    resuming.require_same(world.run, world.plan, world.runtime, collected(), again(world), mine)


def test_everything_that_differs_is_named_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = collected()
    cpu = machine.inventory.cpu.model_copy(update={"model": Fact(value="another CPU", source="lscpu")})
    other = Collected(machine.inventory.model_copy(update={"cpu": cpu}), machine.raw)
    pin = world.runtime.pin
    monkeypatch.setattr(
        world.runtime, "pin", lambda *names: pin(*names).model_copy(update={"digest": "sha256:rebuilt"})
    )
    said = refused(world, other, PROFILE.replace("rounds: 2", "rounds: 3"))
    assert "machine: CPU: is another CPU now, and was " in said
    assert "lock llamacpp: is sha256:rebuilt now, and was sha256:lock-of-llamacpp-only" in said
    assert "lock evalscope 1.0.1: is sha256:rebuilt now" in said
    assert "profile: load.rounds: is 3 in mine.yaml, and was 2" in said
    assert "start a new run" in said
    # What is told of a lock is not told of each program again.
    assert "plan:" not in said


def test_facts_that_do_not_change_what_is_measured_are_no_reason(world: World) -> None:
    machine = collected()
    named = machine.inventory.model_copy(update={"hostname": Fact(value="renamed", source="hostname")})
    resuming.require_same(world.run, world.plan, world.runtime, Collected(named, machine.raw), again(world))


def test_an_environment_that_is_gone_is_named(world: World) -> None:
    world.runtime.unavailable.add("evalscope")
    assert "lock evalscope 1.0.1: there is no environment evalscope" in refused(world, collected())


def test_an_image_is_known_by_its_id_wherever_its_name_went(world: World) -> None:
    images = [one.model_copy(update={"kind": "image"}) for one in world.plan.environments]
    plan = world.plan.model_copy(update={"environments": tuple(images)})

    class Moved(FakeRuntime):
        """Every name means another image now."""

        def pin(self, image: str, variant: str | None) -> Environment:
            return Environment(name=image, variant=variant, kind="image", digest="sha256:another")

    runtime = Moved()

    def same() -> None:
        resuming.require_same(world.run, plan, runtime, collected(), lambda _: plan)

    same()
    runtime.unavailable |= {"evalscope", "llamacpp"}
    with pytest.raises(UsageError) as told:
        same()
    assert [problem.where for problem in told.value.problems] == ["image llamacpp", "image evalscope 1.0.1"]


def test_a_profile_that_was_edited_in_the_run_is_refused(world: World) -> None:
    path = world.run.path / "profile.yaml"
    path.write_bytes(path.read_bytes().replace(b"seed: 42", b"seed: 43"))
    assert "profile.yaml is not the one that the run began with" in refused(world, collected())


def test_a_plan_that_its_profile_does_not_give_is_refused(world: World) -> None:
    first, *rest = world.plan.rounds
    shell = first.program.model_copy(update={"argv": ("../../../bin/sh", "-c", "true")})
    world.plan = world.plan.model_copy(update={"rounds": (first.model_copy(update={"program": shell}), *rest)})
    said = refused(world, collected())
    assert (
        "plan: 10-3-c1/round-1.program.argv: is ['../../../bin/sh', '-c', 'true'] in plan.json, and ['evalscope'"
        in said
    )


def test_a_profile_that_is_none_is_told(world: World) -> None:
    content = b"schema: 1\nserver: {odd: 1}\nload: {tokenizer: /t, cases: []}\n"
    (world.run.path / "profile.yaml").write_bytes(content)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    world.plan = world.plan.model_copy(update={"profile_sha256": digest})
    said = refused(world, collected())
    assert "plan: cannot be made again" in said
    assert "server.odd (line 2): unknown field" in said


def test_a_profile_that_is_no_text_is_told(world: World) -> None:
    (world.run.path / "profile.yaml").write_bytes(b"\xff")
    assert "profile.yaml cannot be read: invalid start byte" in refused(world, collected())


def test_a_tokenizer_of_another_directory_is_told_with_what_to_do(tmp_path: Path) -> None:
    world = World(tmp_path, EXTERNAL.replace("/models/m", "models/m"))
    loaded = profile.parse(EXTERNAL.replace("/models/m", "models/m"), "p.yaml")
    write_once(world.run.path / "profile.yaml", profile.resolved(loaded.profile))
    write_once(world.run.path / "inventory.json", collected().inventory.to_json())
    resuming.require_same(world.run, world.plan, world.runtime, collected(), again(world))
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.chdir(tmp_path)
        said = refused(world, collected())
    assert f"models/m of the profile is {tmp_path}/models/m from here" in said
    assert "go on from the directory in which the run began" in said
    assert said.count("plan:") == 1


def test_a_journal_that_is_no_file_is_told_as_such(world: World) -> None:
    (world.run.path / "journal.jsonl").mkdir()
    with pytest.raises(UsageError, match=r"journal\.jsonl cannot be read: Is a directory") as told:
        resuming.tidy(world.run)
    assert "restore the file" in told.value.hint


def test_room_is_asked_for_only_where_there_is_none(world: World) -> None:
    (world.run.path / "run.json").mkdir()
    prepared = beginning.Prepared(world.plan, b"", world.run.path.parent, run=world.run)
    checked = Preflight(at=world.host.now(), forced=False, checks=())
    with (
        pytest.raises(HostError, match=r"run\.json cannot be written: Is a directory") as told,
        beginning.begun(prepared, collected(), checked),
    ):
        pass
    assert told.value.hint == "see what lies there, and who may write to it"


def test_only_one_kit_writes_into_a_run(tmp_path: Path) -> None:
    with held(tmp_path) as first, held(tmp_path) as second:
        assert (first, second) == (True, False)
    with held(tmp_path) as again:
        assert again


def test_an_attempt_that_was_killed_before_its_status_is_counted(world: World) -> None:
    assert resuming.next_attempt(world.run) == 1
    world.run.write_status(resuming.begun(world.run, world.plan, world.host.now()))
    assert resuming.next_attempt(world.run) == 2
    world.run.preflight_file(2).write_text("{}")
    assert resuming.next_attempt(world.run) == 3
    world.run.server_home(3).mkdir()
    assert resuming.next_attempt(world.run) == 4


# --- what a kill leaves ------------------------------------------------------------------------------------------

DEAD = f"1.1.1.{os.stat('/proc/self/ns/pid').st_ino}"
"""The mark of a kit that does not run: nothing started at the first tick."""
OTHER = f"{DEAD}.00000000.00000001"
"""The mark of a kit of another machine, the same process as in DEAD."""


@contextmanager
def named(mark: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """What is done within is done in the name of the kit with this mark."""
    with monkeypatch.context() as patched:
        patched.setattr(owners, "fresh", lambda: mark)
        yield patched


@pytest.fixture
def dead_note(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], notes.Note]:
    """Takes notes in the name of a kit that was killed."""

    def take(what: str) -> notes.Note:
        with named(DEAD, monkeypatch):
            return notes.take(what)

    return take


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], notes.Note]:
    """Takes notes as a kit on another machine that shares the cache; its processes are none of those here."""

    def take(what: str) -> notes.Note:
        with named(OTHER, monkeypatch):
            return notes.take(what)

    return take


def test_a_killed_run_says_so_and_holds_whole_files_only(
    world: World, dead_note: Callable[[str], notes.Note], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "sweep", tuple)
    world.run.write_status(resuming.begun(world.run, world.plan, world.host.now()))
    part = world.run.path / "cases" / "10-3-c1" / "round-1" / ".result.json.abcd_123.part"
    part.parent.mkdir(parents=True)
    part.write_text("half")
    journal = world.run.path / "journal.jsonl"
    journal.write_bytes(b'{"a": 1}\n{"b"')
    note = dead_note(str(world.run.path))
    (told,) = leftovers.sweep()
    assert f"go on with: kit run --resume {world.run.path}" in told
    status = world.run.status()
    assert status.status == "interrupted"
    assert "kit was killed" in str(status.reason)
    assert not part.exists()
    assert journal.read_bytes() == b'{"a": 1}\n'
    assert not note.path.is_symlink()
    assert leftovers.sweep() == ()


def keyed(folder: Path) -> tuple[World, Path]:
    """A run with a key as it is in its first round, and where that round's raw files lie."""
    world = World(folder, EXTERNAL, key=KEY)
    write_once(world.run.path / "plan.json", world.plan.to_json())
    world.run.write_status(resuming.begun(world.run, world.plan, world.host.now()))
    raw = world.run.round_directory(world.plan.rounds[0]) / "raw"
    raw.mkdir(parents=True)
    return world, raw


@pytest.mark.parametrize("known", [True, False], ids=["key-known", "key-not-known"])
def test_a_key_that_was_dumped_in_the_round_of_a_kill_is_struck_out_or_told(
    known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, raw = keyed(tmp_path)
    dumped, captured = raw / "benchmark_args.json", raw / exchange.RAW
    dumped.write_text(KEY)
    # Of this nobody can say whether an answer in pieces repeats the key.
    captured.write_bytes(b"5\r\nsk-ve\r\n")
    if known:
        monkeypatch.setenv("MY_KEY", KEY)
    told = str(resuming.settle(world.run.path))
    assert (dumped.read_text() == KEY) is not known
    assert not captured.exists()
    assert ("the API key may stand in" in told) is not known
    assert (str(raw.parent) in told) is not known


def test_a_run_is_brought_into_order_when_its_containers_are_gone(
    tmp_path: Path, dead_note: Callable[[str], notes.Note], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, raw = keyed(tmp_path)
    captured = raw / exchange.RAW

    def last_words() -> list[str]:
        captured.write_bytes(b"")
        return ["removed the container"]

    monkeypatch.setattr(marks, "sweep", tuple)
    monkeypatch.setattr(leftovers, "_docker", last_words)
    dead_note(str(world.run.path))
    with named(DEAD.replace("1.1.1.", "1.1.2."), monkeypatch):
        notes.take(notes.DOCKER)
    told = leftovers.sweep()
    assert told[0] == "removed the container"
    assert "was cut short" in told[1]
    assert not captured.exists()


def test_a_run_without_a_status_gets_one(world: World) -> None:
    assert not (world.run.path / "run.json").exists()
    resuming.settle(world.run.path)
    assert world.run.status().status == "interrupted"


@pytest.mark.parametrize("status", ["complete", "incomplete", "interrupted"])
def test_how_a_run_ended_is_not_changed(world: World, status: str) -> None:
    ended = resuming.begun(world.run, world.plan, world.host.now()).model_copy(update={"status": status})
    world.run.write_status(RunStatus.model_validate(ended.model_dump()))
    before = (world.run.path / "run.json").read_bytes()
    assert resuming.settle(world.run.path) is None
    assert (world.run.path / "run.json").read_bytes() == before


def test_a_directory_in_which_nothing_was_planned_goes_whole(tmp_path: Path) -> None:
    run = RunDir.create(tmp_path, "smoke", FakeHost().now())
    write_once(run.path / "profile.yaml", b"schema: 1")
    told = resuming.settle(run.path)
    assert "before anything was planned" in str(told)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_gone_on_with_is_left_alone(world: World, dead_note: Callable[[str], notes.Note]) -> None:
    part = world.run.path / ".plan.json.abcd_123.part"
    part.write_text("half")
    note = dead_note(str(world.run.path))
    with held(world.run.path):
        leftovers.sweep()
    assert part.exists()
    assert not note.path.is_symlink()


def test_a_live_run_of_another_machine_is_left_alone(
    world: World, elsewhere: Callable[[str], notes.Note], tmp_path: Path
) -> None:
    world.run.write_status(resuming.begun(world.run, world.plan, world.host.now()))
    parts = [world.run.path / f".result.json.{OTHER}.part", tmp_path / f".kit-bundle-{OTHER}-" / "b.kit"]
    parts[1].parent.mkdir()
    for part in parts:
        part.write_text("half")
    taken = [elsewhere(str(world.run.path))]
    assert leftovers.sweep() == ()
    assert world.run.status().status == "running"
    assert taken[0].path.is_symlink()
    assert all(part.exists() for part in parts)


def test_a_run_that_another_machine_goes_on_with_is_left_alone_after_a_kill_here(
    world: World, dead_note: Callable[[str], notes.Note], elsewhere: Callable[[str], notes.Note]
) -> None:
    world.run.write_status(resuming.begun(world.run, world.plan, world.host.now()))
    note, theirs = dead_note(str(world.run.path)), elsewhere(str(world.run.path))
    assert leftovers.sweep() == ()
    assert world.run.status().status == "running"
    assert (note.path.is_symlink(), theirs.path.is_symlink()) == (False, True)


def test_what_is_left_from_before_a_restart_of_this_machine_is_cleared_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "sweep", tuple)
    monkeypatch.setattr(owners, "_namespace", lambda: owners._FIRST_NAMESPACE)
    monkeypatch.setattr(owners, "_machine", lambda: "11111111")
    world.run.write_status(resuming.begun(world.run, world.plan, world.host.now()))
    with monkeypatch.context() as before:
        before.setattr(owners, "_boot", lambda: "00000000")
        notes.take(str(world.run.path))
    assert len(leftovers.sweep()) == 1
    assert world.run.status().status == "interrupted"


def test_bringing_a_run_into_order_spares_what_a_living_kit_writes(world: World) -> None:
    there = [world.run.path / f".report.md.{mark}.part" for mark in (owners.fresh(), OTHER, DEAD)]
    for part in there:
        part.write_text("half")
    resuming.settle(world.run.path)
    assert [part.exists() for part in there] == [True, True, False]


@pytest.mark.parametrize("number", [errno.EBADF, errno.ENOLCK, errno.ENOSYS])
def test_where_directories_cannot_be_locked_a_file_says_who_writes(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    waited: list[str] = []
    with held(tmp_path) as first, held(tmp_path) as second:
        assert (first, second) == (True, False)
    killed, theirs = tmp_path / f".held.{DEAD}.part", tmp_path / f".held.{OTHER}.part"
    killed.touch()
    with held(tmp_path) as again:
        assert again
        assert not killed.exists()
    theirs.touch()
    with held(tmp_path) as beside_them:
        assert not beside_them
    monkeypatch.setattr(time, "sleep", lambda _: theirs.unlink())
    with held(tmp_path, lambda: waited.append("waits")) as after_them:
        assert after_them
    assert waited == ["waits"]
    assert list(tmp_path.iterdir()) == []


def test_files_that_a_killed_kit_was_writing_are_removed_from_their_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "sweep", tuple)
    left = tmp_path / f".comparison.md.{DEAD}.part"
    spared = [
        tmp_path / "comparison.md",
        tmp_path / f".comparison.md.{OTHER}.part",
        tmp_path / f"comparison.md.{DEAD}.part",
        tmp_path / "below" / f".comparison.md.{DEAD}.part",
    ]
    spared[-1].parent.mkdir()
    for path in (left, *spared):
        path.touch()
    with named(DEAD, monkeypatch) as killed:
        killed.setattr(notes.Note, "drop", lambda _: None)
        with notes.writing(tmp_path):
            pass
    assert leftovers.sweep() == (f"removed {left}, left by a kit that was killed",)
    assert all(path.exists() for path in spared)
    assert notes.left() == ()


def test_what_living_kits_note_is_left_alone(world: World) -> None:
    note = notes.take(str(world.run.path))
    assert notes.left() == ()
    assert leftovers.sweep() == ()
    assert not (world.run.path / "run.json").exists()
    note.drop()


def test_what_a_killed_kit_was_making_is_removed_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "sweep", tuple)
    with notes.scratch_in(tmp_path, "bundle") as own, named(DEAD, monkeypatch):
        left = notes.scratch_in(tmp_path, "bundle")
        made = left.__enter__()
        (made / "b.kit").write_text("half")
        (told,) = leftovers.sweep()
        assert told == f"removed {made}, left by a kit that was killed"
        assert sorted(tmp_path.glob(".kit-*")) == [own]
        assert leftovers.sweep() == ()
    assert list(tmp_path.glob(".kit-*")) == []
    assert list((cache() / "notes").iterdir()) == []


def test_temporary_folders_of_killed_kits_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / f"kit-secrets-{DEAD}-abc"
    left.mkdir()
    (left / "KEY").write_text("secret")
    other = tmp_path / "kit-something-else"
    other.mkdir()
    with notes.scratch("run") as own:
        notes.sweep_scratch()
        assert sorted(path.name for path in tmp_path.glob("kit-*")) == sorted([Path(own).name, other.name])


def test_a_temporary_folder_of_a_killed_kit_is_removed_where_the_next_one_has_its_own_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "sweep", tuple)
    for name in ("then", "now"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "then"))
    with named(DEAD, monkeypatch):
        killed = notes.scratch("secrets")
        left = Path(killed.__enter__())
        (left / "KEY").write_text("secret")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "now"))
    assert leftovers.sweep() == (f"removed {left}, left by a kit that was killed",)
    assert list((tmp_path / "then").iterdir()) == []
