"""Open loops: what a profile may say, when requests are sent, from when their clocks run, and what a report tells of it."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import clocks, estimate, profile, renderers, stats
from kit.errors import ProfileError
from kit.instrument import arrivals
from kit.instrument.arrivals import Clock
from kit.legacy import tables
from kit.model import Case, Length, RoundPlan, Sample
from kit.model.acceptance import Where
from kit.model.rates import Rate, labelled
from kit.signing import rereading
from tests.unit.planning import planned
from tests.unit.written import PROFILE, Written, sample

RATES = "load.cases=[{input: 2k, output: 512, rate: %s}]"
CLOCKS = st.builds(
    Clock,
    st.floats(0.01, 1000),
    st.sampled_from(("poisson", "constant")),
    st.integers(1, 20),
    st.integers(0, 2**31),
)


def cases(written: str, *settings: str) -> tuple[Case, ...]:
    loaded = profile.parse(PROFILE, "p.yaml", [RATES % written, "load.transport=precise", *settings])
    again = profile.alone(profile.resolved(loaded.profile).decode(), "again")
    assert again.profile == loaded.profile, "as it is stored, it is the same profile"
    return loaded.profile.load.expanded()


def case(rate: Rate | None, requests: int = 4, concurrency: int = 40) -> Case:
    length = Length.model_validate(10)
    return Case(input=length, output=length, concurrency=concurrency, rate=rate, requests=requests)


# --- the profile -------------------------------------------------------------------------------------------------


def test_several_rates_make_several_cases() -> None:
    found = cases("[0.5, {per_second: [4, 8], arrivals: constant, burst: 2}], requests: [10, 20, 30]")
    assert [one.id for one in found] == ["2k-512-r0.5", "2k-512-r4-constant-x2", "2k-512-r8-constant-x2"]
    assert [one.load for one in found] == ["0.5/s", "4/s constant x2", "8/s constant x2"]
    assert [one.requests for one in found] == [10, 20, 30]
    assert [one.concurrency for one in found] == [5, 40, 80], "connections for ten seconds"
    assert [one.requests for one in cases("[1, 2], requests: 7")] == [7, 7]


def test_a_rate_and_a_concurrency_of_the_same_lengths_are_two_cases() -> None:
    closed = "{input: 2k, output: 512, concurrency: 40}"
    found = cases(f"4, requests: 9}}, {closed}, {{input: 2k, output: 512, rate: 8, requests: 1")
    assert [one.key[2] for one in found] == ["4/s", 40, "8/s"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("4", "requests: a rate needs a number of requests"),
        ("4, concurrency: 8, requests: 9", "give either concurrency or rate"),
        ("4, requests: [1, 2]", "2 numbers of requests for 1 rates"),
        ("4, requests: 2000000", "at most 1000000"),
        ("[4, 4.0], requests: 9", "the case 2k-512-r4 stands here twice"),
        ("4, requests: 9, find: {concurrency: 64, limits: [ttft <= 2 s]}", "requests: a search sends as many"),
        ("fast, requests: 9", "expected requests per second such as 4"),
        ("{per_second: 4, arrivals: sometimes}, requests: 9", "'poisson' or 'constant'"),
        ("{per_second: 4, bursts: 2}, requests: 9", "did you mean 'burst'?"),
        ("0, requests: 9", "greater than or equal to 0.001"),
        ("[], requests: 9", "is empty"),
    ],
)
def test_what_is_no_rate_is_told(written: str, said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        cases(written)
    assert any(said in f"{one.what} {one.hint}" for one in refused.value.problems), refused.value.problems


@pytest.mark.parametrize(
    ("rate", "version", "said"),
    [
        ("{per_second: 4, arrivals: constant}", "1.14.1", "by chance only"),
        ("{per_second: 4, burst: 2}", "1.0.1", "by chance only"),
        ("0.5", "1.0.1", "whole numbers"),
    ],
)
def test_what_evalscope_cannot_send_by_itself_is_refused_with_a_remedy(rate: str, version: str, said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        cases(f"{rate}, requests: 9", "load.transport=evalscope", f"load.version={version}")
    (problem,) = refused.value.problems
    assert said in problem.what
    assert problem.hint == "use load.transport: precise"


@given(st.floats(0.001, 10_000), st.sampled_from(("poisson", "constant")), st.integers(1, 1000))
def test_a_label_is_read_back_as_the_rate_that_has_it(per_second: float, arrivals: str, burst: int) -> None:
    rate = Rate.model_validate({"per_second": per_second, "arrivals": arrivals, "burst": burst})
    again = labelled(rate.label)
    assert again is not None
    assert again.label == rate.label
    assert again.per_second == pytest.approx(per_second, rel=1e-5)
    assert labelled("4") is labelled("4 req/s") is None


def test_a_limit_may_be_for_one_rate() -> None:
    (key, other, closed) = (case(Rate(per_second=4)).key, case(Rate(per_second=40)).key, case(None).key)
    assert [Where(rate=4).fits(one) for one in (key, other, closed)] == [True, False, False]
    assert [Where(concurrency=40).fits(one) for one in (key, other, closed)] == [False, False, True]


# --- the schedule ------------------------------------------------------------------------------------------------


@given(CLOCKS, st.integers(1, 300))
def test_a_schedule_begins_at_once_and_is_the_same_for_the_same_seed(clock: Clock, count: int) -> None:
    times = clock.times(count, 1).at_s
    assert len(times) == count
    assert times[0] == 0
    assert list(times) == sorted(times)
    assert times == clock.times(count, 1).at_s == clock.times(count + 7, 1).at_s[:count]


@given(CLOCKS, st.integers(1, 300))
def test_bursts_are_whole_and_apart(clock: Clock, count: int) -> None:
    times = clock.times(count, 1).at_s
    sizes = [times.count(at) for at in dict.fromkeys(times)]
    assert set(sizes[:-1]) <= {clock.burst}
    assert sizes[-1] <= clock.burst


@given(st.floats(0.01, 1000), st.integers(1, 20), st.integers(1, 300))
def test_at_equal_distances_no_error_adds_up(per_second: float, burst: int, count: int) -> None:
    times = Clock(per_second, "constant", burst).times(count, 1).at_s
    assert times == tuple(number // burst * (burst / per_second) for number in range(count))


@pytest.mark.parametrize("burst", [1, 5])
def test_by_chance_the_rate_is_kept_on_average_and_the_distances_spread_as_they_should(burst: int) -> None:
    distances: list[float] = []
    for seed in range(20):
        times = dict.fromkeys(Clock(4, "poisson", burst, seed).times(1000 * burst, 1).at_s)
        ordered = list(times)
        distances += [later - earlier for earlier, later in pairwise(ordered)]
    mean = sum(distances) / len(distances)
    # 20,000 distances: the mean is known to 0.7 %, and of an exponential the deviation is the mean.
    assert mean == pytest.approx(burst / 4, rel=0.03)
    assert (sum((one - mean) ** 2 for one in distances) / len(distances)) ** 0.5 == pytest.approx(mean, rel=0.05)


def test_other_seeds_give_other_schedules() -> None:
    assert len({Clock(4, "poisson", 1, seed).times(5, 1) for seed in range(100)}) == 100


# --- what is sent ------------------------------------------------------------------------------------------------


def option(entry: RoundPlan, name: str) -> str | None:
    words = entry.program.argv
    return words[words.index(name) + 1] if name in words else None


def test_the_sender_is_told_the_schedule_and_evalscope_only_what_to_send() -> None:
    found = planned(RATES % "{per_second: 4, arrivals: constant, burst: 2}, requests: 100", "load.transport=precise")
    first, second = found.rounds
    assert [option(first, name) for name in ("--per-second", "--arrivals", "--burst")] == ["4", "constant", "2"]
    assert [option(entry, "--arrivals-seed") for entry in (first, second)] == ["42", "43"], "each round its own"
    assert (option(first, "--parallel"), option(first, "--number"), option(first, "--rate")) == ("40", "100", None)
    clock, rest = arrivals.told(first.program.argv[3:])
    assert clock == Clock(4, "constant", 2, 42)
    assert rest == [*first.program.argv[11:]]
    assert arrivals.told(rest) == (None, rest)


def test_evalscope_by_itself_is_given_its_own_options() -> None:
    old = planned(RATES % "4, requests: 100", "load.transport=evalscope").rounds[0]
    assert [option(old, name) for name in ("--parallel", "--rate", "--number")] == ["100", "4", "100"]
    new = planned(RATES % "0.5, requests: 100", "load.transport=evalscope", "load.version=1.14.1").rounds[0]
    assert [option(new, name) for name in ("--parallel", "--rate", "--number")] == [None, "0.5", "100"]
    assert "--open-loop" in new.program.argv


def test_a_run_takes_as_long_as_it_sends_and_then_the_last_answer() -> None:
    found = planned(RATES % "4, requests: 100", "load.transport=precise")
    known = estimate.known(found.rounds[0].case, 20.0, 2.0)
    assert known.clients == 80
    assert estimate.seconds(found.rounds, (known,), 1.0) == 2 * (100 / 4 + 20 + 1)
    other = estimate.known(case(None, concurrency=1), 20.0, 2.0)
    assert estimate.seconds(found.rounds, (other,), 1.0) is not None


# --- from when the clocks run ------------------------------------------------------------------------------------


def sent(*times: tuple[float, float, float]) -> list[Sample]:
    """Requests by when they were due and sent, and the latency since then, half of which is TTFT."""
    return [
        Sample(
            index=index,
            succeeded=True,
            scheduled_s=due,
            sent_s=at,
            latency_s=latency,
            ttft_s=latency / 2,
            output_tokens=3,
            input_tokens=10,
        )
        for index, (due, at, latency) in enumerate(times)
    ]


def test_times_count_from_when_a_request_was_due_not_from_when_it_was_sent() -> None:
    samples = sent((0, 0, 1), (1, 1.5, 1), (2, 4, 1), (3, 3, 1))
    found = stats.figures(case(Rate(per_second=1)), samples)
    assert found.latency_s is not None
    assert found.ttft_s is not None
    assert found.tpot_s is not None
    assert found.latency_s.mean == pytest.approx(6.5 / 4)
    assert found.latency_s.maximum == 3
    assert found.ttft_s.mean == pytest.approx((2 + 2.5) / 4)
    assert found.tpot_s.mean == 0.25, "between tokens nothing changes"
    assert found.window_s == 5
    assert found.per_stream_throughput is None
    closed = stats.figures(case(None), samples)
    assert closed.latency_s is not None
    assert closed.latency_s.mean == 1, "with clients that wait, the clock starts with the sending"


def test_what_was_sent_late_is_told_where_it_matters() -> None:
    rate = Rate(per_second=1)
    late = list(clocks.doubts(case(rate), sent((0, 0.02, 1), (1, 1.02, 1), (2, 2.04, 1), (3, 3.0, 1))))
    assert [found.kind for found in late] == ["rate-late"]
    assert dict(late[0].values) == {"mean": "20", "most": "40", "share": "3.8%"}
    assert not list(clocks.doubts(case(rate), sent((0, 0.001, 1), (1, 1.001, 1), (2, 2.001, 1), (3, 3.0, 1))))
    assert not list(clocks.doubts(case(None), sent((0, 0.5, 1), (1, 1.5, 1))))


def test_a_server_that_never_keeps_up_is_told() -> None:
    found = list(clocks.doubts(case(Rate(per_second=1)), sent((0, 0, 9), (1, 1, 9), (2, 2, 9), (3, 3, 9))))
    assert [(one.kind, dict(one.values)) for one in found] == [("rate-unsettled", {"count": "4", "of": "4"})]


@pytest.mark.parametrize(("burst", "count"), [(1, 9), (4, 8), (4, 9), (3, 11)])
def test_the_rate_that_was_reached_is_the_one_asked_for_where_all_went_out_in_time(burst: int, count: int) -> None:
    times = Clock(4, "constant", burst).times(count, 1).at_s
    assert clocks.reached(case(Rate(per_second=4, arrivals="constant", burst=burst)), times) == pytest.approx(4)
    assert clocks.reached(case(Rate(per_second=4)), [1.0]) is None
    assert clocks.reached(case(None), times) is None


# --- the report --------------------------------------------------------------------------------------------------


def change(entry: RoundPlan, index: int) -> dict[str, object]:
    if entry.case.rate is None:
        return {}
    due = index / entry.case.rate.per_second
    return {"scheduled_s": due, "sent_s": due + 0.001, "latency_s": 28.0, "ttft_s": 2.0}


def test_a_report_names_rates_and_what_was_reached_and_every_copy_is_read_back(tmp_path: Path) -> None:
    mixed = "[4, 8], requests: 40}, {input: 2k, output: 512, concurrency: [1, 40]"
    built = Written(tmp_path, RATES % mixed, "load.transport=precise", change=change).report("en")
    detail = built.details[0]
    assert detail.case.load == "4/s"
    assert detail.load.sent_rate == pytest.approx(4)
    assert detail.load.late_s == pytest.approx(0.001)
    assert detail.load.late_most_s == pytest.approx(0.001)
    assert detail.latency_s is not None
    assert detail.latency_s.mean == pytest.approx(28.001)
    assert detail.load.in_flight_peak == 40
    text = renderers.render("md", built).decode()
    assert "| 4/s |" in text
    assert "Requests sent per second" in text
    assert "latency and TTFT count from them" in text
    for name in ("csv", "xlsx", "md", "html", "docx"):
        assert rereading.copy(f"report.{name}", renderers.render(name, built), built) == [], name
    rows = tables.read(renderers.render("csv", built), "results.csv").rows
    assert {row.load for row in rows} == {"4/s", "8/s", 1, 40}
    assert all(row.per_stream_throughput is None for row in rows if row.rate is not None)


def test_a_report_without_rates_has_no_columns_for_them(tmp_path: Path) -> None:
    built = Written(tmp_path).report("en")
    assert "Requests sent per second" not in renderers.render("md", built).decode()
    assert sample(Written(tmp_path / "again").plan.rounds[0], 0).scheduled_s is None
