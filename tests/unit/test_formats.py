"""How figures are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.formats import apart, change, duration, fact, figure, gib, percent, rate
from kit.model import Fact


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (28.94, "28.94"),
        (10.7, "10.7"),
        (59.0, "59"),
        (59.004, "59"),
        (0.05, "0.05"),
        (0.0519765, "0.052"),
        (0.0528, "0.053"),
        (0.0996, "0.1"),
        (0.1049, "0.1"),
        (230.64, "230.64"),
        (1234567.891, "1234567.89"),
        (0.045, "0.045"),
        (0.013, "0.013"),
        (0.0042, "0.0042"),
        (0.00001234, "1.2e-05"),
        (0.0, "0"),
        (-0.0, "0"),
        (100.0, "100"),
        (None, "—"),
    ],
)
def test_figures_have_two_decimals_without_trailing_zeros(value: float | None, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (17.27, "17.270"),
        (2.12, "2.120"),
        (0.0, "0.000"),
        (0.0519, "0.052"),
        (0.00153, "0.0015"),
        (0.00042, "0.00042"),
        (None, "—"),
    ],
)
def test_rates_have_three_decimals(value: float | None, text: str) -> None:
    assert rate(value) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((0.05, 0.049, 0.0524), ("0.050", "0.049", "0.052")),
        ((0.002031, 0.002029, 0.002034), ("0.002031", "0.002029", "0.002034")),
        ((28.9441, 28.9442), ("28.9441", "28.9442")),
        ((0.25, 0.25), ("0.250", "0.250")),
        ((1.0, 2.0), ("1.000", "2.000")),
    ],
)
def test_the_ends_of_an_interval_read_otherwise(values: tuple[float, ...], texts: tuple[str, ...]) -> None:
    assert apart(values) == texts


@given(st.floats(1e-6, 1e3), st.floats(1e-6, 1e3))
def test_what_differs_by_a_thousandth_never_reads_alike(one: float, other: float) -> None:
    first, second = apart((one, other), figure)
    assert (first == second) <= (abs(one - other) < max(one, other) / 1000)
    assert abs(float(first) - one) <= max(one * 0.06, 0.0051)


@pytest.mark.parametrize(
    ("share", "decimals", "text"),
    [
        (0.1234, 1, "+12.3%"),
        (-0.0004, 1, "-0.04%"),
        (-0.00004, 2, "-0.004%"),
        (0.0001, 2, "+0.01%"),
        (0.0, 2, "0%"),
        (-0.0, 1, "0%"),
    ],
)
def test_a_change_that_is_none_alone_reads_zero(share: float, decimals: int, text: str) -> None:
    assert change(share, decimals) == text


@given(st.floats(1e-300, 1e12))
def test_what_was_measured_never_reads_zero(value: float) -> None:
    assert float(figure(value)) != 0
    assert float(rate(value)) != 0


@given(st.floats(1e-9, 1e9))
def test_a_figure_is_within_its_rounding_of_the_value(value: float) -> None:
    shown = float(figure(value))
    assert abs(shown - value) <= max(0.005 * 1.001, 0.0) or abs(shown - value) / value <= 0.05
    assert abs(shown - value) / value <= 0.12
    assert abs(float(rate(value)) - value) <= 0.0005 * 1.001


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_a_larger_figure_never_reads_smaller(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert float(figure(low)) <= float(figure(high))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.26, "0.3 s"),
        (9.94, "9.9 s"),
        (42, "42 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7620, "2 h 07 min"),
        (100 * 3600, "100 h 00 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("amount", "text"), [(2**30, "1 GiB"), (64 * 2**30, "64 GiB"), (1024**3 * 3 // 2, "1.5 GiB")])
def test_sizes_are_in_gib(amount: int, text: str) -> None:
    assert gib(amount) == text


def test_a_fact_without_a_value_is_a_dash() -> None:
    assert fact(Fact[int](value=0, source="x")) == "0"
    assert fact(Fact[int](source="x", reason="gone")) == "—"
    assert fact(Fact[str](source="x", reason="gone"), "?") == "?"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "—"), (3, 3, "100%"), (0, 3, "0%"), (2, 3, "66.66%"), (1, 2, "50%"), (99_999, 100_000, "99.99%")],
)
def test_a_share_that_is_not_whole_never_reads_100_percent(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text
