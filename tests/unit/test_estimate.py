"""How long a run will take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import estimate
from kit.estimate import Known, from_rows, seconds
from kit.model import Case, Environment, Length, Program, RoundPlan
from kit.model.table import Cell, Row
from tests.unit.evalscope_files import order


def rounds(
    given_tokens: object, made: object, clients: int, requests: int | None = None, times: int = 1
) -> list[RoundPlan]:
    environment = Environment(name="evalscope", kind="lock", digest="sha256:0")
    program = Program(name="load", environment=environment, argv=("x",))
    case = Case(
        input=Length.model_validate(given_tokens),
        output=Length.model_validate(made),
        concurrency=clients,
        requests=requests or clients,
    )
    asked = order("1.0.1", 1).model_copy(update={"case": case})
    return [RoundPlan(round=number + 1, order=asked, program=program) for number in range(times)]


def test_while_nothing_is_known_nothing_is_estimated() -> None:
    assert seconds(rounds(128, 512, 1), ()) is None


def test_a_known_case_takes_its_latency_once_per_wave_and_the_overhead_once() -> None:
    known = (Known((128, 512, 4), 10.0, 1.0, 4),)
    assert seconds(rounds(128, 512, 4, times=3), known, 2.0) == 3 * (10 + 2)
    assert seconds(rounds(128, 512, 4, requests=9), known, 2.0) == 3 * 10 + 2


def test_nothing_left_takes_no_time() -> None:
    assert seconds([], (Known((1, 1, 1), 1.0, 0.5, 1),)) == 0


def test_an_unknown_case_is_scaled_from_the_nearest_known_one() -> None:
    known = (Known((1000, 100, 1), 11.0, 1.0, 1), Known((100_000, 100, 1), 500.0, 400.0, 1))
    # Prefill doubles with the input, decoding does not change.
    assert seconds(rounds(2000, 100, 1), known, 0.0) == pytest.approx(2 + 10)
    # Four clients: prefill of four prompts, decoding twice as slow.
    assert seconds(rounds(1000, 100, 4), known, 0.0) == pytest.approx(4 + 20)


@given(st.integers(1, 10**5), st.integers(1, 10**4), st.integers(1, 256), st.floats(0.1, 1e3), st.floats(0.01, 1))
def test_an_estimate_is_more_than_nothing(
    given_tokens: int, made: int, clients: int, latency: float, part: float
) -> None:
    known = (Known((128, 512, 1), latency, latency * part, 1),)
    found = seconds(rounds(given_tokens, made, clients), known, 0.0)
    assert found is not None
    assert found > 0


def test_a_row_of_a_baseline_tells_where_it_has_both_times() -> None:
    def row(**cells: float) -> Row:
        written = {name: Cell(value=value, step=0.01, where="line 2") for name, value in cells.items()}
        label = Length.model_validate
        return Row.model_validate({"input": label("2k"), "output": label("3k"), "concurrency": 4, **written})

    assert from_rows([row(latency=100, ttft=50), row(latency=100), row(ttft=50)]) == (
        Known((2000, 3000, 4), 100.0, 50.0, 4),
    )


def test_the_overhead_before_it_is_measured_is_a_few_seconds() -> None:
    assert 0 < estimate.OVERHEAD_S < 60
