"""Every figure, computed by hand."""

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import stats
from kit.model import Case, Doubt, Length, NativeSummary, Sample, Spread, percentiles

CASE = Case(input=Length.model_validate(10), output=Length.model_validate(5), concurrency=2, requests=4)


def good(index: int, sent_s: float, latency_s: float, ttft_s: float, /, **more: object) -> Sample:
    """A request that went as asked: 10 tokens in, 5 out."""
    return Sample.model_validate(
        {
            "index": index,
            "succeeded": True,
            "sent_s": sent_s,
            "latency_s": latency_s,
            "ttft_s": ttft_s,
            "gaps_s": (0.1, 0.1, 0.1, 0.1),
            "input_tokens": 10,
            "output_tokens": 5,
            "tokens_from": "usage",
            "finish_reason": "length",
            **more,
        }
    )


def failed(index: int, sent_s: float, ended_after_s: float | None, error: str | None = "HTTP 500: no") -> Sample:
    """A request that came to nothing, with all that such a request may still carry."""
    return Sample(
        index=index,
        succeeded=False,
        error=error,
        sent_s=sent_s,
        latency_s=ended_after_s,
        ttft_s=100.0,
        gaps_s=(100.0,),
        input_tokens=1000,
        output_tokens=1000,
        finish_reason="stop",
    )


# Four requests in two waves: sent at 0, 0, 1 and 2, answered at 1, 2, 3 and 4.
SAMPLES = (good(0, 0, 1, 0.6), good(1, 0, 2, 0.4), good(2, 1, 2, 0.8), good(3, 2, 2, 1.0))


def doubts(samples: Sequence[Sample], native: NativeSummary | None = None) -> list[Doubt]:
    return list(stats.doubts(CASE, samples, stats.figures(CASE, samples), native or NativeSummary()))


def kinds(samples: Sequence[Sample], native: NativeSummary | None = None) -> list[str]:
    return [doubt.kind for doubt in doubts(samples, native)]


def test_answers_that_end_long_after_their_last_text_are_told() -> None:
    """Half a second of waiting for `usage`, which five tokens that took half a second share."""
    late = [good(index, 0, 1.2, 0.2, last_text_s=0.7) for index in range(2)]
    [found] = [doubt for doubt in doubts(late) if doubt.kind == "answer-tail"]
    assert dict(found.values) == {"tail": "0.5", "share": "50.0%"}
    for tail in (0.004, 0.019):
        assert "answer-tail" not in kinds([good(index, 0, 1.2, 0.2, last_text_s=1.2 - tail) for index in range(2)])
    assert "answer-tail" not in kinds([good(0, 0, 1.2, 0.2)])


# --- figures -----------------------------------------------------------------------------------------------------


def test_every_figure_of_a_round_is_what_a_hand_computes() -> None:
    found = stats.figures(CASE, SAMPLES)
    assert (found.requests, found.succeeded, found.failures) == (4, 4, ())
    assert found.latency_s is not None
    assert found.latency_s.mean == pytest.approx(7 / 4)
    assert (found.latency_s.count, found.latency_s.maximum) == (4, 2)
    assert found.ttft_s is not None
    assert found.ttft_s.mean == pytest.approx(0.7)
    # (1 - 0.6)/4, (2 - 0.4)/4, (2 - 0.8)/4, (2 - 1)/4
    assert found.tpot_s is not None
    assert found.tpot_s.mean == pytest.approx((0.1 + 0.4 + 0.3 + 0.25) / 4)
    assert found.tps == pytest.approx(1 / 0.2625)
    assert found.itl_s is not None
    assert found.itl_s.count == 16
    assert found.itl_s.mean == pytest.approx(0.1)
    assert found.window_s == 4
    assert found.output_throughput == pytest.approx(20 / 4)
    assert found.per_stream_throughput == pytest.approx(20 / 4 / 2)
    assert found.finish_reasons == (("length", 4),)
    assert found.input_tokens is not None
    assert found.input_tokens.mean == 10


def test_the_original_reports_first_row_follows_from_its_definitions() -> None:
    """128 in, 512 out, one client: 28.94 s, TTFT 2.38 s give 17.69 tok/s and a TPOT of 0.052 s."""
    case = Case(input=Length.model_validate(128), output=Length.model_validate(512), concurrency=1, requests=1)
    found = stats.figures(case, [good(0, 0, 28.94, 2.38, input_tokens=128, output_tokens=512)])
    assert found.output_throughput == pytest.approx(17.69, abs=0.005)
    assert found.per_stream_throughput == found.output_throughput
    assert found.tpot_s is not None
    assert found.tpot_s.mean == pytest.approx((28.94 - 2.38) / 511)


def test_a_failed_request_enters_no_figure() -> None:
    clean = stats.figures(CASE, SAMPLES)
    found = stats.figures(CASE, (*SAMPLES, failed(4, 0.5, 0.5)))
    assert (found.requests, found.succeeded) == (5, 4)
    assert [(failure.reason, failure.requests) for failure in found.failures] == [("HTTP 500: no", 1)]
    for name in ("latency_s", "ttft_s", "tpot_s", "itl_s", "input_tokens", "output_tokens", "tps", "finish_reasons"):
        assert getattr(found, name) == getattr(clean, name), name
    assert found.output_throughput == clean.output_throughput


def test_the_time_that_failed_requests_took_belongs_to_the_window() -> None:
    found = stats.figures(CASE, (*SAMPLES, failed(4, 3, 5)))
    assert found.window_s == 8
    assert found.output_throughput == pytest.approx(20 / 8)
    first = stats.figures(CASE, (failed(9, 0, 1), *(good(index, 2, 2, 1) for index in range(4))))
    assert first.window_s == 4


def test_failures_are_counted_by_reason_the_most_frequent_first() -> None:
    samples = (failed(0, 0, 1, "b"), failed(1, 0, 1, "a"), failed(2, 0, 1, "a"), failed(3, 0, 1, None))
    found = stats.figures(CASE, samples)
    assert [(failure.reason, failure.requests) for failure in found.failures] == [("a", 2), ("b", 1), ("unknown", 1)]


def test_where_nothing_succeeded_there_is_no_figure_and_no_zero() -> None:
    found = stats.figures(CASE, [failed(0, 0, 1), failed(1, 0, 2)])
    values = found.model_dump(exclude={"requests", "succeeded", "failures", "window_s", "finish_reasons"})
    assert found.succeeded == 0
    assert set(values.values()) == {None}


def test_what_was_not_measured_never_becomes_zero() -> None:
    bare = Sample(index=0, succeeded=True)
    values = stats.figures(CASE, [bare]).model_dump(exclude={"requests", "succeeded", "failures", "finish_reasons"})
    assert set(values.values()) == {None}


def test_a_mean_is_over_what_was_measured_and_says_how_many_that_were() -> None:
    found = stats.figures(CASE, [good(0, 0, 2, 1), good(1, 0, 4, 1, ttft_s=None)])
    assert found.ttft_s is not None
    assert (found.ttft_s.count, found.ttft_s.mean) == (1, 1)
    assert found.latency_s is not None
    assert (found.latency_s.count, found.latency_s.mean) == (2, 3)


def test_throughput_is_unknown_when_the_tokens_of_one_answer_are() -> None:
    found = stats.figures(CASE, [*SAMPLES, good(4, 0, 1, 0.5, output_tokens=None)])
    assert found.output_throughput is None
    assert found.per_stream_throughput is None


@pytest.mark.parametrize("tokens", [0, 1, None])
def test_an_answer_of_one_token_has_no_time_per_further_token(tokens: int | None) -> None:
    assert stats.tpot_s(good(0, 0, 1, 0.5, output_tokens=tokens)) is None


@pytest.mark.parametrize("missing", ["latency_s", "ttft_s", "output_tokens"])
def test_time_per_token_needs_all_its_parts(missing: str) -> None:
    assert stats.tpot_s(good(0, 0, 1, 0.5, **{missing: None})) is None


def test_a_window_needs_an_answer() -> None:
    assert stats.window_s([]) is None
    assert stats.window_s([good(0, 0, 1, 0.5, latency_s=None)]) is None
    assert stats.window_s([good(0, 0, 0, 0)]) is None


def test_per_stream_throughput_divides_by_the_clients_not_by_the_requests() -> None:
    many = CASE.model_copy(update={"concurrency": 4})
    found = stats.figures(many, SAMPLES)
    assert found.per_stream_throughput == pytest.approx(5 / 4)


seconds = st.floats(1e-6, 1e5)


@given(st.lists(seconds, min_size=1, max_size=60), st.sampled_from([0, 1, 25, 50, 75, 90, 95, 99, 99.9, 100]))
def test_percentiles_are_those_of_numpy(values: list[float], percent: float) -> None:
    expected = float(np.percentile(np.array(values), percent))
    assert stats.percentile(sorted(values), percent) == pytest.approx(expected, rel=1e-12)


@given(st.lists(seconds, min_size=1, max_size=800))
def test_a_spread_lies_between_its_ends_in_order(values: list[float]) -> None:
    found = stats.spread(values)
    assert found is not None
    assert found.mean == pytest.approx(float(np.mean(values)), rel=1e-9)
    given = [value for value in (found.p50, found.p90, found.p99) if value is not None]
    assert len(given) == sum(len(values) >= fewest for fewest in percentiles.FEWEST.values())
    assert [min(values), *given, found.maximum] == sorted([min(values), *given, max(values)])


def test_what_was_stored_of_too_few_samples_is_no_percentile() -> None:
    """As earlier versions stored it: nothing that is printed holds it, and the keys and the count stay."""
    stored = '{"count": 120, "mean": 1.0, "p50": 1.0, "p90": 2.0, "p99": 3.0, "maximum": 3.0}'
    assert Spread.model_validate_json(stored).model_dump() == {
        "count": 120,
        "mean": 1.0,
        "p50": 1.0,
        "p90": 2.0,
        "p99": None,
        "maximum": 3.0,
    }


@pytest.mark.parametrize(("percent", "expected"), [(50, 11), (90, 64), (99, 662)])
def test_a_percentile_takes_as_many_samples_as_put_two_beyond_it(percent: int, expected: int) -> None:
    """Told by the binomial distribution: at most one of the samples lies beyond it in one of a hundred tests."""
    share = percent / 100

    def at_most_one_beyond(count: int) -> float:
        return sum(math.comb(count, k) * (1 - share) ** k * share ** (count - k) for k in (0, 1))

    assert percentiles.fewest(percent) == percentiles.FEWEST[f"p{percent}"] == expected
    assert at_most_one_beyond(expected) <= 0.01 < at_most_one_beyond(expected - 1)


def test_a_spread_of_nothing_is_none() -> None:
    assert stats.spread([]) is None
    assert stats.spread([None, None]) is None


@given(
    st.lists(st.tuples(seconds, seconds, st.floats(0, 1), st.integers(2, 5000)), min_size=1, max_size=20), st.randoms()
)
def test_the_order_of_requests_changes_no_figure(
    requests: list[tuple[float, float, float, int]], random: Random
) -> None:
    samples = [
        good(index, sent, latency, latency * part, output_tokens=tokens)
        for index, (sent, latency, part, tokens) in enumerate(requests)
    ]
    shuffled = list(samples)
    random.shuffle(shuffled)
    assert stats.figures(CASE, shuffled) == stats.figures(CASE, samples)


def test_a_mean_over_rounds_hides_no_hole() -> None:
    assert stats.mean([1.0, 2.0]) == 1.5
    assert stats.mean([1.0, None]) is None
    assert stats.mean([]) is None
    assert stats.mean([0.0, 0.0]) == 0.0


# --- doubts ------------------------------------------------------------------------------------------------------


def agreeing(**changed: float) -> NativeSummary:
    """What a load generator says that computes as kit does."""
    found = stats.figures(CASE, SAMPLES)
    assert found.latency_s is not None
    assert found.ttft_s is not None
    assert found.tpot_s is not None
    values = {
        "latency_s": found.latency_s.mean,
        "ttft_s": found.ttft_s.mean,
        "tpot_s": found.tpot_s.mean,
        "output_throughput": found.output_throughput,
        "requests": 4,
        "succeeded": 4,
        **changed,
    }
    return NativeSummary.model_validate(values)


def test_clean_requests_raise_no_doubt() -> None:
    assert doubts(SAMPLES, agreeing()) == []
    assert doubts(SAMPLES) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(
            {"output_tokens": 4},
            Doubt(kind="output-tokens", values=(("count", "1"), ("of", "4"), ("asked", "5"), ("measured", "4"))),
            id="fewer tokens than asked",
        ),
        pytest.param(
            {"input_tokens": 13},
            Doubt(kind="input-tokens", values=(("count", "1"), ("of", "4"), ("asked", "10"), ("measured", "13"))),
            id="a longer prompt than asked",
        ),
        pytest.param(
            {"output_tokens": None}, Doubt(kind="output-tokens-unknown", values=(("count", "1"),)), id="unknown output"
        ),
        pytest.param(
            {"input_tokens": None}, Doubt(kind="input-tokens-unknown", values=(("count", "1"),)), id="unknown input"
        ),
        pytest.param(
            {"tokens_from": "tokenizer"}, Doubt(kind="no-usage", values=(("count", "1"), ("of", "4"))), id="no usage"
        ),
        pytest.param(
            {"finish_reason": "stop"}, Doubt(kind="finish", values=(("reasons", "1 x stop"),)), id="stopped early"
        ),
        pytest.param(
            {"finish_reason": None}, Doubt(kind="finish", values=(("reasons", "1 x none"),)), id="no finish reason"
        ),
    ],
)
def test_what_is_odd_about_one_request_is_told(change: dict[str, object], expected: Doubt) -> None:
    odd = SAMPLES[3].model_copy(update=change)
    assert doubts((*SAMPLES[:3], odd)) == [expected]


def test_prompts_that_came_from_a_cache_are_told() -> None:
    hit = SAMPLES[3].model_copy(update={"cached_tokens": 8})
    none = SAMPLES[2].model_copy(update={"cached_tokens": 0})
    [found] = doubts((*SAMPLES[:2], none, hit))
    assert (found.kind, dict(found.values)) == ("cached-tokens", {"count": "1", "of": "4", "tokens": "8"})


def test_deviating_token_counts_are_told_with_their_range() -> None:
    samples = (SAMPLES[0], good(1, 0, 2, 1, output_tokens=3), good(2, 0, 2, 1, output_tokens=9))
    [found] = doubts(samples)
    assert dict(found.values) == {"count": "2", "of": "3", "asked": "5", "measured": "3–9"}


def test_failed_requests_are_told_and_raise_no_other_doubt() -> None:
    [found] = doubts((*SAMPLES, failed(4, 0, 1)))
    assert (found.kind, dict(found.values)) == ("failed", {"count": "1", "of": "5", "reason": "HTTP 500: no"})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("latency_s", 1.75 * 1.0099, False),
        ("latency_s", 1.75 * 1.0101, True),
        ("latency_s", 1.75 * 0.9901, False),
        ("latency_s", 1.75 * 0.9899, True),
        ("ttft_s", 0.7 * 1.0101, True),
        ("tpot_s", 0.2625 * 1.0101, True),
        ("output_throughput", 5 * 1.0099, False),
        ("output_throughput", 5 * 1.0101, True),
        ("succeeded", 4, False),
        ("succeeded", 3, True),
    ],
)
def test_a_summary_that_differs_by_more_than_one_percent_is_told(name: str, value: float, told: bool) -> None:
    kind = "readings-" + {"output_throughput": "throughput"}.get(name, name.removesuffix("_s"))
    assert kinds(SAMPLES, agreeing(**{name: value})) == ([kind] if told else [])


def test_a_differing_summary_is_told_with_both_values() -> None:
    [found] = doubts(SAMPLES, agreeing(output_throughput=6.0))
    assert dict(found.values) == {"difference": "+20.0%", "other": "6", "own": "5"}


def test_a_time_rounded_by_the_load_generator_does_not_differ() -> None:
    tiny = [good(0, 0, 0.00204, 0.001, output_tokens=5)]  # a TPOT of 0.00026 s
    rounded = NativeSummary(tpot_s=0.0003, step_s=1e-4)
    assert kinds(tiny, rounded) == []
    assert kinds(tiny, rounded.model_copy(update={"step_s": 0.0})) == ["readings-tpot"]
    assert kinds(tiny, rounded.model_copy(update={"tpot_s": 0.0004})) == ["readings-tpot"]


def test_a_summary_that_says_nothing_raises_no_doubt() -> None:
    assert doubts([failed(0, 0, 1)], NativeSummary(latency_s=1.0))[0].kind == "failed"
    assert kinds([failed(0, 0, 1)], NativeSummary(latency_s=1.0)) == ["failed"]


def test_tokens_that_cannot_belong_to_the_chunks_are_told() -> None:
    def told(*pairs: tuple[int, int]) -> dict[str, dict[str, str]]:
        sent = [
            one.model_copy(update={"output_tokens": tokens, "texts": texts, "tokens_from": "usage"})
            for one, (tokens, texts) in zip(SAMPLES, pairs, strict=False)
        ]
        return {found.kind: dict(found.values) for found in doubts(sent) if "chunk" in found.kind}

    assert told((128, 128), (128, 127), (128, 120)) == {}
    assert told((128, 128), (127, 128)) == {"usage-below-chunks": {"count": "1", "of": "2"}}
    assert told((128, 64), (128, 64)) == {"tokens-per-chunk": {"tokens": "2.00"}}
