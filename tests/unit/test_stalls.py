"""A server that hangs or ends: when that is seen, when it is not taken as such, and what `server.restart: once` does."""

from collections.abc import Generator
from pathlib import Path

import pytest

from kit import profile
from kit.errors import IncompleteError, ProfileError
from kit.instrument.load import PULSE
from kit.model import Plan
from kit.running import runner
from tests.fakes import Play, Stage, ends, forever
from tests.unit.world import PROFILE, READY_LOG, ROUNDS, World, sends

LIMITED = PROFILE.replace("ready_timeout: 60s", "ready_timeout: 60s\n  stall_limit: 100s")
ONCE = LIMITED.replace("stall_limit: 100s", "stall_limit: 100s\n  restart: once")


def waits(seconds: float, *, quiet: bool = True) -> Play:
    """A load generator that waits so long for its first token, connected all the time, and then has all."""

    def play(stage: Stage) -> Generator[None, None, int]:
        until = stage.clock.passed_s + seconds
        while stage.clock.passed_s < until:
            if not quiet:
                stage.say("still waiting")
            yield
        return (yield from sends()(stage))

    return play


def world_of(tmp_path: Path, text: str, *, connected: bool = True) -> World:
    made = World(tmp_path, text)
    if connected:
        made.host.bytes_seen = lambda: 7
    return made


def test_a_server_that_sends_nothing_ends_the_round_and_the_others_go_on(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)
    world.runtime.plays_in_turn("load", forever(), sends())
    said = world.fails()
    assert "10-3-c1, round 1 of 2: nothing arrived from the server for 100 s (server.stall_limit): it hangs" in said
    assert world.done == ROUNDS[1:]
    assert world.kinds.count("round-failed") == 1
    assert 100 < world.clock.passed_s < 130


def test_a_server_that_hangs_in_two_rounds_in_a_row_ends_the_run(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)
    world.runtime.plays_in_turn("load", sends(), forever(), forever(), sends())
    said = world.fails()
    assert "10-3-c2/round-1: nothing arrived from the server" in said
    assert "the end of its log" in said
    assert world.done == ROUNDS[:1]
    assert world.status.status == "incomplete"


def test_a_prefill_within_the_limit_is_waited_for(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)
    world.runtime.plays_in_turn("load", waits(99.0))
    assert world.execute().status == "complete"


def test_a_prefill_is_waited_for_as_long_as_is_known_of_its_case(tmp_path: Path) -> None:
    """A baseline says that the first token takes 65 s: three times that is no stall."""
    world = world_of(tmp_path, LIMITED)
    rows = "input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s\n"
    (world.run.path / "baseline.csv").write_text(f"{rows}10,3,1,70,1,65,0.01\n10,3,2,70,1,65,0.01\n")
    world.runtime.plays_in_turn("load", waits(190.0), sends(), waits(190.0), sends())
    assert world.execute().status == "complete"


def test_a_log_that_tells_of_pieces_of_the_prompt_is_a_sign_of_life(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)

    def works(stage: Stage) -> Generator[None, None, int]:
        for line in READY_LOG:
            stage.say(line)
            yield
        asked = 0
        while True:
            asked += 1
            if asked % 100 == 0:
                stage.say("Prefill batch. #new-seq: 1, #new-token: 4096")
            yield

    world.runtime.plays_in_turn("server", works)
    world.runtime.plays_in_turn("load", waits(300.0))
    assert world.execute().status == "complete"


def test_lines_of_a_server_that_only_complains_are_no_sign_of_life(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)

    def complains(stage: Stage) -> Generator[None, None, int]:
        while True:
            stage.say("Health check failed. Server couldn't get a response from detokenizer for last 20 seconds.")
            yield

    world.runtime.plays_in_turn("server", complains)
    world.runtime.plays_in_turn("load", forever(), sends())
    assert "it hangs" in world.fails()


def test_bytes_that_arrive_are_a_sign_of_life(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)
    world.host.bytes_seen = lambda: int(world.clock.passed_s / 30)
    world.runtime.plays_in_turn("load", waits(400.0))
    assert world.execute().status == "complete"


def waits_with_a_pulse(seconds: float, every_s: float | None = None) -> Play:
    """A load generator that can tell events from comments, and hears one so often or never."""

    def play(stage: Stage) -> Generator[None, None, int]:
        began, beats = stage.clock.passed_s, 0
        pulse = stage.directory / "sender-0" / PULSE
        pulse.parent.mkdir()
        pulse.touch()
        while (passed := stage.clock.passed_s - began) < seconds:
            if every_s is not None and passed >= (beats + 1) * every_s:
                beats += 1
                pulse.write_bytes(b"." * beats)
            yield
        pulse.unlink()
        pulse.parent.rmdir()
        return (yield from sends()(stage))

    return play


def test_comments_alone_are_waited_with_for_three_limits(tmp_path: Path) -> None:
    """Servers keep connections open with them during a long prefill; one that only does that hangs."""
    world = world_of(tmp_path, LIMITED)
    world.host.bytes_seen = lambda: int(world.clock.passed_s)
    world.runtime.plays_in_turn("load", waits_with_a_pulse(290.0), waits_with_a_pulse(400.0), sends())
    said = world.fails()
    assert "round 2 of 2: the server sent nothing but comments for 300 s (3 x server.stall_limit): it hangs" in said
    assert world.done == [ROUNDS[0], *ROUNDS[2:]]


def test_events_are_a_sign_of_life(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)
    world.host.bytes_seen = lambda: int(world.clock.passed_s)
    world.runtime.plays_in_turn("load", waits_with_a_pulse(1000.0, every_s=290.0))
    assert world.execute().status == "complete"


def test_where_connections_cannot_be_seen_the_load_generators_own_limit_counts(tmp_path: Path) -> None:
    text = LIMITED.replace("load:", "load:\n  read_timeout: 500s")
    world = world_of(tmp_path, text, connected=False)
    world.runtime.plays_in_turn("load", waits(450.0))
    assert world.execute().status == "complete"
    again = world_of(tmp_path / "again", text, connected=False)
    again.runtime.plays_in_turn("load", forever(), sends())
    assert "neither the server nor the load generator did anything for 500 s" in again.fails()


# --- server.restart: once ----------------------------------------------------------------------------------------


def dies(world: World) -> Play:
    """A server that ends when its second round has begun."""

    def play(stage: Stage) -> Generator[None, None, int]:
        for line in READY_LOG:
            stage.say(line)
            yield
        while world.kinds.count("round-start") < 2:
            yield
        stage.say("Segmentation fault")
        return -11

    return play


def slow() -> Play:
    return waits(2.0)


def test_a_server_that_dies_is_started_again_and_the_round_repeated(tmp_path: Path) -> None:
    world = world_of(tmp_path, ONCE)
    world.runtime.plays_in_turn("server", dies(world), forever(*READY_LOG))
    world.runtime.plays_in_turn("load", slow())
    assert world.execute().status == "complete"
    assert world.done == ROUNDS
    (restart,) = world.run.restarts()
    assert restart.round == "10-3-c1/round-2"
    assert "the server ended during 10-3-c1/round-2 (ended by signal 11)" in restart.reason
    assert len(world.run.server_starts()) == 2
    assert "warning" in world.kinds


def test_a_server_that_hangs_is_started_again_and_the_round_repeated(tmp_path: Path) -> None:
    world = world_of(tmp_path, ONCE)
    world.runtime.plays_in_turn("load", sends(), forever(), sends())
    assert world.execute().status == "complete"
    assert world.done == ROUNDS
    (restart,) = world.run.restarts()
    assert restart.reason.startswith("10-3-c1/round-2: nothing arrived from the server for 100 s")


def test_once_is_once(tmp_path: Path) -> None:
    world = world_of(tmp_path, ONCE)
    world.runtime.plays_in_turn("load", sends(), forever(), sends(), forever())
    assert "10-3-c2/round-1: nothing arrived" in world.fails()
    assert world.done == ROUNDS[:2]
    assert len(world.run.restarts()) == 1


def test_a_server_that_never_served_is_not_started_again(tmp_path: Path) -> None:
    world = world_of(tmp_path, ONCE)
    world.endpoint.unhealthy = 1000
    world.runtime.plays_in_turn("server", ends(1, "unrecognized arguments: --nonsense"))
    assert "the server ended before it was ready" in world.fails()
    assert [program.name for program in world.runtime.started] == ["server"]


def test_without_it_a_server_that_dies_ends_the_run(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)
    world.runtime.plays_in_turn("server", dies(world))
    world.runtime.plays_in_turn("load", slow())
    assert "the server ended during 10-3-c1/round-2" in world.fails()
    assert world.run.restarts() == ()


def test_both_settings_are_in_the_plan(tmp_path: Path) -> None:
    plan: Plan = World(tmp_path, ONCE).plan
    assert plan.server is not None
    assert (plan.stall_limit_s, plan.server.restart) == (100.0, "once")
    usual = World(tmp_path / "usual").plan
    assert usual.server is not None
    assert (usual.stall_limit_s, usual.server.restart) == (600.0, "never")


def test_an_endpoint_is_not_kits_to_start_again() -> None:
    text = "server: {engine: endpoint, url: 'http://127.0.0.1:1', model: m, restart: once}"
    whole = (
        f"schema: 1\nname: there\n{text}\nload: {{tokenizer: /m, cases: [{{input: 1, output: 1, concurrency: 1}}]}}\n"
    )
    with pytest.raises(ProfileError, match=r"server\.restart"):
        profile.parse(whole, "p.yaml")


def test_the_runner_says_how_to_go_on(tmp_path: Path) -> None:
    world = world_of(tmp_path, LIMITED)
    world.runtime.plays_in_turn("load", forever(), sends())
    with pytest.raises(IncompleteError) as told:
        runner.execute(world.plan, doors=world.doors, run=world.run, key=None, observe=world.seen.append)
    assert f"kit run --resume {world.run.path}" in told.value.hint
