"""Comparisons: what is refused, what is said of figures whose truth is known, and what the formats show."""

import io
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from docx import Document
from openpyxl import load_workbook
from typer.testing import CliRunner

from kit import comparing, store
from kit.cli.app import app
from kit.comparing import files, prices
from kit.comparing.runs import of_run
from kit.comparing.sides import KEYS, Measured, Side
from kit.errors import NotComparableError, UsageError
from kit.model import Length
from kit.model.calibration import Calibration, Point, Trial
from kit.model.comparison import COMPARED, Comparison
from kit.renderers import comparison
from kit.renderers.comparison import curves, sections
from kit.workflows import comparing as comparisons
from kit.workflows import running
from tests.fakes import BEGIN
from tests.unit import old_reports
from tests.unit.planted import planted, with_accelerators

FEW = """\
    - {input: 128, output: 512, concurrency: [1, 2, 4]}
    - {input: 2k, output: 512, concurrency: [1, 2, 4]}
"""
BASELINE = """\
input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s
128,512,1,28.59,17.9,0.49,0.06
128,512,2,42.1,24.3,0.54,0.08
128,512,4,61.2,33.1,0.62,0.12
2k,512,1,29.8,17.1,1.73,0.06
2k,512,2,44.2,23.3,2.56,0.08
2k,512,4,66.1,31.3,3.92,0.12
"""
CONCURRENCY = (1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 1, 2, 4, 1, 2, 4, 1, 2)
LENGTHS = (128,) * 5 + (2000,) * 5 + (4000,) * 3 + (8000,) * 3 + (10000,) * 2


def side(name: str, rng: np.random.Generator, faster: float = 0.0, rounds: int = 3) -> Side:
    """18 cases in memory: 1 % of noise of a round, 5 % of a request, four requests per client."""
    cases = {}
    for given, clients in zip(LENGTHS, CONCURRENCY, strict=True):
        requests = 4 * clients
        slow = np.exp(rng.normal(0, 0.01, rounds)) / (1 + faster)

        def mean(
            value: float, slow: "np.ndarray[tuple[int], np.dtype[np.float64]]" = slow, n: int = requests
        ) -> tuple[float, ...]:
            return tuple(float(s * np.exp(rng.normal(0, 0.05, n)).mean() * value) for s in slow)

        case = Measured(
            input=Length.model_validate(given),
            output=Length.model_validate(512),
            concurrency=clients,
            rounds=rounds,
            values={
                "output_throughput": tuple(1 / value for value in mean(0.05)),
                "latency": mean(30.0),
                "ttft": mean(1.0),
                "tpot": mean(0.05),
            },
            requests=requests,
        )
        cases[case.key] = case
    return Side(name=name, kind="run", keys={"model": "m"}, cases=cases, rounds=rounds)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs alike but for one of them being a tenth faster, a table, and a run on other hardware of other conditions."""
    out = tmp_path_factory.mktemp("runs")
    with_accelerators(planted(out, "a", 1, cases=FEW), 2)
    with_accelerators(planted(out, "b", 2, cases=FEW, faster=0.1, engine="0.5.4", memory="0.95"), 4)
    planted(out, "other", 3, "load.seed=7", "load.version=1.14.1", "report.model_label=Qwen3", cases=FEW)
    planted(out, "single", 4, "load.rounds=1", cases=FEW)
    (out / "expected.csv").write_text(BASELINE)
    (out / "prices.yaml").write_text("currency: CNY\naccelerators: {910B4: 6.5, 910B: 1}\n")
    return out


def made(few: Path, *names: str, **more: object) -> Comparison:
    return comparisons.compare([*names], few, lang="en", **more)  # type: ignore[arg-type]


# --- what is refused ---------------------------------------------------------------------------------------------


def test_everything_that_differs_is_named_at_once_with_both_values(few: Path) -> None:
    with pytest.raises(NotComparableError) as caught:
        made(few, "507-a", "507-other")
    assert caught.value.exit_code == 5
    told = str(caught.value)
    for key, first, second in (
        ("seed", "42", "7"),
        ("generator_version", "1.0.1", "1.14.1"),
        ("model", "DeepSeek-R1-0528-w8a8", "Qwen3"),
    ):
        assert any(f"- {key}: " in line and first in line and second in line for line in told.splitlines())
    assert "--allow seed" in told


def test_what_is_allowed_stands_on_top(few: Path) -> None:
    found = made(few, "507-a", "507-other", allow=("seed", "generator_version", "model"))
    assert {entry.name for entry in found.allowed} == {"seed", "generator_version", "model"}
    text = comparison.write("md", found).decode()
    assert text.startswith("> **Compared although these differ")
    assert "seed (A: 42, B: 7)" in text.splitlines()[0]
    with pytest.raises(UsageError, match="no key 'colour'"):
        made(few, "507-a", "507-b", allow=("colour",))


ALIKE = {
    "model": ("DeepSeek-R1", "Qwen3"),
    "weights": ("R1-W8A8", "R1-W4A8"),
    "lengths": ("128/512", "128/512, 2000/512"),
    "generator": ("evalscope", "aiperf"),
    "generator_version": ("1.0.1", "1.14.1"),
    "transport": ("precise", "evalscope"),
    "dataset": ("random", "openqa"),
    "seed": ("42", "7"),
    "rehearsal": ("measurement", "rehearsal"),
    "success": ("90 of 90 requests", "89 of 90 requests"),
    "complete": ("complete", "50 of 54 rounds"),
}


# How many requests a case sends is told by the cases.
TOLD = [key for key in KEYS if key != "requests"]


@pytest.mark.parametrize("key", TOLD)
def test_each_key_alone_is_refused_by_its_name_and_admitted_by_it(key: str) -> None:
    rng = np.random.default_rng(2)
    first, second = ALIKE[key]
    alike: dict[str, str | None] = {name: values[0] for name, values in ALIKE.items()}
    one, other = (replace(side(name, rng), keys=alike) for name in ("one", "other"))
    comparing.make((one, other), "en")
    other = replace(other, keys={**alike, key: second})
    with pytest.raises(NotComparableError) as caught:
        comparing.make((one, other), "en")
    assert caught.value.exit_code == 5
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        (key, f"one has {first}, other has {second}")
    ]
    assert f"--allow {key} " in (caught.value.hint or "")
    with pytest.raises(NotComparableError):
        comparing.make((one, other), "en", allow=[name for name in KEYS if name != key])
    found = comparing.make((one, other), "en", allow=(key,))
    assert f"{key} (A: {first}, B: {second})" in (sections.warning(found) or "")


def test_all_keys_that_differ_are_named_at_once() -> None:
    rng = np.random.default_rng(2)
    one, other = (
        replace(side(name, rng), keys={key: values[at] for key, values in ALIKE.items()})
        for at, name in enumerate(("one", "other"))
    )
    with pytest.raises(NotComparableError) as caught:
        comparing.make((one, other), "en", allow=("seed",))
    assert [problem.where for problem in caught.value.problems] == [key for key in TOLD if key != "seed"]


def test_where_no_case_is_shared_nothing_is_promised_of_what_may_be_allowed() -> None:
    rng = np.random.default_rng(2)
    one, other = (replace(side(name, rng), keys={"lengths": lengths}) for name, lengths in (("a", "1/1"), ("b", "2/2")))
    apart = replace(other, cases={(9, 9, clients): case for clients, case in enumerate(other.cases.values())})
    for allow in ((), ("lengths",)):
        with pytest.raises(NotComparableError, match="no case that the baseline shares") as caught:
            comparing.make((one, apart), "en", allow=allow)
        assert [problem.where for problem in caught.value.problems] == ([] if allow else ["lengths"])
        assert "--allow" not in str(caught.value)


def test_failures_that_both_have_are_no_success() -> None:
    rng = np.random.default_rng(2)
    sides = [replace(side(name, rng), keys={"success": "89 of 90 requests"}) for name in ("one", "other")]
    with pytest.raises(NotComparableError, match="success: one has 89 of 90 requests, other has 89 of 90 requests"):
        comparing.make(sides, "en")


def test_a_key_that_does_not_exist_is_refused_with_those_that_do() -> None:
    rng = np.random.default_rng(2)
    with pytest.raises(UsageError, match="no key 'colour'") as caught:
        comparing.make((side("one", rng), side("other", rng)), "en", allow=("colour", "seed"))
    assert caught.value.hint == f"one of: {', '.join(KEYS)}"


def test_failed_requests_and_missing_rounds_are_refused() -> None:
    rng = np.random.default_rng(1)
    whole = replace(side("a", rng), keys={"success": "900 of 900 requests", "complete": "complete"})
    failed = replace(side("b", rng), keys={"success": "899 of 900 requests", "complete": "50 of 54 rounds"})
    with pytest.raises(NotComparableError) as caught:
        comparing.make((whole, failed), "en")
    assert {problem.where for problem in caught.value.problems} == {"success", "complete"}


def test_answers_that_stop_early_are_other_lengths() -> None:
    rng = np.random.default_rng(1)
    first, second = side("a", rng), side("b", rng)
    key = next(iter(first.cases))
    first.cases[key] = replace(first.cases[key], tokens_out=512.0)
    second.cases[key] = replace(second.cases[key], tokens_out=300.0)
    with pytest.raises(NotComparableError, match="lengths: output of 128-512-c1: a has 512 tokens, b has 300 tokens"):
        comparing.make((first, second), "en")


def test_what_a_table_does_not_tell_is_never_taken_for_equal(few: Path) -> None:
    found = made(few, "507-a", baseline=str(few / "expected.csv"))
    unknown = dict(found.unknown)
    assert unknown["seed"] == unknown["generator"] == unknown["success"] == ("expected.csv",)
    assert "lengths" not in unknown
    assert "Not told by every side" in comparison.write("md", found).decode()


def test_lengths_that_only_one_side_has_are_refused_or_left_out(few: Path, tmp_path: Path) -> None:
    (tmp_path / "less.csv").write_text("\n".join(BASELINE.splitlines()[:4]) + "\n")
    with pytest.raises(NotComparableError, match=r"lengths: .*128/512, 2000/512"):
        made(few, "507-a", str(tmp_path / "less.csv"))
    found = made(few, "507-a", str(tmp_path / "less.csv"), allow=("lengths",))
    assert len(found.others[0].against) == 3
    assert set(found.others[0].missing) == {"2k-512-c1", "2k-512-c2", "2k-512-c4"}


def test_nothing_in_common_is_no_comparison(few: Path, tmp_path: Path) -> None:
    (tmp_path / "else.csv").write_text(BASELINE.splitlines()[0] + "\n1k,1k,3,1,1,1,1\n")
    with pytest.raises(NotComparableError, match="no case"):
        made(few, "507-a", str(tmp_path / "else.csv"), allow=("lengths",))


def test_a_side_that_shares_no_case_is_not_called_the_baseline(few: Path, tmp_path: Path) -> None:
    (tmp_path / "else.csv").write_text(BASELINE.splitlines()[0] + "\n1k,1k,3,1,1,1,1\n")
    found = made(few, "507-a", "507-b", str(tmp_path / "else.csv"), allow=("lengths",))
    (sides,) = next(section.tables for section in sections.of(found) if section.key == "sides")
    assert [row[0] for row in sides.rows] == ["A (baseline)", "B", "C"]


def test_one_thing_is_nothing_to_compare(few: Path) -> None:
    with pytest.raises(UsageError, match="nothing to compare"):
        made(few, "507-a")
    with pytest.raises(UsageError, match="twice"):
        made(few, "507-a", "507-a")


# --- what is said ------------------------------------------------------------------------------------------------


def test_nothing_is_called_a_difference_where_there_is_none() -> None:
    """A bounded version of benchmarks/compare_noise.py, through the whole of a comparison."""
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(12):
        found = comparing.make((side("a", rng), side("b", rng)), "en")
        (other,) = found.others
        said = {r.difference for r in (*other.overall, *itertools.chain(*(case.ratios for case in other.against)))}
        alarms += said != {"noise"}
    assert alarms <= 1


def test_a_tenth_is_found_with_three_rounds() -> None:
    rng = np.random.default_rng(6)
    for _ in range(6):
        (other,) = comparing.make((side("a", rng), side("b", rng, faster=0.1)), "en").others
        assert {ratio.difference for ratio in other.overall} == {"better"}
        assert other.overall[0].ratio == pytest.approx(1.1, rel=0.015)
        cases = [case.ratios[0].difference for case in other.against]
        assert cases.count("better") >= 12
        assert "worse" not in cases


def test_slower_is_worse_for_every_metric(few: Path) -> None:
    found = made(few, "507-b", "507-a")
    assert {ratio.metric: ratio.difference for ratio in found.others[0].overall} == dict.fromkeys(COMPARED, "worse")


def test_without_rounds_on_a_side_nothing_is_told_from_noise(few: Path) -> None:
    for names in (("507-a", str(few / "expected.csv")), ("507-single", "507-a")):
        found = made(few, *names)
        ratios = [ratio for case in found.others[0].against for ratio in case.ratios]
        assert {ratio.difference for ratio in ratios} == {"unknown"}
        assert found.tested == 0
        assert "single rounds only" in found.words[0]


def test_two_single_rounds_get_the_interval_of_their_requests_and_no_judgement(few: Path) -> None:
    again = planted(few.parent / "again", "again", 9, "load.rounds=1", cases=FEW)
    found = comparing.make((files.read("507-single", few), of_run(again)), "en")
    latency = [ratio for case in found.others[0].against for ratio in case.ratios if ratio.metric == "latency"]
    assert {(ratio.method, ratio.difference) for ratio in latency} == {("requests", "unknown")}
    assert all(ratio.low is not None and ratio.high is not None and ratio.low < ratio.high for ratio in latency)
    assert "* Single rounds" in comparison.write("md", found).decode()


def test_what_lies_within_the_rounding_of_a_table_is_no_difference() -> None:
    rng = np.random.default_rng(8)
    first, second = side("a", rng), side("b", rng, faster=0.1)
    for key, case in second.cases.items():
        second.cases[key] = replace(case, steps={m: 0.4 * min(case.known(m)) for m in COMPARED})
    (other,) = comparing.make((first, second), "en").others
    assert {ratio.difference for case in other.against for ratio in case.ratios} == {"instrument"}


def test_what_lies_within_the_instruments_own_errors_is_no_difference() -> None:
    rng = np.random.default_rng(8)
    first, second = side("a", rng), side("b", rng, faster=0.1)

    def judged(*errors: float) -> set[str]:
        sides = [
            replace(
                one, cases={k: replace(case, errors=dict.fromkeys(COMPARED, error)) for k, case in one.cases.items()}
            )
            for one, error in zip((first, second), errors, strict=True)
        ]
        made = comparing.make(sides, "en")
        assert made.untried == ()
        (other,) = made.others
        return {r.difference for r in (*other.overall, *itertools.chain(*(case.ratios for case in other.against)))}

    assert judged(0.1, 0.1) == {"instrument"}
    assert judged(0.2, 0.0) == judged(0.0, 0.2) == {"instrument"}
    assert "instrument" not in judged(0.01, 0.01)
    assert "better" in judged(0.01, 0.01)
    # Systematic: over many cases it does not average out.
    (other,) = comparing.make(
        [
            replace(one, cases={k: replace(case, errors={"latency": 0.06}) for k, case in one.cases.items()})
            for one in (first, second)
        ],
        "en",
    ).others
    assert [ratio.difference for ratio in other.overall] == ["better", "instrument", "better", "better"]


def test_a_run_that_tried_its_instrument_tells_its_errors(few: Path, tmp_path: Path) -> None:
    run = planted(tmp_path, "tried", 5, cases=FEW)
    figures = run.results(run.plan())[0].figures
    assert figures.ttft_s is not None
    trial = Trial(
        ttft_s=0.11, true_ttft_s=0.1, tpot_s=0.0099, true_tpot_s=0.01, latency_s=1.0, true_latency_s=1.0,
        throughput=103.0, true_throughput=100.0, late_p99_s=0.0,
    )  # fmt: skip
    good = trial.model_copy(update={"throughput": 100.0})
    points = tuple(
        Point(
            concurrency=clients,
            requests=clients,
            tokens=8,
            asked_ttft_s=0.1,
            asked_itl_s=0.01,
            trials=(good, trial, good),
        )
        for clients in (1, 2, 4)
    )
    run.write_calibration(Calibration(at=BEGIN, transport="precise", budget_s=1, took_s=1, points=points))
    side = of_run(run)
    errors = side.cases[128, 512, 1].errors
    assert errors["output_throughput"] == pytest.approx(0.03), "the largest of the trials"
    assert errors["ttft"] == pytest.approx(0.01 / figures.ttft_s.mean, rel=0.1)
    assert set(errors) == set(COMPARED)
    found = comparing.make((side, files.read("507-a", few)), "en")
    assert found.untried == ("B",)
    assert "is not known of B" in comparison.write("md", found).decode()


def test_sides_whose_instrument_nobody_tried_are_named(few: Path) -> None:
    found = made(few, "507-a", str(few / "expected.csv"))
    assert found.untried == ("A", "B")
    assert "is not known of A, B" in comparison.write("md", found).decode()


def test_per_accelerator_and_per_cost(few: Path) -> None:
    found = made(few, "507-a", "507-b", cost=few / "prices.yaml")
    first, second = found.contenders
    assert (first.accelerators, second.accelerators) == (2, 4)
    assert (first.hourly, second.hourly) == (13.0, 26.0)
    case = first.cases[0]
    assert case.output_throughput is not None
    assert case.per_accelerator == pytest.approx(case.output_throughput / 2)
    assert case.per_cost == pytest.approx(case.output_throughput * 3600 / 13)
    assert case.per_joule is None
    overall = next(ratio for ratio in second.overall if ratio.metric == "output_throughput")
    assert overall.ratio is not None
    assert dict(second.efficiency)["per_accelerator"] == pytest.approx(overall.ratio / 2, rel=0.01)
    assert any("times the output per accelerator" in line for line in found.words)


def test_scaling_is_against_the_fewest_clients(few: Path) -> None:
    cases = made(few, "507-a", "507-b").baseline.cases
    one, four = cases[0], cases[2]
    assert (one.scaling, one.scaling_of) == (1.0, 1.0)
    assert four.scaling_of == 4.0
    assert four.scaling == pytest.approx(four.output_throughput / one.output_throughput)  # type: ignore[operator]


def test_what_differs_is_told_accelerators_engine_and_arguments_first(few: Path) -> None:
    found = made(few, "507-a", "507-b")
    told = [(entry.group, entry.name, entry.values) for entry in found.differences]
    assert told[0] == ("machine", "accelerators", ("2 x 910B4", "4 x 910B4"))
    assert told[1] == ("engine", "engine", ("SGLang 0.5.3", "SGLang 0.5.4"))
    assert ("arguments", "--mem-fraction-static", ("0.9", "0.95")) in told
    assert all(len(set(entry.values)) > 1 for entry in found.differences)


def test_prices_that_cannot_be_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("currency: CNY\naccelerators: {910B4: -1}\nhourly: 3\n")
    with pytest.raises(UsageError, match="hourly"):
        prices.read(path)
    path.write_text("currency: CNY\naccelerators: {910B4: -1}\n")
    with pytest.raises(UsageError, match="910B4: a price of -1 cannot be"):
        prices.read(path)


# --- an old report -----------------------------------------------------------------------------------------------


def test_a_report_that_kit_wrote_is_a_side_again(few: Path, tmp_path: Path) -> None:
    _, (path,) = running.write_report(store.find("507-a", few), ("md",), to=tmp_path)
    found = files.read(str(path), few)
    assert found.kind == "report"
    assert found.keys["model"] == "DeepSeek-R1-0528-w8a8"
    assert (found.keys["generator"], found.keys["generator_version"]) == ("evalscope", "1.0.1")
    assert found.keys["transport"] == files.read("507-a", few).keys["transport"] == "precise"
    assert found.engine == "SGLang 0.5.3"
    (other,) = comparing.make((files.read("507-a", few), found), "en").others
    assert all(ratio.ratio == pytest.approx(1, abs=0.05) for ratio in other.overall)


def test_an_original_report_and_its_table_are_sides(few: Path, tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text(old_reports.markdown(), "utf-8")
    found = comparisons.compare([str(old_reports.BASELINE), str(tmp_path / "old.md")], few, lang="zh-CN")
    table, report = found.contenders
    assert (table.kind, report.kind) == ("table", "report")
    assert (report.accelerators, report.engine) == (2, "Ftransformers 3.3.1")
    assert len(report.against) == len(table.cases) == 18
    assert {ratio.ratio for case in report.against for ratio in case.ratios} == {1.0}
    assert {ratio.difference for ratio in report.overall} == {"unknown"}
    assert report.name in dict(found.unknown)["success"]
    first = report.cases[0]
    assert first.per_accelerator == pytest.approx(first.output_throughput / 2)  # type: ignore[operator]
    assert (first.scaling, report.cases[4].scaling_of) == (1.0, 16.0)


# --- the charts --------------------------------------------------------------------------------------------------


def test_the_trade_is_drawn_per_accelerator_where_all_sides_tell_theirs(few: Path) -> None:
    found = made(few, "507-a", "507-b")
    pareto = curves.of(found)[0]
    assert (pareto.key, pareto.linear) == ("pareto", True)
    assert [series.name for series in pareto.series] == ["A · 128/512", "A · 2k/512", "B · 128/512", "B · 2k/512"]
    for series, entry in zip(pareto.series[::2], found.contenders, strict=True):
        drawn = [(point.x, point.y) for point in series.points]
        assert drawn == [(case.tps, case.per_accelerator) for case in entry.cases[:3]]
    with_table = made(few, "507-a", str(few / "expected.csv"))
    whole = curves.of(with_table)[0]
    assert [point.y for point in whole.series[0].points] == [
        case.output_throughput for case in with_table.baseline.cases[:3]
    ]
    assert "whole machine" in whole.title


# --- the formats -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["case", "hardware"])
@pytest.mark.parametrize("lang", ["zh-CN", "en"])
def test_every_format_shows_the_same_figures(few: Path, lang: str, by: str) -> None:
    found = comparisons.compare(["507-a", "507-b"], few, lang=lang, by=by)
    shown = sections.ratio(found.others[0].overall[0])
    text = comparison.write("md", found).decode()
    assert shown.replace("[", r"\[").replace("]", r"\]") in text
    document = Document(io.BytesIO(comparison.write("docx", found)))
    cells = {cell.text for table in document.tables for row in table.rows for cell in row.cells}
    assert shown in cells
    assert sum("pic:pic" in table._tbl.xml for table in document.tables) == 2
    html = comparison.write("html", found).decode()
    assert shown in html
    assert html.count('<figure class="chart"') == 4
    book = load_workbook(io.BytesIO(comparison.write("xlsx", found)), read_only=True)
    rows = list(book["ratios"].iter_rows(values_only=True))
    assert rows[1][8] == pytest.approx(found.others[0].overall[0].ratio)
    assert comparison.write("docx", found) == comparison.write("docx", found)
    assert comparison.write("xlsx", found) == comparison.write("xlsx", found)


def test_texts_from_outside_stay_texts(few: Path) -> None:
    found = made(few, "507-a", "507-b")
    evil = "<script>alert(1)</script>|*x*"
    changed = found.contenders[1].model_copy(update={"name": evil, "hardware": evil})
    found = found.model_copy(update={"contenders": (found.contenders[0], changed)})
    assert "<script>alert" not in comparison.write("html", found).decode()
    assert r"\<script\>alert(1)\</script\>\|\*x\*" in comparison.write("md", found).decode()
    comparison.write("docx", found)


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_writes_files_and_says_the_verdict(few: Path, tmp_path: Path) -> None:
    arguments = [
        "compare",
        "507-a",
        "507-b",
        "--out",
        str(few),
        "--to",
        str(tmp_path),
        "--lang",
        "en",
        "--format",
        "md,xlsx",
    ]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0
    assert found.stdout.split() == [str(tmp_path / "comparison.md"), str(tmp_path / "comparison.xlsx")]
    assert "better than the baseline" in found.stderr
    kept = (tmp_path / "comparison.md").read_bytes()
    again = CliRunner().invoke(app, [*arguments[:-3], "zh-CN", "--format", "html,md"])
    assert again.exit_code == 2
    assert f"{tmp_path}/comparison.md exists already\nwhat to do: give another directory with --to" in again.stderr
    assert (tmp_path / "comparison.md").read_bytes() == kept
    assert not (tmp_path / "comparison.html").exists(), "nothing is written beside what is kept"
    refused = CliRunner().invoke(app, ["compare", "507-a", "507-other", "--out", str(few)])
    assert refused.exit_code == 5
