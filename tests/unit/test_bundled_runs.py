"""Bundles of runs: packed from a run directory, opened by those who have the keys, and refused where code was swapped."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kit import profile
from kit.bundles import reading, writing
from kit.cli.app import app
from kit.errors import ProfileError, UsageError, VerificationError
from kit.library import find
from kit.model.bundle import Kind, Member
from kit.resources import folder
from kit.runtimes.process import ProcessRuntime
from kit.store import RunDir, write_once
from kit.workflows import opening, originals, packing, relocating, running
from tests.unit.people import NOW, People, people
from tests.unit.test_bundles import Made
from tests.unit.test_bundles import sha256 as sha
from tests.unit.written import PROFILE, Written

__all__ = ["people"]

SMOKE = find("smoke").read_text("utf-8")
LIGHT = packing.Wanted(without=("image", "wheel", "kit"))


def measured(home: Path) -> RunDir:
    """A run of the smoke profile with kit's own locks, whose figures nobody measured."""
    return Written(home, text=SMOKE, pin=ProcessRuntime(folder("images"), home / "cache").pin).run


def pack(reference: str, out: Path, wanted: packing.Wanted = LIGHT) -> packing.Bundled:
    return packing.make(reference, out.parent, out, wanted, lambda _: None)


@pytest.fixture(scope="module")
def signed(people: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a signed run."""
    home = tmp_path_factory.mktemp("signed")
    run = measured(home)
    people.sign(run, "tester")
    return pack(str(run.path), home / "run.kit").path


def trust(people: People) -> Path:
    path = people.folder / "tester.yaml"
    path.write_text(people.text("tester"), "utf-8")
    return path


def verify(path: Path, people: People) -> opening.Opened:
    return opening.verify(path, trust(people), NOW, lambda _: None)


def refused(path: Path, people: People) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(path, people)
    return str(caught.value)


Change = Callable[[str, bytes], bytes | None]


def rewritten(path: Path, out: Path, change: Change, *more: tuple[str, Kind, bytes]) -> Path:
    """The bundle as somebody would forge it: contents changed, and its list made to agree."""
    bundle = reading.look(path)
    contents = {one.name: change(one.name, bundle.content(one)) for one in bundle.manifest.members}
    kinds = {one.name: one.kind for one in bundle.manifest.members} | {name: kind for name, kind, _ in more}
    contents |= {name: content for name, _, content in more}
    members, sources = [], {}
    for number, (name, content) in enumerate(contents.items()):
        if content is None:
            continue
        sources[name] = out.parent / f"part-{number}"
        sources[name].write_bytes(content)
        size, sha256 = writing.measure(sources[name])
        members.append(Member(name=name, kind=kinds[name], size=size, sha256=sha256))
    writing.write(out, bundle.manifest.model_copy(update={"members": tuple(members)}), sources)
    return out


def only(wanted: str, content: Callable[[bytes], bytes | None]) -> Change:
    return lambda name, found: content(found) if name == wanted else found


# --- making ------------------------------------------------------------------------------------------------------


def test_a_bundle_made_twice_is_the_same_and_holds_what_the_run_was_made_of(tmp_path: Path) -> None:
    run = measured(tmp_path)
    first, second = pack(str(run.path), tmp_path / "a.kit"), pack(str(run.path), tmp_path / "b.kit")
    assert first.path.read_bytes() == second.path.read_bytes()
    manifest = first.manifest
    assert {f"run/{path.relative_to(run.path)}" for path in run.path.rglob("*") if path.is_file()} == {
        one.name for one in manifest.of("run")
    }
    assert {one.name for one in manifest.of("lock")} >= {
        "images/evalscope/1.0.1/requirements.lock",
        "images/llamacpp/serve.py",
    }
    assert (manifest.run, manifest.profile, manifest.left_out) == (run.name, "smoke", ("image", "wheel", "kit"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [run.name, "a.kit", "b.kit", "cache"]


def test_a_profile_is_bundled_with_its_settings_and_its_baseline(tmp_path: Path) -> None:
    (tmp_path / "base.csv").write_text("input,output,concurrency,avg_latency_s\n64,32,1,0.5\n")
    (tmp_path / "p.yaml").write_text(SMOKE + "acceptance: {baseline: base.csv, tolerance: {latency: +10%}}\n")
    made = pack(str(tmp_path / "p.yaml"), tmp_path / "p.kit", replace(LIGHT, settings=("load.rounds=7",)))
    looked = opening.look(made.path)
    assert looked.loaded.profile.load.rounds == 7
    assert looked.loaded.baseline == (tmp_path / "base.csv").read_bytes()
    assert made.manifest.run is None


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.kit").write_text("mine")
    with pytest.raises(UsageError, match=r"a\.kit exists already") as caught:
        pack("smoke", tmp_path / "a.kit")
    assert caught.value.hint == "give another name with -o, or remove it first"
    assert (tmp_path / "a.kit").read_text() == "mine"


def test_what_was_left_out_is_listed_as_the_command_line_calls_it(tmp_path: Path) -> None:
    words = ("--without", "kit", "--without", "wheels", "--without", "images", "--without", "tokenizer")
    made = CliRunner().invoke(app, ["bundle", "smoke", "-o", str(tmp_path / "a.kit"), *words])
    assert made.exit_code == 0, made.stderr
    listed = CliRunner().invoke(app, ["bundle", "list", str(tmp_path / "a.kit")])
    assert [line for line in listed.stdout.splitlines() if line.startswith("left out")] == [
        f"left out: {word}" for word in ("images", "wheels", "kit", "tokenizer")
    ]


def test_weights_are_named_and_the_tokenizer_comes_along(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (model / name).write_text(name)
    (model / "SHA256SUMS").write_text(f"{'a' * 64}  model.safetensors\n")
    (tmp_path / "p.yaml").write_text(
        SMOKE.replace("make_model: true", "make_model: false").replace('"{model}"', str(model))
    )
    made = pack(str(tmp_path / "p.yaml"), tmp_path / "p.kit")
    (weights,) = made.manifest.weights
    assert (weights.path, weights.files[0].name, weights.files[0].sha256) == (str(model), "model.safetensors", "a" * 64)
    assert [one.name for one in made.manifest.of("tokenizer")] == [
        "tokenizer/SHA256SUMS",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
    ]
    assert "named by their size alone" in "".join(made.notes)


def test_a_run_whose_locks_or_profile_have_changed_is_not_bundled(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not what it was when the run was made"):
        pack(str(Written(tmp_path, text=SMOKE).run.path), tmp_path / "a.kit")
    run = measured(tmp_path / "other")
    (run.path / "profile.yaml").write_text(SMOKE)
    with pytest.raises(UsageError, match="is not the profile that this run was made of"):
        pack(str(run.path), tmp_path / "a.kit")
    assert not (tmp_path / "a.kit").exists()


def test_links_in_a_run_are_not_followed(tmp_path: Path) -> None:
    run = measured(tmp_path)
    (run.path / "cases" / "link").symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="is no plain file"):
        pack(str(run.path), tmp_path / "a.kit")


def test_a_key_that_stands_in_a_run_keeps_it_from_being_bundled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_API_KEY", "canary-1234567890")
    text = find("external").read_text("utf-8")
    settings = (
        "server.url=http://127.0.0.1:9",
        "server.model=m",
        "server.api_key={env: SERVICE_API_KEY}",
        "load.tokenizer=/t",
    )
    run = Written(tmp_path, *settings, text=text, pin=ProcessRuntime(folder("images"), tmp_path / "cache").pin).run
    assert pack(str(run.path), tmp_path / "a.kit").path.is_file()
    (run.path / "stray.log").write_bytes(b"\0\0Bearer canary-1234567890\0")
    with pytest.raises(UsageError, match=r"stray\.log: holds the API key"):
        pack(str(run.path), tmp_path / "b.kit")
    assert not (tmp_path / "b.kit").exists()
    os.mkfifo(run.path / "stray.pipe")
    with pytest.raises(UsageError, match=r"stray\.pipe is no plain file"):
        pack(str(run.path), tmp_path / "c.kit")


# --- verifying ---------------------------------------------------------------------------------------------------


def test_a_bundle_of_a_signed_run_is_verified_down_to_its_figures(signed: Path, people: People) -> None:
    found = verify(signed, people)
    assert found.verified is not None
    assert found.verified.sign_offs[0].name == "张三"
    assert found.verified.reread is not None
    assert found.verified.reread.rounds == 12
    assert found.unvouched == ()
    assert not found.home.exists()


def test_signatures_come_before_everything_else(signed: Path, people: People, tmp_path: Path) -> None:
    """A bundle by somebody unknown is refused for that, and nothing of what it holds is believed or read."""
    path = people.folder / "reviewer.yaml"
    path.write_text(people.text("reviewer"), "utf-8")
    forged = rewritten(signed, tmp_path / "b.kit", only(f"run/{'plan.json'}", lambda _: b"not even JSON"))
    with pytest.raises(VerificationError, match="not genuine"):
        opening.verify(forged, path, NOW, lambda _: None)
    with pytest.raises(VerificationError, match="nothing says whose signatures count"):
        opening.verify(forged, None, NOW, lambda _: None)


def test_an_unsigned_bundle_is_not_verified(people: People, tmp_path: Path) -> None:
    made = pack(str(measured(tmp_path).path), tmp_path / "a.kit")
    assert "is not signed" in refused(made.path, people)
    with opening.opened(made.path, None, NOW, lambda _: None, unsigned=True) as found:
        assert found.verified is None
        assert found.run is not None
    # Whoever gives a trust file wants it to count.
    with (
        pytest.raises(VerificationError, match="is not signed"),
        opening.opened(made.path, trust(people), NOW, lambda _: None, unsigned=True),
    ):
        pass


@pytest.mark.parametrize("name", ["run/plan.json", "run/cases/64-32-c1/round-1/samples.jsonl", "run/report/report.md"])
def test_a_forged_file_of_the_run_is_named(signed: Path, people: People, tmp_path: Path, name: str) -> None:
    forged = rewritten(signed, tmp_path / "b.kit", only(name, lambda found: found + b" "))
    assert f"{name.removeprefix('run/')}: was modified" in refused(forged, people)
    fewer = rewritten(signed, tmp_path / "c.kit", only(name, lambda _: None))
    assert f"{name.removeprefix('run/')}: is missing" in refused(fewer, people)


def test_a_file_that_was_put_into_the_run_is_named(signed: Path, people: People, tmp_path: Path) -> None:
    forged = rewritten(signed, tmp_path / "b.kit", lambda _, found: found, ("run/more", "run", b"x"))
    assert "more: was added" in refused(forged, people)


@pytest.mark.parametrize(
    "name", ["images/llamacpp/serve.py", "images/evalscope/1.0.1/requirements.lock", "images/build-tools.lock"]
)
def test_another_lock_or_program_than_the_run_was_made_with_is_named(
    signed: Path, people: People, tmp_path: Path, name: str
) -> None:
    forged = rewritten(signed, tmp_path / "b.kit", only(name, lambda found: found + b"\n"))
    assert "is not what the run was made with" in refused(forged, people)


def test_a_program_that_was_put_beside_the_others_is_named(signed: Path, people: People, tmp_path: Path) -> None:
    forged = rewritten(signed, tmp_path / "b.kit", lambda _, found: found, ("images/llamacpp/more.py", "lock", b"evil"))
    assert "images/llamacpp: is not what the run was made with" in refused(forged, people)


def test_another_profile_than_the_runs_is_named(signed: Path, people: People, tmp_path: Path) -> None:
    text = profile.resolved(profile.parse(SMOKE, "p", ["load.seed=7"]).profile)
    forged = rewritten(signed, tmp_path / "b.kit", only("profile.yaml", lambda _: text))
    assert "is not the profile that the list names" in refused(forged, people)


def test_code_that_no_lock_pins_is_told(signed: Path, people: People, tmp_path: Path) -> None:
    from tests.unit.test_bundles import wheel

    more: tuple[str, Kind, bytes] = ("wheels/evil-1.0-py3-none-any.whl", "wheel", wheel(10))
    forged = rewritten(signed, tmp_path / "b.kit", lambda _, found: found, more)
    (told,) = verify(forged, people).unvouched
    assert told.where == "wheels/evil-1.0-py3-none-any.whl"


def docker_archive(*tags: str) -> bytes:
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": []}}).encode()
    from hashlib import sha256

    name = f"{sha256(config).hexdigest()}.json"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for member, content in (
            (name, config),
            ("manifest.json", json.dumps([{"Config": name, "RepoTags": tags, "Layers": []}]).encode()),
        ):
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize(
    ("tag", "told"), [("kit/evalscope:1.0.1", "no signature"), ("python:3.11", "is none of kit's")]
)
def test_images_that_the_run_does_not_name_are_told_or_refused(
    signed: Path, people: People, tmp_path: Path, tag: str, told: str
) -> None:
    (tmp_path / "i").write_bytes(content := docker_archive(tag))
    from kit.bundles.packed import unpacked

    path = rewritten(signed, tmp_path / "b.kit", lambda _, found: found)
    bundle = reading.look(path)
    size, sha256 = writing.measure(tmp_path / "i")
    more = Member(
        name="archives/a.tar.gz", kind="image", size=size, sha256=sha256, unpacked_bytes=unpacked(tmp_path / "i")
    )
    manifest = bundle.manifest.model_copy(update={"members": (*bundle.manifest.members, more)})
    sources = {}
    for number, one in enumerate(bundle.manifest.members):
        sources[one.name] = tmp_path / f"again-{number}"
        sources[one.name].write_bytes(bundle.content(one))
    writing.write(tmp_path / "c.kit", manifest, {**sources, more.name: tmp_path / "i"})
    assert content
    if told == "no signature":
        assert told in str(verify(tmp_path / "c.kit", people).unvouched)
    else:
        assert told in refused(tmp_path / "c.kit", people)


# --- prompts from a file -----------------------------------------------------------------------------------------

CHAT = b'{"prompt": "Why?"}\n{"prompt": "How?"}\n'
DIGEST = hashlib.sha256(CHAT).hexdigest()
MEMBER = f"prompts/{DIGEST}.jsonl"
SENDING = SMOKE.replace("output: 32,", f"output: 32, prompts: {{path: chat.jsonl, sha256: {DIGEST}}},")


def sent(home: Path) -> RunDir:
    """A run that sent prompts of a file."""
    run = Written(home, text=SENDING, pin=ProcessRuntime(folder("images"), home / "cache").pin).run
    write_once(run.prompts(DIGEST), CHAT)
    return run


@pytest.fixture(scope="module")
def signed_prompts(people: People, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a signed run that sent prompts of a file."""
    home = tmp_path_factory.mktemp("prompts")
    run = sent(home)
    people.sign(run, "tester")
    return pack(str(run.path), home / "run.kit").path


def test_the_prompts_of_a_run_are_bundled_once_and_verified_with_it(signed_prompts: Path, people: People) -> None:
    names = [one.name for one in reading.look(signed_prompts).manifest.members if DIGEST in one.name]
    assert names == [MEMBER]
    found = verify(signed_prompts, people)
    assert found.verified is not None
    assert found.looked.loaded.prompts == {DIGEST: CHAT}


def test_the_prompts_of_a_profile_are_bundled(tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_bytes(CHAT)
    (tmp_path / "code.jsonl").write_bytes(CHAT[:19])
    (tmp_path / "p.yaml").write_text(SENDING)
    settings = ("load.cases.1.prompts=code.jsonl",)
    made = pack(str(tmp_path / "p.yaml"), tmp_path / "p.kit", replace(LIGHT, settings=settings))
    looked = opening.look(made.path)
    assert sorted(looked.loaded.prompts.values()) == [CHAT[:19], CHAT]
    assert looked.loaded.prompts[DIGEST] == CHAT


def test_a_run_whose_prompts_were_changed_is_neither_bundled_nor_signed_nor_repeated(
    people: People, tmp_path: Path
) -> None:
    run = sent(tmp_path)
    run.prompts(DIGEST).unlink()
    run.prompts(DIGEST).write_bytes(CHAT + b"\n")
    with pytest.raises(UsageError, match="it was changed since the run began"):
        pack(str(run.path), tmp_path / "a.kit")
    with pytest.raises(VerificationError, match="its prompts are not those that were sent"):
        people.sign(run, "tester")
    with (
        pytest.raises(VerificationError, match="does not hold the prompts that it was made with"),
        originals.found(str(run.path), tmp_path, lambda _: None, NOW, trust=None, unsigned=True),
    ):
        pass


def test_prompts_changed_after_the_signature_are_named(people: People, tmp_path: Path) -> None:
    run = sent(tmp_path)
    people.sign(run, "tester")
    run.prompts(DIGEST).unlink()
    run.prompts(DIGEST).write_bytes(CHAT + b"\n")
    with pytest.raises(VerificationError, match=f"{MEMBER}: was modified"):
        people.verify(run, people.text("tester"))


OTHER = b'{"prompt": "Who?"}\n'


@pytest.mark.parametrize(
    ("change", "more", "told"),
    [
        pytest.param(only(MEMBER, lambda found: found + b"\n"), (), f"{MEMBER}: is none that the profile names"),
        pytest.param(only(MEMBER, lambda _: None), (), f"chat.jsonl with SHA-256 {DIGEST} is not there"),
        pytest.param(
            only("", lambda found: found),
            (f"prompts/{hashlib.sha256(OTHER).hexdigest()}.jsonl", "prompts", OTHER),
            "is none that the profile names",
        ),
        pytest.param(only("", lambda found: found), ("prompts/x", "prompts", CHAT), "prompts/x: is none that the"),
        pytest.param(
            only("", lambda found: found), (f"run/{MEMBER}", "run", CHAT), f"run/{MEMBER}: stands there twice"
        ),
    ],
    ids=["changed", "missing", "added", "under another name", "twice"],
)
def test_a_bundle_with_other_prompts_than_its_profile_names_is_refused(
    signed_prompts: Path, people: People, tmp_path: Path, change: Change, more: tuple[str, Kind, bytes], told: str
) -> None:
    forged = rewritten(signed_prompts, tmp_path / "b.kit", change, *((more,) if more else ()))
    assert told in refused(forged, people)


def test_lines_of_a_bundle_that_are_no_prompts_are_told(tmp_path: Path) -> None:
    bad = b'{"prompt": 1}\n'
    named = f"output: 512, prompts: {{path: chat.jsonl, sha256: {sha(bad)}}},"
    text = profile.resolved(
        profile.parse(PROFILE.replace("output: 512,", named), "p", ["load.transport=precise"]).profile
    ).decode()
    path = Made({f"prompts/{sha(bad)}.jsonl": ("prompts", bad)}, profile=text).write(tmp_path / "b.kit")
    with pytest.raises(VerificationError, match=f"prompts/{sha(bad)}.jsonl: line 1: prompt: expected text"):
        opening.look(path)


def test_prompts_of_a_bundle_are_bounded(signed_prompts: Path, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.beside.MOST_BYTES", len(CHAT) - 1)
    assert "too many for prompts" in refused(signed_prompts, people)


def test_a_repetition_sends_the_prompts_of_its_original(signed_prompts: Path, tmp_path: Path) -> None:
    """Of a bundle, and of a run; another file than the original's is none that anybody has."""
    run = sent(tmp_path)
    for reference in (signed_prompts, run.path):
        with originals.found(str(reference), tmp_path, lambda _: None, NOW, trust=None, unsigned=True) as original:
            assert original.loaded.prompts == {DIGEST: CHAT}
            moved = relocating.relocated(original.loaded, original.opened, None, ("load.rounds=1",), lambda _: None)
            assert moved.prompts == {DIGEST: CHAT}
            made = running.planned(moved, "process", tmp_path)
            assert made.prompts == {DIGEST: CHAT}
            assert [case.key for case in made.plan.cases] == list(original.figures())
            settings = ("load.cases.0.prompts=mine.jsonl",)
            moved = relocating.relocated(original.loaded, original.opened, None, settings, lambda _: None)
            with pytest.raises(ProfileError, match=r"mine\.jsonl is not there"):
                running.planned(moved, "process", tmp_path)
