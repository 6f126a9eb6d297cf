"""Executing plans in a fake world: programs are played, time moves when somebody waits, files are real."""

import errno
import itertools
import os
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kit import durable, profile, store, streams
from kit import plan as plans
from kit.errors import (
    EnvironmentUnavailableError,
    HostError,
    IncompleteError,
    InterruptedRunError,
    KitError,
    UsageError,
)
from kit.events import Event, Seen
from kit.instrument import exchange
from kit.model import Plan, Program, RunStatus, ServerTimes
from kit.ports import Doors, EndpointError, Running
from kit.running import preparing, resuming, runner
from kit.store import RunDir
from tests.fakes import Clock, FakeEndpoint, FakeHost, FakeRuntime, Play, Stage, ends, forever
from tests.unit.evalscope_files import Request, write

KEY = "sk-very-secret-0123456789"
PROFILE = """\
schema: 1
name: tiny
server:
  engine: llamacpp
  image: llamacpp
  make_model: true
  port: 18017
  ready_timeout: 60s
  args: [[--model, "{model}"], [--port, "{port}"], [--served-model-name, toy]]
load:
  transport: evalscope
  rounds: 2
  tokenizer: "{model}"
  cases:
    - {input: 10, output: 3, concurrency: [1, 2]}
"""
EXTERNAL = """\
schema: 1
name: there
server: {engine: endpoint, url: "http://127.0.0.1:8001", model: m, api_key: {env: MY_KEY}}
load:
  transport: evalscope
  rounds: 1
  tokenizer: /models/m
  cases: [{input: 10, output: 3, concurrency: [1, 2]}]
"""
READY_LOG = ("phase: load begin", "phase: load end", "phase: ready")


def sends(*requests: Request, code: int = 0, line: str = "done", version: str = "1.0.1") -> Play:
    """A load generator that takes a while and leaves a whole result: as many good requests as asked, unless given."""

    def play(stage: Stage) -> Generator[None, None, int]:
        yield
        yield
        asked = int(stage.program.argv[stage.program.argv.index("--number") + 1])
        told = requests or tuple(Request(sent=number / 10, ended=0.5 + number / 10) for number in range(asked))
        write(version, stage.directory, stage.log, told)
        stage.say(line)
        return code

    return play


def raises(error: BaseException) -> Play:
    """A program during which something happens to kit itself."""

    def play(stage: Stage) -> Generator[None, None, int]:
        del stage
        yield
        raise error

    return play


class World:
    """One plan with all that it meets, and what was observed."""

    def __init__(self, folder: Path, text: str = PROFILE, key: str | None = None) -> None:
        self.clock = Clock()
        self.host = FakeHost(clock=self.clock)
        self.runtime = FakeRuntime(self.clock)
        self.endpoint = FakeEndpoint(unhealthy=3)
        self.seen: list[Seen] = []
        self.key = key
        self.folder = folder
        loaded = profile.parse(text, "p.yaml")
        self.plan: Plan = plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime="process",
            pin=self.runtime.pin,
            models=folder / "models",
            version=self.runtime.version,
        )
        self.run = RunDir.create(folder / "runs", self.plan.profile, self.host.now())
        self.runtime.plays_in_turn("server", forever(*READY_LOG))
        self.runtime.plays_in_turn("load", sends())
        self.attempt = 1

    @property
    def doors(self) -> Doors:
        return Doors(self.runtime, self.host, self.endpoint)

    @property
    def events(self) -> list[Event]:
        return [seen.event for seen in self.seen]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def status(self) -> RunStatus:
        return self.run.status()

    @property
    def done(self) -> list[str]:
        return [entry.id for entry in self.plan.rounds if self.run.has(entry)]

    def execute(self) -> RunStatus:
        return runner.execute(
            self.plan, doors=self.doors, run=self.run, key=self.key, observe=self.seen.append, attempt=self.attempt
        )

    def fails(self, kind: type[KitError] = IncompleteError) -> str:
        """Execute, expect an error of this kind and everything stopped, and return the error's text."""
        with pytest.raises(kind) as caught:
            self.execute()
        assert self.runtime.running == []
        return str(caught.value)

    def again(self) -> "World":
        """The same run, resumed."""
        self.attempt += 1
        self.seen.clear()
        return self


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


ROUNDS = ["10-3-c1/round-1", "10-3-c1/round-2", "10-3-c2/round-1", "10-3-c2/round-2"]


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


# --- rounds until they are enough, and warming up ----------------------------------------------------------------


def paced(*ends: float) -> list[Play]:
    """One round after another, whose requests are over after so many seconds: the throughput follows."""
    return [sends(Request(ended=end)) for end in ends]


def test_rounds_are_repeated_until_the_throughput_is_known_well_enough(tmp_path: Path) -> None:
    text = PROFILE.replace("rounds: 2", "rounds: auto(2%, min=3, max=5)").replace("[1, 2]", "1")
    world = World(tmp_path, text)
    world.runtime.plays_in_turn("load", *paced(0.5, 0.5001, 0.4999, 9, 9))
    status = world.execute()
    assert world.done == ["10-3-c1/round-1", "10-3-c1/round-2", "10-3-c1/round-3"]
    assert (status.status, status.rounds_planned, status.rounds_done) == ("complete", 3, 3)
    assert "all 3 rounds are done" in world.events[-1].text
    with pytest.raises(UsageError, match="has all its rounds"):
        resuming.require_missing(world.run, world.plan)


def test_rounds_that_stay_far_apart_end_at_the_most(tmp_path: Path) -> None:
    text = PROFILE.replace("rounds: 2", "rounds: auto(2%, min=3, max=4)").replace("[1, 2]", "1")
    world = World(tmp_path, text)
    world.runtime.plays_in_turn("load", *paced(0.5, 0.9, 0.6, 0.8))
    assert world.execute().rounds_planned == len(world.done) == 4


def test_a_resumed_run_needs_no_round_that_its_results_made_needless(tmp_path: Path) -> None:
    text = PROFILE.replace("rounds: 2", "rounds: auto(2%, min=3, max=5)").replace("[1, 2]", "1")
    world = World(tmp_path, text)
    world.runtime.plays_in_turn("load", *paced(0.5, 0.5001), raises(KeyboardInterrupt()))
    world.fails(InterruptedRunError)
    assert world.status.rounds_planned == 5
    world.runtime.plays_in_turn("load", *paced(0.4999, 9))
    status = world.again().execute()
    assert (status.rounds_planned, status.rounds_done, len(world.done)) == (3, 3, 3)


def test_the_prefix_cache_is_emptied_before_each_round_and_that_is_kept(tmp_path: Path) -> None:
    text = PROFILE.replace("llamacpp", "sglang").replace("make_model: true", "model: toy").replace("{model}", "/m")
    world = World(tmp_path, text)
    world.runtime.plays_in_turn("server", forever())
    world.execute()
    assert world.endpoint.posts == ["/flush_cache"] * 4
    assert {result.prefix_cache for result in world.run.results(world.plan)} == {"flushed"}
    refused = World(tmp_path / "refused", text)
    refused.endpoint.refuses_posts = EndpointError("HTTP 400")
    refused.runtime.plays_in_turn("server", forever())
    assert refused.execute().status == "complete"
    result = refused.run.results(refused.plan)[0]
    assert (result.prefix_cache, result.doubts[0].kind) == ("not flushed", "cache-not-flushed")


def page(requests: int) -> str:
    """What SGLang's metrics say after so many requests, each 0.2 s in the queue and 0.5 s until its first token."""
    histograms = (("time_to_first_token", 0.5), ("queue_time", 0.2), ("e2e_request_latency", 0.9))
    return "".join(
        f"sglang:{name}_seconds_sum {requests * took}\nsglang:{name}_seconds_count {float(requests)}\n"
        for name, took in histograms
    )


def test_the_servers_own_times_are_those_that_its_metrics_gained_in_a_round(tmp_path: Path) -> None:
    """One request has warmed it up. Of the second round it counts the last request a moment late."""
    text = PROFILE.replace("llamacpp", "sglang").replace("make_model: true", "model: toy").replace("{model}", "/m")
    world = World(tmp_path, text)
    world.runtime.plays_in_turn("server", forever())
    world.endpoint.pages = [page(requests) for requests in (1, 2, 2, 2, 3, 3, 5, 5, 7)]
    world.execute()
    told = [(found.source, found.requests) for found in servers(world)]
    assert told == [("metrics", 1), ("metrics", 1), ("metrics", 2), ("metrics", 2)]
    for found in servers(world):
        assert (found.ttft_s, found.queue_s) == pytest.approx((0.5, 0.2))
        assert found.prefill_s is None


def test_why_a_server_says_nothing_of_its_times_is_kept(tmp_path: Path) -> None:
    text = PROFILE.replace("llamacpp", "sglang").replace("make_model: true", "model: toy").replace("{model}", "/m")
    silent = World(tmp_path, text)
    silent.runtime.plays_in_turn("server", forever())
    silent.execute()
    assert [found.reason and found.reason.kind for found in servers(silent)] == ["server-needs"] * 4


def test_an_endpoint_that_kit_did_not_start_is_asked_for_no_metrics(tmp_path: Path) -> None:
    world = World(tmp_path, EXTERNAL, key="secret")
    world.endpoint.pages = [page(1), page(2)]
    world.execute()
    assert len(world.endpoint.pages) == 2
    assert {found.reason.kind for found in servers(world) if found.reason} == {"server-not-ours"}


def servers(world: World) -> list[ServerTimes]:
    return [found.server for found in world.run.results(world.plan) if found.server is not None]


def test_an_engine_without_a_way_to_empty_its_cache_is_not_asked(world: World) -> None:
    world.execute()
    assert world.endpoint.posts == []
    assert {result.prefix_cache for result in world.run.results(world.plan)} == {None}


def test_a_case_is_warmed_up_before_its_first_round_and_keeps_that_out_of_its_results(tmp_path: Path) -> None:
    text = PROFILE.replace("rounds: 2", "rounds: 1\n  warmup: {requests: 3, rounds: 1}")
    world = World(tmp_path, text)
    world.runtime.plays_in_turn("warmup", sends())
    world.execute()
    started = [program for program in world.runtime.started if program.name in ("warmup", "load")]
    assert [program.name for program in started] == ["warmup", "warmup", "load"] * 2
    numbers = [program.argv[program.argv.index("--number") + 1] for program in started]
    assert numbers == ["3", "1", "1", "3", "2", "2"]
    seeds = [program.argv[program.argv.index("--seed") + 1] for program in started]
    assert seeds == ["43", "44", "42"] * 2
    assert world.done == ["10-3-c1/round-1", "10-3-c2/round-1"]
    assert len(world.run.results(world.plan)) == 2
    assert (world.run.path / "cases" / "10-3-c1" / "warmup-1" / "samples.jsonl").is_file()
    assert world.kinds.count("warmup") == 4


def test_a_case_whose_warm_up_fails_is_not_measured_and_resumed_from_its_warm_up(tmp_path: Path) -> None:
    text = PROFILE.replace("rounds: 2", "rounds: 1\n  warmup: {rounds: 1}")
    world = World(tmp_path, text)
    world.runtime.plays_in_turn("warmup", ends(1, "no answer"), sends())
    assert "10-3-c1 was not measured, since its warm-up failed" in world.fails()
    assert world.done == ["10-3-c2/round-1"]
    assert world.status.status == "incomplete"
    world.runtime.plays_in_turn("warmup", sends())
    assert world.again().execute().status == "complete"
    assert world.kinds.count("warmup") == 1


def test_a_warm_up_in_which_no_request_succeeds_has_failed(tmp_path: Path) -> None:
    world = World(tmp_path, PROFILE.replace("rounds: 2", "rounds: 1\n  warmup: {requests: 1}"))
    world.runtime.plays_in_turn(
        "warmup", sends(Request(role_at=None, text_at=(), finish=None, failure=("500", "no"))), sends()
    )
    assert (
        "10-3-c1 was not measured, since its warm-up failed: no request succeeded (1 x HTTP 500: no)" in world.fails()
    )
    assert world.done == ["10-3-c2/round-1"]


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
    assert world.status.reason is not None
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
    monkeypatch.setattr(streams, "lost", lambda: "stdout" if world.done else None)
    assert world.execute().status == "complete"
    lines = (world.run.path / "journal.jsonl").read_text("utf-8").splitlines()
    (told,) = [number for number, line in enumerate(lines) if "nobody reads stdout any more" in line]
    assert '"kind":"round-end"' in lines[told - 1]


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
