"""No secret comes through, however it is spelled and wherever a stream is cut."""

import base64
import itertools
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
from html.entities import html5
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import redaction
from kit.errors import HostError
from kit.looks import STRUCK
from kit.model import Secret
from kit.redaction import SHORTEST, Redactor, clean_lines, plain, read_secret

# Its base64 has both characters that differ between the two alphabets.
KEY = 'sk->>>???"quoted"\\/key+é='


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        urllib.parse.quote(KEY),
        urllib.parse.quote(KEY, safe=""),
        json.dumps(KEY)[1:-1],
        json.dumps(KEY, ensure_ascii=False)[1:-1],
        repr(KEY)[1:-1],
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
        KEY.encode().hex(),
    ],
    ids=["plain", "url", "url whole", "json", "json utf-8", "repr", "base64", "base64 url", "hex"],
)
def test_a_secret_is_struck_in_every_spelling(spelling: str) -> None:
    struck = Redactor([KEY]).text(f"Authorization: Bearer {spelling} (end)")
    assert spelling.rstrip("=") not in struck
    assert struck.startswith(f"Authorization: Bearer {STRUCK}")
    assert struck.endswith(" (end)")


ENTITIES = {meant: name for name, meant in sorted(html5.items()) if name.endswith(";") and len(name) < 12}
WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": lambda one: "".join(f"\\u{unit:04x}" for unit in _units(one)),
    "json, upper case": lambda one: "".join(f"\\u{unit:04X}" for unit in _units(one)),
    "json in json": lambda one: "".join(f"\\\\u{unit:04x}" for unit in _units(one)),
    "url": lambda one: "".join(f"%{byte:02x}" for byte in one.encode()),
    "url, upper case": lambda one: "".join(f"%{byte:02X}" for byte in one.encode()),
    "url in url": lambda one: "".join(f"%25{byte:02X}" for byte in one.encode()),
    "html": lambda one: f"&#{ord(one)};",
    "html, hexadecimal": lambda one: f"&#x{ord(one):x};",
    "html, by name": lambda one: f"&{ENTITIES.get(one, f'#{ord(one)};')}",
    "program, in braces": lambda one: f"\\u{{{ord(one):x}}}",
    "program, octal": lambda one: f"\\{ord(one):03o}" if one.isascii() else one,
    "behind a backslash": lambda one: one if one.isalnum() or not one.isascii() else f"\\{one}",
}


def _units(character: str) -> Iterator[int]:
    encoded = character.encode("utf-16-be")
    return (int.from_bytes(encoded[at : at + 2], "big") for at in range(0, len(encoded), 2))


@pytest.mark.parametrize(
    "key",
    [KEY, "sk-Canary>>0123?456789", "sAbc/dEf+GhiJkl9=Zq==", "sk-钥匙-🔑-0123"],
    ids=["quoted", "usual", "base64", "of any script"],
)
@pytest.mark.parametrize("way", WAYS)
def test_a_secret_of_which_every_character_is_escaped_is_struck(way: str, key: str, tmp_path: Path) -> None:
    spelled = "".join(map(WAYS[way], key))
    assert Redactor([key]).text(f"key={spelled}!") == f"key={STRUCK}!"
    (tmp_path / "x").write_text(f"key={spelled}!")
    assert Redactor([key]).clean_file(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"key=" + b"*" * len(spelled.encode()) + b"!"


@given(st.data())
def test_a_secret_is_struck_however_its_characters_are_escaped_and_wherever_it_is_cut(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([KEY, "sk-0123456789abcdef"]))
    ways = data.draw(st.lists(st.sampled_from(sorted(WAYS)), min_size=len(key), max_size=len(key)))
    spelled = "".join(WAYS[way](one) for way, one in zip(ways, key, strict=True)).encode()
    stream = b"x" * data.draw(st.integers(0, 90)) + b"{" + spelled + b"}" * data.draw(st.integers(1, 90))
    size = data.draw(st.integers(1, 200))
    chunks = [stream[begin : begin + size] for begin in range(0, len(stream), size)]
    assert b"".join(clean_lines(chunks, Redactor([key]), 64)) == stream.replace(spelled, STRUCK.encode())


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text.replace("/", "\\/"),
        lambda text: text.replace("/", "\\\\/").replace("+", "\\u002b"),
        lambda text: urllib.parse.quote(text, safe=""),
        lambda text: re.sub("%..", lambda found: found[0].lower(), urllib.parse.quote(text, safe="")),
    ],
    ids=["slashes", "json in json", "url", "url, lower case"],
)
@pytest.mark.parametrize("key", ["a/b+c=d/e==", "sk-~~~???>>>"], ids=["of signs", "whose base64 has signs"])
@pytest.mark.parametrize("before", ["", "u:", "user:", "me:"])
def test_a_secret_is_struck_where_only_its_signs_or_those_of_its_base64_are_escaped(
    spell: Callable[[str], str], key: str, before: str, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    for word in (f"{before}{key}", base64.b64encode(f"{before}{key}".encode()).decode()):
        path.write_text(f'{{"x": "{spell(word)}"}}')
        size = path.stat().st_size
        assert Redactor([key]).clean_file(path)
        assert path.stat().st_size == size
        # Of base64 the characters at the ends hold bits of what stands beside.
        assert spell(word)[len(before) + 4 : -4] not in path.read_text()
        assert STRUCK in Redactor([key]).text(spell(word))


def test_text_with_escapes_of_other_things_stays_as_it_is() -> None:
    text = r'{"text": "5 % of 你好 a < b \u0073k", "url": "/x?q=%73k%20%2F", "html": "&#115;k &amp; more"}'
    assert Redactor(["sk-0123456789abcdef"]).text(text) == text


def test_a_secret_within_another_leaves_nothing_of_the_longer_one_however_that_is_spelled() -> None:
    redactor = Redactor(["secret-1", "secret-1-and-more"])
    assert redactor.text("a secret-1-\u0061nd-more b secret%2D1 c") == "a *** b *** c"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", ["", "u:", "user:", "me:", "\x80\x04\x95X"])
@pytest.mark.parametrize("after", ["", ".", "@host", "\n\n"])
def test_a_secret_within_something_longer_is_struck_in_base64_too(
    before: str, after: str, encode: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """As with basic authentication, and where objects lie in a database. What remains can still be decoded."""
    whole = encode(f"{before}{KEY}{after}".encode())
    path = tmp_path / "data.db"
    path.write_bytes(whole)
    assert Redactor([KEY]).clean_file(path)
    left = base64.b64decode(path.read_bytes(), altchars=b"-_" if encode is base64.urlsafe_b64encode else None)
    assert left.startswith(before.encode())
    assert left.endswith(after.encode())
    assert left.count(b"*") >= len(KEY.encode()) - 2
    assert len(Redactor([KEY]).strike(whole)) < len(whole) - len(KEY.encode())


def test_a_secret_that_holds_another_is_struck_whole() -> None:
    assert Redactor(["secret-1", "secret-1-and-more"]).text("a secret-1-and-more b secret-1 c") == "a *** b *** c"


@pytest.mark.parametrize("secrets", [[], [""]], ids=["none", "empty"])
def test_without_a_secret_nothing_is_struck(secrets: list[str]) -> None:
    redactor = Redactor(secrets)
    assert redactor.text("all of it") == "all of it"
    assert list(clean_lines([b"a\nb"], redactor)) == [b"a\n", b"b"]


SECRET = b"sk-0123456789abcdef"


@given(
    st.lists(st.binary(max_size=30).map(lambda noise: noise.replace(b"*", b"")) | st.just(SECRET), max_size=12),
    st.lists(st.integers(0, 400), max_size=12),
    st.integers(30, 90),
)
def test_no_cut_of_a_stream_lets_a_secret_through(parts: list[bytes], cuts: list[int], longest: int) -> None:
    stream = b"".join(parts)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[begin:end] for begin, end in itertools.pairwise(places)]
    redactor = Redactor([SECRET.decode()])
    written = b"".join(clean_lines(chunks, redactor, longest))
    assert written == redactor.strike(stream)
    assert SECRET not in written


@given(st.integers(1, 64), st.integers(0, 200))
def test_an_endless_line_is_struck_wherever_it_is_cut(size: int, offset: int) -> None:
    stream = b"x" * offset + SECRET * 40
    chunks = [stream[begin : begin + size] for begin in range(0, len(stream), size)]
    written = b"".join(clean_lines(chunks, Redactor([SECRET.decode()]), 64))
    assert written == b"x" * offset + b"***" * 40


@pytest.mark.parametrize("way", WAYS)
def test_an_escaped_secret_in_an_endless_line_is_struck_wherever_it_is_cut(way: str) -> None:
    redactor, spelled = Redactor([SECRET.decode()]), "".join(map(WAYS[way], SECRET.decode())).encode()
    for offset in range(0, 200, 7):
        stream = b"x" * offset + b" ".join([spelled] * 40)
        chunks = [stream[begin : begin + 50] for begin in range(0, len(stream), 50)]
        assert b"".join(clean_lines(chunks, redactor, 64)) == b"x" * offset + b" ".join([b"***"] * 40)


@given(
    st.integers(1, 3000), st.integers(0, 3000), st.sampled_from(["sk-" + "a1" * 20, "api_key=abc12345", "://u:pw@h"])
)
def test_what_is_known_by_its_looks_is_not_cut_in_an_endless_line(size: int, offset: int, secret: str) -> None:
    line = b"x" * offset + b" " + secret.encode() + b" " + b"y " * 4000
    chunks = [line[begin : begin + size] for begin in range(0, len(line), size)]
    assert b"".join(clean_lines(chunks, Redactor([]), 1024)) == b"".join(clean_lines([line + b"\n"], Redactor([])))[:-1]


def test_an_endless_line_takes_bounded_memory() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(2000):
            yield b"y" * 4096

    largest = max(len(piece) for piece in clean_lines(endless(), Redactor([KEY]), 65536))
    assert largest <= 65536 + 4096


def test_lines_come_out_as_they_went_in() -> None:
    assert list(clean_lines([b"a\r\nb", b"c\n\nd"], Redactor(["12345678"]))) == [b"a\r\n", b"bc\n", b"\n", b"d"]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("connecting to redis://me:hush@10.0.0.1:6379", "connecting to redis://***@10.0.0.1:6379"),
        ("download with hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "download with ***"),
        ("headers: Authorization: Bearer abc.def-123", "headers: Authorization: Bearer ***"),
        ("key sk-abcdefghijklmnopqrstuvwx in use", "key *** in use"),
        ("{'Authorization': 'Bearer abcd.1234'}", "{'Authorization': 'Bearer ***'}"),
        ('{"authorization":"Bearer abcd.1234"}', '{"authorization":"Bearer ***"}'),
        ("Authorization:Bearer abc", "Authorization:Bearer ***"),
        ("Proxy-Authorization: Basic dTpwYXNz", "Proxy-Authorization: Basic ***"),
        ("sent Bearer abcd1234efgh and more", "sent Bearer *** and more"),
        ("X-Api-Key: abc-1", "X-Api-Key: ***"),
        ("GET /v1/models?token=abc&n=1 200", "GET /v1/models?token=***&n=1 200"),
        ("GET /v1/models?api_key=abc 200", "GET /v1/models?api_key=*** 200"),
        ("redis://u:p@ss@h:1/0", "redis://***@h:1/0"),
        ("vllm serve /m --api-key abc --port 1", "vllm serve /m --api-key *** --port 1"),
        ("Namespace(host='h', api_key=['abc', 'd'])", "Namespace(host='h', api_key=['***', 'd'])"),
        ('{"client_secret": "abc"}', '{"client_secret": "***"}'),
        ("password2=abc serve --api-key2 def", "password2=*** serve --api-key2 ***"),
        ("Cookie: session=abc; other=def", "Cookie: ***"),
        ("{'set-cookie': 'a=b; Path=/', 'x': 1}", "{'set-cookie': '***', 'x': 1}"),
        ("told https://hooks.slack.com/services/T0/B0/abc of it", "told https://*** of it"),
        ("GET /x?v=1&sig=abc&n=1 200", "GET /x?v=1&sig=***&n=1 200"),
        ("GET /x?X-Amz-Signature=abc 200", "GET /x?X-Amz-Signature=*** 200"),
        ("vllm serve /m --litellm-master-key abc --port 1", "vllm serve /m --litellm-master-key *** --port 1"),
        ("api_key=None, admin_api_key=null", "api_key=None, admin_api_key=null"),
        ("bearer of news; basic setup of 8 cards", "bearer of news; basic setup of 8 cards"),
        (
            "123 tokens/s, token: 5, max_tokens=64, pad_token=<s>",
            "123 tokens/s, token: 5, max_tokens=64, pad_token=<s>",
        ),
        (
            "see http://127.0.0.1:8000/docs or mail me@example.org",
            "see http://127.0.0.1:8000/docs or mail me@example.org",
        ),
    ],
)
def test_what_a_program_writes_of_its_own_secrets_is_struck_by_its_looks(line: str, kept: str) -> None:
    assert list(clean_lines([line.encode() + b"\n"], Redactor([]))) == [kept.encode() + b"\n"]


def test_a_cleaned_file_keeps_its_size_and_everything_else(tmp_path: Path) -> None:
    path = tmp_path / "benchmark_data.db"
    before = b"\x00\x01" + SECRET + b"\xff middle " + base64.b64encode(SECRET) + b" end"
    path.write_bytes(before)
    redactor = Redactor([SECRET.decode()])
    assert redactor.clean_file(path)
    after = path.read_bytes()
    assert len(after) == len(before)
    assert SECRET not in after
    assert after.startswith(b"\x00\x01" + b"*" * len(SECRET) + b"\xff middle ")
    assert after.endswith(b" end")
    assert not redactor.clean_file(path)


def test_a_secret_in_a_large_file_is_struck_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_PIECE", 64)
    redactor = Redactor([SECRET.decode()])
    for place in range(0, 600, 7):
        (tmp_path / "x").write_bytes(bytes(place) + SECRET + bytes(600 - place))
        assert redactor.clean_file(tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == bytes(place) + b"*" * len(SECRET) + bytes(600 - place)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("bell\x07 back\x08 null\x00", "bell back null"),
        ("a\rb", "ab"),
        ("tab\tstays", "tab\tstays"),
        ("line\nstays", "line\nstays"),
        ("\x1b[2J\x1b[Hclear", "clear"),
        ("\x1bcreset", "creset"),
        ("\x9b31mred\x9d0;title\x9c \x85next", "red next"),
        ("\u202eback\u2066 \u200f\u061c", "back"),
        ("end  \n", "end"),
        ("http://user:pass@host/x and https://t0ken@h", "http://***@host/x and https://***@h"),
        ("mail me@host", "mail me@host"),
        ("中文 é 😀", "中文 é 😀"),
    ],
)
def test_text_of_other_programs_cannot_move_the_terminal_or_show_passwords(text: str, safe: str) -> None:
    assert plain(text) == safe


@given(st.text())
def test_no_escape_character_survives(text: str) -> None:
    assert "\x1b" not in plain(text)


# --- where a key comes from --------------------------------------------------------------------------------------


def test_a_key_is_read_from_a_variable_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_KEY", " sk-from-variable\n")
    (tmp_path / "key").write_text("sk-from-file\n")
    assert read_secret(Secret(env="MY_KEY")) == "sk-from-variable"
    assert read_secret(Secret(file=str(tmp_path / "key"))) == "sk-from-file"


def test_a_key_file_may_lie_in_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key").write_text("sk-from-home")
    assert read_secret(Secret(file="~/key")) == "sk-from-home"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "is not set"),
        ("   ", "is not set"),
        ("short", f"fewer than {SHORTEST} characters"),
        ("two words", "blanks or control characters"),
        ("sk-\x1b[31m-red", "blanks or control characters"),
    ],
)
def test_a_key_that_could_not_be_struck_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str, said: str
) -> None:
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(HostError, match=said) as caught:
        read_secret(Secret(env="MY_KEY"))
    assert "MY_KEY" in str(caught.value)
    assert not value.strip() or value not in str(caught.value)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    monkeypatch.delenv("KIT_ENV", raising=False)
    with pytest.raises(HostError, match="the environment variable MY_KEY is not set") as caught:
        read_secret(Secret(env="MY_KEY"))
    assert caught.value.hint == "set it and run again"
    monkeypatch.setenv("KIT_ENV", "")
    with pytest.raises(HostError) as caught:
        read_secret(Secret(env="MY_KEY"))
    assert caught.value.hint == "set it, name it in KIT_ENV, and run again"


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00"], ids=["missing", "empty", "no text"])
def test_a_key_file_that_holds_no_key_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HostError, match=str(path)):
        read_secret(Secret(file=str(path)))


def test_a_key_file_without_end_is_named() -> None:
    with pytest.raises(HostError, match=r"/dev/zero with the API key cannot be read: .*it is no plain file"):
        read_secret(Secret(file="/dev/zero"))
