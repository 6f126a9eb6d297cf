"""The instrument's error: the load path's figures beside what the reference server recorded."""

import json
from pathlib import Path

import pytest

from kit import calibration, profile, trials
from kit.errors import UsageError
from kit.legacy import baseline
from kit.model import Case, Length, Sample
from kit.workflows import calibrating
from tests.unit.world import PROFILE, World

CASE = Case(input=Length.model_validate(8), output=Length.model_validate(3), concurrency=2, requests=2)


def line(number: int, received_s: float, *sent_s: float, late_s: float = 0.0, ended: str = "done") -> str:
    sent = [int(at * 1e9) for at in sent_s]
    due = [at - int(late_s * 1e9) for at in sent]
    told = {"number": number, "received_ns": int(received_s * 1e9), "sent_ns": sent, "due_ns": due, "ended": ended}
    return json.dumps({**told, "tokens_sent": len(sent)})


RECORD = (
    line(0, 0.5, 0.6, 0.7, 0.8),
    line(1, 1.0, 1.1, 1.2, 1.3, late_s=0.0001),
    line(2, 1.0, 1.2, 1.3, 1.4),
    line(3, 1.0, 1.2, ended="reset"),
)


def sample(index: int, ttft_s: float, latency_s: float) -> Sample:
    return Sample(
        index=index, succeeded=True, sent_s=0.0, ttft_s=ttft_s, latency_s=latency_s, output_tokens=3, input_tokens=8
    )


def test_the_truth_is_of_the_requests_that_were_answered_whole() -> None:
    found = calibration.truth(RECORD)
    assert (found.requests, found.tokens) == (2, 6)
    assert found.values == pytest.approx(
        {"ttft": 0.15, "ttft_p99": 0.199, "tpot": 0.1, "latency": 0.35, "throughput": 6 / 0.4}
    )
    assert 0 < found.late_p99_s <= 0.000101
    with pytest.raises(ValueError, match="tells of no request"):
        calibration.truth(RECORD[:1])


def test_an_error_is_a_share_of_the_truth() -> None:
    true = calibration.truth(RECORD)
    exact = calibration.error(CASE, [sample(0, 0.1, 0.3), sample(1, 0.2, 0.4)], true)
    assert [exact.share(metric) for metric in calibration.METRICS] == pytest.approx([0.0] * 5, abs=1e-9)
    late = calibration.error(CASE, [sample(0, 0.115, 0.3), sample(1, 0.2, 0.4)], true)
    assert late.share("ttft") == pytest.approx(0.05)
    found = calibration.over([exact, late, late], "ttft")
    assert found is not None
    assert (found.median, found.least, found.most) == pytest.approx((0.05, 0.0, 0.05), abs=1e-9)
    assert calibration.over([exact], "none") is None
    with pytest.raises(ValueError, match="1 of 2 requests succeeded"):
        calibration.error(CASE, [sample(0, 0.1, 0.3)], true)


def test_a_profile_is_tried_at_the_times_of_its_baseline() -> None:
    loaded = profile.load("ascend-910b4x2-deepseek-r1-w8a8")
    assert loaded.baseline is not None
    found = calibrating.expected(loaded.profile.load, baseline.read(loaded.baseline, "baseline.csv"))
    assert [point.concurrency for point in found] == [16, 8, 4, 2, 1]
    assert all(point.asked_ttft_s <= trials.LONGEST_TTFT_S for point in found)
    assert found[-1].asked_itl_s == pytest.approx(0.0538, rel=0.3), "of its quickest case"
    smoke = calibrating.expected(profile.load("smoke").profile.load, ())
    assert [(point.asked_ttft_s, point.asked_itl_s) for point in smoke] == [(0.1, 0.01)] * 3


def test_of_a_search_the_loads_that_come_first_are_tried_and_rates_as_they_are() -> None:
    find = "{input: 128, output: 8, find: {concurrency: 48, limits: [ttft <= 1 s]}}"
    rates = "{input: 128, output: 8, rate: [2, 40], requests: 100}"
    load = profile.load("smoke", [f"load.cases=[{find}, {rates}]", "load.requests_per_client=3"]).profile.load
    found = calibrating.expected(load, ())
    assert [point.load for point in found] == ["48", "32", "16", "8", "40/s", "4", "2", "2/s", "1"]
    assert {point.load: point.requests for point in found if point.rate or point.concurrency == 8} == {
        "8": 16,
        "2/s": 4,
        "40/s": 80,
    }


def test_a_run_is_tried_at_the_times_that_it_measured(tmp_path: Path) -> None:
    world = World(tmp_path)
    with pytest.raises(UsageError, match="has no round with TTFT and TPOT"):
        calibrating.wanted(str(kept(world)), ())
    world.execute()
    found = calibrating.wanted(str(world.run.path), ())
    assert found.load.cases[0].concurrency == (1, 2)
    figures = [result.figures for result in world.run.results(world.plan)]
    tpots = [one.tpot_s.mean for one in figures if one.tpot_s is not None]
    assert [(point.concurrency, point.asked_itl_s) for point in found.points] == [
        (2, min(tpots[2:])),
        (1, min(tpots[:2])),
    ]
    with pytest.raises(UsageError, match="--set is for profiles"):
        calibrating.wanted(str(world.run.path), ["load.rounds=2"])


def test_what_is_sent_over_tls_is_tried_over_tls() -> None:
    asked = ["server.model=m", "load.tokenizer=/t"]
    for url, secure in (("https://host:8443", True), ("http://host:8001", False)):
        assert calibrating.wanted("external", [f"server.url={url}", *asked]).secure is secure
    assert not calibrating.wanted("smoke", ()).secure


def kept(world: World) -> Path:
    """The directory of its run, with what is planned in it."""
    (world.run.path / "plan.json").write_bytes(world.plan.to_json())
    (world.run.path / "profile.yaml").write_text(PROFILE)
    return world.run.path
