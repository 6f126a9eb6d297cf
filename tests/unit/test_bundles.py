"""Bundles: the same bytes each time, in bounded memory, and everything hostile refused by its name before a byte is written."""

import gzip
import hashlib
import io
import json
import os
import resource
import tarfile
import unicodedata
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import __version__, profile
from kit.bundles import asking, names, reading, writing
from kit.errors import KitError, UsageError, VerificationError
from kit.images import gathering
from kit.model.bundle import BUNDLE, Kind, Manifest, Member
from kit.resources import cache, folder
from kit.runtimes import sources
from kit.workflows import opening
from tests.unit.written import PROFILE

NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
TEXT = profile.resolved(profile.parse(PROFILE, "p.yaml").profile).decode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Made:
    """A bundle that tests put together by hand: files with their kinds, and what is changed before it is written."""

    files: dict[str, tuple[Kind, bytes]] = field(default_factory=dict)
    profile: str = TEXT
    run: str | None = None
    unpacked: dict[str, int] = field(default_factory=dict)
    declared: dict[str, int] = field(default_factory=dict)

    def members(self) -> list[Member]:
        files: dict[str, tuple[Kind, bytes]] = {"profile.yaml": ("profile", self.profile.encode()), **self.files}
        return [
            Member(
                name=name,
                kind=kind,
                size=self.declared.get(name, len(content)),
                sha256=sha256(content),
                unpacked_bytes=self.unpacked.get(name),
            )
            for name, (kind, content) in files.items()
        ]

    def manifest(self) -> Manifest:
        return Manifest(
            kit_version=__version__,
            profile="tiny",
            profile_sha256=f"sha256:{sha256(self.profile.encode())}",
            run=self.run,
            members=tuple(self.members()),
        )

    def content(self, name: str) -> bytes:
        return self.profile.encode() if name == "profile.yaml" else self.files[name][1]

    def write(self, path: Path, *more: tuple[tarfile.TarInfo, bytes], behind: bytes = b"", listed: bytes = b"") -> Path:
        """The bundle, with further entries of a tar before its end."""
        list_ = listed or self.manifest().to_json()
        out = io.BytesIO()
        for name, content in ((BUNDLE, list_), *((one.name, self.content(one.name)) for one in self.members())):
            out.write(writing.header(name, len(content)) + content + bytes(writing.padding(len(content))))
        for entry, content in more:
            out.write(entry.tobuf(tarfile.GNU_FORMAT) + content + bytes(writing.padding(len(content))))
        path.write_bytes(out.getvalue() + writing.END + behind)
        return path


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 0) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.size = kind, target, size
    return found


def refused(path: Path) -> str:
    """What a bundle is refused for, when it is looked at and when it is read whole; and nothing was written beside it."""
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(VerificationError) as caught:
        reading.check(opening.look(path).bundle, lambda _: None)
    assert sorted(path.parent.rglob("*")) == before
    return str(caught.value)


# --- whole and the same ------------------------------------------------------------------------------------------


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    made = Made({"images/a/requirements.lock": ("lock", b"x"), "tokenizer/tokenizer.json": ("tokenizer", b"{}")})
    looked = opening.look(made.write(tmp_path / "b.kit"))
    reading.check(looked.bundle, lambda _: None)
    reading.extract(looked.bundle, looked.bundle.manifest.members, tmp_path / "out")
    assert (tmp_path / "out/images/a/requirements.lock").read_bytes() == b"x"
    assert looked.asks == ()
    with tarfile.open(tmp_path / "b.kit") as archive:
        assert archive.getnames()[0] == BUNDLE


def test_writing_gives_the_same_bytes_whatever_the_files_are_called_and_when_they_were_made(tmp_path: Path) -> None:
    made = Made({"wheels/" + "long" * 50 + ".txt": ("wheel", b"content")})
    sources: list[dict[str, Path]] = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        sources.append({})
        for number, member in enumerate(made.members()):
            sources[-1][member.name] = folder / str(number)
            (folder / str(number)).write_bytes(made.content(member.name))
            os.utime(folder / str(number), (number, number))
    first = writing.write(tmp_path / "a.kit", made.manifest(), sources[0])
    assert (
        first
        == writing.write(tmp_path / "b.kit", made.manifest(), sources[1])
        == sha256((tmp_path / "a.kit").read_bytes())
    )
    assert made.write(tmp_path / "c.kit").read_bytes() == (tmp_path / "a.kit").read_bytes()


def test_a_file_that_changes_meanwhile_leaves_no_bundle(tmp_path: Path) -> None:
    made = Made()
    (tmp_path / "p").write_text(TEXT.replace("128", "129"))
    with pytest.raises(KitError, match="changed while it was bundled"):
        writing.write(tmp_path / "b.kit", made.manifest(), {"profile.yaml": tmp_path / "p"})
    assert [path.name for path in tmp_path.iterdir() if path != cache()] == ["p"]
    assert list((cache() / "notes").iterdir()) == []


def test_what_a_kit_that_is_killed_has_written_of_a_bundle_is_noted(tmp_path: Path) -> None:
    seen: list[tuple[str, ...]] = []

    class Sources(dict[str, Path]):
        def __getitem__(self, name: str) -> Path:
            (folder,) = tmp_path.glob(".kit-*")
            seen.append(tuple(os.readlink(note) for note in (cache() / "notes").iterdir()))
            assert seen[-1] == (str(folder),)
            assert [path.name for path in folder.iterdir()] == ["b.kit"]
            return super().__getitem__(name)

    (tmp_path / "p").write_text(TEXT)
    writing.write(tmp_path / "b.kit", Made().manifest(), Sources({"profile.yaml": tmp_path / "p"}))
    assert len(seen) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path != cache()) == ["b.kit", "p"]


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    """A quarter of a GiB goes in and is checked, and memory does not grow by a fraction of it."""
    size = 1 << 28
    big = tmp_path / "big"
    with open(big, "wb") as file:
        file.truncate(size)
    total = hashlib.sha256()
    for _ in range(size >> 20):
        total.update(bytes(1 << 20))
    made = Made()
    members = (*made.members(), Member(name="kit/big", kind="kit", size=size, sha256=total.hexdigest()))
    manifest = made.manifest().model_copy(update={"members": members})
    (tmp_path / "p").write_text(TEXT)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    writing.write(tmp_path / "b.kit", manifest, {"profile.yaml": tmp_path / "p", "kit/big": big})
    bundle = reading.look(tmp_path / "b.kit")
    reading.check(bundle, lambda _: None)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    (tmp_path / "b.kit").unlink()
    assert grown < 32 * 1024, f"{grown} KiB more"


# --- hostile -----------------------------------------------------------------------------------------------------

FOREIGN = [
    ("../evil", tarfile.REGTYPE, "", "leads out"),
    ("/etc/passwd", tarfile.REGTYPE, "", "absolute path"),
    ("run/../../evil", tarfile.REGTYPE, "", "leads out"),
    ("..\\evil", tarfile.REGTYPE, "", "another system"),
    ("C:/evil", tarfile.REGTYPE, "", "another system"),
    ("run/link", tarfile.SYMTYPE, "/etc/passwd", "is a link to /etc/passwd"),
    ("run/hard", tarfile.LNKTYPE, "profile.yaml", "is a hard link to profile.yaml"),
    ("run/null", tarfile.CHRTYPE, "", "is a device file"),
    ("run/disk", tarfile.BLKTYPE, "", "is a device file"),
    ("run/pipe", tarfile.FIFOTYPE, "", "is a pipe"),
    ("run/folder", tarfile.DIRTYPE, "", "is a folder"),
    ("run/sparse", tarfile.GNUTYPE_SPARSE, "", "is no plain file"),
    ("run/pax", tarfile.XHDTYPE, "", "is no plain file"),
    ("profile.yaml", tarfile.REGTYPE, "", "stands there twice"),
    (BUNDLE, tarfile.REGTYPE, "", "stands there twice"),
    ("run/unlisted", tarfile.REGTYPE, "", "is not in the list"),
    ("run/\x1b[31m", tarfile.REGTYPE, "", "cannot be shown"),
]


@pytest.mark.parametrize(("name", "kind", "target", "told"), FOREIGN, ids=[f"{one[0]!r}-{one[3]}" for one in FOREIGN])
def test_an_entry_that_may_not_be_is_named(tmp_path: Path, name: str, kind: bytes, target: str, told: str) -> None:
    found = refused(Made().write(tmp_path / "b.kit", (entry(name, kind, target), b"")))
    assert told in found
    assert names.shown(name.rstrip("/")) in found
    assert "\x1b" not in found


def test_all_entries_that_may_not_be_are_named_at_once(tmp_path: Path) -> None:
    more = [(entry(name, kind, target), b"") for name, kind, target, _ in FOREIGN]
    found = refused(Made().write(tmp_path / "b.kit", *more))
    assert all(told in found for *_, told in FOREIGN)


LISTED = [
    ("../evil", "run", "leads out"),
    ("/etc/passwd", "run", "absolute path"),
    ("~/x", "run", "absolute path"),
    ("run//x", "run", "no plain path"),
    ("run/./x", "run", "no plain path"),
    ("run/x ", "run", "blank"),
    ("run/" + "x" * 250, "run", "too long"),
    ("run/" + unicodedata.normalize("NFD", "é"), "run", "combining"),
    ("run/a\nb", "run", "cannot be shown"),
    ("run/\u202egpj.exe", "run", "cannot be shown"),
    ("elsewhere/x", "run", "no place for a file of the kind run"),
    ("images/x", "wheel", "no place for a file of the kind wheel"),
]


@pytest.mark.parametrize(("name", "kind", "told"), LISTED, ids=[one[2] + ascii(one[0])[:20] for one in LISTED])
def test_a_name_in_the_list_that_may_not_be_is_named(tmp_path: Path, name: str, kind: Kind, told: str) -> None:
    found = refused(Made({name: (kind, b"x")}).write(tmp_path / "b.kit"))
    assert told in found
    assert names.shown(name)[:60] in found


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ("run/a", "run/A", "only in case"),
        ("run/straße", "run/STRASSE", "only in case"),
        ("run/é", "run/É", "only in case"),
        ("run/K", "run/\u212a", "only in case"),
        ("run/a/x", "run/A/y", "only in case"),
        ("run/ﬁle", "run/file", "only in case"),
        ("run/a", "run/a/b", "file and a folder"),
        ("run/A", "run/a/b", "file and a folder"),
    ],
)
def test_two_names_that_are_one_file_on_some_system_are_named(tmp_path: Path, one: str, other: str, told: str) -> None:
    found = refused(Made({one: ("run", b""), other: ("run", b"")}).write(tmp_path / "b.kit"))
    assert told in found


def test_a_list_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    made = Made({"run/x": ("run", b"1")})
    members = made.members()
    manifest = made.manifest().model_copy(update={"members": (*members, members[-1])})
    assert "run/x: stands there twice" in refused(made.write(tmp_path / "b.kit", listed=manifest.to_json()))


def test_more_files_than_a_bundle_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_MEMBERS", 3)
    files: dict[str, tuple[Kind, bytes]] = {f"run/{number}": ("run", b"") for number in range(4)}
    assert "at most 3" in refused(Made(files).write(tmp_path / "b.kit"))


def test_a_declared_size_that_is_not_the_real_one_is_named(tmp_path: Path) -> None:
    made = Made({"run/x": ("run", b"1234")}, declared={"run/x": 5})
    assert "run/x: has 4 bytes, and 5 are in the list" in refused(made.write(tmp_path / "b.kit"))


def test_a_size_beyond_the_file_is_named(tmp_path: Path) -> None:
    found = refused(Made().write(tmp_path / "b.kit", (entry("run/huge", size=1 << 40), b"")))
    assert "run/huge: says that it is longer than the whole bundle" in found


def test_a_huge_text_is_refused(tmp_path: Path) -> None:
    made = Made({"images/a.lock": ("lock", b"")}, declared={"images/a.lock": 1 << 40})
    assert "images/a.lock: has 1099511627776 bytes: too many for a lock" in refused(made.write(tmp_path / "b.kit"))


def test_a_missing_file_and_another_order_are_named(tmp_path: Path) -> None:
    made = Made({"run/x": ("run", b"1"), "run/y": ("run", b"2")})
    manifest = made.manifest()
    fewer = Made({"run/x": ("run", b"1")})
    assert "run/y: is missing" in refused(fewer.write(tmp_path / "b.kit", listed=manifest.to_json()))
    turned = manifest.model_copy(update={"members": tuple(reversed(manifest.members))})
    assert "another order" in refused(made.write(tmp_path / "b.kit", listed=turned.to_json()))


def test_modified_contents_are_all_named(tmp_path: Path) -> None:
    made = Made({"run/x": ("run", b"1111"), "run/y": ("run", b"2222"), "run/z": ("run", b"3")})
    path = made.write(tmp_path / "b.kit")
    path.write_bytes(path.read_bytes().replace(b"1111", b"1112").replace(b"2222", b"2223"))
    found = refused(path)
    assert "run/x: was modified" in found
    assert "run/y: was modified" in found
    assert "run/z" not in found


def zeros(count: int) -> bytes:
    return gzip.compress(bytes(count), mtime=0)


def wheel(*sizes: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, size in enumerate(sizes):
            archive.writestr(f"{number}.py", bytes(size))
    return out.getvalue()


def test_archives_that_unpack_to_far_more_are_refused(tmp_path: Path) -> None:
    bomb = zeros(50_000_000)
    honest = Made({"archives/a.tar.gz": ("image", bomb)}, unpacked={"archives/a.tar.gz": 50_000_000})
    assert "archives/a.tar.gz: says that it unpacks to 50000000 bytes, more than 200 times" in refused(
        honest.write(tmp_path / "b.kit")
    )
    lying = Made({"archives/a.tar.gz": ("image", bomb)}, unpacked={"archives/a.tar.gz": 1000})
    assert "archives/a.tar.gz: unpacks to more than the 1000 bytes" in refused(lying.write(tmp_path / "b.kit"))
    silent = Made({"archives/a.tar.gz": ("image", bomb)})
    assert "does not say what it unpacks to" in refused(silent.write(tmp_path / "b.kit"))
    other = Made({"archives/a.tar.gz": ("image", b"nothing")}, unpacked={"archives/a.tar.gz": 7})
    assert "is no gzip file" in refused(other.write(tmp_path / "b.kit"))
    packed = Made({"wheels/a.whl": ("wheel", wheel(50_000_000))})
    assert "wheels/a.whl: unpacks to 50000000 bytes" in refused(packed.write(tmp_path / "b.kit"))
    none = Made({"wheels/a.whl": ("wheel", b"PK nothing")})
    assert "wheels/a.whl: is no zip file" in refused(none.write(tmp_path / "b.kit"))


def test_wheels_with_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kit.bundles import packed

    made = Made({"wheels/a.whl": ("wheel", wheel(*[1] * 40))})
    reading.check(reading.look(made.write(tmp_path / "b.kit")), lambda _: None)
    monkeypatch.setattr(packed, "MOST_FILES", 39)
    assert "holds 40 files" in refused(tmp_path / "b.kit")
    monkeypatch.setattr(packed, "LARGEST_DIRECTORY", 100)
    assert "directory of" in refused(tmp_path / "b.kit")


def test_anything_behind_the_end_is_refused(tmp_path: Path) -> None:
    for number, behind in enumerate((b"x", bytes(512), b"PK\x05\x06")):
        assert "behind the last file" in refused(Made().write(tmp_path / f"{number}.kit", behind=behind))


def test_a_bundle_that_was_cut_short_is_refused_wherever(tmp_path: Path) -> None:
    whole = Made({"run/x": ("run", bytes(2000))}).write(tmp_path / "whole.kit").read_bytes()
    for length in range(0, len(whole), 211):
        path = tmp_path / "b.kit"
        path.write_bytes(whole[:length])
        with pytest.raises(KitError):
            opening.look(path)


@given(st.data())
def test_no_bundle_with_a_changed_byte_is_taken(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = Made({"run/x": ("run", b"abc"), "wheels/a.whl": ("wheel", wheel(10))}).write(folder / "b.kit")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    if bytes(content) == path.read_bytes():
        return
    path.write_bytes(content)
    with pytest.raises((VerificationError, UsageError)):
        reading.check(opening.look(path).bundle, lambda _: None)


@given(st.binary(max_size=3000), st.integers(0, 4))
def test_nothing_that_is_put_behind_the_list_is_written(
    tmp_path_factory: pytest.TempPathFactory, blob: bytes, blocks: int
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    list_ = Made().manifest().to_json()
    head = writing.header(BUNDLE, len(list_)) + list_ + bytes(writing.padding(len(list_)))
    (folder / "b.kit").write_bytes(head + blob + bytes(512 * blocks))
    with pytest.raises(VerificationError):
        opening.look(folder / "b.kit")


@given(st.lists(st.text(max_size=12), max_size=6))
def test_names_that_are_let_through_stay_inside_and_apart(found: list[str]) -> None:
    taken = [name for name in found if names.wrong(name) is None]
    for name in taken:
        path = os.path.normpath(f"/home/{name}")
        assert path == f"/home/{name}"
    if not list(names.clashes(taken)):
        assert len({unicodedata.normalize("NFKC", name).lower() for name in taken}) == len(taken)


# --- the profile -------------------------------------------------------------------------------------------------


def asked(**server: object) -> str:
    loaded = profile.parse(PROFILE, "p.yaml", [f"server.{name}={json.dumps(value)}" for name, value in server.items()])
    return "\n".join(map(str, asking.of(loaded.profile)))


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ({"mounts": ["/etc"]}, "server.mounts: /etc: a directory of this machine"),
        ({"mounts": ["//etc"]}, "a directory of this machine"),
        ({"mounts": ["/boot"]}, "a directory of this machine"),
        ({"mounts": ["/home/me/.ssh"]}, "a directory of this machine"),
        ({"mounts": ["/models:rw"]}, "can be written to"),
        ({"container": {"privileged": True}}, "server.container.privileged"),
        ({"container": {"network": "host"}}, "network of this machine"),
        ({"container": {"ipc": "host"}}, "shares memory"),
        ({"container": {"devices": ["/dev/sda"]}}, "/dev/sda"),
        ({"container": {"cap_add": ["SYS_ADMIN"]}}, "SYS_ADMIN"),
        ({"container": {"security_opt": ["seccomp=unconfined"]}}, "seccomp=unconfined"),
        ({"container": {"user": "root"}}, "runs as root"),
        ({"container": {"runtime": "nvidia"}}, "started by nvidia"),
        ({"env": {"LD_PRELOAD": "/tmp/x.so"}}, "LD_PRELOAD=/tmp/x.so"),
        ({"env": {"PYTHONPATH": "/tmp"}}, "PYTHONPATH=/tmp"),
    ],
)
def test_what_a_profile_asks_for_beyond_the_least_is_shown(server: dict[str, object], told: str) -> None:
    assert told in asked(**server)


def test_a_plain_profile_asks_for_nothing() -> None:
    assert asked(mounts=["/home/model", "/models/r1"], env={"HCCL_OP_EXPANSION_MODE": "AIV"}) == ""


@pytest.mark.parametrize("path", ["/", "//", "/./", "/models/../.."])
def test_a_mount_of_everything_is_no_profile(tmp_path: Path, path: str) -> None:
    text = TEXT.replace("mounts: []", f"mounts: [{{path: {path}, writable: false}}]")
    assert text != TEXT
    found = refused(Made(profile=text).write(tmp_path / "b.kit"))
    assert "server.mounts" in found


def test_an_endpoint_elsewhere_and_a_secret_of_this_machine_are_shown() -> None:
    loaded = profile.load(
        "external",
        ["server.url=http://10.1.2.3:80", "server.model=x", "server.api_key={file: ~/.ssh/id}", "load.tokenizer=/t"],
    )
    told = "\n".join(map(str, asking.of(loaded.profile)))
    assert "requests are sent to another machine" in told
    assert "the secret in ~/.ssh/id is read and sent to http://10.1.2.3:80" in told


def test_a_profile_that_is_none_or_leans_on_this_machine_is_refused(tmp_path: Path) -> None:
    for text in ("", "x: [", "[]", "extends: smoke\nname: tiny\n", TEXT + "more: 1\n"):
        with pytest.raises(VerificationError):
            opening.look(Made(profile=text).write(tmp_path / "b.kit"))


def test_code_beside_a_tokenizer_is_shown(tmp_path: Path) -> None:
    made = Made({"tokenizer/tokenization_x.py": ("tokenizer", b"import os")})
    (told,) = opening.look(made.write(tmp_path / "b.kit")).asks
    assert "tokenizer/tokenization_x.py" in str(told)


def test_every_wheel_that_kit_makes_itself_is_known_by_its_digest() -> None:
    """No lock can name these; without their digests a bundle could bring others in their place."""
    own = folder("images")
    known = {name for name, _ in gathering.read_built(own)}
    for lock in own.rglob("sdists.lock"):
        for requirement in sources.requirements(lock):
            name, version = requirement.split("==")
            assert any(one.replace("_", "-").startswith(f"{name}-{version}-") for one in known), requirement
