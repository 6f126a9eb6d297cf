"""What was not measured alike: prompts of another length, other numbers of requests, stand-ins, and tables that tell of failures."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kit import comparing, renderers
from kit.comparing import files
from kit.comparing.runs import of_run
from kit.comparing.sides import Measured, Side
from kit.errors import NotComparableError, UsageError
from kit.legacy import again, baseline, marks, profiles
from kit.legacy import report as reports
from kit.model import Length, RoundPlan
from kit.model.profile import Language
from kit.model.rates import Rate
from kit.model.verdict import Verdict
from kit.renderers import comparison
from kit.renderers.details import comparison as beside_baseline
from kit.store import BASELINE, write_once
from kit.texts import say
from tests.unit.planted import planted
from tests.unit.test_compare import side
from tests.unit.written import PROFILE, Written

ONE = "    - {input: 128, output: 512, concurrency: 1}\n"
TWO = "    - {input: 128, output: 512, concurrency: [1, 2]}\n"


def changed(made: Side, **values: object) -> Side:
    """The side, every case with these."""
    return replace(made, cases={key: replace(case, **values) for key, case in made.cases.items()})  # type: ignore[arg-type]


@pytest.fixture
def pair() -> tuple[Side, Side]:
    rng = np.random.default_rng(2)
    return side("one", rng), side("other", rng)


def refused(*sides: Side, allow: tuple[str, ...] = ()) -> dict[str, str]:
    with pytest.raises(NotComparableError) as caught:
        comparing.make(sides, "en", allow=allow)
    assert caught.value.exit_code == 5
    return {problem.where: problem.what for problem in caught.value.problems}


# --- prompts and requests ----------------------------------------------------------------------------------------


def test_prompts_that_were_not_equally_long_are_other_lengths(pair: tuple[Side, Side]) -> None:
    one, other = (changed(made, tokens_in=tokens) for made, tokens in zip(pair, (314.25, 98.5), strict=True))
    found = refused(one, other)
    assert found["lengths: input of 128-512-c1"] == "one has 314.25 tokens, other has 98.5 tokens"
    made = comparing.make((one, other), "en", allow=("lengths",))
    assert "input of 128-512-c1 (A: 314.25 tokens, B: 98.5 tokens)" in comparison.write("md", made).decode()
    comparing.make((one, changed(other, tokens_in=313.0)), "en")
    comparing.make((one, changed(other, tokens_in=None)), "en")


def test_what_was_measured_is_told_also_where_other_lengths_are_admitted(pair: tuple[Side, Side]) -> None:
    one, other = (
        replace(changed(made, tokens_in=tokens), keys={"lengths": lengths})
        for made, tokens, lengths in zip(pair, (128.0, 64.0), ("128/512", "128/512, 2000/512"), strict=True)
    )
    allowed = [entry.name for entry in comparing.make((one, other), "en", allow=("lengths",)).allowed]
    assert allowed[:2] == ["lengths", "lengths: input of 128-512-c1"]


def test_a_run_tells_the_tokens_that_went_in_and_came_out(tmp_path: Path) -> None:
    def change(entry: RoundPlan, _: int) -> dict[str, object]:
        return {"input_tokens": 140 + 2 * entry.round, "output_tokens": 500}

    (case, *_) = of_run(Written(tmp_path, change=change).run).cases.values()
    assert (case.tokens_in, case.tokens_out) == (143.0, 500.0)


def test_other_numbers_of_requests_are_refused_once_for_all_cases(pair: tuple[Side, Side]) -> None:
    one, other = pair
    six = replace(other, cases={k: replace(case, requests=6 * case.concurrency) for k, case in other.cases.items()})
    assert refused(one, six) == {"requests": "one has 4 per client, other has 6 per client"}
    assert comparing.make((one, six), "en", allow=("requests",)).allowed[0].values == ("4 per client", "6 per client")
    untold = comparing.make((one, changed(other, requests=None)), "en")
    assert ("requests", ("other",)) in untold.unknown


def test_at_a_rate_it_is_the_number_itself() -> None:
    def at_rate(name: str, requests: int) -> Side:
        case = Measured(
            input=Length.model_validate(128),
            output=Length.model_validate(512),
            concurrency=8,
            rate=Rate(per_second=2),
            rounds=2,
            values={"latency": (1.0, 1.1)},
            requests=requests,
        )
        return Side(name=name, kind="run", keys={}, cases={case.key: case})

    assert refused(at_rate("a", 100), at_rate("b", 200)) == {"requests": "a has 100 at 2/s, b has 200 at 2/s"}


def test_seeds_of_their_own_for_each_case_are_other_seeds(tmp_path: Path) -> None:
    shared = of_run(planted(tmp_path, "a", 1, cases=TWO))
    own = of_run(planted(tmp_path, "b", 2, "load.seeds=per-case", cases=TWO))
    assert (shared.keys["seed"], own.keys["seed"]) == ("42", "42, +4 for each case")
    assert list(refused(shared, own)) == ["seed"]


def test_the_tokenizer_and_the_warm_up_stand_among_the_differences(tmp_path: Path) -> None:
    cold = of_run(planted(tmp_path, "a", 1, cases=TWO))
    warm = of_run(
        planted(tmp_path, "b", 2, "load.tokenizer=/else/tok/", "load.warmup={requests: 8, rounds: 1}", cases=TWO)
    )
    told = {entry.name: entry.values for entry in comparing.make((cold, warm), "en").differences}
    assert told["tokenizer"] == ("DeepSeek-R1-W8A8", "tok")
    assert told["warm-up"] == ("none", "12, 16 requests")
    elsewhere = of_run(planted(tmp_path, "c", 3, "load.tokenizer=/mnt/DeepSeek-R1-W8A8", cases=TWO))
    assert "tokenizer" not in {entry.name for entry in comparing.make((cold, elsewhere), "en").differences}


# --- rehearsals --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    """A run and the rehearsal of it."""
    out = tmp_path_factory.mktemp("runs")
    return of_run(planted(out, "a", 1, cases=ONE)), of_run(planted(out, "b", 2, "report.rehearsal=true", cases=ONE))


def test_a_rehearsal_is_not_held_against_a_measurement(runs: tuple[Side, Side]) -> None:
    assert refused(*runs) == {"rehearsal": f"{runs[0].name} has measurement, {runs[1].name} has rehearsal"}
    assert refused(*reversed(runs)) == {"rehearsal": f"{runs[1].name} has rehearsal, {runs[0].name} has measurement"}


@pytest.mark.parametrize("name", comparison.FORMATS)
def test_what_is_admitted_says_so_in_every_format(runs: tuple[Side, Side], name: str) -> None:
    made = comparing.make(runs, "en", allow=("rehearsal",))
    assert made.words[0] == say("en", "compare-rehearsal", letters="B")
    assert [entry.rehearsal for entry in made.contenders] == [False, True]
    if name in ("md", "html"):
        text = comparison.write(name, made).decode()
        assert made.words[0] in text
        assert "rehearsal (A: measurement, B: rehearsal)" in text


def test_two_rehearsals_and_what_tells_nothing_are_compared_and_marked(runs: tuple[Side, Side]) -> None:
    table = replace(runs[0], name="table", keys=dict.fromkeys(runs[0].keys))
    for other, letters in ((replace(runs[1], name="again"), "A; B"), (table, "A")):
        made = comparing.make((runs[1], other), "en")
        assert made.words[0] == say("en", "compare-rehearsal", letters=letters)
    assert ("rehearsal", ("table",)) in made.unknown
    assert comparing.make((runs[0], replace(runs[0], name="again")), "en").words[0].startswith("B (again)")


def written(folder: Path, name: str, lang: Language, *settings: str, **more: object) -> Path:
    """A run's results in one format."""
    built = Written(folder / "run", *settings, **more).report(lang)  # type: ignore[arg-type]
    path = folder / f"copy.{name}"
    path.write_bytes(renderers.render(name, built))
    return path


@pytest.mark.parametrize("lang", ["zh-CN", "en"])
@pytest.mark.parametrize("name", ["csv", "xlsx", "md", "docx"])
def test_copies_of_a_rehearsal_tell_what_they_are(tmp_path: Path, name: str, lang: Language) -> None:
    copy = files.read(str(written(tmp_path, name, lang, "report.rehearsal=true")), tmp_path)
    assert (copy.keys["rehearsal"], copy.is_rehearsal) == ("rehearsal", True)
    plain = files.read(str(written(tmp_path / "plain", name, lang)), tmp_path)
    assert plain.keys["rehearsal"] is None


@pytest.mark.parametrize("name", ["md", "docx"])
def test_a_report_with_several_marks_is_read_with_all_of_them(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, "zh-CN", "report.rehearsal=true", state="incomplete")
    found = reports.read(path.read_bytes(), path.name)
    assert found.draft == f"{say('zh-CN', 'draft')}；{say('zh-CN', 'rehearsal')}"
    assert [problem for problem in found.unread if problem.where in ("line 1", "paragraph 3")] == []
    copy = files.read(str(path), tmp_path)
    assert (copy.keys["rehearsal"], copy.keys["complete"]) == ("rehearsal", "incomplete")


def test_only_whole_lines_are_marks() -> None:
    assert marks.of(f"> **{say('en', 'draft')}; {say('en', 'rehearsal')}**") is not None
    assert marks.of(f"{say('en', 'rehearsal')} or not") is None
    assert marks.is_rehearsal("演练")
    assert not marks.is_rehearsal(say("en", "draft"))


def test_an_imported_rehearsal_stays_one(tmp_path: Path) -> None:
    path = written(tmp_path, "md", "en", "report.rehearsal=true", state="incomplete")
    found = reports.read(path.read_bytes(), path.name)
    assert again.report(found, b"").draft == found.draft
    rows = baseline.read(profiles.imported(found).baseline.encode(), "b.csv")
    assert baseline.is_rehearsal(rows)
    plain = written(tmp_path / "plain", "md", "en")
    made = profiles.imported(reports.read(plain.read_bytes(), plain.name))
    assert made.baseline.splitlines()[0] == ",".join(("input", "output", "concurrency", *profiles.COLUMNS))


# --- a rehearsal as the baseline ---------------------------------------------------------------------------------

CRITERIA = "acceptance: {baseline: old.csv, tolerance: {ttft: +10%, latency: +90%}}\n"


def held(folder: Path, content: bytes, *settings: str) -> tuple[Verdict, str]:
    """The verdict of a run against such a baseline, and what its report says of the baseline."""
    made = Written(folder, *settings, text=PROFILE + CRITERIA)
    write_once(made.run.path / BASELINE, content)
    report = made.report("en")
    return report.verdict, beside_baseline(report).notes[0]


@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_against_a_rehearsal_nothing_that_was_measured_is_decided(tmp_path: Path, name: str) -> None:
    content = written(tmp_path, name, "en", "report.rehearsal=true").read_bytes()
    verdict, note = held(tmp_path / "held", content)
    assert verdict.outcome == "uncertain"
    assert {entry.outcome for entry in verdict.judged} == {"uncertain"}
    assert {entry.reason.kind for entry in verdict.judged if entry.reason} == {"uncertain-rehearsed-baseline"}
    assert all(entry.value is not None and entry.excess is None for entry in verdict.judged)
    assert f"old.csv ({say('en', 'rehearsal')})" in note


def test_a_rehearsal_is_held_against_a_rehearsal_and_a_measurement_against_a_measurement(tmp_path: Path) -> None:
    content = written(tmp_path, "csv", "en", "report.rehearsal=true").read_bytes()
    assert held(tmp_path / "alike", content, "report.rehearsal=true")[0].outcome == "met"
    measured = written(tmp_path / "measured", "csv", "en").read_bytes()
    verdict, note = held(tmp_path / "plain", measured)
    assert verdict.outcome == "met"
    assert "Baseline: old.csv, with" in note


def test_a_baseline_misses_its_criteria_only_by_what_was_measured(tmp_path: Path) -> None:
    """What a rehearsal would have decided for the worse is not decided either."""
    lines = b"input,output,concurrency,avg_latency_s,avg_ttft_s,Draft\n128,512,1,1,0.1,rehearsal\n"
    outcomes = {e.case: (e.outcome, e.excess) for e in held(tmp_path, lines)[0].judged}
    assert outcomes["128-512-c1"] == ("uncertain", None)


# --- tables that tell of failures --------------------------------------------------------------------------------


def failing(round_: int) -> Callable[[RoundPlan, int], dict[str, object]]:
    def change(entry: RoundPlan, index: int) -> dict[str, object]:
        lost = entry.case.concurrency == 2 and entry.round == round_ and index == 0
        return {"succeeded": False, "error": "HTTP 500"} if lost else {}

    return change


@pytest.mark.parametrize("name", ["csv", "xlsx", "md", "docx"])
def test_a_copy_of_a_run_with_failed_requests_tells_of_them_as_the_run(tmp_path: Path, name: str) -> None:
    copy = files.read(str(written(tmp_path, name, "zh-CN", change=failing(2))), tmp_path)
    assert copy.keys["success"] == "7 of 8 requests"
    whole = replace(copy, name="whole", keys={**copy.keys, "success": None})
    assert refused(whole, copy)["success"] == f"whole has not told, copy.{name} has 7 of 8 requests"
    note = held(tmp_path / "held", written(tmp_path / "b", "csv", "en", change=failing(2)).read_bytes())[1]
    assert "old.csv (1 of its 8 requests failed)" in note


@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_a_table_that_lacks_rounds_is_not_complete(tmp_path: Path, name: str) -> None:
    missing = ["128-512-c2/round-2"]
    copy = files.read(str(written(tmp_path, name, "en", missing=missing, state="incomplete")), tmp_path)
    assert copy.keys["complete"] == "5 of 6 rounds"
    whole = replace(copy, name="whole", keys={**copy.keys, "complete": "complete"})
    assert list(refused(whole, copy)) == ["complete"]
    draft = files.of_table(b"input,output,concurrency,avg_latency_s,Draft\n1k,1k,1,1,Incomplete test\n", "d.csv")
    assert draft.keys["complete"] == "incomplete"


def test_what_other_tables_call_status_says_nothing() -> None:
    head = "input,output,concurrency,avg_latency_s"
    found = files.of_table(f"{head},Status,Failed\n1k,1k,1,1,done,none\n".encode(), "t.csv")
    assert (found.keys["complete"], found.keys["success"], found.keys["rehearsal"]) == (None, None, None)
    found = files.of_table(f"{head},Requests,Failed Requests,Status\n1k,1k,1,1,4,0,ok\n".encode(), "t.csv")
    assert (found.keys["complete"], found.keys["success"]) == ("complete", "4 of 4 requests")
    found = files.of_table(f"{head},Status\n1k,1k,1,1,partly failed\n".encode(), "t.csv")
    assert found.keys["success"] == "not all requests"
    assert "success" in refused(replace(found, name="a"), found)
    with pytest.raises(UsageError, match="5 failed requests of 4"):
        files.of_table(f"{head},Requests,Failed Requests\n1k,1k,1,1,4,5\n".encode(), "t.csv")
