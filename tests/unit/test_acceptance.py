"""The verdict: met only where every criterion was checked and met."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import acceptance
from kit import plan as plans
from kit import profile as profiles
from kit.errors import KitError, ProfileError
from kit.legacy import baseline as baselines
from kit.model import Environment, Figures, NativeSummary, Plan, RoundResult, Spread
from kit.model.verdict import Judged, Verdict
from kit.report import verdicts
from kit.resources import folder

BEGAN = date(2026, 11, 23)
PASSED = "经测试，上述测试性能符合预期"
HEAD = "input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s,avg_tps,per_stream_tok_s\n"
BASELINE = HEAD + "128,512,1,28.94,17.69,2.38,0.06,17.27,17.69\n128,512,2,44.56,22.98,2.65,0.09,11.26,11.49\n"


def text(criteria: str = "", *, rounds: int = 3) -> str:
    return f"""\
schema: 1
name: there
server: {{engine: endpoint, url: "http://127.0.0.1:8001", model: m}}
load:
  tokenizer: /models/tiny
  rounds: {rounds}
  cases:
    - {{input: 128, output: 512, concurrency: [1, 2]}}
{criteria}"""


@pytest.fixture
def planned(tmp_path: Path) -> "Planned":
    return Planned(tmp_path)


class Planned:
    """Makes plans from a profile beside its baseline."""

    def __init__(self, folder: Path, baseline: str = BASELINE) -> None:
        self.folder = folder
        self.baseline = baseline.encode()
        (folder / "b.csv").write_bytes(self.baseline)

    def plan(self, criteria: str, rounds: int = 3) -> Plan:
        loaded = profiles.parse(text(criteria, rounds=rounds), str(self.folder / "p.yaml"))
        return plans.make(
            loaded.profile,
            sha256=loaded.sha256,
            runtime="process",
            pin=lambda name, variant: Environment(name=name, variant=variant, kind="lock", digest="sha256:0"),
            models=Path("/nowhere"),
            version=lambda *_: None,
        )

    def verdict(
        self,
        criteria: str,
        figures: dict[str, list[Figures]] | None = None,
        *,
        rounds: int = 3,
        complete: bool = True,
        began: date = BEGAN,
    ) -> Verdict:
        plan = self.plan(criteria, rounds)
        given_ = {case.id: [good()] * rounds for case in plan.cases} if figures is None else figures
        results = [
            RoundResult(
                case=case,
                round=number,
                started=datetime(2026, 11, 23, tzinfo=UTC),
                duration_s=1.0,
                command="",
                figures=found,
                native=NativeSummary(),
            )
            for case in plan.cases
            for number, found in enumerate(given_.get(case.id, []), start=1)
        ]
        return acceptance.judge(plan, results, self.baseline, began, complete=complete)


def spread(mean: float, count: int = 2) -> Spread:
    return Spread(count=count, mean=mean, p50=mean, p90=mean, p99=mean * 2, maximum=mean * 2)


def good(
    *, ttft: float = 2.0, tpot: float = 0.05, throughput: float = 20.0, requests: int = 2, failed: int = 0
) -> Figures:
    return Figures(
        requests=requests,
        succeeded=requests - failed,
        latency_s=spread(28.0),
        ttft_s=spread(ttft, requests - failed),
        tpot_s=spread(tpot),
        output_throughput=throughput,
        per_stream_throughput=throughput / 2,
        tps=1 / tpot,
    )


def said(found: Verdict) -> str:
    return "\n".join(verdicts.lines(found, "zh-CN"))


def only(found: Verdict, case: str = "128-512-c1") -> Judged:
    (entry,) = [entry for entry in found.judged if entry.case == case]
    return entry


LIMIT = "acceptance: {limits: [ttft <= 3 s]}\n"


# --- what follows from the criteria --------------------------------------------------------------------------------


def test_without_criteria_nothing_is_claimed(planned: Planned) -> None:
    for criteria in ("", "acceptance: {baseline: b.csv}\n"):
        found = planned.verdict(criteria)
        assert found.outcome == "none"
        assert "未设定验收标准" in said(found)
        assert "符合预期" not in said(found)
        assert found.accepted


def test_expectations_are_met_when_every_criterion_is(planned: Planned) -> None:
    criteria = (
        "acceptance: {baseline: b.csv, tolerance: {output_throughput: -15%, ttft: +10%}, limits: [ttft <= 3 s], "
        "success_rate: 100%}\n"
    )
    found = planned.verdict(criteria)
    assert [entry.outcome for entry in found.judged] == ["met"] * 8
    assert verdicts.lines(found, "zh-CN")[0] == PASSED
    assert found.accepted


def test_one_criterion_missed_is_named_with_its_size(planned: Planned) -> None:
    found = planned.verdict(LIMIT, {"128-512-c1": [good()] * 3, "128-512-c2": [good(ttft=3.3)] * 3})
    assert not found.accepted
    missed = only(found, "128-512-c2")
    assert missed.outcome == "not-met"
    assert missed.excess == pytest.approx(0.1)
    assert only(found).outcome == "met"
    assert "未达到预期：2 项验收标准中有 1 项未满足" in said(found)
    assert "128-512-c2 首 token 时延 TTFT：实测 3.3 ± 0 s，要求 ≤ 3 s，差 10.0%" in said(found)
    assert PASSED not in said(found)


@pytest.mark.parametrize(
    ("ttft", "outcome"), [(2.618, "met"), (2.6181, "not-met"), (2.38, "met"), (1.0, "met")], ids=str
)
def test_a_tolerance_is_counted_from_the_baseline(planned: Planned, ttft: float, outcome: str) -> None:
    criteria = "acceptance: {baseline: b.csv, tolerance: {ttft: +10%}}\n"
    found = planned.verdict(criteria, {"128-512-c1": [good(ttft=ttft)] * 3, "128-512-c2": [good()] * 3})
    entry = only(found)
    assert (entry.outcome, entry.baseline, entry.change) == (outcome, 2.38, 0.1)
    assert entry.limit == pytest.approx(2.618)


def test_a_higher_rate_is_better_and_a_lower_time(planned: Planned) -> None:
    criteria = "acceptance: {baseline: b.csv, tolerance: {output_throughput: -5%}}\n"
    slow = {"128-512-c1": [good(throughput=16.7)] * 3, "128-512-c2": [good(throughput=40)] * 3}
    found = planned.verdict(criteria, slow)
    assert [entry.outcome for entry in found.judged] == ["not-met", "met"]


def test_a_limit_can_concern_some_cases(planned: Planned) -> None:
    criteria = "acceptance: {limits: [{limit: output_throughput >= 15, input: 128, concurrency: 2}]}\n"
    assert [entry.case for entry in planned.verdict(criteria).judged] == ["128-512-c2"]


# --- what is not decided -------------------------------------------------------------------------------------------


def test_a_skipped_case_is_never_passed(planned: Planned) -> None:
    found = planned.verdict(LIMIT, {"128-512-c1": [good()] * 3})
    assert only(found, "128-512-c2").outcome == "uncertain"
    assert found.outcome == "uncertain"
    assert "不确定" in said(found)
    assert PASSED not in said(found)


def test_a_missing_round_leaves_its_case_open(planned: Planned) -> None:
    found = planned.verdict(LIMIT, {"128-512-c1": [good()] * 3, "128-512-c2": [good()] * 2})
    reason = only(found, "128-512-c2").reason
    assert reason is not None
    assert (reason.kind, dict(reason.values)) == ("uncertain-rounds-missing", {"rounds": "3"})


def test_an_interval_across_the_limit_decides_nothing(planned: Planned) -> None:
    steady, wild = [good(ttft=2.9)] * 3, [good(ttft=value) for value in (2.0, 2.9, 3.8)]
    found = planned.verdict(LIMIT, {"128-512-c1": wild, "128-512-c2": steady})
    assert only(found).reason is not None
    assert only(found).outcome == "uncertain"
    assert only(found).value == pytest.approx(2.9)
    assert only(found, "128-512-c2").outcome == "met"
    over = planned.verdict(LIMIT, {"128-512-c1": [good(ttft=value) for value in (2.2, 3.1, 4.0)], "128-512-c2": steady})
    assert only(over).outcome == "uncertain"


def test_one_single_request_decides_nothing_unless_the_profile_says_so(planned: Planned) -> None:
    single = {"128-512-c1": [good(requests=1)], "128-512-c2": [good()]}
    found = planned.verdict(LIMIT, single, rounds=1)
    assert [entry.outcome for entry in found.judged] == ["uncertain", "met"]
    asked = "acceptance: {limits: [ttft <= 3 s], least_requests: 1}\n"
    assert planned.verdict(asked, single, rounds=1).outcome == "met"


def test_a_percentile_needs_its_samples(planned: Planned) -> None:
    criteria = "acceptance: {limits: [ttft_p99 <= 9 s, ttft_p50 <= 9 s]}\n"
    found = planned.verdict(criteria, {"128-512-c1": [good(requests=661)] * 3, "128-512-c2": [good(requests=662)] * 3})
    assert [entry.outcome for entry in found.judged] == ["uncertain", "met", "met", "met"]
    few = found.judged[0]
    assert (few.value, few.half_width) == (None, None), "a percentile of 661 samples is not shown either"
    assert verdicts.value(few) == "—"
    assert "661" in verdicts.rows(found, "en")[0][-1]
    waived = planned.verdict(
        f"{criteria[:-2]}, waivers: [{{metric: ttft_p99, reason: short, name: me, expires: 2027-01-31}}]}}\n",
        {"128-512-c1": [good(requests=661)] * 3, "128-512-c2": [good(requests=662)] * 3},
    )
    assert waived.outcome == "waived", "it was measured"


def test_a_criterion_counts_the_values_of_its_own_figure(planned: Planned) -> None:
    """Of 700 requests 613 had one token, and so no TPOT."""
    short = good(requests=700).model_copy(update={"tpot_s": spread(0.05, 87)})
    found = planned.verdict(
        "acceptance: {limits: [tpot_p99 <= 500 ms, ttft_p99 <= 9 s]}\n", {"128-512-c1": [short] * 3}
    )
    tpot, _, ttft, _ = found.judged
    assert (tpot.outcome, dict(tpot.reason.values if tpot.reason else ())) == (
        "uncertain",
        {"count": "87", "least": "662", "which": "p99"},
    )
    assert ttft.outcome == "met"
    for metric in ("tpot <= 500 ms", "tps >= 1"):
        one = good(requests=700).model_copy(update={"tpot_s": spread(0.05, 1)})
        least = planned.verdict(f"acceptance: {{limits: [{metric}]}}\n", {"128-512-c1": [one]}, rounds=1)
        assert least.judged[0].outcome == "uncertain"
        assert least.judged[0].reason is not None
        assert least.judged[0].reason.kind == "uncertain-too-few"


def test_failed_requests_are_not_passed_over(planned: Planned) -> None:
    partly = {"128-512-c1": [good(requests=4, failed=1)] * 3, "128-512-c2": [good()] * 3}
    found = planned.verdict(LIMIT, partly)
    assert only(found).outcome == "uncertain"
    asked = planned.verdict("acceptance: {limits: [ttft <= 3 s], success_rate: 75%}\n", partly)
    assert asked.outcome == "met"
    strict = planned.verdict("acceptance: {success_rate: 100%}\n", partly)
    assert [(entry.outcome, entry.value) for entry in strict.judged] == [("not-met", 0.75), ("met", 1.0)]


def test_what_was_not_measured_is_not_met_by_chance(planned: Planned) -> None:
    empty = Figures(requests=2, succeeded=0)
    found = planned.verdict(LIMIT, {"128-512-c1": [empty] * 3, "128-512-c2": [good()] * 3})
    assert only(found).outcome == "uncertain"


def test_a_case_that_the_baseline_lacks_is_open_and_so_is_one_that_only_it_has(tmp_path: Path) -> None:
    planned = Planned(tmp_path, HEAD + "128,512,1,28.94,17.69,2.38,0.06,17.27,17.69\n4k,512,1,57,8.9,33,0.05,20,8.9\n")
    found = planned.verdict("acceptance: {baseline: b.csv, tolerance: {ttft: +10%}}\n")
    assert {entry.case: entry.outcome for entry in found.judged} == {
        "128-512-c1": "met",
        "128-512-c2": "uncertain",
        "4k-512-c1": "uncertain",
    }


def test_a_criterion_that_fits_no_case_is_not_met_in_silence(planned: Planned) -> None:
    found = planned.verdict("acceptance: {limits: [{limit: ttft <= 3 s, input: 4k}]}\n")
    assert found.outcome == "uncertain"
    assert "没有工况符合该标准" in said(found)


def test_a_run_that_is_not_complete_is_not_accepted(planned: Planned) -> None:
    found = planned.verdict(LIMIT, complete=False)
    assert {entry.outcome for entry in found.judged} == {"met"}
    assert not found.accepted
    assert PASSED not in said(found)


@given(st.lists(st.lists(st.floats(0.1, 6), max_size=3), min_size=2, max_size=2), st.booleans(), st.integers(1, 3))
def test_nothing_passes_that_was_not_measured_and_met(
    tmp_path_factory: pytest.TempPathFactory, measured: list[list[float]], complete: bool, requests: int
) -> None:
    planned = Planned(tmp_path_factory.mktemp("any"))
    cases = dict(zip(("128-512-c1", "128-512-c2"), measured, strict=True))
    figures = {case: [good(ttft=value, requests=requests) for value in values] for case, values in cases.items()}
    found = planned.verdict(LIMIT, figures, complete=complete)
    whole = all(len(values) == 3 for values in measured)
    if PASSED in verdicts.lines(found, "zh-CN"):
        assert complete
        assert whole
        assert all(sum(values) / 3 <= 3 + 1e-6 for values in measured)
    if any(len(values) == 3 and min(values) > 3 and max(values) - min(values) < 1e-6 for values in measured):
        assert found.outcome == "not-met"
    assert found.accepted == (found.outcome == "met")
    assert {entry.case for entry in found.judged} == set(cases)


# --- waivers -------------------------------------------------------------------------------------------------------

WAIVED = """\
acceptance:
  limits: [ttft <= 3 s]
  waivers:
    - {metric: ttft, concurrency: 2, reason: disk to be replaced, name: 张三, expires: 2026-11-23}
"""
SLOW = {"128-512-c1": [good()] * 3, "128-512-c2": [good(ttft=9)] * 3}


def test_a_waiver_counts_until_its_day_and_is_listed(planned: Planned) -> None:
    found = planned.verdict(WAIVED, SLOW)
    assert found.outcome == "waived"
    assert found.accepted
    assert PASSED not in said(found)
    assert "豁免：首 token 时延 TTFT，原因：disk to be replaced，批准人：张三，有效期至 2026-11-23" in said(found)
    assert verdicts.rows(found, "zh-CN")[1][-1] == "差 200.0%；disk to be replaced（张三，有效期至 2026-11-23）"
    late = planned.verdict(WAIVED, SLOW, began=date(2026, 11, 24))
    assert late.outcome == "not-met"
    assert "豁免已过期" in said(late)


def test_a_waiver_concerns_only_its_cases_and_metric(planned: Planned) -> None:
    found = planned.verdict(WAIVED, {"128-512-c1": [good(ttft=9)] * 3, "128-512-c2": [good()] * 3})
    assert found.outcome == "not-met"
    assert found.waivers[0].state == "unneeded"


def test_a_case_that_was_not_measured_cannot_be_waived(planned: Planned) -> None:
    assert planned.verdict(WAIVED, {"128-512-c1": [good()] * 3}).outcome == "uncertain"


# --- words ---------------------------------------------------------------------------------------------------------


def test_the_table_of_criteria_has_limit_value_and_verdict(planned: Planned) -> None:
    criteria = "acceptance: {baseline: b.csv, tolerance: {ttft: +10%}, success_rate: 99.5%}\n"
    found = planned.verdict(criteria, {"128-512-c1": [good(ttft=3)] * 3, "128-512-c2": [good()] * 3})
    table = verdicts.rows(found, "en")
    assert len(verdicts.columns("en")) == len(table[0])
    assert table[0] == ("128-512-c1", "success rate", "≥ 99.5%", "—", "100%", "met", "—")
    wanted = ("128-512-c1", "TTFT", "≤ 2.618 s (+10%)", "2.38 s", "3 ± 0 s", "not met", "off by 14.6%")
    assert table[2] == wanted


def test_a_rate_just_below_all_never_reads_100_percent(planned: Planned) -> None:
    figures = {
        "128-512-c1": [good(requests=100_000, failed=1)],
        "128-512-c2": [good(requests=100_000, failed=99_999)],
    }
    found = planned.verdict("acceptance: {success_rate: 100%}\n", figures, rounds=1)
    assert [row[4] for row in verdicts.rows(found, "en")] == ["99.999%", "0.001%"]


# --- the profile -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criteria", "problem"),
    [
        ("limits: [ttft < 3 s]", "is not a limit"),
        ("limits: [ttft >= 3 s]", "for ttft write <="),
        ("limits: [output_throughput <= 15]", "for output_throughput write >="),
        ("limits: [ttft = 3 s]", "for ttft write <="),
        ("limits: [speed >= 3]", "no metric 'speed'"),
        ("limits: [ttft <= 3 min]", "in s or ms"),
        ("limits: [tps >= 3, ttft <= 50]", "acceptance.limits.1 (line 9): 'ttft <= 50' has no unit"),
        ("limits: [latency_p99 <= 50]", "'latency_p99 <= 50' has no unit"),
        ("limits: [output_throughput >= 3 s]", "in tokens per second"),
        ("limits: [success_rate >= 1]", "in percent"),
        ("limits: [ttft <= 0 s]", "decides nothing"),
        ("success_rate: 101%", "up to 100 %"),
        ("success_rate: all", "not a percentage"),
        ("{baseline: b.csv, tolerance: {ttft: -5%}}", "written +5%"),
        ("{baseline: b.csv, tolerance: {output_throughput: +5%}}", "written -5%"),
        ("{baseline: b.csv, tolerance: {ttft: 5%}}", "written +5%"),
        ("{baseline: b.csv, tolerance: {success_rate: 5%}}", "no metric 'success_rate' in a baseline"),
        ("{baseline: b.csv, tolerance: {ttft: fast}}", "not a percentage"),
        ("tolerance: {ttft: +5%}", "needs a baseline"),
        ("waivers: [{metric: ttft, name: me too, expires: 2026-01-01}]", "reason"),
        ("waivers: [{metric: speed, reason: because, name: me, expires: 2026-01-01}]", "no metric"),
        ("waivers: [{metric: ttft, reason: because, name: me, expires: soon}]", "date"),
    ],
)
def test_a_criterion_that_says_nothing_clear_is_refused(planned: Planned, criteria: str, problem: str) -> None:
    written = criteria if criteria.startswith("{") else f"{{{criteria}}}"
    with pytest.raises(ProfileError) as caught:
        planned.plan(f"acceptance: {written}\n")
    assert problem in str(caught.value)


def test_criteria_survive_being_written_and_read_again(tmp_path: Path) -> None:
    Planned(tmp_path)
    criteria = """\
acceptance:
  baseline: b.csv
  tolerance: {output_throughput: -5%, tpot: +7.5%}
  limits: [ttft ≤ 300 ms, success_rate = 100 %, {limit: tps >= 3, input: 2k, concurrency: [1, 2]}]
  success_rate: 99.9%
  waivers: [{metric: ttft_p99, input: 2k, reason: because, name: me, expires: 2027-01-31}]
"""
    once = profiles.parse(text(criteria), str(tmp_path / "p.yaml"))
    again = profiles.parse(profiles.resolved(once.profile).decode(), str(tmp_path / "p.yaml"))
    assert again.profile == once.profile
    assert again.sha256 == once.sha256
    assert once.profile.acceptance.success_rate == pytest.approx(0.999)
    plan = Planned(tmp_path).plan(criteria)
    assert Plan.model_validate_json(plan.to_json()) == plan


def test_the_baseline_that_comes_with_kit_can_be_held_against(tmp_path: Path) -> None:
    shutil.copytree(folder("profiles"), tmp_path / "profiles")
    content = (tmp_path / "profiles/baselines/ascend-910b4x2-2025-12-29.csv").read_bytes()
    assert len(baselines.read(content, "b")) == 18


@given(st.text(max_size=60))
def test_any_text_as_a_limit_is_one_or_is_refused(tmp_path_factory: pytest.TempPathFactory, written: str) -> None:
    try:
        plan = Planned(tmp_path_factory.mktemp("p")).plan(
            "acceptance:\n  limits:\n    - " + repr(written).replace("\\", "") + "\n"
        )
    except KitError:
        return
    plan.acceptance.limits[0].parts()


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.text(max_size=80).map(lambda t: (HEAD + t).encode())
)
def test_any_bytes_as_a_baseline_are_one_or_are_refused(content: bytes) -> None:
    try:
        baselines.read(content, "b.csv")
    except ProfileError:
        return
