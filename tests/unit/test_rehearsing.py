"""A rehearsal: a server that behaves as a baseline says, and a profile in which it stands in."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import profile as profiles
from kit.instrument.behaviour import Behaviour, Point, point
from kit.instrument.schedule import Schedule, draw
from kit.instrument.times import ScheduleError
from kit.legacy import baseline as baselines
from kit.loadgens import GENERATORS
from kit.workflows import rehearsing

BASELINE = b"""input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s,avg_tps,per_stream_tok_s
128,512,1,28.94,17.69,2.38,0.06,17.27,17.69
128,512,4,77.82,26.32,4.72,0.16,6.24,6.58
2k,512,1,47.84,10.7,24.47,0.05,21.93,10.7
2k,3k,1,180,16.6,24.5,0.05,20,16.6
"""
ROWS = baselines.read(BASELINE, "baseline.csv")
PROFILE = """
schema: 1
name: site
report: {project: 项目, environment: "GPU: 2 x 910B4"}
machine: {architecture: aarch64, accelerator: {kind: ascend, model: 910B4, count: 2}}
server:
  engine: ftransformers
  image: ftransformers
  port: 8001
  env: {A: b}
  mounts: [/home/model]
  container: {cpuset: 0-3, privileged: true}
  args: [[--model-path, /home/model/x], [--host, "{host}"], [--port, "{port}"], [--served-model-name, x]]
load:
  version: 1.14.1
  transport: evalscope
  tokenizer: /home/model/x
  trust_remote_code: true
  cpuset: 4-7
  rounds: 3
  cases: [{input: 128, output: 512, concurrency: [1, 4]}]
acceptance: {tolerance: {ttft: +10%}, baseline: baselines/b.csv}
"""


def measured() -> Behaviour:
    return Behaviour(
        [point(text) for text in ("128,1=2s,50ms", "128,4=5s,200ms", "2000,1=20s,60ms", "2000,2=30s,100ms")]
    )


def test_a_behaviour_is_exact_where_it_was_measured() -> None:
    found = measured()
    assert (found.ttft_s(128, 1), found.itl_s(128, 1)) == (2, 0.05)
    assert (found.ttft_s(128, 4), found.itl_s(128, 4)) == (5, 0.2)
    assert (found.ttft_s(2000, 2), found.itl_s(2000, 2)) == (30, 0.1)


def test_between_the_points_it_follows_lines() -> None:
    found = measured()
    assert found.ttft_s(128, 2) == pytest.approx(3)
    assert found.ttft_s(1064, 1) == pytest.approx(11)
    assert found.itl_s(1064, 2) == pytest.approx((0.1 + 0.1) / 2)


def test_beyond_them_clients_share_and_prompts_take_their_time() -> None:
    found = measured()
    assert found.itl_s(128, 8) == pytest.approx(0.4)
    assert found.ttft_s(4000, 1) == pytest.approx(40)
    assert found.ttft_s(64, 1) == pytest.approx(1)
    assert found.itl_s(64, 1) == pytest.approx(0.05)
    assert found.itl_s(4000, 1) == pytest.approx(0.06)


@given(
    st.dictionaries(st.tuples(st.integers(1, 9999), st.integers(1, 99)), st.tuples(st.floats(0, 99), st.floats(0, 9)), min_size=1),
    st.integers(1, 99_999),
    st.integers(1, 999),
)  # fmt: skip
def test_any_behaviour_gives_times_for_any_request(
    known: dict[tuple[int, int], tuple[float, float]], length: int, streams: int
) -> None:
    found = Behaviour([Point(*place, *times) for place, times in known.items()])
    assert found.ttft_s(length, streams) >= 0
    assert 0 <= found.itl_s(length, streams) <= max(itl for _, itl in known.values()) * streams * (1 + 1e-9)
    for place, (ttft, itl) in known.items():
        assert (found.ttft_s(*place), found.itl_s(*place)) == pytest.approx((ttft, itl))


@pytest.mark.parametrize("text", ["", "128=1s,1s", "128,1=1s", "0,1=1s,1s", "128,1=1s,soon", "128,1=1s,1s,1s"])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(ScheduleError, match="is no"):
        point(text)


def test_a_point_stands_there_once() -> None:
    with pytest.raises(ScheduleError, match="stands there twice"):
        Behaviour([Point(1, 1, 1.0, 1.0), Point(1, 1, 2.0, 1.0)])
    with pytest.raises(ScheduleError, match="at least one"):
        Behaviour([])


def test_a_schedule_follows_its_behaviour_and_keeps_its_pauses() -> None:
    plan = Schedule(ttft=draw("9s"), itl=draw("9s"), behaviour=measured(), pauses=((5, 1.0),))
    source = plan.source(1)
    assert plan.ttft_s(source, 128, 4) == 5
    assert plan.gap_s(source, 128, 4, 4, 3) == pytest.approx(0.6)
    assert plan.gap_s(source, 128, 4, 5, 1) == pytest.approx(1.2)


def test_the_server_is_told_what_makes_the_latency_of_the_baseline() -> None:
    """An old report's TPOT has two digits: with 0.06 s the answers would take 33 s instead of 28.94 s."""
    told = [point(text) for text in rehearsing.points(ROWS, 1.0)]
    assert [(found.input_tokens, found.streams) for found in told] == [(128, 1), (128, 4), (2000, 1)]
    for found, latency in zip(told, (28.94, 77.82, 47.84), strict=True):
        assert found.ttft_s + 511 * found.itl_s == pytest.approx(latency, rel=1e-3)
    quick = [point(text) for text in rehearsing.points(ROWS, 50.0)]
    assert [found.ttft_s * 50 for found in quick] == pytest.approx([2.38, 4.72, 24.47])


def test_without_latency_it_is_told_the_tpot() -> None:
    rows = tuple(row.model_copy(update={"latency": None}) for row in ROWS[:1])
    assert rehearsing.points(rows, 1.0) == ("128,1=2380.000ms,60.000ms",)
    assert rehearsing.points(tuple(row.model_copy(update={"tpot": None}) for row in rows), 1.0) == ()


def test_the_expected_times_are_as_much_shorter_and_the_rates_as_much_higher() -> None:
    [first, *rest] = csv.DictReader(io.StringIO(rehearsing.quickened(ROWS, 50.0).decode()))
    assert len(rest) == 3
    assert {name: float(value) for name, value in first.items()} == pytest.approx(
        {
            "input": 128,
            "output": 512,
            "concurrency": 1,
            "avg_latency_s": 28.94 / 50,
            "output_throughput_tok_s": 17.69 * 50,
            "avg_ttft_s": 2.38 / 50,
            "avg_tpot_s": 0.06 / 50,
            "avg_tps": 17.27 * 50,
            "per_stream_tok_s": 17.69 * 50,
        }
    )
    assert rest[1]["input"] == "2k"
    again = baselines.read(rehearsing.quickened(ROWS, 50.0), "quick.csv")
    assert [row.key for row in again] == [row.key for row in ROWS]


def test_a_rehearsed_profile_asks_nothing_of_the_machine_and_says_what_it_is() -> None:
    site = profiles.parse(PROFILE, "site.yaml").profile
    made = rehearsing.rehearsal(site, ROWS, 50.0, "/toy", "b.csv")
    again = profiles.alone(profiles.resolved(made).decode(), "again").profile
    assert again == made
    assert made.name == "site-rehearsal"
    assert made.report.rehearsal
    assert made.report.project == "演练（50 倍速）：项目"
    assert made.report.environment is None
    assert made.machine.accelerator is None
    assert made.server.engine == "reference"
    assert made.server.image == f"{GENERATORS['evalscope'].IMAGE}/1.14.1"
    assert (made.server.mounts, made.server.env, made.server.container.cpuset) == ((), (), None)
    assert not made.load.trust_remote_code
    assert (made.load.tokenizer, made.load.cpuset, made.load.transport) == ("/toy", None, "precise")
    assert made.load.expanded() == site.load.expanded()
    assert made.load.rounds == site.load.rounds
    assert made.acceptance.tolerance == site.acceptance.tolerance
