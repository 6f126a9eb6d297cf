"""Archives of images: whoever wrote them, kit's own are the same, and what is damaged is refused before it is loaded."""

import gc
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import images
from kit.errors import EnvironmentUnavailableError, UsageError, VerificationError
from kit.images import Image, archive, building, carrying, contents, record
from kit.images.gathering import Places
from kit.resources import cache, folder
from kit.runtimes import notes
from kit.store import replace as write
from tests.image_store import FakeImages, config, docker_save, oci_save, tar

AMD, ARM = "linux/amd64", "linux/arm64"
INPUTS = f"sha256:{'1' * 64}"


def places(base: Path) -> Places:
    return Places(
        folder("images"), folder("images").parent / "kit", base / "fetched", base / "artifacts", base / "records"
    )


def image(platform: str = AMD, name: str = "llamacpp") -> Image:
    return images.find(folder("images"), name, platform)


def built(store: FakeImages, where: Places, which: Image, files: dict[str, bytes]) -> str:
    """An image in the engine, with what a build would have written down of it."""
    layer = tar(files)
    described = config([layer], {images.LABEL: INPUTS}, which.architecture)
    identity = store.put(described, [layer], which.platform_tag, *([which.tag] if which.platform == store.own else []))
    content = contents.read(io.BytesIO(layer))
    one = record.Built(
        name=which.name, version=which.version, platform=which.platform, inputs_digest=INPUTS, inputs=(),
        image=identity, content=content.digest, size=len(layer),
    )  # fmt: skip
    write(where.records / record.FILE, record.read(where.records).with_records([one]).to_bytes())
    write(building.listing(where, content.digest), content.packed())
    return identity


def silent(_: str) -> None:
    pass


def test_an_image_that_is_as_it_was_built_is_verified(tmp_path: Path) -> None:
    store, where = FakeImages(), places(tmp_path)
    built(store, where, image(), {"etc/a": b"1"})
    assert carrying.verify(image(), where, store, silent).content.startswith("sha256:")


def test_every_path_that_differs_is_named(tmp_path: Path) -> None:
    store, where = FakeImages(), places(tmp_path)
    built(store, where, image(), {"etc/changed": b"1", "etc/missing": b"2", "etc/same": b"3"})
    layer = tar({"etc/changed": b"X", "etc/same": b"3", "usr/added": b"4"})
    store.put(config([layer], {images.LABEL: INPUTS}), [layer], image().platform_tag)
    with pytest.raises(VerificationError) as refused:
        carrying.verify(image(), where, store, silent)
    assert [problem.what for problem in refused.value.problems] == [
        "/etc/changed: changed (content)",
        "/etc/missing: missing",
        "/usr/added: added",
    ]


def test_an_image_that_nobody_wrote_down_is_no_proof_of_anything(tmp_path: Path) -> None:
    layer = tar({"etc/a": b"1"})
    store = FakeImages()
    store.put(config([layer]), [layer], image().platform_tag)
    with pytest.raises(UsageError, match="published by others"):
        carrying.verify(image(), places(tmp_path), store, silent)


def test_what_is_saved_on_one_machine_is_loaded_and_verified_on_another(tmp_path: Path) -> None:
    here, where = FakeImages(), places(tmp_path / "here")
    chosen = [image(), image(ARM)]
    identities = [built(here, where, one, {"etc/a": one.platform.encode()}) for one in chosen]
    saved = carrying.save(chosen, where, here, tmp_path / "images.tar.gz", silent)
    assert [held.id for held in saved.held] == identities
    there, elsewhere = FakeImages(), places(tmp_path / "there")
    carrying.load(saved.path, elsewhere, there, silent)
    for one, identity in zip(chosen, identities, strict=True):
        found = there.find(one.platform_tag)
        assert found is not None
        assert found.id == identity
        assert carrying.verify(one, elsewhere, there, silent).image == identity
    short = there.find(image().tag)
    assert short is not None
    assert short.id == identities[0]


def test_on_a_machine_of_the_other_platform_the_short_name_means_its_own(tmp_path: Path) -> None:
    here, where = FakeImages(), places(tmp_path / "here")
    chosen = [image(), image(ARM)]
    identities = [built(here, where, one, {"etc/a": one.platform.encode()}) for one in chosen]
    saved = carrying.save([image(ARM)], where, here, tmp_path / "images.tar.gz", silent)
    there = FakeImages(own=ARM)
    carrying.load(saved.path, places(tmp_path / "there"), there, silent)
    found = there.find(image().tag)
    assert found is not None
    assert found.id == identities[1]


def test_every_image_that_is_not_there_to_be_saved_is_named(tmp_path: Path) -> None:
    store, where = FakeImages(), places(tmp_path)
    built(store, where, image(), {"etc/a": b"1"})
    chosen = [image(), image(ARM), image(AMD, "evalscope"), image(ARM, "cann")]
    with pytest.raises(EnvironmentUnavailableError) as refused:
        carrying.save(chosen, where, store, tmp_path / "images.tar.gz", silent)
    assert [problem.what for problem in refused.value.problems] == [
        f"there is no image {tag} on this machine"
        for tag in ("kit/llamacpp:latest-arm64", "kit/evalscope:1.0.1-amd64", "kit/cann:8.2.RC1-arm64")
    ]
    assert not list(tmp_path.glob("images*"))


def test_saving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    store, where = FakeImages(), places(tmp_path)
    built(store, where, image(), {"etc/a": b"1"})
    one, two = (carrying.save([image()], where, store, tmp_path / name, silent) for name in ("a.tar.gz", "b.tar.gz"))
    assert one.sha256 == two.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
    assert (tmp_path / "a.tar.gz.sha256").read_text() == f"{one.sha256}  a.tar.gz\n"


def test_two_that_save_to_the_same_place_at_once_each_write_a_whole_archive(tmp_path: Path) -> None:
    store, where, out = FakeImages(), places(tmp_path), tmp_path / "images.tar.gz"
    for one in (image(), image(ARM)):
        built(store, where, one, {"etc/a": one.platform.encode()})
    others: list[carrying.Saved] = []

    def meanwhile(_: str) -> None:
        if not others:
            others.append(carrying.save([image(ARM)], where, store, out, silent))

    last = carrying.save([image()], where, store, out, meanwhile)
    assert last.sha256 != others[0].sha256
    assert last.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert (tmp_path / "images.tar.gz.sha256").read_text() == f"{last.sha256}  images.tar.gz\n"
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_what_a_save_that_is_killed_leaves_is_noted_for_the_next_command(tmp_path: Path) -> None:
    store, where = FakeImages(), places(tmp_path)
    built(store, where, image(), {"etc/a": b"1"})
    there: list[Path] = []

    def look(_: str) -> None:
        noted = [Path(os.readlink(note)) for note in (cache() / "notes").iterdir()]
        there.extend(path for path in noted if notes.is_scratch(str(path)))
        assert [path.name for path in tmp_path.glob(".*")] == [path.name for path in there]

    carrying.save([image()], where, store, tmp_path / "images.tar.gz", look)
    assert [path.parent for path in there] == [tmp_path]
    assert not list((cache() / "notes").iterdir())


def test_a_changed_archive_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    store, where = FakeImages(), places(tmp_path)
    built(store, where, image(), {"etc/a": b"1"})
    saved = carrying.save([image()], where, store, tmp_path / "images.tar.gz", silent)
    content = bytearray(saved.path.read_bytes())
    content[len(content) // 2] ^= 1
    saved.path.write_bytes(content)
    with pytest.raises(VerificationError, match="nothing was loaded"):
        carrying.load(saved.path, where, store, silent)
    assert store.loaded == 0


def test_an_archive_without_its_sum_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.tar.gz").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"there is no file .*images\.tar\.gz\.sha256"):
        carrying.load(tmp_path / "images.tar.gz", places(tmp_path), FakeImages(), silent)


@given(st.binary(max_size=2000))
def test_what_is_no_archive_is_told_as_such(content: bytes) -> None:
    with pytest.raises(ValueError, match="archive"):
        archive.look(io.BytesIO(content))


def test_an_archive_that_was_cut_short_is_told_as_such() -> None:
    layer = tar({"a": bytes(range(256)) * 100})
    whole = gzip.compress(tar(docker_save(config([layer]), ["x:1"], [layer])))
    for size in range(0, len(whole) - 1, 97):
        with pytest.raises(ValueError, match="archive"):
            archive.look(io.BytesIO(whole[:size]))


@pytest.mark.parametrize("save", [docker_save, oci_save], ids=["docker up to 24", "docker since 25"])
def test_archives_of_every_engine_become_the_same(
    tmp_path: Path, save: Callable[[bytes, list[str], list[bytes]], dict[str, bytes]]
) -> None:
    layers = [tar({"etc/a": b"1"}), tar({"etc/b": b"2"})]
    described = config(layers)
    out = io.BytesIO()
    with archive.Writer(out, tmp_path) as writer:
        writer.add(io.BytesIO(tar(save(described, ["kit/x:1"], layers))), ["kit/x:1"])
        writer.finish(b"{}", {})
    out.seek(0)
    with tarfile.open(fileobj=out) as packed:
        manifest = json.load(packed.extractfile("manifest.json") or pytest.fail("no manifest"))
        inside = [packed.extractfile(name) for name in manifest[0]["Layers"]]
        assert [file.read() for file in inside if file is not None] == layers
        digests = [hashlib.sha256(layer).hexdigest() for layer in layers]
        assert manifest[0]["Layers"] == [f"{digest}/layer.tar" for digest in digests]
    out.seek(0)
    held, _ = archive.look(out)
    assert [one.id for one in held] == [f"sha256:{hashlib.sha256(described).hexdigest()}"]


def test_an_archive_that_is_left_in_the_middle_leaves_nothing_to_be_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", later.append)
    layer = tar({"a": bytes(100_000)})

    def left() -> None:
        with gzip.GzipFile(fileobj=io.BytesIO(), mode="wb") as packed, archive.Writer(packed, tmp_path) as writer:  # type: ignore[arg-type]
            writer.add(io.BytesIO(tar(docker_save(config([layer]), ["x:1"], [layer]))), ["x:1"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        left()
    gc.collect()
    assert later == []


def test_layers_that_images_share_are_written_once(tmp_path: Path) -> None:
    base, one, two = (tar({name: name.encode()}) for name in ("base", "one", "two"))
    out = io.BytesIO()
    with archive.Writer(out, tmp_path) as writer:
        for layers in ([base, one], [base, two]):
            writer.add(io.BytesIO(tar(docker_save(config(layers), ["x:1"], layers))), ["x:1"])
        writer.finish(b"{}", {})
    out.seek(0)
    with tarfile.open(fileobj=out) as packed:
        assert len([name for name in packed.getnames() if name.endswith("layer.tar")]) == 3


def test_a_layer_that_is_a_link_to_another_is_followed(tmp_path: Path) -> None:
    layer = tar({})
    described = config([layer, layer])
    files = docker_save(described, ["x:1"], [layer, layer])
    (name,) = [name for name in files if name.endswith("layer.tar")]
    other = f"{'b' * 64}/layer.tar"
    manifest = json.loads(files["manifest.json"])
    manifest[0]["Layers"] = [name, other]
    files["manifest.json"] = json.dumps(manifest).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as out:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            out.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo(other)
        link.type, link.linkname = tarfile.SYMTYPE, f"../{name}"
        out.addfile(link)
    packed.seek(0)
    with archive.Writer(io.BytesIO(), tmp_path) as writer:
        writer.add(packed, ["x:1"])
        assert len(writer.finish(b"{}", {})) == 1


def test_a_layer_that_is_not_the_one_of_the_configuration_is_refused(tmp_path: Path) -> None:
    good, bad = tar({"a": b"1"}), tar({"a": b"2"})
    files = docker_save(config([good]), ["x:1"], [bad])
    with archive.Writer(io.BytesIO(), tmp_path) as writer, pytest.raises(ValueError, match="not those that its"):
        writer.add(io.BytesIO(tar(files)), ["x:1"])


def zipped(entries: Iterator[tuple[bytes, str, int]]) -> bytes:
    """A compressed archive of blanks: entries of a kind, a name and a size, each beginning as JSON does."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1) as packed:
        for kind, name, size in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, size
            packed.write(entry.tobuf(tarfile.USTAR_FORMAT))
            packed.write(b"{" + b" " * (size - 1 + -size % 512) if size else b"")
        packed.write(bytes(1024))
    return out.getvalue()


BLOB = "blobs/sha256/{:064x}"


@pytest.mark.parametrize(
    ("kind", "name", "size", "number", "said"),
    [
        (tarfile.REGTYPE, BLOB, 16 * 2**20, 12, "larger than"),
        (tarfile.XHDTYPE, "x", 200 * 2**20, 1, "a header that no engine writes"),
        (tarfile.GNUTYPE_LONGNAME, "x", 200 * 2**20, 1, "a header that no engine writes"),
        (tarfile.XGLTYPE, "x", 512, 1, "a header that no engine writes"),
        (tarfile.XHDTYPE, "x", 512, 2000, "not an archive"),
    ],
    ids=["large", "endless header", "endless name", "header for all", "headers of headers"],
)
def test_an_archive_that_unpacks_to_more_than_memory_is_refused(
    kind: bytes, name: str, size: int, number: int, said: str
) -> None:
    bomb = zipped((kind, name.format(at), size) for at in range(number))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=said):
            archive.look(io.BytesIO(bomb))
        assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    finally:
        tracemalloc.stop()


def test_small_files_without_end_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_KEPT", 2**20)
    with pytest.raises(ValueError, match="larger than 1048576 bytes"):
        archive.look(io.BytesIO(zipped((tarfile.REGTYPE, BLOB.format(at), 1) for at in range(1100))))


def test_of_entries_that_are_passed_over_nothing_is_kept() -> None:
    many = zipped((tarfile.REGTYPE, f"{at:0100}", 0) for at in range(6000))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="no manifest"):
            archive.look(io.BytesIO(many))
        assert tracemalloc.get_traced_memory()[1] < 3 * 2**20, "they would take nearly five"
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "manifest", [b"[" * 10**5, b'[{"Config": "%s.json", "RepoTags": []}]' % (b"0" * 64)], ids=["deep", "odd config"]
)
def test_a_manifest_that_means_nothing_is_told_as_such(manifest: bytes) -> None:
    packed = tar(
        {"manifest.json": manifest, f"{'0' * 64}.json": b'{"os": "linux", "architecture": "amd64", "config": 1}'}
    )
    with pytest.raises(ValueError, match="no manifest"):
        archive.look(io.BytesIO(packed))
