"""How a baseline says that its server behaves, from rows to the times of each case and to the means of its load."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import behaviour
from kit.behaviour import Behaviour, Times
from kit.legacy import baseline as baselines
from kit.model import Case, Figures, RoundPlan
from kit.model.rates import load_told
from kit.model.record import Length
from kit.model.result import Spread
from kit.model.table import Row
from tests.unit.planning import planned

HEAD = "input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s"


def rows(*lines: str) -> tuple[Row, ...]:
    return baselines.read("\n".join((HEAD, *lines)).encode(), "baseline.csv")


def case(tokens: int, output: int, load: str, requests: int = 8) -> Case:
    told = load_told(load)
    assert told is not None
    lengths = {"input": Length.model_validate(tokens), "output": Length.model_validate(output)}
    return Case.model_validate({**lengths, "requests": requests, **told})


def entry(cases: str) -> RoundPlan:
    [found, *_] = planned("load.rounds=1", "load.transport=precise", f"load.cases=[{{{cases}}}]").rounds
    return found


@pytest.mark.parametrize(
    ("line", "times"),
    [
        pytest.param(
            "128,11,1,3,,2,0.4", Times(2, 0.1), id="latency and TTFT tell more exactly than a TPOT of one digit"
        ),
        pytest.param("128,11,1,,,2,0.4", Times(2, 0.4), id="without latency the TPOT"),
        pytest.param(
            "128,11,4 (out \u00b150%),3,,2,0.2", Times(2, 0.2), id="a latency is of the lengths that were drawn"
        ),
        pytest.param("128,11,4 (out \u00b150%),3,,2,", Times(2, 0.1), id="the mean length where nothing else is known"),
        pytest.param("128,1,1,2,,2,", Times(2, 0.0), id="after one token nothing is waited for"),
        pytest.param("128,11,1,3,,,0.2", None, id="no TTFT"),
        pytest.param("128,11,1,,,2,", None, id="no time from token to token"),
    ],
)
def test_the_times_of_a_row(line: str, times: Times | None) -> None:
    [row] = rows(line)
    found = behaviour.times(row)
    assert (found is None) == (times is None)
    if found is not None and times is not None:
        assert (found.ttft_s, found.itl_s) == pytest.approx((times.ttft_s, times.itl_s))


SURFACE = rows("128,11,1,2.5,,2,", "128,11,4,7,,5,", "2000,11,1,20.6,,20,", "2000,11,2,31,,30,")


@pytest.mark.parametrize(
    ("asked", "times"),
    [
        pytest.param(case(128, 11, "4"), (5, 0.2), id="a case of the baseline"),
        pytest.param(case(128, 11, "2"), (3, 0.1), id="between two concurrencies"),
        pytest.param(case(1064, 11, "1"), (11, 0.055), id="between two lengths"),
        pytest.param(case(128, 11, "8"), (10, 0.4), id="more clients share what there was"),
        pytest.param(case(4000, 11, "1"), (40, 0.06), id="a longer prompt takes longer in proportion"),
        pytest.param(case(64, 11, "1"), (1, 0.05), id="a shorter one less"),
        pytest.param(case(1000, 1000, "1 (2 turns of 128)"), (16.03, 0.0583), id="a conversation's prompts grow"),
        pytest.param(case(128, 11, "0.1/s"), (2, 0.05), id="a rate at which one is under way"),
        pytest.param(case(128, 11, "0.5/s"), (3, 0.1), id="as many as come while one is answered: 0.5/s x 4 s"),
        pytest.param(case(128, 11, "9/s", requests=4), (5, 0.2), id="never more than are sent"),
    ],
)
def test_cases_that_the_baseline_has_not_lie_on_lines_between_its_own(asked: Case, times: tuple[float, float]) -> None:
    found = Behaviour(SURFACE).of(asked)
    assert (found.ttft_s, found.itl_s) == pytest.approx(times, rel=0.03)


def test_every_case_of_the_baseline_has_its_own_times_wherever_they_fall() -> None:
    """All of these are 128 tokens in, and four streams: one surface had to miss three of them."""
    lines = ("128,11,4,7,,5,", "128,21,4,9,,5.5,", "128,11,4 (prefix 100),3,,1,", "128,11,0.5/s,8,,4,")
    known = Behaviour(rows(*lines))
    assert [known.of(Case(**row_case(row), requests=8)).ttft_s for row in rows(*lines)] == [5, 5.5, 1, 4]
    assert known.of(case(128, 31, "4")).ttft_s == 5, "another case is like the plain one"


def row_case(row: Row) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("input", "output", "concurrency", "rate", "shape")}


def test_a_baseline_that_tells_no_times_is_none() -> None:
    with pytest.raises(ValueError, match="no case has TTFT"):
        Behaviour(rows("128,11,1,3,,,", "128,1,1,3,,3,"))


@given(
    st.dictionaries(st.tuples(st.integers(1, 9999), st.integers(1, 99)), st.tuples(st.floats(0.001, 99), st.floats(0.001, 9)), min_size=1),
    st.integers(1, 99_999),
    st.integers(1, 999),
)  # fmt: skip
def test_any_baseline_gives_times_for_any_case(
    known: dict[tuple[int, int], tuple[float, float]], length: int, clients: int
) -> None:
    lines = (f"{place[0]},2,{place[1]},,,{ttft:.9f},{itl:.9f}" for place, (ttft, itl) in known.items())
    found = Behaviour(rows(*lines))
    any_case = found.of(case(length, 2, str(clients)))
    assert any_case.ttft_s > 0
    assert 0 < any_case.itl_s <= max(itl for _, itl in known.values()) * max(1, clients) * (1 + 1e-9)
    for (tokens, at), times in known.items():
        own = found.of(case(tokens, 2, str(at)))
        assert (own.ttft_s, own.itl_s) == pytest.approx(times, rel=1e-5)


@pytest.mark.parametrize(
    ("cases", "latency", "throughput"),
    [
        pytest.param("input: 128, output: 11, concurrency: 4", 2, 4 * 11 / 2, id="a burst"),
        pytest.param("input: 128, output: 11, concurrency: 4, requests: 6", 2, 6 * 11 / 4, id="a last wave that is not full"),
        pytest.param("input: 128, output: 11, concurrency: 2, turns: 2, requests: 6", 2, 6 * 11 / 8, id="one client holds a conversation"),
        pytest.param("input: 128, output: 11, concurrency: 3, ramp: 1s", 2, 3 * 11 / 3, id="the last client begins when the ramp is over"),
        pytest.param("input: 128, output: 11, rate: {per_second: 2, arrivals: constant}, requests: 5", 2, 5 * 11 / 4, id="a rate"),
    ],
)  # fmt: skip
def test_what_a_load_comes_to(cases: str, latency: float, throughput: float) -> None:
    asked = entry(cases)
    found = dict(behaviour.figures(asked, Times(1.0, 0.1)))
    # A rate has no clients among which its throughput could be divided.
    assert found.pop("per_stream_throughput", None) == (
        pytest.approx(throughput / asked.case.concurrency) if asked.case.rate is None else None
    )
    assert found == pytest.approx(
        {"ttft": 1, "tpot": 0.1, "tps": 10, "latency": latency, "output_throughput": throughput}
    )


def test_drawn_lengths_are_those_that_will_be_sent() -> None:
    found = behaviour.figures(
        entry("input: 128, output: 100, concurrency: 2, requests: 4, lengths: {output: 50%}"), Times(0.0, 1.0)
    )
    again = behaviour.figures(
        entry("input: 128, output: 100, concurrency: 2, requests: 4, lengths: {output: 50%}"), Times(0.0, 1.0)
    )
    assert found == again
    assert 50 < found["latency"] + 1 < 150
    assert found["latency"] + 1 != 100


@pytest.mark.parametrize(
    ("line", "missed"),
    [
        pytest.param("128,11,4,2,22,1,0.1", {}, id="they agree"),
        pytest.param("128,11,4,2,22.4,1,0.1", {}, id="nearly"),
        pytest.param(
            "128,11,4,2,44,1,0.1", {"output_throughput": -0.5}, id="a throughput that such answers cannot have"
        ),
        pytest.param("128,11,4,2,,1,0.05", {"tpot": 0.1 / 0.055 - 1}, id="a TPOT of other answers"),
        pytest.param("128,11,4,2,,1,0.1", {}, id="written with one digit"),
        pytest.param("128,11,4,2,11,1,0.15", {}, id="better is none the worse"),
    ],
)
def test_a_row_whose_figures_do_not_go_together_is_missed_by_so_much(line: str, missed: dict[str, float]) -> None:
    [row] = rows(line)
    found = behaviour.figures(entry("input: 128, output: 11, concurrency: 4"), Times(1.0, 0.1))
    assert dict(behaviour.missed(row, found)) == pytest.approx(missed, abs=1e-4)


@pytest.mark.parametrize(
    ("ttft", "tpot", "throughput", "told"),
    [
        pytest.param(5.05, 0.203, 6.2, None, id="nearly"),
        pytest.param(4.0, 0.1, 9.0, None, id="better is none the worse"),
        pytest.param(5.2, 0.23, 6.2, ("128-11-c4", "tpot", 0.15), id="the worst figure"),
        pytest.param(5.2, 0.2, 5.5, ("128-11-c4", "output_throughput", 5.5 * 7 / 44 - 1), id="between two requests"),
    ],
)
def test_what_the_machine_takes_itself(
    ttft: float, tpot: float, throughput: float, told: tuple[str, str, float] | None
) -> None:
    def spread(mean: float) -> Spread:
        return Spread(count=8, mean=mean, p50=mean, p90=mean, p99=mean, maximum=mean)

    found = Figures(requests=4, succeeded=4, ttft_s=spread(ttft), tpot_s=spread(tpot), output_throughput=throughput)
    calm = found.model_copy(update={"ttft_s": spread(2), "tpot_s": spread(0.05), "output_throughput": 4.4})
    measured = [(entry(f"input: 128, output: 11, concurrency: {at}"), of) for at, of in ((1, calm), (4, found))]
    slowed = behaviour.slowed(measured, Behaviour(SURFACE))
    assert (slowed and slowed[:2]) == (told and told[:2])
    if slowed is not None and told is not None:
        assert slowed[2] == pytest.approx(told[2])
