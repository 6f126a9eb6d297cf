"""Executing plans in a fake world: rounds in their order, what the user stops, going on, and keys."""

import errno
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from kit import streams
from kit.errors import EnvironmentUnavailableError, HostError, InterruptedRunError
from kit.events import Event, Seen
from kit.instrument import exchange
from kit.ports import EndpointError
from kit.running import preparing, runner
from tests.fakes import Stage, ends, forever
from tests.unit.world import EXTERNAL, KEY, PROFILE, READY_LOG, ROUNDS, World, raises, sends, world

__all__ = ["world"]


# --- all goes well -----------------------------------------------------------------------------------------------


def test_a_run_goes_through_its_rounds_in_order_and_is_complete(world: World) -> None:
    status = world.execute()
    assert (status.status, status.rounds_done, status.rounds_planned) == ("complete", 4, 4)
    assert status == world.status
    assert world.done == ROUNDS
    assert world.runtime.running == []
    assert [program.name for program in world.runtime.started] == ["server", "load", "load", "load", "load"]


def test_events_tell_the_story_in_order(world: World) -> None:
    world.execute()
    assert world.kinds == [
        "estimate",
        *["server"] * 5,
        *["round-start", "round-end"] * 4,
        "done",
    ]
    rounds = [event for event in world.events if event.kind == "round-end"]
    assert [(event.case, event.round, event.position, event.of) for event in rounds] == [
        ("10-3-c1", 1, 1, 4),
        ("10-3-c1", 2, 2, 4),
        ("10-3-c2", 1, 3, 4),
        ("10-3-c2", 2, 4, 4),
    ]
    assert [seen.result is not None for seen in world.seen if seen.event.kind == "round-end"] == [True] * 4


def test_the_journal_holds_every_event(world: World) -> None:
    world.execute()
    lines = (world.run.path / "journal.jsonl").read_text("utf-8").splitlines()
    assert [Event.model_validate_json(line) for line in lines] == world.events


def test_start_up_phases_are_kept_with_their_times(world: World) -> None:
    world.execute()
    [start] = world.run.server_starts()
    assert [phase.name for phase in start.phases] == ["load begin", "load end", "ready"]
    assert start.ready_s >= start.phases[-1].at_s > start.phases[0].at_s
    assert start.phases[0].line == "phase: load begin"


def test_the_server_is_ready_only_after_a_real_completion(world: World) -> None:
    world.endpoint.refusals = [EndpointError("HTTP 503: loading")] * 3
    world.execute()
    assert len(world.endpoint.keys) == 4
    [start] = world.run.server_starts()
    assert start.ready_s >= 5 * 0.25


def test_the_time_left_is_told_once_a_case_is_known(world: World) -> None:
    world.execute()
    told = [event.rest_s for event in world.events if event.kind in ("estimate", "round-end")]
    assert told[0] is None
    rest = [value for value in told[1:] if value is not None]
    assert len(rest) == 4
    assert rest[-1] == 0
    assert rest == sorted(rest, reverse=True)


def test_each_round_starts_in_an_empty_directory_of_its_own(world: World) -> None:
    found: list[tuple[Path, list[Path]]] = []

    def look(stage: Stage) -> Generator[None, None, int]:
        found.append((stage.directory, list(stage.directory.iterdir())))
        return (yield from sends()(stage))

    world.runtime.plays_in_turn("load", look)
    world.execute()
    assert len({path for path, _ in found}) == 4
    assert [content for _, content in found] == [[]] * 4


def test_a_finished_round_is_on_disk_before_the_next_begins(world: World) -> None:
    done: list[int] = []

    def count(stage: Stage) -> Generator[None, None, int]:
        done.append(len(world.done))
        return (yield from sends()(stage))

    world.runtime.plays_in_turn("load", count)
    world.execute()
    assert done == [0, 1, 2, 3]


def test_what_a_round_keeps_can_be_computed_again_from_its_samples(world: World) -> None:
    from kit import stats

    world.execute()
    for entry, result in zip(world.plan.rounds, world.run.results(world.plan), strict=True):
        assert stats.figures(entry.case, world.run.samples(entry)) == result.figures
        assert world.run.text(f"cases/{entry.id}/command.txt") == result.command


# --- getting ready -----------------------------------------------------------------------------------------------


def test_preparing_makes_every_environment_and_the_model(world: World) -> None:
    world.runtime.plays_in_turn("make-model", ends(0, "making"))
    preparing.prepare(world.plan, world.doors, world.seen.append, world.folder / "make.log")
    assert [environment.name for environment in world.runtime.prepared] == ["llamacpp", "evalscope"]
    assert [program.name for program in world.runtime.started] == ["make-model"]
    assert set(world.kinds) == {"environment"}


def test_a_model_that_cannot_be_made_is_a_matter_of_this_machine(world: World) -> None:
    world.runtime.plays_in_turn("make-model", ends(1, "no space"))
    with pytest.raises(HostError, match="the embedded model could not be made: no space"):
        preparing.prepare(world.plan, world.doors, world.seen.append, world.folder / "make.log")
    assert world.runtime.running == []


def test_an_environment_that_cannot_be_made_ends_it_before_anything_starts(world: World) -> None:
    world.runtime.unavailable.add("evalscope")
    with pytest.raises(EnvironmentUnavailableError):
        preparing.prepare(world.plan, world.doors, world.seen.append, world.folder / "make.log")
    assert world.runtime.started == []


# --- the user stops it -------------------------------------------------------------------------------------------


def test_ctrl_c_in_a_round_keeps_the_finished_ones_and_says_how_to_go_on(world: World) -> None:
    world.runtime.plays_in_turn("load", sends(), sends(), raises(KeyboardInterrupt()))
    said = world.fails(InterruptedRunError)
    assert "stopped after 2 of 4 rounds" in said
    assert f"kit run --resume {world.run.path}" in said
    assert world.done == ROUNDS[:2]
    assert (world.status.status, world.status.rounds_done) == ("interrupted", 2)
    assert InterruptedRunError.exit_code == 130


def test_a_run_that_ends_with_its_terminal_says_so(world: World) -> None:
    world.runtime.plays_in_turn("load", sends(), raises(KeyboardInterrupt(signal.SIGHUP)))
    world.fails(InterruptedRunError)
    assert (world.status.status, world.status.reason) == ("interrupted", "the terminal was closed")


def test_a_run_that_nobody_watches_any_more_goes_on_and_says_so_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "lost", lambda: "nobody reads stdout any more" if world.done else None)
    assert world.execute().status == "complete"
    lines = (world.run.path / "journal.jsonl").read_text("utf-8").splitlines()
    (told,) = [number for number, line in enumerate(lines) if "nobody reads stdout any more" in line]
    assert '"kind":"round-end"' in lines[told - 1]


def test_what_whoever_watches_cannot_write_is_none_of_the_runs_files(world: World) -> None:
    def observe(seen: Seen) -> None:
        del seen
        raise OSError(errno.ENOSPC, "No space left on device")

    runner.execute(world.plan, doors=world.doors, run=world.run, key=None, observe=observe)
    assert (world.status.status, world.done) == ("complete", ROUNDS)
    assert len((world.run.path / "journal.jsonl").read_text("utf-8").splitlines()) > len(ROUNDS)


def test_ctrl_c_in_the_middle_of_a_wait_on_a_lock_is_an_interrupted_run_too(world: World) -> None:
    error = RuntimeError("release unlocked lock")
    error.__context__ = KeyboardInterrupt()
    world.runtime.plays_in_turn("load", sends(), raises(error))
    assert "stopped after 1 of 4 rounds" in world.fails(InterruptedRunError)
    assert world.status.status == "interrupted"


def test_ctrl_c_while_the_server_starts_is_an_interrupted_run(world: World) -> None:
    world.runtime.plays_in_turn("server", raises(KeyboardInterrupt()))
    world.fails(InterruptedRunError)
    assert (world.status.status, world.status.rounds_done) == ("interrupted", 0)


@pytest.mark.parametrize("kind", ["estimate", "server", "round-start", "round-end"])
def test_ctrl_c_while_something_is_told_is_an_interrupted_run(world: World, kind: str) -> None:
    def observe(seen: Seen) -> None:
        world.seen.append(seen)
        if seen.event.kind == kind:
            raise KeyboardInterrupt

    with pytest.raises(InterruptedRunError):
        runner.execute(world.plan, doors=world.doors, run=world.run, key=None, observe=observe)
    assert world.runtime.running == []
    assert world.status.status == "interrupted"
    assert world.status.rounds_done == len(world.done) == (1 if kind == "round-end" else 0)


# --- going on ----------------------------------------------------------------------------------------------------


def test_resuming_does_only_the_rounds_that_are_missing(world: World) -> None:
    world.runtime.plays_in_turn("load", sends(), sends(), raises(KeyboardInterrupt()))
    world.fails(InterruptedRunError)
    before = {path: path.read_bytes() for path in world.run.path.rglob("result.json")}
    world.again().runtime.plays_in_turn("load", sends())
    world.runtime.plays_in_turn("server", forever(*READY_LOG))
    world.runtime.started.clear()
    status = world.execute()
    assert (status.status, status.rounds_done, status.attempts) == ("complete", 4, 2)
    assert [program.name for program in world.runtime.started] == ["server", "load", "load"]
    assert {path: path.read_bytes() for path in before} == before
    assert len(world.run.server_starts()) == 2


def test_resuming_keeps_what_the_cut_short_round_left(world: World) -> None:
    def interrupted(stage: Stage) -> Generator[None, None, int]:
        (stage.directory / "half.txt").write_text("half")
        yield
        raise KeyboardInterrupt

    world.runtime.plays_in_turn("load", sends(), interrupted)
    world.fails(InterruptedRunError)
    world.again().runtime.plays_in_turn("load", sends())
    world.execute()
    assert [path.name for path in (world.run.path / "abandoned").iterdir()] == ["10-3-c1-round-2-1"]
    assert (world.run.path / "abandoned" / "10-3-c1-round-2-1" / "raw" / "half.txt").read_text() == "half"


def test_resuming_tells_the_time_left_from_what_is_known(world: World) -> None:
    world.runtime.plays_in_turn("load", sends(), raises(KeyboardInterrupt()))
    world.fails(InterruptedRunError)
    world.again().runtime.plays_in_turn("load", sends())
    world.execute()
    [told] = [event.rest_s for event in world.events if event.kind == "estimate"]
    assert told is not None
    assert told > 0


def test_resuming_a_run_without_missing_rounds_starts_nothing(world: World) -> None:
    world.execute()
    world.runtime.started.clear()
    assert world.again().execute().status == "complete"
    assert world.runtime.started == []


def test_the_first_start_of_a_run_stays_its_start(world: World) -> None:
    world.runtime.plays_in_turn("load", raises(KeyboardInterrupt()))
    world.fails(InterruptedRunError)
    first = world.status.started
    world.again().runtime.plays_in_turn("load", sends())
    world.clock.advance(1000)
    assert world.execute().started == first


# --- an endpoint that already runs, and its key ------------------------------------------------------------------


@pytest.fixture
def there(tmp_path: Path) -> World:
    return World(tmp_path, EXTERNAL, KEY)


def test_no_server_is_started_for_an_endpoint_that_already_runs(there: World) -> None:
    assert there.execute().status == "complete"
    assert {program.name for program in there.runtime.started} == {"load"}
    assert not (there.run.path / "server").exists()


def test_the_key_reaches_the_load_generator_and_no_file(there: World) -> None:
    handed: list[str] = []

    def dump(stage: Stage) -> Generator[None, None, int]:
        handed.extend(stage.secrets.values())
        yield from sends()(stage)
        (stage.directory / "benchmark_args.json").write_text(f'{{"api_key": "{KEY}"}}')
        stage.say(f"Authorization: Bearer {KEY}")
        return 0

    there.runtime.plays_in_turn("load", dump)
    there.execute()
    assert set(handed) == {KEY}
    for path in there.run.path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_the_key_stands_in_no_event_status_or_error(there: World) -> None:
    there.runtime.plays_in_turn("load", ends(1, f"ValueError: bad key {KEY}"), sends())
    said = there.fails()
    told = " ".join(event.model_dump_json() for event in there.events)
    for text in (said, told, there.status.model_dump_json()):
        assert KEY not in text
        assert "***" in text


def test_a_key_dumped_into_raw_files_is_struck_even_when_the_round_fails(there: World) -> None:
    def dump(stage: Stage) -> Generator[None, None, int]:
        (stage.directory / "benchmark_args.json").write_text(f'{{"api_key": "{KEY}"}}')
        yield
        raise KeyboardInterrupt

    there.runtime.plays_in_turn("load", dump)
    there.fails(InterruptedRunError)
    [path] = there.run.path.rglob("benchmark_args.json")
    assert KEY not in path.read_text()


@pytest.mark.parametrize("key", [KEY, None], ids=["with-a-key", "without"])
def test_answers_as_they_came_stay_of_a_failed_round_only_where_there_is_no_key(
    tmp_path: Path, key: str | None
) -> None:
    def killed(stage: Stage) -> Generator[None, None, int]:
        for folder in (stage.directory, stage.directory / "sender-1"):
            folder.mkdir(exist_ok=True)
            (folder / exchange.RAW).write_bytes(f"5\r\n{KEY[:5]}\r\n13\r\n{KEY[5:]}\r\n".encode())
            (folder / exchange.OPEN).write_bytes(b"decoded")
        yield
        return 137

    world = World(tmp_path, EXTERNAL if key else PROFILE, key)
    world.runtime.plays_in_turn("load", killed, sends())
    world.fails()
    assert len(list(world.run.path.rglob(exchange.OPEN))) == 2
    assert len(list(world.run.path.rglob(exchange.RAW))) == (0 if key else 2)


def test_an_endpoint_is_probed_with_its_key_before_a_run_exists(there: World) -> None:
    preparing.probe_endpoint(there.plan, there.doors, KEY)
    assert there.endpoint.keys == [KEY]


def test_an_endpoint_that_does_not_serve_is_a_matter_of_this_machine(there: World) -> None:
    there.endpoint.always = EndpointError(f"HTTP 401: Incorrect API key provided: {KEY}", "give server.api_key")
    with pytest.raises(HostError) as caught:
        preparing.probe_endpoint(there.plan, there.doors, KEY)
    assert "HTTP 401" in str(caught.value)
    assert "give server.api_key" in str(caught.value)
    assert KEY not in str(caught.value)
