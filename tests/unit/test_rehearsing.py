"""A rehearsal: a server that behaves as a baseline says, and a profile in which it stands in."""

import csv
import io
import random
from itertools import pairwise
from pathlib import Path

import pytest

from kit import plan as plans
from kit import profile as profiles
from kit.behaviour import Behaviour
from kit.errors import UsageError
from kit.instrument import schedule
from kit.legacy import baseline as baselines
from kit.loadgens import GENERATORS
from kit.model import Doubt, Plan, Profile
from kit.model.table import Row
from kit.texts import doubt
from kit.workflows import rehearsing
from tests.fakes import FakeRuntime

BASELINE = b"""input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s,avg_tps,per_stream_tok_s
128,512,1,28.94,17.69,2.38,0.06,17.27,17.69
128,512,4,77.82,26.32,4.72,0.16,6.24,6.58
2k,512,1,47.84,10.7,24.47,0.05,21.93,10.7
2k,3k,1,180,16.6,24.5,0.05,20,16.6
"""
ROWS = baselines.read(BASELINE, "baseline.csv")
USUAL = schedule.Schedule(ttft=schedule.draw("9s"), itl=schedule.draw("9s"))
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


def prepared(cases: str, rows: tuple[Row, ...], speed: float) -> tuple[Profile, Plan]:
    """A profile with these cases, and the plan of its rehearsal."""
    site = profiles.parse(PROFILE, "site.yaml", ("load.transport=precise", f"load.cases=[{cases}]")).profile
    made = rehearsing.rehearsal(site, Behaviour(rows), speed, "/toy", "b.csv")
    runtime = FakeRuntime()
    plan = plans.make(
        made, sha256="", runtime="process", pin=runtime.pin, models=Path("/models"), version=runtime.version
    )
    return site, plan


def test_each_case_asks_for_a_model_that_has_its_own_times() -> None:
    """An old report's TPOT has two digits: with 0.06 s the answers would take 33 s instead of 28.94 s."""
    _, plan = prepared(
        "{input: 128, output: 512, concurrency: [1, 4]}, {input: 2k, output: 512, concurrency: [1]}", ROWS, 50
    )
    assert plan.server is not None
    words = plan.server.program.argv
    told = dict(schedule.served(after, USUAL) for word, after in pairwise(words) if word == "--model")
    source = random.Random(0)
    for case, ttft, latency in zip(plan.cases, (2.38, 4.72, 24.47), (28.94, 77.82, 47.84), strict=True):
        [name] = {entry.order.target.model for entry in plan.rounds if entry.case == case}
        assert name == f"rehearsal-{case.id}"
        assert all(name in entry.program.argv for entry in plan.rounds if entry.case == case)
        found = told[name]
        assert 50 * found.ttft(source) == pytest.approx(ttft, rel=1e-3)
        assert 50 * (found.ttft(source) + 511 * found.itl(source)) == pytest.approx(latency, rel=2e-3)
    assert plan.target.model in told, "what is asked whether it is ready"


def test_rates_are_as_much_higher_and_ramps_as_much_shorter() -> None:
    _, plan = prepared(
        "{input: 128, output: 512, rate: 2, requests: 9}, {input: 128, output: 512, concurrency: 4, ramp: 5s}", ROWS, 10
    )
    assert [case.id for case in plan.cases] == ["128-512-r20", "128-512-c4-ramp0.5"]


def test_limits_are_for_what_is_as_much_quicker() -> None:
    limits = (
        "[{limit: ttft <= 2 s, rate: 0.5}, latency_p99 <= 1500 ms, output_throughput >= 12.5, success_rate = 100 %]",
    )
    waivers = "[{metric: ttft, reason: agreed, name: Zhang, expires: 2027-01-01, rate: 0.5}]"
    find = "{input: 2k, output: 8, find: {concurrency: 4, limits: [tpot <= 50 ms, tps >= 20]}}"
    settings = (f"load.cases=[{find}]", f"acceptance.limits={limits[0]}", f"acceptance.waivers={waivers}")
    site = profiles.parse(PROFILE, "site.yaml", settings).profile
    made = rehearsing.rehearsal(site, Behaviour(ROWS), 10, "/toy", "b.csv")
    assert [(one.parts(), one.rate) for one in made.acceptance.limits] == [
        (("ttft", "<=", 0.2), 5),
        (("latency_p99", "<=", 0.15), None),
        (("output_throughput", ">=", 125), None),
        (("success_rate", ">=", 1), None),
    ]
    assert [one.rate for one in made.acceptance.waivers] == [5]
    assert made.load.cases[0].find is not None
    assert [one.parts() for one in made.load.cases[0].find.limits] == [("tpot", "<=", 0.005), ("tps", ">=", 200)]


def test_a_row_that_no_server_keeps_is_told_before_anything_starts() -> None:
    """17 tok/s of one client is 512 tokens in 29 s; of four clients that take 78 s each it is not 60 tok/s."""
    rows = baselines.read(BASELINE.replace(b"26.32", b"60.00"), "baseline.csv")
    site, plan = prepared(
        "{input: 128, output: 512, concurrency: [1, 4]}, {input: 3k, output: 9, concurrency: [1]}", rows, 50
    )
    [found] = rehearsing.missed(site.load, rows, Behaviour(rows), plan, 50)
    assert found == Doubt(kind="caveat-missed-output_throughput", values=(("cases", "128-512-c4 (-56.1%)"),))
    for language in ("en", "zh-CN"):
        assert "128-512-c4 (-56.1%)" in doubt(language, found)
    assert not list(rehearsing.missed(site.load, ROWS, Behaviour(ROWS), plan, 50))


@pytest.mark.parametrize(
    ("written", "instead", "metric", "said"),
    [
        # 512 tokens in 28.94 s, the first after 2.38 s, are 19.24 tokens per second, and 17.69 of one stream.
        (b"17.27,17.69", b"27.27,17.69", "tps", "128-512-c1 (-29.4%)"),
        (b"17.27,17.69", b"17.27,27.69", "per_stream_throughput", "128-512-c1 (-36.1%)"),
    ],
)
def test_every_figure_of_a_row_is_held_against_its_times(
    written: bytes, instead: bytes, metric: str, said: str
) -> None:
    rows = baselines.read(BASELINE.replace(written, instead), "baseline.csv")
    site, plan = prepared("{input: 128, output: 512, concurrency: [1, 4]}", rows, 50)
    [found] = rehearsing.missed(site.load, rows, Behaviour(rows), plan, 50)
    assert found == Doubt(kind=f"caveat-missed-{metric}", values=(("cases", said),))
    assert said in doubt("en", found)
    assert said in doubt("zh-CN", found)


@pytest.mark.parametrize(
    ("share", "speed", "said"),
    [
        (0.08, 50, "weighs at --speed 50; at --speed 12 it would be about 2.0%"),
        (0.08, 2, "weighs at --speed 2; at --speed 1 it would be about 4.0%"),
        (
            0.08,
            1,
            "weighs at --speed 1; no speed is lower: end what else runs here, or rehearse on a machine with more",
        ),
    ],
)
def test_what_the_machine_takes_itself_is_told_with_what_helps(share: float, speed: float, said: str) -> None:
    assert said in rehearsing.told("128-512-c1", "tpot", share, speed)


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
    made = rehearsing.rehearsal(site, Behaviour(ROWS), 50.0, "/toy", "b.csv")
    again = profiles.alone(profiles.resolved(made).decode(), "again").profile
    assert again == made
    assert made.name == "site-rehearsal"
    assert made.report.rehearsal
    assert made.report.project == "演练（50 倍速）：项目"
    assert made.report.environment is None
    assert (made.report.model, made.report.model_label) == ("rehearsal", "rehearsal")
    assert made.machine.accelerator is None
    assert made.server.engine == "reference"
    assert made.server.image == f"{GENERATORS['evalscope'].IMAGE}/1.14.1"
    assert (made.server.mounts, made.server.env, made.server.container.cpuset) == ((), (), None)
    assert not made.load.trust_remote_code
    assert (made.load.tokenizer, made.load.cpuset, made.load.transport) == ("/toy", None, "precise")
    assert made.load.expanded() == site.load.expanded()
    assert made.load.rounds == site.load.rounds
    assert made.acceptance.tolerance == site.acceptance.tolerance


def test_a_rate_that_no_profile_may_ask_for_names_the_speed_that_it_allows(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(BASELINE)
    path = tmp_path / "site.yaml"
    path.write_text(
        PROFILE.replace("transport: evalscope", "transport: precise").replace("baselines/b.csv", "b.csv"), "utf-8"
    )
    cases = "load.cases=[{input: 128, output: 512, rate: 400, requests: 9}]"
    with pytest.raises(UsageError, match="400 requests per second come to 20000") as caught:
        rehearsing.prepare(str(path), [cases], tmp_path, speed=50)
    assert caught.value.hint == "--speed 25 or less"
