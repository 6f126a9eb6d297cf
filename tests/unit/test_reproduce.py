"""Repeating a run: what counts as reproduced, where models are found, and what is asked before anything starts."""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from kit import profile
from kit.comparing import repeating
from kit.errors import HostError, NotAcceptedError, UsageError, VerificationError
from kit.legacy import tables
from kit.model import Case, Length
from kit.model.bundle import WeightFile, Weights
from kit.model.reproduction import Reproduction
from kit.model.table import METRICS
from kit.resources import folder
from kit.runtimes.process import ProcessRuntime
from kit.workflows import relocating, reproducing
from tests.fakes import FakeHost
from tests.unit.test_bundled_runs import SMOKE, measured, pack, people, rewritten, trust
from tests.unit.test_report import PROFILE, RECORDED, Written
from tests.unit.test_signing import People

__all__ = ["people"]

ONE = Case(input=Length.model_validate(64), output=Length.model_validate(32), concurrency=1, requests=8)
TWO = ONE.model_copy(update={"concurrency": 2})


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
    assert repeating.sentence(found) == (
        "old was reproduced: all 14 figures of 2 cases are within the tolerance, 12 of them with their 95 % interval"
    )
    assert all(one.low is not None and one.low <= 1.05 for one in found.figures if one.metric != "success_rate")


def test_one_case_that_is_much_slower_is_named() -> None:
    found = outcome(both(rounds(1, 0.01, 3, 1)), both(rounds(1, 0.01, 3, 2), rounds(1.3, 0.01, 3, 3)))
    assert found.outcome == "not-reproduced"
    assert repeating.sentence(found).endswith("6 of 14 figures are outside the tolerance, in 64-32-c2")


def test_a_much_faster_run_is_no_reproduction_either() -> None:
    assert outcome(both(rounds(1, 0.01, 3, 1)), both(rounds(0.7, 0.01, 3, 2))).outcome == "not-reproduced"


def test_noise_larger_than_the_tolerance_decides_nothing() -> None:
    found = outcome(both(rounds(1, 0.3, 3, 1)), both(rounds(1, 0.3, 3, 2)))
    assert found.outcome == "open"
    assert "cannot be said" in repeating.sentence(found)
    assert {one.reason for one in found.figures if one.state == "open"} == {
        "the rounds differ too much from each other to say"
    }


def test_without_rounds_the_figures_themselves_are_compared() -> None:
    found = outcome(both(rounds(1, 0, 1, 1)), both(rounds(1.09, 0, 1, 1)))
    assert found.outcome == "reproduced"
    assert all(one.low is None for one in found.figures)
    assert "interval" not in repeating.sentence(found)
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


def test_what_is_not_reproduced_ends_with_its_own_exit_code() -> None:
    good = rounds(1, 0, 1, 1)
    reproducing.require_reproduced(outcome(both(good), both(good)))
    with pytest.raises(NotAcceptedError) as caught:
        reproducing.require_reproduced(outcome(both(good), both(rounds(2, 0, 1, 1))))
    assert caught.value.exit_code == 7
