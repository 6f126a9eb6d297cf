"""What may fail during a run, and what is kept and told then: the server, a round, the disk."""

import errno
import itertools
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kit import durable, store
from kit.errors import HostError, IncompleteError
from kit.events import Event
from kit.model import Program
from kit.ports import EndpointError, Running
from kit.store import RunDir
from tests.fakes import Play, Stage, ends, forever
from tests.unit.evalscope_files import Request, write
from tests.unit.world import READY_LOG, ROUNDS, World, sends, world

__all__ = ["world"]


# --- the server fails --------------------------------------------------------------------------------------------


def test_a_server_that_dies_before_it_is_ready_ends_the_run_with_its_log_and_the_cause(world: World) -> None:
    lines = ("loading", "RuntimeError: [Errno 98] address already in use", *(f"line {number}" for number in range(20)))
    world.runtime.plays_in_turn("server", ends(1, *lines))
    world.endpoint.unhealthy = 1000
    said = world.fails()
    assert "the server ended before it was ready (exit code 1)" in said
    assert "likely cause: another program took the port while the server was loading" in said
    assert "ss -ltnp" in said
    assert "    line 19" in said
    assert "    line 3\n" not in said
    assert (world.status.status, world.status.rounds_done) == ("incomplete", 0)
    assert world.events[-1].text == "the server ended before it was ready (exit code 1)", "its log is told once"
    assert world.status.reason is not None
    assert "    line 19" in world.status.reason
    assert "exit code 1" in world.status.reason
    assert IncompleteError.exit_code == 4


def test_a_server_ended_by_a_signal_says_so(world: World) -> None:
    world.runtime.plays_in_turn("server", ends(-9))
    world.endpoint.unhealthy = 1000
    said = world.fails()
    assert "ended by signal 9" in said
    assert "(it wrote nothing)" in said


def test_a_server_that_never_gets_ready_is_stopped_after_its_time(world: World) -> None:
    world.endpoint.unhealthy = 10**6
    assert "the server was not ready after 60 s" in world.fails()
    assert 60 <= world.clock.passed_s < 62


def test_a_server_that_is_healthy_but_never_serves_says_what_it_answers(world: World) -> None:
    world.endpoint.always = EndpointError("HTTP 404: no such model", "check server.model")
    world.plan = world.plan.model_copy(
        update={"server": world.plan.server and world.plan.server.model_copy(update={"ready_timeout_s": 3600.0})}
    )
    said = world.fails()
    assert "HTTP 404: no such model" in said
    assert "check server.model" in said
    assert world.clock.passed_s < 120


def dies_during(world: World, rounds: int) -> Play:
    """A server that dies while this many loads were started."""

    def play(stage: Stage) -> Generator[None, None, int]:
        while sum(program.name == "load" for program in world.runtime.started) < rounds:
            yield
        stage.say("RuntimeError: NPU out of memory. Tried to allocate 2 GiB")
        return 1

    return play


def test_a_server_that_dies_in_a_round_ends_the_run_and_keeps_what_is_finished(world: World) -> None:
    world.runtime.plays_in_turn("server", dies_during(world, 3))
    world.runtime.plays_in_turn("load", sends(), sends(), forever("sending"))
    said = world.fails()
    assert "the server ended during 10-3-c2/round-1 (exit code 1)" in said
    assert world.done == ROUNDS[:2]
    assert (world.status.status, world.status.rounds_done) == ("incomplete", 2)
    assert world.kinds[-1] == "stopped"


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "alive"])
def test_a_load_that_cannot_start_since_the_server_has_just_ended_is_told_as_its_end(
    world: World, monkeypatch: pytest.MonkeyPatch, ended: bool
) -> None:
    if ended:
        world.runtime.plays_in_turn("server", dies_during(world, 3))
    start, loads = world.runtime.start, itertools.count(1)

    @contextmanager
    def refuses(program: Program, **options: Any) -> Iterator[Running]:
        with start(program, **options) as running:
            if program.name == "load" and next(loads) == 3:
                raise HostError("the Docker engine refused: can't join the namespace")
            yield running

    monkeypatch.setattr(world.runtime, "start", refuses)
    said = world.fails(IncompleteError if ended else HostError)
    assert ("the server ended during 10-3-c2/round-1 (exit code 1)" in said) == ended
    assert ("the Docker engine refused" in said) == (not ended)
    assert world.done == ROUNDS[:2]


def hangs_with(world: World, line: str) -> Play:
    """A server that says a line while the second round is sent, and goes on answering."""

    def play(stage: Stage) -> Generator[None, None, int]:
        for ready in READY_LOG:
            stage.say(ready)
            yield
        while sum(program.name == "load" for program in world.runtime.started) < 2:
            yield
        stage.say(line)
        while True:
            yield

    return play


def test_a_server_that_cannot_go_on_is_not_waited_for_though_it_still_runs(world: World) -> None:
    world.runtime.plays_in_turn("server", hangs_with(world, "[TP1] Scheduler hit an exception: Traceback"))
    world.runtime.plays_in_turn("load", sends(), forever("sending"))
    said = world.fails()
    assert "the server cannot go on (during 10-3-c1/round-2): [TP1] Scheduler hit an exception" in said


def test_a_health_check_that_gets_no_answer_ends_nothing(world: World) -> None:
    line = "Health check failed. Server couldn't get a response from detokenizer for last 20 seconds."
    world.runtime.plays_in_turn("server", hangs_with(world, line))
    world.execute()
    assert world.status.status == "complete"


@pytest.mark.parametrize("last", [3, 4], ids=["then others follow", "the last round"])
def test_a_round_whose_server_died_at_its_end_is_not_taken_for_a_result(world: World, last: int) -> None:
    """The load generator is done as soon as every connection is refused: often before kit has looked at the server."""

    def broken(stage: Stage) -> Generator[None, None, int]:
        asked = int(stage.program.argv[stage.program.argv.index("--number") + 1])
        refused = Request(role_at=None, text_at=(), finish=None, failure=("None", "Cannot connect to host"))
        write("1.0.1", stage.directory, stage.log, [refused] * asked)
        yield from ()
        return 0

    world.runtime.plays_in_turn("server", dies_during(world, last))
    world.runtime.plays_in_turn("load", *[sends()] * (last - 1), broken)
    assert "the server ended" in world.fails()
    assert world.done == ROUNDS[: last - 1]


# --- a round fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("play", "said"),
    [
        pytest.param(
            ends(1, "Traceback", "ValueError: no such thing"), "exit code 1: ValueError: no such thing", id="1"
        ),
        pytest.param(ends(-9), "ended by signal 9: it wrote nothing", id="killed"),
        pytest.param(ends(0, "done"), "left 0 files", id="no result"),
        pytest.param(sends(Request()), "holds 1 of 2 requests", id="too few rows"),
    ],
)
def test_a_round_that_fails_does_not_stop_the_others(world: World, play: Play, said: str) -> None:
    world.runtime.plays_in_turn("load", sends(), sends(), play, sends())
    text = world.fails()
    assert said in text
    assert "10-3-c2, round 1 of 2" in text
    assert world.done == [ROUNDS[0], ROUNDS[1], ROUNDS[3]]
    assert world.kinds.count("round-failed") == 1
    assert world.status.status == "incomplete"
    assert f"kit run --resume {world.run.path}" in text


def test_a_garbled_database_fails_its_round_and_no_other(world: World) -> None:
    def garble(stage: Stage) -> Generator[None, None, int]:
        yield from sends()(stage)
        [path] = stage.directory.rglob("benchmark_data.db")
        path.write_bytes(b"x" * 5000)
        return 0

    world.runtime.plays_in_turn("load", garble, sends())
    assert "benchmark_data.db" in world.fails()
    assert world.done == ROUNDS[1:]


def test_a_round_in_which_some_requests_failed_is_a_result_with_its_doubt(world: World) -> None:
    bad = Request(sent=0.1, role_at=None, text_at=(), finish=None, failure=("500", "no"))
    world.runtime.plays_in_turn("load", sends(), sends(), sends(Request(), bad))
    assert world.execute().status == "complete"
    result = world.run.results(world.plan)[2]
    assert (result.figures.requests, result.figures.succeeded) == (2, 1)
    assert "failed" in [doubt.kind for doubt in result.doubts]


def test_a_round_in_which_no_request_succeeded_makes_the_run_incomplete(world: World) -> None:
    bad = Request(role_at=None, text_at=(), finish=None, failure=("500", "no"))
    world.runtime.plays_in_turn("load", sends(bad), sends())
    assert "no request succeeded (1 x HTTP 500: no)" in world.fails()
    assert world.status.status == "incomplete"


def test_several_failed_rounds_are_all_told(world: World) -> None:
    world.runtime.plays_in_turn("load", ends(1, "a"), sends(), ends(2, "b"), sends())
    said = world.fails()
    assert "10-3-c1, round 1 of 2" in said
    assert "10-3-c2, round 1 of 2" in said


# --- the disk fails ----------------------------------------------------------------------------------------------


@contextmanager
def writes_fail(monkeypatch: pytest.MonkeyPatch, when: Callable[[str], bool], number: int) -> Iterator[None]:
    """From the first file whose name `when` accepts on, nothing more fits on the disk."""
    write_beside, full = durable._write_beside, [False]

    def fail(path: Path, content: bytes) -> Path:
        full[0] = full[0] or when(str(path))
        if full[0]:
            raise OSError(number, os.strerror(number), str(path))
        return write_beside(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(durable, "_write_beside", fail)
        yield


@pytest.mark.parametrize("name", ["argv.txt", "phases.json", "command.txt", "samples.jsonl", "result.json"])
def test_a_full_disk_ends_the_run_with_a_remedy(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with writes_fail(monkeypatch, lambda path: path.endswith(name), errno.ENOSPC):
        said = world.fails()
    assert "no space is left" in said
    assert "make room, then kit run --resume" in said
    assert world.done == []


def test_a_disk_that_is_full_from_the_beginning_is_told_as_such(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with writes_fail(monkeypatch, lambda path: True, errno.ENOSPC):  # noqa: ARG005
        assert "no space is left" in world.fails()


def test_what_fails_where_hardly_anything_fits_any_more_is_told_with_the_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.runtime.plays_in_turn("load", ends(1, "disk I/O error"))
    assert "space" not in world.fails()
    monkeypatch.setattr(durable, "SCARCE_BYTES", 1 << 60)
    said = world.again().fails()
    assert "disk I/O error" in said
    assert f"hardly any space is left where {world.run.path} lies: " in said
    assert "what to do: make room, then kit run --resume" in said


def test_a_status_that_cannot_be_written_hides_no_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.runtime.plays_in_turn("server", ends(1, "NPU out of memory"))
    world.endpoint.unhealthy = 1000
    replace = store.replace
    calls = []

    def fail(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        replace(path, content)

    monkeypatch.setattr(store, "replace", fail)
    assert "the server ended before it was ready" in world.fails()


def test_a_journal_that_cannot_be_written_is_told_as_a_full_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = RunDir.journal
    calls = []

    def fail(self: RunDir, entry: Event) -> None:
        calls.append(entry)
        if len(calls) > 8:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "journal.jsonl")
        journal(self, entry)

    monkeypatch.setattr(RunDir, "journal", fail)
    assert "the quota is used up" in world.fails()
