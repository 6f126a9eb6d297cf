"""How long a run will take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import estimate
from kit.errors import KitError, ProfileError
from kit.estimate import Known, from_baseline, seconds
from kit.model import Case, Environment, Length, Program, RoundPlan
from tests.unit.evalscope_files import order

HEAD = "input,output,concurrency,avg_latency_s,avg_ttft_s\n"


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
    known = (Known((128, 512, 4), 10.0, 1.0),)
    assert seconds(rounds(128, 512, 4, times=3), known, 2.0) == 3 * (10 + 2)
    assert seconds(rounds(128, 512, 4, requests=9), known, 2.0) == 3 * 10 + 2


def test_nothing_left_takes_no_time() -> None:
    assert seconds([], (Known((1, 1, 1), 1.0, 0.5),)) == 0


def test_an_unknown_case_is_scaled_from_the_nearest_known_one() -> None:
    known = (Known((1000, 100, 1), 11.0, 1.0), Known((100_000, 100, 1), 500.0, 400.0))
    # Prefill doubles with the input, decoding does not change.
    assert seconds(rounds(2000, 100, 1), known, 0.0) == pytest.approx(2 + 10)
    # Four clients: prefill of four prompts, decoding twice as slow.
    assert seconds(rounds(1000, 100, 4), known, 0.0) == pytest.approx(4 + 20)


@given(st.integers(1, 10**5), st.integers(1, 10**4), st.integers(1, 256), st.floats(0.1, 1e3), st.floats(0.01, 1))
def test_an_estimate_is_more_than_nothing(
    given_tokens: int, made: int, clients: int, latency: float, part: float
) -> None:
    known = (Known((128, 512, 1), latency, latency * part),)
    found = seconds(rounds(given_tokens, made, clients), known, 0.0)
    assert found is not None
    assert found > 0


def test_a_baseline_is_read_with_its_labels() -> None:
    content = f"\ufeff{HEAD}128,512,1,28.94,2.38\n2k,3k,4,100,50\n".encode()
    assert from_baseline(content, "b.csv") == (Known((128, 512, 1), 28.94, 2.38), Known((2000, 3000, 4), 100.0, 50.0))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("128,512,1,,2.38", "avg_latency_s is missing"),
        ("128,512,1", "avg_latency_s is missing"),
        ("2kk,512,1,28,2", "'2kk' is not a number of tokens"),
        ("128,512,0,28,2", "concurrency 0 is not 1 or more"),
        ("128,512,one,28,2", "invalid literal"),
        ("128,512,1,fast,2", "could not convert"),
        ("128,512,1,nan,2", "cannot be"),
        ("128,512,1,inf,2", "cannot be"),
        ("128,512,1,0,0", "cannot be"),
        ("128,512,1,2,28", "a latency of 2 s and a TTFT of 28 s cannot be"),
        ("128,512,1,-1,-2", "cannot be"),
    ],
)
def test_a_line_that_cannot_be_is_told_with_its_number(line: str, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        from_baseline(f"{HEAD}128,512,1,28.94,2.38\n{line}\n".encode(), "b.csv")
    [problem] = caught.value.problems
    assert problem.where == "b.csv, line 3"
    assert said in problem.what


def test_every_wrong_line_is_told_at_once() -> None:
    with pytest.raises(ProfileError) as caught:
        from_baseline(f"{HEAD}a,1,1,1,1\n1,b,1,1,1\n".encode(), "b.csv")
    assert len(caught.value.problems) == 2


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: HEAD.encode() + tail))
def test_no_bytes_raise_anything_but_a_kit_error(content: bytes) -> None:
    try:
        assert isinstance(from_baseline(content, "b.csv"), tuple)
    except KitError as error:
        assert "b.csv" in str(error)  # noqa: PT017  (most bytes are no baseline)


def test_the_overhead_before_it_is_measured_is_a_few_seconds() -> None:
    assert 0 < estimate.OVERHEAD_S < 60
