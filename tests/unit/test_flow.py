"""How requests lie in time, computed by hand and held against a count at every moment."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import flow
from kit.model import Case, Length, Sample
from kit.model.shapes import Shape, Turns


def case(concurrency: int, requests: int) -> Case:
    length = Length.model_validate(10)
    return Case(input=length, output=length, concurrency=concurrency, requests=requests)


def sent(*spans: tuple[float, float], ttfts: Sequence[float | None] = ()) -> list[Sample]:
    """Requests by when they were sent and when they were over."""
    return [
        Sample(
            index=index,
            succeeded=True,
            sent_s=begin,
            latency_s=end - begin,
            ttft_s=ttfts[index] if ttfts else None,
        )
        for index, (begin, end) in enumerate(spans)
    ]


def test_what_a_conversation_never_sent_was_never_under_way() -> None:
    whole = sent((0, 1), (0, 2), (1, 3))
    lost = Sample(index=3, succeeded=False, error="not sent", scheduled_s=2.0)
    conversations = case(2, 4).model_copy(update={"shape": Shape(turns=Turns(number=2))})
    assert flow.of(conversations, [*whole, lost]) == flow.of(conversations, whole)


def test_two_clients_that_send_twice_each() -> None:
    found = flow.of(case(2, 4), sent((0, 1), (0, 2), (1, 3), (2, 4), ttfts=(0.6, 0.4, 0.1, 0.2)))
    assert found is not None
    assert (found.mean, found.peak) == (7 / 4, 2)
    assert (found.burst, found.requests) == (2, 4)
    assert found.steady_mean == 2
    assert found.burst_ttfts_s == (0.6, 0.4)
    assert found.steady_ttfts_s == (0.1, 0.2)


def test_as_many_requests_as_clients_are_all_burst() -> None:
    found = flow.of(case(2, 4), sent((0, 4), (0.1, 2), (0.2, 3)))
    assert found is not None
    assert (found.burst, found.peak, found.steady_mean, found.steady_ttfts_s) == (3, 3, None, ())


def test_a_failed_request_takes_its_time_and_has_no_ttft() -> None:
    requests = sent((0, 1), (0, 2), ttfts=(0.5, 0.7))
    requests[1] = requests[1].model_copy(update={"succeeded": False})
    found = flow.of(case(2, 4), requests)
    assert found is not None
    assert (found.mean, found.burst_ttfts_s) == (1.5, (0.5,))


def test_a_request_that_was_never_sent_was_never_under_way() -> None:
    requests = [*sent((0, 1), (0, 2)), Sample(index=2, succeeded=False, error="cannot connect", scheduled_s=0.5)]
    found = flow.of(case(2, 3), requests)
    assert found is not None
    assert (found.mean, found.peak, found.requests) == (1.5, 2, 2)


def test_where_an_end_is_not_known_nothing_is_said() -> None:
    assert flow.of(case(2, 4), []) is None
    requests = sent((0, 1), (0, 2))
    assert flow.of(case(2, 4), [requests[0], requests[1].model_copy(update={"latency_s": None})]) is None
    assert list(flow.doubts(case(2, 2), [requests[1].model_copy(update={"latency_s": None})])) == []


def test_clients_that_were_never_all_at_work_are_told() -> None:
    [found] = flow.doubts(case(3, 4), sent((0, 1), (0, 1), (1, 2), (1, 2)))
    assert (found.kind, dict(found.values)) == ("concurrency-peak", {"peak": "2", "asked": "3"})


def test_fewer_requests_than_clients_are_told_and_not_blamed_on_the_client() -> None:
    [found] = flow.doubts(case(8, 2), sent((0, 1), (0, 1)))
    assert (found.kind, dict(found.values)) == ("concurrency-few", {"most": "2", "asked": "8"})
    talks = case(4, 6).model_copy(update={"shape": Shape(turns=Turns(number=3))})
    [found] = flow.doubts(talks, sent((0, 1), (0, 1), (1, 2), (1, 2), (2, 3), (2, 3)))
    assert (found.kind, dict(found.values)) == ("concurrency-few", {"most": "2", "asked": "4"})


def test_clients_that_paused_between_requests_are_told() -> None:
    """Two clients, each of which waits for half a second before it asks again."""
    paused = sent((0, 1), (0, 1), (1.5, 2.5), (1.5, 2.5), (3, 4), (3, 4))
    [found] = flow.doubts(case(2, 6), paused)
    assert (found.kind, dict(found.values)) == ("concurrency-mean", {"mean": "1.33", "asked": "2"})


def test_the_last_answers_of_a_round_are_no_pause() -> None:
    assert list(flow.doubts(case(2, 4), sent((0, 1), (0, 1), (1, 2), (1, 50)))) == []


spans = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 100)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    min_size=1,
    max_size=30,
)


@given(spans)
def test_what_is_under_way_is_what_a_count_at_every_moment_finds(drawn: list[tuple[int, int]]) -> None:
    found = flow.of(case(2, 4), sent(*drawn))
    assert found is not None
    begin, end = min(start for start, _ in drawn), max(over for _, over in drawn)
    counts = [sum(start <= moment < over for start, over in drawn) for moment in range(begin, end)]
    assert found.mean == pytest.approx(np.mean(counts))
    assert found.peak == max(counts)
    assert 1 <= found.burst <= found.requests == len(drawn)
