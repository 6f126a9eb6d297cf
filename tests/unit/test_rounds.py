"""How many rounds are needed, and what rounds beside each other tell."""

from collections.abc import Sequence
from random import Random

import pytest

from kit import rounds, stats
from kit.model import Figures, NativeSummary, Plan, RoundResult
from tests.fakes import BEGIN
from tests.unit.planning import planned


def results(plan: Plan, values: dict[str, Sequence[float | None]]) -> list[RoundResult]:
    """One result for each throughput given, in the order of the rounds; a round of `nan` has none."""
    cases = {case.id: case for case in plan.cases}
    return [
        RoundResult(
            case=cases[name],
            round=number,
            started=BEGIN,
            duration_s=1.0,
            command="x",
            figures=Figures(requests=1, succeeded=1, output_throughput=value),
            native=NativeSummary(),
        )
        for name, throughputs in values.items()
        for number, value in enumerate(throughputs, start=1)
        if value is None or value == value
    ]


def numbers(plan: Plan, case: str) -> tuple[int, ...]:
    return plan.numbers(next(found for found in plan.cases if found.id == case))


STEADY, WILD = (100.0, 100.1, 100.2), (80.0, 100.0, 120.0, 90.0)


def test_a_fixed_number_of_rounds_is_needed_whatever_they_say() -> None:
    plan = planned("load.rounds=3")
    assert plan.until is None
    assert rounds.needed(plan, results(plan, {"128-512-c1": STEADY})) == plan.rounds
    assert rounds.settled(plan, []) == plan


def test_rounds_end_where_the_interval_is_narrow_enough_each_case_for_itself() -> None:
    plan = planned("load.rounds=auto(2%, min=3, max=6)")
    assert len(plan.rounds) == 3 * 6
    settled = rounds.settled(plan, results(plan, {"128-512-c1": STEADY, "128-512-c2": WILD}))
    assert numbers(settled, "128-512-c1") == (1, 2, 3)
    assert numbers(settled, "128-512-c2") == (1, 2, 3, 4, 5, 6)
    assert numbers(settled, "2k-512-c1") == (1, 2, 3, 4, 5, 6)


def test_what_is_narrow_enough_follows_from_students_t() -> None:
    """Of 99, 100 and 101 the half-width is 4.303 x 1 / sqrt(3) = 2.48 %."""
    values = (99.0, 100.0, 101.0)
    assert stats.half_width(values) == pytest.approx(2.484, abs=1e-3)
    for percent, last in (("2.4", 10), ("2.5", 3)):
        plan = planned(f"load.rounds=auto({percent}%, min=3)")
        settled = rounds.settled(plan, results(plan, {"128-512-c1": values}))
        assert numbers(settled, "128-512-c1")[-1] == last


def test_two_rounds_are_never_enough() -> None:
    plan = planned("load.rounds=auto(2%, min=3, max=5)")
    assert numbers(rounds.settled(plan, results(plan, {"128-512-c1": (100.0, 100.0)})), "128-512-c1")[-1] == 5


def test_a_round_that_was_run_is_never_left_out() -> None:
    """A run that went on because its second round failed, and whose second round was made up for later."""
    plan = planned("load.rounds=auto(2%, min=3, max=6)")
    settled = rounds.settled(plan, results(plan, {"128-512-c1": (100.0, 100.1, 100.2, 70.0)}))
    assert numbers(settled, "128-512-c1") == (1, 2, 3, 4)


def test_a_round_without_result_or_throughput_is_not_passed_over() -> None:
    plan = planned("load.rounds=auto(2%, min=3, max=6)")
    gap = rounds.settled(plan, results(plan, {"128-512-c1": (100.0, float("nan"), 100.1, 100.2)}))
    assert numbers(gap, "128-512-c1") == (1, 2, 3, 4)
    unknown = rounds.settled(plan, results(plan, {"128-512-c1": (100.0, None, 100.1, 100.2)}))
    assert numbers(unknown, "128-512-c1")[-1] == 6


def test_rounds_that_never_came_to_be_enough_are_told() -> None:
    plan = planned("load.rounds=auto(2%, min=3, max=4)")
    case = plan.cases[0]
    [found] = rounds.unreached(plan, case, results(plan, {case.id: (80.0, 100.0, 120.0, 90.0)}))
    assert (found.kind, dict(found.values)) == ("rounds-open", {"count": "4", "reached": "27.9%", "asked": "2.0%"})
    for values in ((80.0, 100.0, 120.0), STEADY, (100.0, 100.1, 100.2, 100.1), (80.0, None, 100.0, 120.0)):
        assert list(rounds.unreached(plan, case, results(plan, {case.id: values}))) == []
    fixed = planned("load.rounds=4")
    assert list(rounds.unreached(fixed, case, results(fixed, {case.id: (80.0, 100.0, 120.0, 90.0)}))) == []


# --- drift and rounds apart --------------------------------------------------------------------------------------


def told(*values: float, plan: Plan | None = None) -> list[str]:
    plan = plan or planned(f"load.rounds={len(values)}")
    return [found.kind for found in rounds.doubts(plan.cases[0], results(plan, {"128-512-c1": values}))]


def test_rounds_of_nothing_are_not_compared() -> None:
    """As where a server counts no token of what it sent."""
    assert told(0, 0, 0) == told(0, 0, 0, 0, 0) == told(0, 100, 0) == []


def test_rounds_that_go_one_way_drift() -> None:
    assert told(100, 98, 97, 95, 93) == ["rounds-drift"]
    assert told(93, 95, 97, 98, 100) == ["rounds-drift"]


def test_a_drift_of_no_matter_and_one_that_may_be_chance_are_not_told() -> None:
    assert told(100, 99.9, 99.8, 99.7, 99.6) == []
    assert told(100, 95, 98, 96, 93) == []
    assert told(100, 98, 96, 94) == []


def test_a_round_apart_is_told_with_its_number() -> None:
    plan = planned("load.rounds=5")
    [found] = rounds.doubts(plan.cases[0], results(plan, {"128-512-c1": (80.0, 100.0, 100.5, 99.5, 100.0)}))
    assert (found.kind, dict(found.values)) == (
        "rounds-outlier",
        {"round": "1", "difference": "-20.0%", "value": "80"},
    )


def test_equal_rounds_and_two_rounds_raise_no_doubt() -> None:
    assert told(100, 100, 100) == []
    assert told(100, 50) == []


def test_what_differs_by_chance_is_seldom_called_a_drift_or_a_round_apart() -> None:
    random, plan = Random(1), planned("load.rounds=6")
    drawn = [told(*(random.gauss(100, 5) for _ in range(6)), plan=plan) for _ in range(400)]
    assert sum(map(bool, drawn)) < 400 * 0.12
