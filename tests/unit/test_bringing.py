"""What a bundle brings onto a machine: nothing before the repetition begins, and no name that is there for something else."""

import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from kit import plan as plans
from kit import profile
from kit.bundles import reading, writing
from kit.bundles.packed import unpacked
from kit.errors import HostError, VerificationError
from kit.images import archive, loading
from kit.model import Environment, Plan
from kit.model.bundle import Kind, Member
from kit.resources import cache, folder
from kit.running import leftovers
from kit.runtimes.process import ProcessRuntime
from kit.workflows import bringing, opening, relocating, running
from kit.workflows.originals import Original
from tests.fakes import FakeRuntime
from tests.image_store import FakeImages, config, docker_save, tar
from tests.unit.people import NOW
from tests.unit.test_bundled_runs import SMOKE, pack
from tests.unit.test_bundles import wheel
from tests.unit.written import Written

LOAD, SERVER = "kit/evalscope:1.0.1", "kit/llamacpp:latest"


def silent(_: str) -> None:
    pass


def image(what: str) -> tuple[bytes, list[bytes]]:
    """The configuration of an image, and its layers."""
    layers = [tar({"etc/common": b"1"}), tar({"etc/is": what.encode()})]
    return config(layers, {"of": what, "kit.package.xllamacpp": "9.9"}), layers


def identity(what: str) -> str:
    return f"sha256:{hashlib.sha256(image(what)[0]).hexdigest()}"


def holding(*named: tuple[str, str]) -> bytes:
    """An archive with images and their names; more stands in it than engines need."""
    files: dict[str, bytes] = {"./manifest.json": b"[]", "repositories": b"{}"}
    entries: list[object] = []
    for tag, what in named:
        own = docker_save(image(what)[0], [tag], image(what)[1])
        entries += json.loads(own.pop("manifest.json"))
        files |= own
    return gzip.compress(tar({**files, "manifest.json": json.dumps(entries).encode()}))


def bundled(made: Path, name: str, kind: Kind, content: bytes) -> Path:
    """A bundle with one file more."""
    bundle, home = reading.look(made), made.parent / "parts"
    home.mkdir()
    sources = {one.name: home / str(number) for number, one in enumerate(bundle.manifest.members)}
    for one in bundle.manifest.members:
        sources[one.name].write_bytes(bundle.content(one))
    sources[name] = home / "more"
    sources[name].write_bytes(content)
    size, sha256 = writing.measure(sources[name])
    packed = unpacked(sources[name]) if kind == "image" else None
    platform = "linux/amd64" if kind == "image" else None
    more = Member(name=name, kind=kind, size=size, sha256=sha256, unpacked_bytes=packed, platform=platform)
    writing.write(made, bundle.manifest.model_copy(update={"members": (*bundle.manifest.members, more)}), sources)
    return made


def of_profile(home: Path) -> Path:
    (home / "p.yaml").write_text(SMOKE)
    return pack(str(home / "p.yaml"), home / "p.kit").path


@contextmanager
def opened(path: Path) -> Iterator[Original]:
    with opening.opened(path, None, NOW, silent, unsigned=True) as found:
        yield Original("there", found.looked.loaded, found.run, found)


def planned(source: bringing.Source) -> Plan:
    loaded = profile.parse(SMOKE, "p.yaml")
    return plans.make(
        loaded.profile,
        sha256=loaded.sha256,
        runtime="docker",
        pin=source.pin,
        models=Path("/m"),
        version=source.version,
    )


def test_a_bundle_moves_no_name_and_changes_nothing_before_the_repetition_begins(tmp_path: Path) -> None:
    path = bundled(of_profile(tmp_path), "archives/a.tar.gz", "image", holding((LOAD, "load"), (SERVER, "server")))
    engine = FakeImages()
    mine = engine.put(*image("mine"), LOAD)
    with opened(path) as original:
        source = bringing.images(original, FakeRuntime(), engine, None)
        plan = planned(source)
        assert [one.digest for one in plan.environments] == [identity("server"), identity("load")]
        assert plan.engine_version == "9.9"
        assert list(engine.kept) == [mine]
        source.bring(plan, silent)
        assert planned(source) == plan
        assert engine.loaded == 1
        source.bring(plan, silent)
        assert engine.loaded == 1
    assert {tag: one.stored.id for one in engine.kept.values() for tag in one.stored.tags} == {
        LOAD: mine,
        **{loading.by_id(identity(what)): identity(what) for what in ("load", "server")},
    }


def test_images_of_a_run_are_those_of_its_plan_whatever_an_archive_calls_them(tmp_path: Path) -> None:
    ids = {"llamacpp": identity("server"), "evalscope": identity("load")}

    def pin(name: str, variant: str | None) -> Environment:
        return Environment(name=name, variant=variant, kind="image", digest=ids[name])

    run = Written(tmp_path, text=SMOKE, pin=pin).run
    made = pack(str(run.path), tmp_path / "run.kit").path
    swapped = [(LOAD, "server"), (SERVER, "load"), (LOAD, "evil"), ("kit/more:latest", "load")]
    path = bundled(made, "archives/a.tar.gz", "image", holding(*swapped))
    engine = FakeImages()
    with opened(path) as original:
        source = bringing.images(original, FakeRuntime(), engine, None)
        plan = planned(source)
        assert {one.name: one.digest for one in plan.environments} == ids
        # Not by the name that an archive gives to an image which the plan has under another.
        assert source.pin("more", None).kind == "lock"
        source.bring(plan, silent)
    # What the plan does not name never reaches the engine.
    assert sorted(engine.kept) == sorted(ids.values())


def test_an_image_that_the_engine_counts_otherwise_is_found_by_the_name_that_follows_from_it(tmp_path: Path) -> None:
    path = bundled(of_profile(tmp_path), "archives/a.tar.gz", "image", holding((LOAD, "load"), (SERVER, "server")))
    engine = FakeImages()
    other = {
        what: engine.put(*image(f"{what} by another id"), loading.by_id(identity(what))) for what in ("load", "server")
    }
    with opened(path) as original:
        plan = planned(bringing.images(original, FakeRuntime(), engine, None))
    assert [one.digest for one in plan.environments] == [other["server"], other["load"]]


def test_an_archive_is_written_anew_with_what_its_images_are_made_of_and_nothing_else() -> None:
    whole = holding((LOAD, "load"), (SERVER, "server"))
    held, _ = archive.look(io.BytesIO(whole))
    anew = b"".join(loading.renamed(io.BytesIO(whole), held[:1]))
    with tarfile.open(fileobj=io.BytesIO(anew)) as found:
        names = found.getnames()
    assert sorted(name.rpartition("/")[2].removesuffix(".json") for name in names) == sorted(
        ["layer.tar", "layer.tar", "manifest", identity("load").removeprefix("sha256:")]
    )
    (again,) = archive.look(io.BytesIO(anew))[0]
    assert (again.id, again.tags) == (identity("load"), (loading.by_id(identity("load")),))
    engine = FakeImages()
    engine.load("a", [anew])
    assert engine.kept[identity("load")].layers == image("load")[1]


def test_an_archive_without_a_layer_is_refused_before_it_is_whole() -> None:
    files = docker_save(image("load")[0], [LOAD], image("load")[1])
    lost = next(name for name in files if name.endswith("layer.tar"))
    packed = tar({name: content for name, content in files.items() if name != lost})
    held, _ = archive.look(io.BytesIO(packed))
    out = loading.renamed(io.BytesIO(packed), held)
    with pytest.raises(ValueError, match="1 layers"):
        list(out)
    with pytest.raises(ValueError, match="not an archive"):
        list(loading.renamed(io.BytesIO(gzip.compress(packed)[:-20]), held))


def test_a_bundle_whose_images_are_not_whole_is_refused(tmp_path: Path) -> None:
    files = docker_save(image("load")[0], [LOAD], image("load")[1])
    lost = next(name for name in files if name.endswith("layer.tar"))
    packed = gzip.compress(tar({name: content for name, content in files.items() if name != lost}))
    path = bundled(of_profile(tmp_path), "archives/a.tar.gz", "image", packed)
    with opened(path) as original:
        source = bringing.images(original, FakeRuntime(), FakeImages(), None)
        with pytest.raises(VerificationError, match="does not hold its images"):
            source.bring(planned(source), silent)


def test_wheels_that_nobody_vouches_for_make_environments_that_no_other_run_finds(tmp_path: Path) -> None:
    plain = of_profile(tmp_path)
    (tmp_path / "more").mkdir()
    path = bundled(Path(shutil.copy(plain, tmp_path / "more")), "wheels/evil-1.0-py3-none-any.whl", "wheel", wheel(9))
    with opened(plain) as original:
        assert bringing.source(original, "process", None).kept is None
    with opened(path) as found:
        original = replace(found, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        source = bringing.source(original, "process", None)
        assert source.kept == cache() / "unvouched" / str(original.sha256)[:16]
        assert source.pin("llamacpp", None) == ProcessRuntime(folder("images"), cache()).pin("llamacpp", None)
        prepared = running.planned(
            *(profile.parse(SMOKE, "p.yaml"), "process", tmp_path), images=source.images, kept=source.kept
        )
        assert prepared.environments == source.kept


# --- tokenizers --------------------------------------------------------------------------------------------------


def tokenizers() -> list[str]:
    return sorted(str(path.relative_to(cache())) for path in (cache() / "tokenizers").rglob("*"))


def bring(path: Path) -> None:
    with opened(path) as original:
        assert original.opened is not None
        relocating.bring_tokenizer(original.opened)


def test_a_tokenizer_is_named_when_planned_and_brought_when_the_repetition_begins(tmp_path: Path) -> None:
    path = bundled(of_profile(tmp_path), "tokenizer/tokenizer.json", "tokenizer", b"{}")
    with opened(path) as original:
        assert original.opened is not None
        moved = relocating.relocated(original.loaded, original.opened, None, (), silent).profile.load.tokenizer
        assert Path(moved).parent == cache() / "tokenizers"
        assert not Path(moved).parent.exists()
        relocating.bring_tokenizer(original.opened)
    assert (Path(moved) / "tokenizer.json").read_bytes() == b"{}"
    bring(path)
    assert len(tokenizers()) == 2


def test_a_tokenizer_that_is_not_whole_is_left_by_neither_a_signal_nor_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bundled(of_profile(tmp_path), "tokenizer/tokenizer.json", "tokenizer", b"{}")

    def stopped(*_: object) -> None:
        assert any(name.endswith("/tokenizer.json") for name in tokenizers())
        raise KeyboardInterrupt

    def killed(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        bring(path)
    assert tokenizers() == []
    monkeypatch.setattr(Path, "rename", killed)
    if (child := os.fork()) == 0:
        try:
            bring(path)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert any(name.endswith("/tokenizer.json") for name in tokenizers())
    assert any("tokenizer" in line for line in leftovers.sweep())
    assert tokenizers() == []


def test_a_tokenizer_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = bundled(of_profile(tmp_path), "tokenizer/tokenizer.json", "tokenizer", b"{}")
    cache().mkdir(parents=True, exist_ok=True)
    (cache() / "tokenizers").write_text("in the way")
    with pytest.raises(HostError, match="cannot be written"):
        bring(path)
