"""Under what a case is measured: enough rounds, a warm-up, an empty prefix cache; and what the server says of its own times."""

from pathlib import Path

import pytest

from kit.errors import InterruptedRunError, UsageError
from kit.model import ServerTimes
from kit.ports import EndpointError
from kit.running import resuming
from tests.fakes import Play, ends, forever
from tests.unit.evalscope_files import Request
from tests.unit.world import EXTERNAL, PROFILE, World, raises, sends, world

__all__ = ["world"]


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
