"""Inputs that were valid once: pieces cut out, doubled, moved, overwritten, and words put in that parsers stumble over."""

import io
import zipfile
from collections.abc import Sequence

from hypothesis import strategies as st

WORDS: tuple[bytes, ...] = (
    *(b"", b"\0", b"\n", b"\r", b"\r\n", b"\t", b" ", b"\x1b[31m", b"\x7f", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf"),
    *(
        "\u2028".encode(),
        "１２".encode(),
        "测".encode(),
        "\U0001f600".encode(),
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xcc\x81",
    ),
    *(b"0", b"-1", b"1e999", b"NaN", b"-Infinity", b"9" * 400, b"1_000", b"0x10", b"1,5", b".", b"%", b"1/0"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"[" * 200, b"{" * 200, b'{"a":' * 100, b"'", b'"', b"`", b"```", b"\\"),
    *(
        b"../",
        b"/etc/passwd",
        b"file:///",
        b"http://[::1]/",
        b"~",
        b"*",
        b"&a",
        b"*a",
        b"<<: ",
        b"!!python/name:os.system",
    ),
    *(
        b"|",
        b"||",
        b"|-|-|",
        b"# ",
        b"1. # ",
        b"- ",
        b": ",
        b"---\n",
        b"...\n",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b"&b;",
    ),
    *(
        b"<",
        b">",
        b"<a>",
        b"</a>",
        b"<![CDATA[",
        b"]]>",
        b"{{ 7*7 }}",
        b"{% for x in y %}",
        b"=cmd()",
        b"%s%n",
        b"data: ",
    ),
    *(b"N/A", b"[N/A]", b"ERR!", b"+---+", b"|  0  |", b"MiB", b"W", b"C", b"kB", b"GB", b"@", b"=" * 300, b"x" * 3000),
)
Change = tuple[int, float, float, bytes]

# What to do, where (as a part of the whole), how much (as a part of what is behind), and with which word.
_change: st.SearchStrategy[Change] = st.tuples(
    st.integers(0, 6),
    st.floats(0, 1, width=32),
    st.floats(0, 1, width=32),
    st.sampled_from(WORDS) | st.binary(max_size=6),
)


def mutated(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds after up to eight changes; or, now and then, any bytes."""
    changed = st.builds(_changed, st.sampled_from(seeds), st.lists(_change, max_size=8), st.sampled_from(seeds))
    return changed | st.binary(max_size=200)


def mutated_member(seeds: Sequence[bytes], *members: str) -> st.SearchStrategy[bytes]:
    """Archives (docx, xlsx) of which one member was changed; now and then the archive itself."""
    packed = st.sampled_from(seeds).flatmap(
        lambda seed: st.sampled_from([name for name in members if name in _names(seed)]).flatmap(
            lambda name: mutated([_member(seed, name)]).map(lambda content: _with(seed, name, content))
        )
    )
    return packed | mutated(seeds)


def _changed(seed: bytes, changes: Sequence[Change], other: bytes) -> bytes:
    for what, where, much, word in changes:
        at = int(where * len(seed))
        # Small pieces more often than large ones.
        end = at + int(much**4 * (len(seed) - at)) + 1
        before, piece, behind = seed[:at], seed[at:end], seed[end:]
        match what:
            case 0:
                seed = before + behind
            case 1:
                seed = before + piece + piece + behind
            case 2:
                seed = before + word + behind
            case 3:
                seed = before + word + piece + behind
            case 4:
                seed = before
            case 5:
                seed = before + other[at:end] + piece + behind
            case _:
                seed = behind + piece + before
    return seed


def _names(archive: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.namelist()


def _member(archive: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(name)


def _with(archive: bytes, name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as opened, zipfile.ZipFile(out, "w") as written:
        for member in opened.namelist():
            written.writestr(member, content if member == name else opened.read(member))
    return out.getvalue()
