"""Baselines: each case once, rounds as their mean, and every line that cannot be told at once."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import renderers
from kit.errors import ProfileError
from kit.legacy import baseline
from tests.unit.test_perf import CSV
from tests.unit.written import Written

HEAD = "input,output,concurrency,avg_latency_s,avg_ttft_s\n"


def test_a_baseline_is_read_with_its_labels() -> None:
    content = f"\ufeff{HEAD}128,512,1,28.94,2.38\n2k,3k,4,100,50\n".encode()
    rows = baseline.read(content, "b.csv")
    assert [row.name for row in rows] == ["128-512-c1", "2k-3k-c4"]
    assert rows[1].latency is not None
    assert rows[1].latency.value == 100


def test_rounds_of_a_case_count_by_their_mean_and_a_hole_is_none() -> None:
    lines = ("160,64,0,1,1.4,40,0.2,0.02", "160,64,1,1,1.6,44,0.4,", "160,64,0,2,1.5,80,0.2,0.02")
    one, two = baseline.read("\n".join((CSV, *lines)).encode(), "b.csv")
    assert (one.name, two.name) == ("160-64-c1", "160-64-c2")
    assert {name: cell.value for name, cell in one.cells()} == pytest.approx(
        {"latency": 1.5, "output_throughput": 42.0, "ttft": 0.3}
    )


@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_what_kit_writes_can_be_held_against_later(tmp_path: Path, name: str) -> None:
    built = Written(tmp_path).report()
    rows = baseline.read(renderers.render(name, built), f"results.{name}")
    for row, shown in zip(rows, built.rows, strict=True):
        assert row.key == shown.case.key
        assert row.ttft is not None
        assert row.ttft.value == pytest.approx(shown.ttft_s)
        assert row.tps is not None
        assert row.tps.value == pytest.approx(shown.tps)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("2kk,512,1,28,2", "'2kk' is not a number of tokens"),
        ("128,512,0,28,2", "'0' is not a whole number"),
        ("128,512,one,28,2", "'one' is not a whole number"),
        ("128,512,2,fast,2", "'fast' is not a number"),
        ("128,512,2,nan,2", "'nan' is not a number"),
        ("128,512,2,inf,2", "'inf' is not a number"),
        ("128,512,2,0,", "a latency of 0 cannot be"),
        ("128,512,2,2,28", "a latency of 2 s and a TTFT of 28 s cannot be"),
        ("128,512,2,-1,", "a latency of -1 cannot be"),
        ("128,512,1,28,2", "stands there twice"),
    ],
)
def test_a_line_that_cannot_be_is_told(line: str, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        baseline.read(f"{HEAD}128,512,1,28.94,2.38\n{line}\n".encode(), "b.csv")
    [problem] = caught.value.problems
    assert said in problem.what
    assert problem.where.startswith("line 3, ") or said == "stands there twice"


def test_every_wrong_line_is_told_at_once() -> None:
    with pytest.raises(ProfileError) as caught:
        baseline.read(f"{HEAD}a,1,1,1,1\n1,b,1,1,1\n".encode(), "b.csv")
    assert len(caught.value.problems) == 2


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: HEAD.encode() + tail))
def test_no_bytes_raise_anything_but_a_profile_error(content: bytes) -> None:
    try:
        assert baseline.read(content, "b.csv")
    except ProfileError as error:
        assert "b.csv" in str(error)  # noqa: PT017  (most bytes are no baseline)
