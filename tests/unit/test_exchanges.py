"""What kit's transport keeps, and what is read out of it: the same whatever way the network cut the bytes."""

import gzip
import io
import json
from array import array
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.instrument import exchange as kept
from kit.instrument.events import Event, events, text_of
from kit.instrument.exchange import Exchange
from kit.loadgens import ReadingError, exchanges
from kit.model import Sample
from kit.spellings import NONE, Spellings

MS = 1_000_000
STARTED = 5_000_000 * MS


def chunk(text: str | None = None, *, role: bool = False, finish: str | None = None) -> str:
    delta = ({"role": "assistant", "content": ""} if role else {}) | ({"content": text} if text is not None else {})
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, ensure_ascii=False)


USAGE = json.dumps({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}})


def exchange(
    *pieces: tuple[int, bytes], status: int | None = 200, kind: str = "text/event-stream", **more: object
) -> Exchange:
    """An exchange sent at the start, with pieces of its body so many milliseconds later."""
    return Exchange(
        index=0,
        request=b"",
        scheduled_ns=STARTED - MS,
        sent_ns=STARTED,
        first_byte_ns=STARTED + 5 * MS,
        end_ns=STARTED + pieces[-1][0] * MS if pieces else None,
        status=status,
        content_type=kind,
        times_ns=array("q", [STARTED + at * MS for at, _ in pieces]),
        sizes=array("I", [len(piece) for _, piece in pieces]),
        pieces=[piece for _, piece in pieces],
        **more,  # type: ignore[arg-type]
    )


def stream(*told: tuple[int, str]) -> Exchange:
    return exchange(*((at, f"data: {data}\n\n".encode()) for at, data in told))


GOOD = (
    (10, chunk(role=True)),
    (100, chunk("你")),
    (110, chunk("好")),
    (125, chunk("!")),
    (126, chunk(finish="length")),
    (127, USAGE),
    (128, "[DONE]"),
)


def sample(found: Exchange, **head: object) -> Sample:
    return exchanges.sample(0, found, head, STARTED)


def test_every_time_of_a_request_is_that_of_a_read() -> None:
    got = sample(stream(*GOOD))
    assert got.succeeded
    assert (got.scheduled_s, got.sent_s, got.first_byte_s) == (-0.001, 0.0, 0.005)
    assert (got.role_s, got.ttft_s, got.last_text_s, got.latency_s) == (0.01, 0.1, 0.125, 0.128)
    assert got.gaps_s == (0.01, 0.015)
    assert (got.texts, got.input_tokens, got.output_tokens, got.tokens_from) == (3, 9, 3, "usage")
    assert (got.finish_reason, got.status) == ("length", 200)


@st.composite
def cut(draw: st.DrawFn) -> tuple[bytes, list[int], list[tuple[str, int]]]:
    """A stream with all that the format allows, where it is cut, and its events with the place of the byte that ends each."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    body, told = bytearray(), []
    if draw(st.booleans()):
        body += b"\xef\xbb\xbf"
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.booleans()):
            body += f": ping {draw(st.sampled_from(['', 'é', '好']))}{end}".encode()
        if draw(st.booleans()):
            body += f"event: message{end}id: 7{end}".encode()
        lines = draw(st.lists(st.text("aé好😀 :{}", max_size=6), min_size=1, max_size=3))
        for line in lines:
            body += f"data:{draw(st.sampled_from(['', ' ']))}".encode() if not line.startswith(" ") else b"data: "
            body += line.encode() + end.encode()
        place = len(body)
        body += end.encode() * draw(st.integers(1, 2))
        told.append(("\n".join(lines), place))
    cuts = sorted(set(draw(st.lists(st.integers(1, len(body) - 1), max_size=12))))
    return bytes(body), [0, *cuts, len(body)], told


@given(cut())
def test_wherever_a_stream_is_cut_the_events_and_their_times_are_the_same(
    case: tuple[bytes, list[int], list[tuple[str, int]]],
) -> None:
    body, cuts, told = case
    sizes = [later - earlier for earlier, later in pairwise(cuts)]
    times = [1000 + 7 * number for number in range(len(sizes))]
    piece_of = [number for number, size in enumerate(sizes) for _ in range(size)]
    expected = [Event(times[piece_of[place]], text) for text, place in told]
    assert list(events(body, times, sizes)) == expected


@given(st.lists(st.integers(0, 2**62), max_size=20), st.binary(max_size=400), st.data())
def test_what_is_kept_is_what_was_seen(times: list[int], body: bytes, data: st.DataObject) -> None:
    cuts = sorted(
        data.draw(st.lists(st.integers(0, len(body)), min_size=max(0, len(times) - 1), max_size=max(0, len(times) - 1)))
    )
    if not times:
        body = b""
    edges = [0, *cuts, len(body)]
    pieces = [body[a:b] for a, b in pairwise(edges)] if times else []
    found = Exchange(
        index=3, request=b"x", scheduled_ns=1, status=200, error=None, content_type="text/event-stream",
        times_ns=array("q", times), sizes=array("I", map(len, pieces)), pieces=pieces,
    )  # fmt: skip
    file = io.BytesIO()
    kept.write(file, found, NONE)
    kept.write(file, found, NONE)
    file.seek(0)
    for again, _ in kept.read(file):
        assert (again.body, again.times_ns, again.sizes, again.index) == (body, found.times_ns, found.sizes, 3)
    file.seek(0)
    with pytest.raises((ValueError, KeyError, TypeError)):
        list(kept.read(io.BytesIO(file.read()[:-1]))) if body or times else json.loads("")


def test_a_key_that_comes_back_is_struck_out_and_no_time_moves() -> None:
    found = exchange((10, b'data: {"error": "no sk-ca'), (20, b'nary here"}\n\n'))
    file = io.BytesIO()
    kept.write(file, found, Spellings(["sk-canary"]))
    assert b"sk-canary" not in file.getvalue()
    file.seek(0)
    [(again, _)] = kept.read(file)
    assert again.body == b'data: {"error": "no ********* here"}\n\n'
    assert list(again.sizes) == list(found.sizes)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (exchange((10, b'{"error": "busy"}'), status=429, kind="application/json"), 'HTTP 429: {"error": "busy"}'),
        (exchange(status=307, kind="", location="/elsewhere"), "HTTP 307: a redirect to /elsewhere"),
        (exchange((10, b"<html>Sign in"), kind="text/html"), "not a stream but text/html: <html>Sign in"),
        (exchange(), "the stream held no text"),
        (stream(*GOOD[:3]), "the stream ended before the answer was finished"),
        (stream(*GOOD[:3], (126, chunk("!", finish=""))), "the stream ended before the answer was finished"),
        (stream(*GOOD[:3], (126, chunk("!", finish="null"))), "the stream ended before the answer was finished"),
        (stream(GOOD[0], GOOD[4], GOOD[5]), "the stream held no text"),
        (stream(*GOOD[:4], (126, chunk(finish="abort"))), "the server gave the answer up (finish_reason abort)"),
        (stream(*GOOD[:3], (130, '{"error": {"message": "memory"}}')), '{"error": {"message": "memory"}}'),
        (stream(*GOOD[:3], (130, "<html>bad gateway")), "not a completion: <html>bad gateway"),
        (exchange((10, b"data: {"), error="the server reset the connection"), "the server reset the connection"),
    ],
    ids=[
        "429",
        "redirect",
        "page",
        "empty",
        "early end",
        "no reason",
        "a null in quotes",
        "no text",
        "given up",
        "error",
        "garbage",
        "reset",
    ],
)
def test_what_went_wrong_is_told(found: Exchange, says: str) -> None:
    got = sample(found)
    assert not got.succeeded
    assert got.error == says


def test_reasoning_and_plain_completions_are_text_and_counts_may_come_from_a_tokenizer() -> None:
    thinking = '{"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}, "finish_reason": null}]}'
    plain = '{"choices": [{"index": 0, "text": "so", "finish_reason": "length"}]}'
    got = sample(stream((50, thinking), (60, plain)), counted=[4, 2])
    assert got.succeeded
    assert (got.ttft_s, got.texts, got.tokens_from, got.output_tokens) == (0.05, 2, "tokenizer", 2)
    later = sample(stream((50, thinking), (60, plain)), counted=[None, 2])
    assert (later.input_tokens, later.output_tokens) == (None, 2), "of a conversation's later prompt nobody counted"


@pytest.mark.parametrize("odd", [-3, 10**320, "3", True, 3.0])
def test_a_usage_that_no_answer_can_have_counts_nothing(odd: object) -> None:
    less = json.dumps({"choices": [], "usage": {"prompt_tokens": 8, "completion_tokens": odd}})
    got = sample(stream(*GOOD[:-2], (127, less), GOOD[-1]), counted=[4, 2])
    assert (got.succeeded, got.output_tokens, got.tokens_from) == (True, 2, "tokenizer")


def test_a_text_under_two_names_counts_once() -> None:
    """As from servers that rename one of them."""
    both: dict[str, object] = {"delta": {"reasoning": "ab ", "reasoning_content": "ab "}}
    assert text_of(both) == "ab "
    assert text_of({"delta": {"reasoning": "so ", "content": "yes"}}) == "yesso "


def test_a_reason_that_comes_before_chunks_without_one_is_kept() -> None:
    got = sample(stream(*GOOD[:4], (126, chunk(finish="length")), (127, chunk(finish=""))))
    assert (got.succeeded, got.finish_reason) == (True, "length")


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"no gzip", gzip.compress(b'{"index": 0}\n'), gzip.compress(b"[]\n")),
        *(gzip.compress(f'{{"pieces": {size}, "bytes": 1}}\n'.encode()) for size in (-1, 10**12, 10**400)),
        *(gzip.compress(b" " * 2**21 + b"{}\n"), gzip.compress(b'{"pieces": 8000000, "bytes": 1}\n' + bytes(2**25))),
    ],
    ids=["empty", "no gzip", "half a record", "another record", "negative", "too large", "no number", "long", "dense"],
)
def test_a_file_that_is_none_of_the_transports_fails_the_round(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ReadingError, match=r"left no exchanges"):
        exchanges.read(tmp_path, 2)
    (tmp_path / kept.FILE).write_bytes(content)
    if content:
        with pytest.raises(ReadingError, match="is damaged"):
            exchanges.read(tmp_path, 2)


@pytest.mark.parametrize(
    "told", [{"asked": ["x", 1]}, {"counted": [1, None]}, {"asked": [[1], 2]}, {"counted": ["1.5", 2]}]
)
def test_counts_that_are_none_fail_the_round(told: dict[str, object], tmp_path: Path) -> None:
    with gzip.open(tmp_path / kept.FILE, "wb") as file:
        kept.write(file, stream(*GOOD[:-1]), NONE, told)
    with pytest.raises(ReadingError, match="is damaged: counts of tokens"):
        exchanges.read(tmp_path, 2)


def test_what_a_request_asked_for_is_kept_with_it(tmp_path: Path) -> None:
    with gzip.open(tmp_path / kept.FILE, "wb") as file:
        kept.write(file, stream(*GOOD), NONE, {"asked": [None, 7], "turn": 3})
        kept.write(file, stream(*GOOD), NONE)
    found = [(one.input_asked, one.output_asked, one.turn) for one in exchanges.read(tmp_path, 2)[0]]
    assert found == [(None, 7, 3), (None, None, None)]


HALF = json.dumps({"error": {"message": "no \ud800"}})
HALF_TEXT = json.dumps(json.loads(chunk("\ud83d")))
HALF_END = json.dumps(json.loads(chunk(finish="\ud800")))


def test_halves_of_characters_cost_a_request_and_can_be_written(tmp_path: Path) -> None:
    """JSON may hold lone surrogates, and headers bytes of any kind; files cannot."""
    page = exchange((10, b"hi"), kind="text/x-\udcff")
    ended = stream(*GOOD[:4], (126, HALF_END), (127, USAGE))
    for found in (stream((10, HALF)), page, ended, stream((9, HALF_TEXT), *GOOD)):
        with gzip.open(tmp_path / kept.FILE, "wb") as file:
            kept.write(file, found, NONE, {"note": "\ud800"})
        [got] = exchanges.read(tmp_path, 2)[0]
        assert Sample.model_validate_json(got.model_dump_json()) == got
    assert sample(stream((10, HALF))).error == '{"error": {"message": "no ?"}}'
    assert sample(ended).finish_reason == "?"
    assert sample(stream((9, HALF_TEXT), *GOOD)).texts == 4


@pytest.mark.parametrize(
    "deep", ["[" * 300_000, '{"a":' * 300_000, "[" * 200 + "]" * 200], ids=["lists", "objects", "whole"]
)
def test_json_without_end_costs_a_request(deep: str) -> None:
    got = sample(stream(*GOOD[:3], (120, deep), *GOOD[3:]))
    assert got.error is not None
    assert got.error.startswith("not a completion: ")
    assert got.texts == 3


def test_an_answer_of_many_parts_is_as_good_as_any() -> None:
    """Probabilities of a thousand tokens lie beside each other, not in each other."""
    wide = json.loads(chunk("many"))
    wide["choices"][0]["logprobs"] = {"content": [{"top_logprobs": [{"token": "a"}] * 5}] * 1000}
    assert sample(stream(*GOOD[:3], (120, json.dumps(wide)), *GOOD[3:])).succeeded


def test_why_it_ended_is_short_whatever_a_server_sends() -> None:
    got = sample(stream(*GOOD[:4], (126, chunk(finish="stop\x1b[31m" + "x" * 1000))))
    assert got.finish_reason == ("stop" + "x" * 1000)[:160]


def test_a_file_that_holds_far_more_than_its_size_is_not_unpacked(tmp_path: Path) -> None:
    """An answer of 64 MiB in 64 KiB."""
    big = exchange((10, bytes(2**26)))
    with gzip.open(tmp_path / kept.FILE, "wb", compresslevel=1) as file:
        kept.write(file, big, NONE)
    with pytest.raises(ReadingError, match="is damaged: it holds more than 67108864 bytes"):
        exchanges.read(tmp_path, 2)


def test_more_requests_than_were_sent_are_not_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / kept.FILE, "wb") as file:
        for _ in range(3):
            kept.write(file, stream(*GOOD), NONE)
        file.write(b"this is never read")
    with pytest.raises(ReadingError, match="holds more than 2 requests"):
        exchanges.read(tmp_path, 2)
