"""Repeating a run: what counts as reproduced, where models are found, and what is asked before anything starts."""

import hashlib
import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import pytest

from kit import profile, renderers
from kit.comparing import repeating
from kit.errors import HostError, NotAcceptedError, UsageError, VerificationError
from kit.legacy import tables, word
from kit.legacy.blocks import Grid
from kit.model import Case, Length
from kit.model.bundle import WeightFile, Weights
from kit.model.profile import Language
from kit.model.report import Report
from kit.model.reproduction import ORIGINAL, REPRODUCTION, Original, Otherwise, Reproduction
from kit.model.table import METRICS
from kit.report import repetition
from kit.resources import folder
from kit.runtimes.process import ProcessRuntime
from kit.store import write_once
from kit.workflows import originals, relocating, repeated, reproducing, running
from tests.fakes import BEGIN, FakeHost
from tests.unit import old_reports
from tests.unit.people import People, people
from tests.unit.test_bundled_runs import SMOKE, measured, pack, rewritten, trust
from tests.unit.written import PROFILE, RECORDED, Written

__all__ = ["people"]

ONE = Case(input=Length.model_validate(64), output=Length.model_validate(32), concurrency=1, requests=8)
TWO = ONE.model_copy(update={"concurrency": 2})
CPU = Otherwise(name="CPU", before="Kunpeng-920", after="Xeon | 8458P", performance=True)
HOST = Otherwise(name="hostname", before="a", after="b", performance=False)


def rounds(factor: float, noise: float, count: int, seed: int, success: float | None = 1.0) -> repeating.Rounds:
    """A case whose figures are `factor` times what they should be, give or take the noise of every round."""
    chance = random.Random(seed)
    drawn = [factor * (1 + chance.gauss(0, noise)) for _ in range(count)]
    return repeating.Rounds({name: tuple(10.0 * value for value in drawn) for name in METRICS}, 8, success)


def outcome(
    before: dict[repeating.Key, repeating.Rounds], after: dict[repeating.Key, repeating.Rounds]
) -> Reproduction:
    figures = repeating.judge((ONE, TWO), dict.fromkeys(METRICS, 0.1), before, after)
    return Reproduction(original="old", source_sha256=None, signed_by=(), run="new", figures=figures, differences=())


def both(first: repeating.Rounds, second: repeating.Rounds | None = None) -> dict[repeating.Key, repeating.Rounds]:
    return {ONE.key: first, TWO.key: second or first}


def test_the_same_within_little_noise_is_reproduced() -> None:
    found = outcome(both(rounds(1, 0.01, 3, 1)), both(rounds(1, 0.01, 3, 2)))
    assert found.outcome == "reproduced"
    assert repetition.sentence(found, "en") == (
        "old was reproduced: all 14 figures of 2 cases are within the tolerance, 12 of them with their 95 % interval"
    )
    assert all(one.low is not None and one.low <= 1.05 for one in found.figures if one.metric != "success_rate")


def test_one_case_that_is_much_slower_is_named() -> None:
    found = outcome(both(rounds(1, 0.01, 3, 1)), both(rounds(1, 0.01, 3, 2), rounds(1.3, 0.01, 3, 3)))
    assert found.outcome == "not-reproduced"
    assert repetition.sentence(found, "en").endswith("6 of 14 figures are outside the tolerance, in 64-32-c2")


def test_a_much_faster_run_is_no_reproduction_either() -> None:
    assert outcome(both(rounds(1, 0.01, 3, 1)), both(rounds(0.7, 0.01, 3, 2))).outcome == "not-reproduced"


def test_noise_larger_than_the_tolerance_decides_nothing() -> None:
    found = outcome(both(rounds(1, 0.3, 3, 1)), both(rounds(1, 0.3, 3, 2)))
    assert found.outcome == "open"
    assert "cannot be said" in repetition.sentence(found, "en")
    assert {one.reason for one in found.figures if one.state == "open"} == {
        "the rounds differ too much from each other to say"
    }


def test_without_rounds_the_figures_themselves_are_compared() -> None:
    found = outcome(both(rounds(1, 0, 1, 1)), both(rounds(1.09, 0, 1, 1)))
    assert found.outcome == "reproduced"
    assert all(one.low is None for one in found.figures)
    assert "interval" not in repetition.sentence(found, "en")
    assert outcome(both(rounds(1, 0, 1, 1)), both(rounds(1.11, 0, 1, 1))).outcome == "not-reproduced"


def test_more_failures_than_then_are_no_reproduction_and_fewer_are() -> None:
    good, bad = rounds(1, 0, 1, 1), rounds(1, 0, 1, 1, success=0.875)
    assert outcome(both(good), both(bad)).outcome == "not-reproduced"
    assert outcome(both(bad), both(good)).outcome == "reproduced"


def test_a_case_or_a_figure_that_is_missing_leaves_it_open() -> None:
    good = rounds(1, 0, 1, 1)
    assert outcome(both(good), {ONE.key: good}).cases("open") == ("64-32-c2",)
    lacking = repeating.Rounds({**good.figures, "ttft": (None,)}, 8, 1.0)
    found = outcome(both(good), both(lacking))
    assert found.outcome == "open"
    assert {one.metric for one in found.figures if one.state == "open"} == {"ttft"}
    nothing = outcome({}, both(good))
    assert (nothing.outcome, nothing.figures) == ("open", ())


def test_a_table_counts_its_rounds_and_the_digits_it_was_written_with() -> None:
    text = "input,output,concurrency,loop,avg_latency_s,avg_ttft_s\n64,32,1,0,1.0,0.1\n64,32,1,1,1.1,0.1\n"
    found = repeating.of_rows(tables.read(text.encode(), "old.csv").rows)
    assert found[ONE.key].figures["latency"] == (1.0, 1.1)
    assert found[ONE.key].figures["tps"] == (None, None)
    after = {ONE.key: repeating.Rounds({**rounds(1, 0, 1, 1).figures, "latency": (1.05,), "ttft": (0.1149,)}, 8)}
    by = {one.metric: one for one in repeating.judge((ONE,), dict.fromkeys(METRICS, 0.1), found, after)}
    assert sorted(by) == ["latency", "ttft"]
    # 0.1 may be anything up to 0.105: with 10 % beside that 0.1149 is within, 0.1151 is not.
    assert by["ttft"].state == "within"
    later = {ONE.key: repeating.Rounds({**after[ONE.key].figures, "ttft": (0.1151,)}, 8)}
    by = {one.metric: one for one in repeating.judge((ONE,), dict.fromkeys(METRICS, 0.1), found, later)}
    assert by["ttft"].state == "outside"


def test_the_tolerances_of_the_profile_count_to_either_side() -> None:
    loaded = profile.parse(
        SMOKE + "acceptance: {baseline: b.csv, tolerance: {ttft: +7%, output_throughput: -3%}}\n", "p"
    )
    found = repeating.tolerances(loaded.profile, 0.2)
    assert (round(found["ttft"], 6), round(found["output_throughput"], 6), found["latency"]) == (0.07, 0.03, 0.2)


def test_what_two_plans_decided_otherwise_is_listed_with_performance_first(tmp_path: Path) -> None:
    one = Written(tmp_path / "a").plan
    assert repeating.plans(one, one) == ()
    other = Written(tmp_path / "b", "server.env={X: 1}", "server.port=9", "load.seed=7", "server.version=1.0").plan
    found = repeating.plans(one, other)
    assert [entry.name for entry in found] == ["engine", "HCCL_OP_EXPANSION_MODE", "X", "seed", "server's port"]
    assert [(entry.before, entry.after) for entry in found[1:3]] == [("AIV", None), (None, "1")]


def test_arguments_of_the_server_are_told_one_by_one_as_a_comparison_tells_them(tmp_path: Path) -> None:
    args = "server.args=[[--model-path, /models/DeepSeek R1], [--port, '{port}'], [--mem-fraction-static, '0.9']]"
    one, other = Written(tmp_path / "a").plan, Written(tmp_path / "b", args).plan
    (found,) = repeating.plans(one, other)
    assert (found.name, found.before, found.after) == ("--mem-fraction-static", None, "0.9")


# --- models ------------------------------------------------------------------------------------------------------


def with_model(path: Path) -> profile.Loaded:
    text = PROFILE.replace("/models/DeepSeek R1", str(path)).replace(
        "  port: 8001", f"  port: 8001\n  mounts: [{path.parent}]"
    )
    return profile.parse(text, "p.yaml")


def stored(folder: Path, content: bytes = b"weights") -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    return folder


def named(path: str, content: bytes = b"weights") -> Weights:
    sha256 = hashlib.sha256(content).hexdigest()
    return Weights(path=path, files=(WeightFile(name="model.safetensors", size=len(content), sha256=sha256),))


def found(root: Path | None, weights: Sequence[Weights]) -> list[tuple[str, str]]:
    return list(relocating._found(weights, root, lambda _: None))


def test_a_model_is_found_below_the_root_by_its_name_and_its_files(tmp_path: Path) -> None:
    wanted = named("/home/model/R1")
    stored(tmp_path / "a" / "R1", b"another")
    place = stored(tmp_path / "b" / "R1")
    assert found(tmp_path, [wanted]) == [("/home/model/R1", str(place))]
    assert found(place, [wanted]) == [("/home/model/R1", str(place))]


def test_a_model_that_is_not_here_or_another_is_named(tmp_path: Path) -> None:
    stored(tmp_path / "R1", b"WEIGHTS")
    for root, told in ((tmp_path, "holds something else than it did"), (None, "is not at that path")):
        with pytest.raises(HostError, match="models of the original") as caught:
            found(root, [named("/nowhere/R1")])
        assert told in str(caught.value)
    (tmp_path / "R1" / "model.safetensors").write_bytes(b"w")
    with pytest.raises(HostError, match="has 1 bytes, and had 7"):
        found(tmp_path, [named("/nowhere/R1")])


def test_paths_of_the_profile_follow_the_model_and_mounts_are_narrowed_to_it(tmp_path: Path) -> None:
    old, new = stored(tmp_path / "old" / "R1"), stored(tmp_path / "new" / "R1")
    loaded = with_model(old)
    same = relocating.relocated(loaded, None, None, (), lambda _: None)
    assert same is loaded
    moved = relocating.relocated(loaded, None, tmp_path / "new", ("server.port=9",), lambda _: None).profile
    assert moved.server.args[0] == ("--model-path", str(new))
    assert moved.load.tokenizer == str(new)
    assert [mount.path for mount in moved.server.mounts] == [str(new)]
    assert moved.server.port == 9


# --- what is asked before anything starts ------------------------------------------------------------------------


def ready(path: Path, home: Path, **wanted: object) -> reproducing.Ready:
    how = reproducing.Wanted(**wanted)  # type: ignore[arg-type]
    with reproducing.ready(str(path), home / "runs", how, lambda _: None, FakeHost(RECORDED / "xeon-indented")) as made:
        return made


def test_a_signed_bundle_becomes_the_plan_that_it_was(people: People, tmp_path: Path) -> None:
    run = measured(tmp_path)
    people.sign(run, "tester")
    path = pack(str(run.path), tmp_path / "run.kit").path
    made = ready(path, tmp_path, trust=trust(people), settings=("server.port=19999",))
    assert made.original.signed_by == ("张三 (tester)",)
    plan = made.prepared.plan
    assert plan.environments == run.plan().environments
    assert [one.order.case for one in plan.rounds] == [one.order.case for one in run.plan().rounds]
    assert "server's port" in [one.name for one in made.differences]
    assert [one.performance for one in made.differences] == sorted(
        (one.performance for one in made.differences), reverse=True
    )
    assert any(one.name == "CPU" and one.performance for one in made.differences)


def test_an_unsigned_bundle_is_run_only_on_somebodys_word(tmp_path: Path) -> None:
    path = pack(str(measured(tmp_path).path), tmp_path / "run.kit").path
    with pytest.raises(VerificationError, match="is not signed"):
        ready(path, tmp_path)
    assert ready(path, tmp_path, unsigned=True).original.signed_by == ()
    assert not (tmp_path / "runs").exists()


def test_what_a_profile_asks_for_is_refused_unless_it_is_granted(tmp_path: Path) -> None:
    text = SMOKE.replace("  port: 18017", "  port: 18017\n  mounts: [/etc]").replace(
        "{read_only: true}", "{privileged: true}"
    )
    run = Written(tmp_path, text=text, pin=ProcessRuntime(folder("images"), tmp_path / "cache").pin).run
    path = pack(str(run.path), tmp_path / "run.kit").path
    with pytest.raises(VerificationError) as caught:
        ready(path, tmp_path, unsigned=True)
    assert "server.container.privileged" in str(caught.value)
    assert "server.mounts: /etc" in str(caught.value)
    assert ready(path, tmp_path, unsigned=True, allow_privileged=True).prepared.plan.server is not None


def test_code_that_the_signature_does_not_cover_is_refused_unless_it_is_granted(people: People, tmp_path: Path) -> None:
    from tests.unit.test_bundles import wheel

    run = measured(tmp_path)
    people.sign(run, "tester")
    path = pack(str(run.path), tmp_path / "run.kit").path
    forged = rewritten(
        path, tmp_path / "forged.kit", lambda _, content: content, ("wheels/e-1-py3-none-any.whl", "wheel", wheel(9))
    )
    with pytest.raises(VerificationError, match="no signature and no lock covers"):
        ready(forged, tmp_path, trust=trust(people))
    granted = ready(forged, tmp_path, trust=trust(people), allow_privileged=True).prepared
    assert granted.environments is not None
    assert ready(path, tmp_path, trust=trust(people)).prepared.environments is None


def test_wheels_for_another_python_are_told_before_anything_is_made(tmp_path: Path) -> None:
    from kit.bundles import reading, writing
    from tests.unit.test_bundles import wheel

    path = pack(str(measured(tmp_path).path), tmp_path / "run.kit").path
    more = rewritten(
        path, tmp_path / "w.kit", lambda _, content: content, ("wheels/e-1-py3-none-any.whl", "wheel", wheel(9))
    )
    bundle = reading.look(more)
    sources = {}
    for number, member in enumerate(bundle.manifest.members):
        sources[member.name] = tmp_path / f"m{number}"
        sources[member.name].write_bytes(bundle.content(member))
    writing.write(tmp_path / "x.kit", bundle.manifest.model_copy(update={"python": "3.99"}), sources)
    with pytest.raises(HostError, match=r"for Python 3\.99"):
        ready(tmp_path / "x.kit", tmp_path, unsigned=True)


def test_a_run_directory_and_a_file_in_it_name_the_same_original(people: People, tmp_path: Path) -> None:
    run = measured(tmp_path)
    people.sign(run, "tester")
    for path in (run.path, run.path / "report", run.path / "report" / "report.md"):
        made = ready(path, tmp_path, trust=trust(people))
        assert (made.original.name, made.original.signed_by) == (run.name, ("张三 (tester)",))
    (run.path / "profile.yaml").write_text(SMOKE)
    with pytest.raises(VerificationError):
        ready(run.path, tmp_path, trust=trust(people))
    with pytest.raises(VerificationError, match="is not the profile"):
        ready(run.path, tmp_path)


def test_an_imported_report_is_repeated_from_its_profile_and_baseline(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("input,output,concurrency,avg_latency_s,avg_ttft_s\n64,32,1,0.5,0.1\n")
    (tmp_path / "old.yaml").write_text(SMOKE + "acceptance: {baseline: old.csv, tolerance: {latency: +10%}}\n")
    made = ready(tmp_path / "old.yaml", tmp_path)
    assert list(made.original.figures()) == [ONE.key]
    (tmp_path / "plain.yaml").write_text(SMOKE)
    with pytest.raises(UsageError, match="without a baseline"):
        ready(tmp_path / "plain.yaml", tmp_path)
    (tmp_path / "old.csv").write_text("input,output,concurrency,avg_latency_s,Draft\n64,32,1,0.5,Rehearsal\n")
    with pytest.raises(UsageError, match=r"old\.csv is of a rehearsal"):
        ready(tmp_path / "old.yaml", tmp_path)


def test_what_is_not_reproduced_ends_with_its_own_exit_code() -> None:
    good = rounds(1, 0, 1, 1)
    repeated.require_reproduced(outcome(both(good), both(good)))
    with pytest.raises(NotAcceptedError) as caught:
        repeated.require_reproduced(outcome(both(good), both(rounds(2, 0, 1, 1))))
    assert caught.value.exit_code == 7


def original(**known: repeating.Rounds) -> Original:
    """What a run of the two cases keeps of its original."""
    keys = {"one": ONE.key, "two": TWO.key}
    return Original(
        name="old",
        source_sha256="a" * 64,
        signed_by=("张三 (tester)",),
        machine_known=False,
        cases=(ONE, TWO),
        tolerances=tuple(dict.fromkeys(METRICS, 0.1).items()),
        measured=repeated.measured({keys[name]: found for name, found in known.items()}),
        differences=(CPU,),
    )


def test_what_a_run_keeps_of_its_original_is_enough_to_hold_it_against_that(tmp_path: Path) -> None:
    run = Written(tmp_path).run
    known = {
        "one": repeating.Rounds({**rounds(1, 0.01, 3, 1).figures, "ttft": (None,)}, 8, 0.875, None),
        "two": repeating.Rounds(rounds(1, 0.01, 3, 2).figures, 9, None, {"latency": 0.01}),
    }
    write_once(run.path / ORIGINAL, original(**known).to_json())
    found = run.original()
    assert found is not None
    assert repeated._figures(found) == {ONE.key: known["one"], TWO.key: known["two"]}
    repeated.keep(run)
    result = run.reproduction()
    assert result is not None
    assert (result.original, result.run, result.differences) == ("old", run.name, (CPU,))
    # Of cases that the run did not have nothing can be said.
    assert (result.outcome, set(result.cases("open"))) == ("open", {"64-32-c1", "64-32-c2"})


@pytest.mark.parametrize(
    ("state", "repeats", "signed", "kept"),
    [
        ("complete", True, False, True),
        ("interrupted", True, False, False),
        ("complete", False, False, False),
        ("complete", True, True, False),
    ],
    ids=["whole", "cut short", "repeats nothing", "signed without it"],
)
def test_what_came_of_it_is_written_once_the_run_is_whole_and_never_into_a_signed_one(
    people: People,
    tmp_path: Path,
    state: Literal["complete", "interrupted"],
    *,
    repeats: bool,
    signed: bool,
    kept: bool,
) -> None:
    run = Written(tmp_path, state=state).run
    if signed:
        people.sign(run, "tester")
    if repeats:
        write_once(run.path / ORIGINAL, original(one=rounds(1, 0.01, 3, 1)).to_json())
    running.write_report(run, ("csv",)) if not signed else repeated.keep(run)
    assert (run.path / REPRODUCTION).is_file() == kept
    before = run.reproduction()
    repeated.keep(run)
    assert run.reproduction() == before


def test_a_signature_covers_what_came_of_repeating_also_where_the_end_was_cut_short(
    people: People, tmp_path: Path
) -> None:
    run = measured(tmp_path)
    write_once(run.path / ORIGINAL, original(one=rounds(1, 0.01, 3, 1)).to_json())
    people.sign(run, "tester")
    assert run.reproduction() is not None
    assert people.verify(run, people.text("tester")).unread == ()


# --- what the report says of it ----------------------------------------------------------------------------------


def told(tmp_path: Path, language: Language, factor: float, *differences: Otherwise) -> Report:
    """The report of a run that repeats another, `factor` times as slow in its second case."""
    written = Written(tmp_path)
    found = outcome(both(rounds(1, 0.01, 3, 1)), both(rounds(1, 0.01, 3, 2), rounds(factor, 0.01, 3, 3)))
    found = found.model_copy(update={"signed_by": ("张三 (tester)",), "differences": differences})
    write_once(written.run.path / REPRODUCTION, found.to_json())
    return written.report(language)


@pytest.mark.parametrize(
    ("language", "reproduced", "not_reproduced", "why"),
    [
        ("en", "old was reproduced: all 14 figures", "old was not reproduced: 6 of 14 figures", "could explain it"),
        ("zh-CN", "已复现原测试 old：2 个工况的 14 项数据", "未能复现原测试 old：14 项数据中有 6 项", "可能的原因"),
    ],
)
def test_the_report_says_whether_it_was_reproduced_and_what_could_explain_it(
    tmp_path: Path, language: Language, reproduced: str, not_reproduced: str, why: str
) -> None:
    good = told(tmp_path / "good", language, 1.0, CPU)
    bad = told(tmp_path / "bad", language, 1.3, CPU, HOST)
    assert good.conclusion[0].startswith(reproduced)
    assert not any(why in line for line in good.conclusion)
    assert bad.conclusion[0].startswith(not_reproduced)
    signed = {"en": "The original was signed by 张三 (tester)", "zh-CN": "原测试由张三（测试）签署"}
    assert good.conclusion[1] == signed[language]
    assert bad.conclusion[0].endswith(", in 64-32-c2" if language == "en" else "涉及工况 64-32-c2")
    explained = next(line for line in bad.conclusion if why in line)
    assert "CPU: Kunpeng-920 → Xeon | 8458P" in explained
    assert "hostname" not in explained


def test_every_format_holds_the_comparison_with_the_original(tmp_path: Path) -> None:
    built = told(tmp_path, "en", 1.3, CPU, HOST)
    grids = [block.rows for block in word.read(renderers.render("docx", built)) if isinstance(block, Grid)]
    cells = [row.cells for rows in grids for row in rows]
    (cases,) = [row for row in cells if row[0] == "64-32-c2" and len(row) == 8]
    assert cases[1].startswith("+30.") or cases[1].startswith("+29."), cases
    assert [cell.endswith("×") for cell in cases] == [False, *(True,) * 6, False]
    assert ("CPU", "Kunpeng-920", "Xeon | 8458P", "yes") in cells
    assert len([row for row in cells if row[0] == "64-32-c2" and row[-1] == "outside"]) == 6
    for name in ("md", "html"):
        text = renderers.render(name, built).decode()
        assert "Against the original, old" in text
        assert cases[1].split()[0] in text
        assert "Kunpeng-920" in text
    assert "Against the original" not in renderers.render("md", Written(tmp_path / "plain").report("en")).decode()


def test_a_signed_repetition_is_verified_with_what_it_says_of_the_original(people: People, tmp_path: Path) -> None:
    run = measured(tmp_path)
    result = outcome(both(rounds(1, 0.01, 3, 1)), both(rounds(1.3, 0.01, 3, 2)))
    write_once(run.path / REPRODUCTION, result.to_json())
    people.sign(run, "tester")
    assert people.verify(run, people.text("tester")).unread == ()


def test_of_long_lists_only_what_differs_is_shown() -> None:
    before = " ".join(f"flag{number}" for number in range(40))
    more = Otherwise(name="CPU flags", before=before, after=f"{before} avx512", performance=True)
    assert repetition.sides(more) == ("…", "… avx512 …")
    unknown = Otherwise(name="CPU", before=None, after="x", performance=True)
    assert repetition.change(unknown) == "CPU: — → x"
    turned = Otherwise(name="cases", before=before, after=" ".join(reversed(before.split())), performance=True)
    assert repetition.sides(turned) == (turned.before, turned.after)


def test_what_could_not_be_compared_says_why() -> None:
    good = rounds(1, 0, 1, 1)
    lacking = repeating.Rounds({**good.figures, "ttft": (None,)}, 8, 1.0)
    zero = repeating.Rounds({**good.figures, "ttft": (0.0,)}, 8, 1.0)
    for before, after, words in (
        (lacking, good, None),
        (good, lacking, "undecided: the repeated run lacks it"),
        (good, zero, "undecided: is not above zero"),
        (rounds(1, 0.3, 3, 1), rounds(1, 0.3, 3, 2), "undecided: the rounds differ too much from each other to say"),
    ):
        found = repetition.beyond(outcome(both(before), both(after)), "en")
        assert {row[-1] for row in found} == ({words} if words else set())


# --- a report by itself ------------------------------------------------------------------------------------------


def one(path: Path, trust_file: Path | None = None) -> AbstractContextManager[originals.Original]:
    return originals.found(str(path), path.parent, lambda _: None, BEGIN, trust=trust_file, unsigned=False)


def test_a_report_that_says_all_it_takes_is_repeated_as_it_lies(people: People, tmp_path: Path) -> None:
    """A copy of a report without its run: with its attestation beside it, signed."""
    run = Written(tmp_path).run
    people.sign(run, "tester")
    sent = tmp_path / "sent"
    sent.mkdir()
    for name in ("report/report.docx", "report/report.md", "attestation.json"):
        (sent / Path(name).name).write_bytes((run.path / name).read_bytes())
    for name in ("report.docx", "report.md"):
        with one(sent / name, trust(people)) as original:
            assert (original.name, original.signed_by) == (name, ("张三 (tester)",))
            assert original.loaded.profile.server.engine == "sglang"
            assert set(original.figures()) == {case.key for case in run.plan().cases}
    (sent / "report.md").write_bytes((sent / "report.md").read_bytes() + b"\n")
    with pytest.raises(VerificationError, match="no file that was signed"), one(sent / "report.md", trust(people)):
        pass


def test_a_report_that_does_not_say_enough_is_refused_with_what_to_do(tmp_path: Path) -> None:
    old = tmp_path / "old.md"
    start = "python kit-instrument.pyz reference --host 127.0.0.1 --port 8001 --model reference --ttft 400ms"
    old.write_text(old_reports.markdown(start=start), "utf-8")
    with pytest.raises(UsageError) as caught, one(old):
        pass
    assert "does not say all that repeating it takes" in str(caught.value)
    assert "server.image" in str(caught.value)
    assert f"kit import {old} -o imported, complete imported/" in str(caught.value)


def test_an_old_report_is_imported_and_repeated_in_one_step(tmp_path: Path) -> None:
    old = tmp_path / "old.md"
    old.write_text(old_reports.markdown(), "utf-8")
    with one(old) as original:
        assert (original.name, original.run, original.signed_by) == ("old.md", None, ())
        assert original.loaded.profile.server.engine == "ftransformers"
        assert original.figures()


def test_a_report_that_nobody_signed_is_refused_where_signatures_are_asked_for(people: People, tmp_path: Path) -> None:
    old = tmp_path / "old.md"
    old.write_text(old_reports.markdown(), "utf-8")
    with pytest.raises(VerificationError, match="is not signed"):
        ready(old, tmp_path, trust=trust(people))


def test_what_is_no_report_is_no_original(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("nothing")
    with pytest.raises(UsageError, match="no report that can be imported"):
        ready(tmp_path / "old.txt", tmp_path)
