"""Looking for the highest concurrency that keeps limits."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import acceptance, profile, rounds, searches, stats
from kit.errors import ProfileError
from kit.model import Case, Figures, NativeSummary, Plan, RoundPlan, RoundResult
from kit.model.search import ladder
from kit.redaction import Redactor
from kit.report import findings
from kit.running import resuming
from kit.running.telling import Teller
from kit.store import RunDir
from tests.fakes import BEGIN, FakeHost
from tests.unit.evalscope_files import Request
from tests.unit.planning import planned
from tests.unit.world import EXTERNAL, KEY, World, sends
from tests.unit.written import PROFILE

FIND = "load.cases=[{input: 128, output: 512, concurrency: [3]}, {input: 2k, output: 512, find: {concurrency: %d, limits: [%s]}}]"


def searching(most: int, limits: str = "ttft <= 2 s, tpot <= 50 ms", *more: str) -> Plan:
    return planned(FIND % (most, limits), "load.rounds=1", *more)


def result(case: Case, number: int, ttft_s: float, succeeded: int = 1) -> RoundResult:
    spread = stats.spread([ttft_s])
    return RoundResult(
        case=case,
        round=number,
        started=BEGIN,
        duration_s=1.0,
        command="x",
        figures=Figures(requests=1, succeeded=succeeded, ttft_s=spread, tpot_s=stats.spread([0.01])),
        native=NativeSummary(),
    )


def run(
    plan: Plan, measure: Callable[[Case, int], RoundResult], done: list[RoundResult] | None = None
) -> list[RoundResult]:
    """As the runner goes: along the plan once, asking of each round whether it is needed now."""
    found = done if done is not None else []
    there = {(entry.case.id, entry.round) for entry in found}
    for entry in plan.rounds:
        if (entry.case.id, entry.round) not in there and entry in rounds.needed(plan, found):
            found.append(measure(entry.case, entry.round))
    return found


def keeping(most: int) -> Callable[[Case, int], RoundResult]:
    """A server whose TTFT keeps 2 s up to so many clients."""
    return lambda case, number: result(case, number, 1.0 if case.concurrency <= most else 3.0)


def tried(found: list[RoundResult]) -> list[int]:
    return [entry.case.concurrency for entry in found if entry.case.input.label == "2k"]


def test_a_ladder_doubles_and_then_divides() -> None:
    assert ladder(20) == (1, 2, 4, 8, 16, 20, 3, 6, 12, 5, 7, 10, 14, 9, 11, 13, 15, 18, 17, 19)
    assert sorted(ladder(32)) == list(range(1, 33))
    assert ladder(2) == (1, 2)


@given(st.integers(2, 5000), st.integers(0, 6000))
def test_what_is_found_is_the_highest_that_keeps_the_limits(most: int, truth: int) -> None:
    numbers = ladder(most)
    assert sorted(set(numbers)) == sorted(numbers)
    highest = max((number for number in numbers if number <= truth), default=0)
    low, high, count = 0, float("inf"), 0
    for number in numbers:
        if low < number < high:
            count += 1
            low, high = (number, high) if number <= truth else (low, number)
    assert low == highest
    assert count <= most.bit_length() + 1 + 4
    assert min(truth, most) - low <= max(0, truth // 16), "to about 6 %"


@pytest.mark.parametrize(("truth", "sequence"), [
    (0, [1]),
    (1, [1, 2]),
    (11, [1, 2, 4, 8, 16, 12, 10, 11]),
    (64, [1, 2, 4, 8, 16, 32, 64]),
    (33, [1, 2, 4, 8, 16, 32, 64, 48, 40, 36, 34]),
])  # fmt: skip
def test_only_what_decides_is_tried(truth: int, sequence: list[int]) -> None:
    plan = searching(64)
    found = run(plan, keeping(truth))
    assert tried(found) == sequence
    [outcome] = searches.outcomes(plan, found)
    assert outcome.over
    assert outcome.highest == (32 if truth == 33 else min(truth, 64))
    settled = rounds.settled(plan, found)
    assert [case.concurrency for case in settled.cases] == [3, *sorted(sequence)], (
        "by concurrency, other cases in place"
    )
    assert searches.outcomes(settled, found) == (outcome,)


@pytest.mark.parametrize("cut", range(1, 9))
def test_an_interrupted_search_goes_on_to_the_same_end(cut: int) -> None:
    plan = searching(64)
    whole = run(plan, keeping(11))
    begun = whole[:cut]
    if cut < len(whole):
        assert not searches.outcomes(plan, begun)[0].over
        assert set(rounds.needed(plan, begun)) > {
            entry for entry in plan.rounds if entry.case.id in {r.case.id for r in begun}
        }
    assert run(plan, keeping(11), begun) == whole


def test_a_round_without_a_result_ends_the_search_instead_of_guessing() -> None:
    plan = searching(64)
    found: list[RoundResult] = []
    for entry in plan.rounds:
        if entry in rounds.needed(plan, found) and entry.case.concurrency != 8:
            found.append(result(entry.case, entry.round, 1.0))
    assert tried(found) == [1, 2, 4]
    [outcome] = searches.outcomes(plan, found)
    assert not outcome.over
    assert [entry.case.concurrency for entry in rounds.needed(plan, found)] == [3, 1, 2, 4, 8]


def test_failed_requests_and_missing_figures_break_the_limits() -> None:
    plan = searching(4)
    found = run(plan, lambda case, number: result(case, number, 1.0, succeeded=0 if case.concurrency > 1 else 1))
    [outcome] = searches.outcomes(plan, found)
    assert (outcome.highest, outcome.broken) == (1, searches.Broken(2))
    plan = searching(4, "tps >= 10")
    [outcome] = searches.outcomes(plan, run(plan, keeping(9)))
    assert (outcome.highest, outcome.broken) == (0, searches.Broken(1, "tps", None, 10.0))


def test_a_failed_request_decides_whatever_further_rounds_would_measure() -> None:
    plan = searching(8, "ttft <= 2 s", "load.rounds=3")
    found = run(plan, lambda case, number: result(case, number, 1.0, succeeded=0 if case.concurrency > 4 else 1))
    assert [(one.case.concurrency, one.round) for one in found if one.case.input.label == "2k"] == [
        *((clients, number) for clients in (1, 2, 4) for number in (1, 2, 3)),
        (8, 1),
        (6, 1),
        (5, 1),
    ]
    assert searches.outcomes(plan, found)[0].highest == 4
    settled = rounds.settled(plan, found)
    assert searches.outcomes(settled, found) == searches.outcomes(plan, found)
    assert [settled.numbers(case) for case in settled.cases if case.concurrency > 4] == [(1,)] * 3


@pytest.mark.parametrize(
    ("keeps", "outcome", "judged"), [(2, "met", {1, 2, 3}), (0, "not-met", {1, 3}), (4, "met", {1, 2, 3, 4})]
)
def test_what_only_shows_where_the_limits_end_is_not_judged(keeps: int, outcome: str, judged: set[int]) -> None:
    plan = searching(4, "ttft <= 2 s", "acceptance={success_rate: 100%}")

    def measured(case: Case, number: int) -> RoundResult:
        good = case.input.label != "2k" or case.concurrency <= keeps
        return result(case, number, 1.0, succeeded=int(good))

    found = run(plan, measured)
    settled = rounds.settled(plan, found)
    verdict = acceptance.judge(settled, found, None, BEGIN.date(), complete=True)
    assert verdict.outcome == outcome
    clients = {case.id: case.concurrency for case in plan.cases}
    assert {clients[entry.case] for entry in verdict.judged} == judged


SEARCHES = EXTERNAL.replace("concurrency: [1, 2]}", "find: {concurrency: 4, limits: [ttft <= 60 s]}}")
BAD = Request(sent=0.1, role_at=None, text_at=(), finish=None, failure=("500", "too many"))


def test_a_run_is_whole_where_a_probe_beyond_the_limits_has_no_success(tmp_path: Path) -> None:
    world = World(tmp_path, SEARCHES, KEY)
    world.runtime.plays_in_turn("load", sends(), sends(), sends(*[BAD] * 4), sends(*[BAD] * 3))
    assert world.execute().status == "complete"
    assert world.done == ["10-3-c1/round-1", "10-3-c2/round-1", "10-3-c4/round-1", "10-3-c3/round-1"]
    resuming.set_failed_aside(world.run, world.plan)
    assert len(world.done) == 4, "they have told what they were asked, and are not tried again"


def test_a_search_of_which_nothing_succeeds_has_found_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, SEARCHES, KEY)
    world.runtime.plays_in_turn("load", sends(BAD))
    assert "10-3-c1, round 1 of 1: no request succeeded (1 x HTTP 500: too many)" in world.fails()
    resuming.set_failed_aside(world.run, world.plan)
    assert world.done == []


def test_limits_hold_for_the_means_over_the_rounds() -> None:
    plan = searching(2, "ttft <= 2 s", "load.rounds=2")
    found = run(plan, lambda case, number: result(case, number, (1.0, 2.9)[number - 1]))
    [outcome] = searches.outcomes(plan, found)
    assert (outcome.highest, outcome.broken, outcome.tried) == (2, None, 2)
    worse = run(plan, lambda case, number: result(case, number, (1.0, 3.2)[number - 1]))
    [broken] = [outcome.broken for outcome in searches.outcomes(plan, worse)]
    assert broken is not None
    assert (broken.concurrency, broken.metric, broken.bound) == (1, "ttft", 2.0)
    assert broken.value == pytest.approx(2.1)


def test_what_was_found_is_said_in_both_languages() -> None:
    plan = searching(64, "ttft <= 2 s, tpot <= 50 ms")
    assert list(findings.lines(searches.outcomes(plan, run(plan, keeping(11))), "en")) == [
        "2k-512: the highest concurrency that keeps TTFT ≤ 2 s; TPOT ≤ 0.05 s is 11; at 12 TTFT is 3 s (8 concurrencies tried)."
    ]
    assert list(findings.lines(searches.outcomes(plan, run(plan, keeping(0))), "zh-CN")) == [
        "2k-512：并发 1 已不满足首 token 时延 TTFT ≤ 2 s；每 token 延迟 TPOT ≤ 0.05 s：首 token 时延 TTFT 为 3 s。"
    ]
    [every] = findings.lines(searches.outcomes(plan, run(plan, keeping(99))), "en")
    assert every.endswith("is kept up to 64, the highest concurrency that was to be tried (7 tried).")
    [none] = findings.lines(searches.outcomes(plan, []), "en")
    assert "is not found" in none


@pytest.mark.parametrize(("cases", "said"), [
    ("[{input: 1, output: 1, find: {concurrency: 1, limits: [ttft <= 1 s]}}]", "greater than 1"),
    ("[{input: 1, output: 1, find: {concurrency: 8, limits: []}}]", "limits"),
    ("[{input: 1, output: 1, find: {concurrency: 8, limits: [ttft_p99 <= 1 s]}}]", "a search goes by latency, ttft"),
    ("[{input: 1, output: 1, find: {concurrency: 8, limits: [output_throughput >= 10]}}]", "put it under acceptance.limits"),
    ("[{input: 1, output: 1, find: {concurrency: 8, limits: [{limit: ttft <= 1 s, concurrency: 1}]}}]", "hold for all"),
    ("[{input: 1, output: 1, concurrency: [2], find: {concurrency: 8, limits: [ttft <= 1 s]}}]", "either concurrency or find"),
    ("[{input: 1, output: 1, requests: [1, 2], find: {concurrency: 2, limits: [ttft <= 1 s]}}]", "requests_per_client"),
    ("[{input: 1, output: 1, concurrency: [3]}, {input: 1, output: 1, find: {concurrency: 8, limits: [ttft <= 1 s]}}]", "twice"),
])  # fmt: skip
def test_a_search_that_cannot_be_is_refused(cases: str, said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        profile.parse(PROFILE, "p.yaml", [f"load.cases={cases}"])
    assert said in str(refused.value) + " ".join(map(str, refused.value.problems))


def test_rounds_are_those_of_the_plan() -> None:
    plan = searching(8)
    entries: tuple[RoundPlan, ...] = rounds.needed(plan, [])
    assert [entry.case.concurrency for entry in entries] == [3, 1]


def test_a_run_under_way_goes_by_what_it_has_measured(tmp_path: Path) -> None:
    plan = searching(8)
    teller = Teller(plan, RunDir(tmp_path), FakeHost(), Redactor([]), plan.rounds, lambda _: None)
    order = []
    for entry in plan.rounds:
        if teller.needs(entry):
            order.append(entry.case.concurrency)
            teller.learn(keeping(5)(entry.case, entry.round))
    assert order == [3, 1, 2, 4, 8, 6, 5]
