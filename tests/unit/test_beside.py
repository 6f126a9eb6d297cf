"""Prompts from a file: read beside the profile, pinned by their digest, kept in the run, and laid where the load starts."""

import hashlib
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from kit import beside, profile, store
from kit import plan as plans
from kit.errors import HostError, ProfileError, UsageError
from kit.instrument.prompts import FILE
from kit.legacy import baseline as baselines
from kit.model import Length, Plan, Preflight, RoundPlan
from kit.model.cases import Case
from kit.model.shapes import Prompts, Shape, shaped
from kit.running import beginning, prompting, resuming
from kit.running.beginning import Prepared
from kit.workflows import rehearsing, running
from tests.fakes import BEGIN, FakeRuntime, Play, Stage, ends
from tests.unit.profiles import RUNNING
from tests.unit.test_resuming import collected
from tests.unit.world import World, sends

CHAT = b'{"prompt": "Why?"}\n\n{"messages": [{"role": "user", "content": "How?"}], "output_tokens": 7}\n'
CODE = b'{"prompt": "def f():"}\n'
GROUP = "{input: 128, output: 512, concurrency: 1}"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def text(*groups: str) -> str:
    """A profile with a group of cases for each, with these prompts."""
    cases = "".join(f"\n    - {{input: 128, output: 512, concurrency: 1, prompts: {one}}}" for one in groups)
    return RUNNING.replace(f"\n    - {GROUP}", cases)


def written(folder: Path, *groups: str, **files: bytes) -> Path:
    """A profile in a folder, with files of prompts beside it."""
    for name, content in {"chat": CHAT, "code": CODE, **files}.items():
        (folder / f"{name}.jsonl").write_bytes(content)
    (folder / "p.yaml").write_text(text(*groups or ("chat.jsonl",)), "utf-8")
    return folder / "p.yaml"


def refused(path: Path) -> str:
    with pytest.raises(ProfileError) as caught:
        profile.load(str(path))
    return str(caught.value)


# --- reading -----------------------------------------------------------------------------------------------------


def test_what_a_file_holds_is_pinned_by_the_profile_and_its_cases(tmp_path: Path) -> None:
    path = written(tmp_path, "chat.jsonl", "{path: code.jsonl}")
    found = profile.load(str(path))
    assert found.prompts == {digest(CHAT): CHAT, digest(CODE): CODE}
    assert [told.sha256 for _, told in beside.named(found.profile)] == [digest(CHAT), digest(CODE)]
    assert [case.id for case in found.profile.load.expanded()] == [
        f"128-512-c1-file{digest(CHAT)[:8]}",
        f"128-512-c1-file{digest(CODE)[:8]}",
    ]
    again = profile.alone(profile.resolved(found.profile).decode(), "again")
    assert (again.profile, again.sha256) == (found.profile, found.sha256)
    (tmp_path / "chat.jsonl").write_bytes(CHAT + b"\n")
    other = profile.load(str(path))
    assert other.sha256 != found.sha256
    assert other.profile.load.expanded()[0].key != found.profile.load.expanded()[0].key


def test_the_path_is_relative_to_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    written(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    assert list(profile.load("site/p.yaml").prompts) == [digest(CHAT)]


def test_a_text_by_itself_reads_no_file_and_keeps_its_digest() -> None:
    said = f"{{path: nowhere.jsonl, sha256: {digest(CHAT)}}}"
    for found in (profile.parse(text(said), "p"), profile.alone(text(said), "p")):
        assert [told.sha256 for _, told in beside.named(found.profile)] == [digest(CHAT)]
        assert found.prompts == {}


def test_another_content_than_the_one_named_is_refused_with_both(tmp_path: Path) -> None:
    said = refused(written(tmp_path, "chat.jsonl", f"{{path: chat.jsonl, sha256: {digest(CODE)}}}"))
    assert f"load.cases.1.prompts (line 11): {tmp_path}/chat.jsonl has SHA-256 {digest(CHAT)}" in said
    assert f"the profile names {digest(CODE)}" in said
    # As a table tells it.
    found = profile.load(str(written(tmp_path, f"{{path: chat.jsonl, sha256: '{digest(CHAT)[:8]}'}}")))
    assert [told.sha256 for _, told in beside.named(found.profile)] == [digest(CHAT)]


def test_every_line_that_is_no_prompt_is_told_by_its_number(tmp_path: Path) -> None:
    lines = (
        b'{"prompt": "a"}',
        b"{",
        b'{"prompt": ""}',
        b"",
        b'{"prompt": "a", "more": 1}',
        b'{"prompt": "\xff"}',
        b'{"prompt":\r"a"}\r',
    )
    said = refused(written(tmp_path, "bad.jsonl", "gone.jsonl", bad=b"\n".join(lines)))
    for told in (
        "line 2: Expecting property name enclosed in double quotes at column 2",
        "line 3: prompt: expected text",
        "line 5: unknown field 'more'",
        "line 6: byte 13 is no UTF-8",
        "line 7: a carriage return within the line",
    ):
        assert f"load.cases.0.prompts (line 10): {tmp_path}/bad.jsonl: {told}" in said
    assert f"load.cases.1.prompts (line 11): {tmp_path}/gone.jsonl cannot be read: No such file or directory" in said


def test_of_many_wrong_lines_the_first_are_told() -> None:
    assert len(list(beside.wrong(b"x\n" * 1000))) == 6
    assert list(beside.wrong(b"x\n" * 1000))[-1] == "further lines are wrong as well"


@pytest.mark.parametrize("content", [b"", b"\n \n"], ids=["nothing", "empty lines"])
def test_a_file_without_prompts_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "bad.jsonl: holds no prompts" in refused(written(tmp_path, "bad.jsonl", bad=content))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    said = refused(written(tmp_path, "pipe", "/dev/zero", f"../{tmp_path.name}"))
    for name, why in (("/pipe", "it is no plain file"), ("/dev/zero", "it is no plain file"), ("", "Is a directory")):
        assert f"{name} cannot be read: {why}" in said


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "large.csv"])
def test_a_baseline_without_end_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large.csv").touch()
    os.truncate(tmp_path / "large.csv", beside.BASELINE_BYTES + 1)
    why = "it is larger than 20000000 bytes" if name == "large.csv" else "it is no plain file"
    path = tmp_path / "p.yaml"
    path.write_text(f"{RUNNING}acceptance: {{baseline: {name}}}\n")
    with pytest.raises(ProfileError, match=rf"acceptance\.baseline \(line 11\): \S*{name} cannot be read: {why}"):
        profile.load(str(path))


def test_all_files_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "chat.jsonl", "code.jsonl")
    monkeypatch.setattr(beside, "MOST_BYTES", len(CHAT + CODE))
    profile.load(str(path))
    monkeypatch.setattr(beside, "MOST_BYTES", len(CHAT + CODE) - 1)
    assert "code.jsonl: all prompts of a profile together may have 0 MiB" in refused(path)


def test_files_of_one_name_are_told_apart_and_the_same_prompts_twice_are_refused(tmp_path: Path) -> None:
    for name in ("en", "zh"):
        (tmp_path / name).mkdir()
    written(tmp_path / "en")
    written(tmp_path / "zh", chat=CODE)
    path = written(tmp_path, "en/chat.jsonl", "zh/chat.jsonl")
    assert len({case.id for case in profile.load(str(path)).profile.load.expanded()}) == 2
    assert "stands here twice" in refused(written(tmp_path, "chat.jsonl", "same.jsonl", same=CHAT))


@pytest.mark.parametrize("name", ["chat.jsonl", "a/chat.v2.jsonl", 'a, "b" (c) · d@e.txt', "x" * 255, "无.jsonl"])
def test_the_label_of_a_case_says_which_prompts_and_is_read_again(name: str) -> None:
    made = Shape(prompts=Prompts(path=name, sha256=digest(CHAT)))
    again = shaped(made.label)
    assert again is not None
    assert (again.label, again.id) == (made.label, made.id)
    assert digest(CHAT)[:8] in made.label
    assert not set(made.label.removeprefix("file ")) & set('(),"·')


def test_a_baseline_is_for_these_prompts_alone(tmp_path: Path) -> None:
    case = profile.load(str(written(tmp_path))).profile.load.expanded()[0]
    other = profile.load(str(written(tmp_path, chat=CODE))).profile.load.expanded()[0]
    csv = f"input,output,concurrency,avg_ttft_s\n128,512,{case.load},1\n128,512,{other.load},2\n"
    assert [row.key for row in baselines.read(csv.encode(), "b.csv")] == [case.key, other.key]


# --- the plan ----------------------------------------------------------------------------------------------------

VLLM = """\
schema: 1
name: tiny
server: {engine: vllm-ascend, image: vllm-ascend, port: 8001, args: [[--model, /m], [--port, "{port}"]]}
load:
  tokenizer: /m
  cases: [{input: 128, output: 8, concurrency: 2, requests: [2], prompts: chat.jsonl}]
"""
FLUSHED = "server.env={VLLM_SERVER_DEV_MODE: 1}"


def planned(folder: Path, *settings: str) -> Plan:
    (folder / "chat.jsonl").write_bytes(CHAT)
    (folder / "p.yaml").write_text(VLLM)
    loaded = profile.load(str(folder / "p.yaml"), settings)
    runtime = FakeRuntime()
    return plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime="process",
        pin=runtime.pin,
        models=folder,
        version=runtime.version,
        prompts={name: beside.number(content) for name, content in loaded.prompts.items()},
    )


@pytest.mark.parametrize(
    ("settings", "doubted"),
    [
        pytest.param((), False, id="each once"),
        pytest.param(("load.rounds=2",), True, id="in two rounds"),
        pytest.param(("load.rounds=2", FLUSHED), False, id="in two rounds of an emptied cache"),
        pytest.param(("load.warmup={requests: 1}",), True, id="to warm up"),
        pytest.param(("load.cases.0.concurrency=[1, 2]", "load.cases.0.requests=[1, 2]"), True, id="in two cases"),
        pytest.param(("load.cases.0.requests=[3]", FLUSHED), True, id="more than there are"),
    ],
)
def test_prompts_that_a_cache_may_know_are_a_doubt(tmp_path: Path, settings: tuple[str, ...], doubted: bool) -> None:
    found = planned(tmp_path, *settings).caveats
    assert [one.kind for one in found] == (["caveat-repeated-prompts"] if doubted else [])
    assert [dict(one.values)["files"] for one in found] == ([f"chat@{digest(CHAT)[:8]}"] if doubted else [])


def test_nothing_is_planned_without_its_prompts(tmp_path: Path) -> None:
    for said in ("chat.jsonl", f"{{path: chat.jsonl, sha256: {digest(CHAT)}}}"):
        with pytest.raises(ProfileError, match=r"load\.cases\.0\.prompts: chat\.jsonl.* is not there"):
            running.planned(profile.parse(text(said), "p.yaml"), "process", tmp_path)


def test_a_rehearsal_sends_the_same_prompts(tmp_path: Path) -> None:
    path = written(tmp_path)
    case = profile.load(str(path)).profile.load.expanded()[0]
    (tmp_path / "b.csv").write_text(f"input,output,concurrency,avg_ttft_s,avg_tpot_s\n128,512,{case.load},1,0.1\n")
    made = rehearsing.prepare(str(path), (), tmp_path, speed=10, baseline=tmp_path / "b.csv")
    assert made.prompts == {digest(CHAT): CHAT}
    assert made.plan.cases[0].key == case.key


# --- the run -----------------------------------------------------------------------------------------------------


def sending(entry: RoundPlan, path: str = "chat.jsonl", sha256: str = digest(CHAT)) -> RoundPlan:
    """The round with prompts of a file."""
    case = entry.case.model_copy(update={"shape": Shape(prompts=Prompts(path=path, sha256=sha256))})
    return entry.model_copy(update={"order": entry.order.model_copy(update={"case": case})})


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A run whose cases all send the same file of prompts."""
    made = World(tmp_path)
    warmup = made.plan.rounds[0].model_copy(update={"warmup": True})
    made.plan = made.plan.model_copy(
        update={"rounds": tuple(map(sending, made.plan.rounds)), "warmups": (sending(warmup),)}
    )
    store.write_once(made.run.prompts(digest(CHAT)), CHAT)
    return made


def seeing(world: World, play: Play) -> list[bytes]:
    """What every load generator finds as its prompts."""
    found: list[bytes] = []

    def look(stage: Stage) -> Generator[None, None, int]:
        found.append((stage.directory / FILE).read_bytes())
        (stage.directory / FILE).write_bytes(b"written over")
        return (yield from play(stage))

    world.runtime.plays_in_turn("load", look)
    return found


def copies(world: World) -> list[Path]:
    return sorted(world.run.path.rglob(FILE))


def test_the_load_finds_its_prompts_and_no_copy_of_them_is_kept(world: World) -> None:
    found = seeing(world, sends())
    world.execute()
    assert found == [CHAT] * 5
    assert copies(world) == []
    assert world.run.prompts(digest(CHAT)).read_bytes() == CHAT


def test_a_case_of_random_prompts_finds_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.runtime.plays_in_turn("load", sends())
    world.execute()
    assert copies(world) == []


def test_no_copy_is_left_by_a_round_that_fails(world: World) -> None:
    seeing(world, ends(1, "no"))
    world.fails()
    assert copies(world) == []


@pytest.mark.parametrize("content", [CHAT + b"\n", None], ids=["changed", "gone"])
def test_other_prompts_than_those_of_the_plan_are_not_sent(world: World, content: bytes | None) -> None:
    kept = world.run.prompts(digest(CHAT))
    kept.unlink()
    if content is not None:
        kept.write_bytes(content)
    found = seeing(world, sends())
    said = world.fails(UsageError)
    assert str(kept) in said
    assert (digest(content) if content is not None else "is missing") in said
    assert (found, copies(world), world.status.status) == ([], [], "incomplete")


@pytest.mark.parametrize("content", [CHAT + b"\n", None], ids=["changed", "gone"])
def test_a_run_goes_on_with_its_own_copy_or_not_at_all(world: World, content: bytes | None) -> None:
    stored = profile.resolved(profile.parse(RUNNING, "p").profile)
    store.write_once(world.run.path / "profile.yaml", stored)
    store.write_once(world.run.path / "inventory.json", collected().inventory.to_json())
    world.plan = world.plan.model_copy(update={"profile_sha256": f"sha256:{digest(stored)}"})
    resuming.require_same(world.run, world.plan, world.runtime, collected(), lambda _: world.plan)
    kept = world.run.prompts(digest(CHAT))
    kept.unlink()
    if content is not None:
        kept.write_bytes(content)
    with pytest.raises(UsageError, match=f"{digest(CHAT)}.jsonl (has SHA-256|is missing)"):
        resuming.require_same(world.run, world.plan, world.runtime, collected(), lambda _: world.plan)


def test_a_copy_of_a_killed_kit_is_removed(world: World) -> None:
    store.write_once(world.run.path / "plan.json", world.plan.to_json())
    left = world.run.round_directory(world.plan.rounds[0]) / "raw" / FILE
    store.write_once(left, CHAT)
    resuming.tidy(world.run)
    assert copies(world) == []
    assert world.run.prompts(digest(CHAT)).is_file()


def test_a_new_run_holds_its_prompts_before_its_plan(world: World, tmp_path: Path) -> None:
    checked = Preflight(at=BEGIN, forced=False, checks=())
    contents = {digest(CHAT): CHAT, digest(CODE): CODE}
    prepared = Prepared(world.plan, b"schema: 1\n", tmp_path / "new", prompts=contents)
    with beginning.begun(prepared, collected(), checked) as (run, _):
        assert {path.stem: path.read_bytes() for path in (run.path / store.PROMPTS).iterdir()} == contents
        assert list(prompting.changed(run, world.plan.cases)) == []
    broken = Prepared(world.plan, b"schema: 1\n", tmp_path / "other", prompts={"/".join(("no", "x" * 300)): CHAT})
    with pytest.raises(HostError), beginning.begun(broken, collected(), checked):
        pass
    assert list((tmp_path / "other").iterdir()) == []


def test_cases_without_prompts_need_none(tmp_path: Path) -> None:
    one = Length.model_validate(1)
    plain = Case(input=one, output=one, concurrency=1, requests=1)
    with prompting.placed(store.RunDir(tmp_path), plain, tmp_path):
        assert list(tmp_path.iterdir()) == []
    assert list(prompting.changed(store.RunDir(tmp_path), [plain])) == []
