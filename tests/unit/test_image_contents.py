"""The content digest: what it counts, what it leaves out, and that it is the same wherever the same files lie."""

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.images import contents
from tests.image_store import tar

FILES = {"usr/bin/a": b"a", "usr/lib/b.py": b"b", "etc/c": b"c"}


def digest(files: dict[str, bytes], **changes: int) -> str:
    return contents.read(io.BytesIO(tar(files, **changes))).digest


def test_neither_order_nor_time_counts() -> None:
    assert digest(FILES) == digest(dict(reversed(FILES.items())), mtime=1_700_000_000)


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/__pycache__/b.cpython-311.pyc",
        "var/log/dpkg.log",
        "var/cache/apt/pkgcache.bin",
        "etc/resolv.conf",
        "var/lib/dpkg/status-old",
    ],
)
def test_caches_and_logs_do_not_count(path: str) -> None:
    assert digest({**FILES, path: b"anything"}) == digest(FILES)


@pytest.mark.parametrize("changes", [{"mode": 0o4755}, {"uid": 1}, {"gid": 1}])
def test_modes_and_owners_count(changes: dict[str, int]) -> None:
    assert digest(FILES, **changes) != digest(FILES)


@given(st.sampled_from(sorted(FILES)), st.binary(max_size=3))
def test_every_byte_counts(path: str, content: bytes) -> None:
    assert (digest({**FILES, path: content}) == digest(FILES)) == (content == FILES[path])


def test_which_of_two_names_is_the_link_does_not_count() -> None:
    found = []
    for first, second in (("a", "b"), ("b", "a")):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo(first)
            entry.size = 1
            archive.addfile(entry, io.BytesIO(b"x"))
            link = tarfile.TarInfo(second)
            link.type, link.linkname = tarfile.LNKTYPE, first
            archive.addfile(link)
        packed.seek(0)
        found.append(contents.read(packed).digest)
    assert found[0] == found[1]


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1),
        st.just("f 0644 0:0 0 x"),
        min_size=1,
    )
)
def test_a_kept_list_is_read_back(entries: dict[str, str]) -> None:
    content = contents.of(entries)
    assert contents.unpack(content.packed()) == content


@pytest.mark.parametrize(
    "packed", [b"", b"nonsense", b"\x1f\x8b\x08\x00", gzip.compress(b"path without a separator\n", mtime=0)]
)
def test_what_is_no_kept_list_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="not a list of contents"):
        contents.unpack(packed)


def test_a_list_of_contents_that_unpacks_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = contents.of({"a": "file 644 0:0 1 x"}).packed()
    assert contents.unpack(packed).digest
    monkeypatch.setattr(contents, "_LARGEST", 10)
    with pytest.raises(ValueError, match="unpacks to more than 10 bytes"):
        contents.unpack(packed)
