"""Servers and load generators that fail in every way: what the run says, what it keeps, and that it can be gone on with."""

import subprocess
import sys

import pytest

from kit.errors import IncompleteError, KitError
from tests.faults.bench import ROOT, Bench, finished, processes
from tests.integration.driver import await_true

ROUNDS = ["10-8-c1/round-1", "10-8-c1/round-2"]


def require_resumes(bench: Bench) -> None:
    """With the fault gone, the same set of results as an undisturbed run has."""
    bench.faults({})
    bench.resume()
    assert finished(bench.the_run) == ROUNDS
    assert bench.the_run.status().status == "complete"


def require_incomplete(bench: Bench, said: str, *, done: list[str]) -> None:
    """The run says on the terminal and in `run.json` what happened, and what to do; nothing of it goes on."""
    status = bench.the_run.status()
    assert status.status == "incomplete"
    assert str(status.reason).splitlines()[0] in said
    assert "what to do:" in said
    assert finished(bench.the_run) == done
    assert processes(bench.home) == []


@pytest.mark.parametrize(
    ("fault", "load", "model", "telling", "done"),
    [
        ("dies-loading", "", "good", "the server ended before it was ready (exit code 1)", []),
        ("dies@load-2", "hangs", "good", "the server ended during 10-8-c1/round-2 (exit code 3)", ROUNDS[:1]),
        ("dies@load-2", "", "silent@2,good", "the server ended during 10-8-c1/round-2 (exit code 3)", ROUNDS[:1]),
    ],
    ids=["while-loading", "while-idle", "in-a-request"],
)
def test_a_server_that_dies_ends_the_run(
    bench: Bench, fault: str, load: str, model: str, telling: str, done: list[str]
) -> None:
    bench.faults({"server": {"1": fault}, "load": {"2": load}})
    said = bench.fails(bench.plan(model=model))
    assert telling in said
    assert "the end of its log" in said
    require_incomplete(bench, said, done=done)
    require_resumes(bench)


def test_a_server_that_is_ready_late_is_waited_for(bench: Bench) -> None:
    bench.faults({"server": {"1": "late"}})
    bench.run(bench.plan())
    assert finished(bench.the_run) == ROUNDS
    assert bench.the_run.server_starts()[0].ready_s > 1.5


def test_children_of_a_server_do_not_outlive_it(bench: Bench) -> None:
    bench.faults({"server": {"1": "children"}})
    bench.run(bench.plan())
    assert finished(bench.the_run) == ROUNDS


def test_a_server_that_hangs_without_a_token_ends_the_round(bench: Bench) -> None:
    said = bench.fails(bench.plan(model="silent@1,good", stall=4.0))
    assert "round 1 of 2: nothing arrived from the server for 4 s (server.stall_limit): it hangs" in said
    require_incomplete(bench, said, done=ROUNDS[1:])


def test_a_server_that_hangs_in_the_middle_of_an_answer_ends_the_round(bench: Bench) -> None:
    said = bench.fails(bench.plan(model="stalls@2,good", stall=4.0))
    assert "round 2 of 2: nothing arrived from the server for 4 s" in said
    require_incomplete(bench, said, done=ROUNDS[:1])


@pytest.mark.parametrize(
    ("server", "model", "telling"),
    [("dies@load-2", "good", "the server ended during"), ("", "silent@2,good", "nothing arrived from the server")],
    ids=["that-died", "that-hangs"],
)
def test_a_server_is_started_again_once_and_the_report_says_so(
    bench: Bench, server: str, model: str, telling: str
) -> None:
    bench.faults({"server": {"1": server}, "load": {"2": "hangs"} if server else {}})
    bench.run(bench.plan(model=model, stall=4.0, restart="once"))
    assert finished(bench.the_run) == ROUNDS
    assert bench.the_run.status().status == "complete"
    (restart,) = bench.the_run.restarts()
    assert restart.round == ROUNDS[1]
    assert telling in restart.reason
    report = (bench.the_run.path / "report" / "report.md").read_text("utf-8")
    assert "重启一次" in report
    assert "10-8-c1/round-2" in report


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("http-500", "HTTP 500"),
        ("http-429", "HTTP 429"),
        ("cut", ""),
        ("ends-early", "the stream ended before the answer was finished"),
        ("html", ""),
        ("garbage", ""),
        ("empty", ""),
        ("error-chunk", ""),
    ],
)
def test_a_bad_answer_is_a_failed_request_and_hides_in_no_figure(bench: Bench, fault: str, reason: str) -> None:
    said = bench.fails(bench.plan(model=f"{fault}@2,good"))
    assert "round 2 of 2: no request succeeded" in said
    assert reason in said
    first, second = bench.the_run.results(bench.the_run.plan())
    assert (first.figures.succeeded, second.figures.succeeded) == (1, 0)
    assert second.figures.latency_s is None
    assert second.figures.output_throughput is None
    assert "what to do:" in said


def test_a_round_in_which_every_request_failed_is_repeated_by_a_resume(bench: Bench) -> None:
    bench.fails(bench.plan(model="http-429@2,good"))
    assert finished(bench.the_run) == ROUNDS
    require_resumes(bench)
    run = bench.the_run
    assert [result.figures.succeeded for result in run.results(run.plan())] == [1, 1]
    assert [path.name for path in (run.path / "abandoned").iterdir()] == ["10-8-c1-round-2-1"]


@pytest.mark.parametrize(
    ("fault", "telling"),
    [
        ("killed", "the load generator ended with ended by signal 9"),
        ("nothing", "evalscope left 0 files benchmark_data.db instead of one"),
        ("truncates", "benchmark_data.db"),
    ],
)
def test_a_load_generator_that_fails_ends_its_round_only(bench: Bench, fault: str, telling: str) -> None:
    bench.faults({"load": {"1": fault}})
    said = bench.fails(bench.plan())
    assert telling in said
    require_incomplete(bench, said, done=ROUNDS[1:])
    require_resumes(bench)


def test_a_load_generator_that_hangs_ends_its_round(bench: Bench) -> None:
    bench.faults({"load": {"1": "hangs"}})
    said = bench.fails(bench.plan(stall=4.0))
    assert "neither the server nor the load generator did anything for 4 s" in said
    require_incomplete(bench, said, done=ROUNDS[1:])
    require_resumes(bench)


def test_two_at_once_go_on_with_a_run_one_of_them_is_refused(bench: Bench) -> None:
    from kit.durable import held
    from kit.workflows import running

    bench.faults({"load": {"2": "killed"}})
    bench.fails(bench.plan())
    prepared = running.resume("latest", bench.out)
    with held(bench.the_run.path), pytest.raises(KitError, match="another kit goes on with"):
        bench.run(prepared)
    assert bench.the_run.status().status == "incomplete"
    require_resumes(bench)
    with pytest.raises(KitError, match="has all its rounds"):
        bench.run(prepared)
    assert bench.the_run.status().status == "complete"


RESUME = """\
import sys
from pathlib import Path
from tests.faults.bench import Bench
bench = Bench(Path(sys.argv[1]))
bench.faults({"load": {"3": "hangs"}})
bench.resume()
"""


def test_of_two_resumes_at_once_the_second_is_refused_and_the_first_goes_on(bench: Bench) -> None:
    """Two real kits; the first is in its round when the second comes, and comes again with `--force`."""
    bench.faults({"load": {"2": "killed"}})
    bench.fails(bench.plan())
    with subprocess.Popen([sys.executable, "-c", RESUME, str(bench.home)], cwd=ROOT) as first:
        try:
            await_true((bench.home / "load-3").exists, "the first kit is in its round")
            for force, told in ((False, "another run of kit: pid"), (True, "another kit goes on with")):
                with pytest.raises(KitError, match=told):
                    bench.resume(force=force)
            assert bench.the_run.status().status == "running"
            assert first.poll() is None
        finally:
            first.kill()
    require_resumes(bench)


def test_a_run_that_failed_says_incomplete(bench: Bench) -> None:
    bench.faults({"load": {"every": "nothing"}})
    with pytest.raises(IncompleteError) as told:
        bench.run(bench.plan())
    assert f"kit run --resume {bench.the_run.path}" in told.value.hint
