"""The instrument's error: the load path's figures beside what the reference server recorded."""

import json

import pytest

from kit import calibration, profile
from kit.legacy import baseline
from kit.model import Case, Length, Sample
from kit.workflows import calibrating

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
    assert calibration.median([exact, late, late], "ttft") == pytest.approx(0.05)
    assert calibration.span([exact, late], "ttft") == pytest.approx((0.0, 0.05), abs=1e-9)
    with pytest.raises(ValueError, match="1 of 2 requests succeeded"):
        calibration.error(CASE, [sample(0, 0.1, 0.3)], true)


def test_a_profile_is_tried_at_the_times_of_its_baseline() -> None:
    loaded = profile.load("ascend-910b4x2-deepseek-r1-w8a8")
    assert loaded.baseline is not None
    found = calibrating.points(loaded.profile.load, baseline.read(loaded.baseline, "baseline.csv"))
    assert [point.concurrency for point in found] == [1, 2, 4, 8, 16]
    assert all(point.expected and point.ttft_s <= calibrating.LONGEST_TTFT_S for point in found)
    assert all(point.itl_s * point.tokens <= calibrating.LONGEST_ROUND_S for point in found)
    assert found[0].itl_s == pytest.approx(0.0538, rel=0.3)
    smoke = calibrating.points(profile.load("smoke").profile.load, ())
    assert [(point.ttft_s, point.itl_s, point.expected) for point in smoke] == [(0.1, 0.01, False)] * 3
