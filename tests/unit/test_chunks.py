"""The chunks of an answer: read out of a pickle that may hold plain data alone, and what they say."""

import base64
import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.loadgens.chunks import answer, messages, unpickled

USAGE = {"prompt_tokens": 64, "completion_tokens": 32, "prompt_tokens_details": {"cached_tokens": 48}}
TIMINGS = {"cache_n": 48, "prompt_n": 16, "prompt_ms": 37396.799, "predicted_n": 32, "predicted_ms": 29925.606}


def test_what_a_server_says_of_its_own_times_and_cache_is_kept() -> None:
    """The last chunk of llama.cpp, and the usage of servers that say what they had in a cache."""
    found = answer([{"choices": [], "usage": USAGE, "timings": TIMINGS}], []).said
    assert (found.cached_tokens, found.prefill_s, found.decode_s) == (48, 37.396799, 29.925606)
    plain = answer([{"choices": [], "usage": {"prompt_tokens": 64, "completion_tokens": 32}}], []).said
    assert (plain.cached_tokens, plain.prefill_s, plain.decode_s) == (None, None, None)


@pytest.mark.parametrize("odd", [None, True, "1", -1, float("nan"), float("inf"), 10**400, [1], {}])
def test_odd_times_of_a_server_are_none(odd: object) -> None:
    chunk = {"usage": {"prompt_tokens_details": odd}, "timings": {"prompt_ms": odd, "predicted_ms": odd}}
    found = answer([chunk], []).said
    assert (found.cached_tokens, found.prefill_s, found.decode_s) == (None, None, None)
    assert answer([{"timings": odd}], []).said.prefill_s is None


DOUBLED = b"]\x94" + b"".join(b"]\x94(h" + bytes([n]) + b"h" + bytes([n]) + b"e" for n in range(60))
LISTS = {
    "references": (b"Pname\n.", "more than texts"),
    "a tuple as deep as a well": (b"\x80\x04](" + b")" + b"\x85" * 3_000_000 + b"e.", "more than texts"),
    "a key as deep as a well": (b"\x80\x04}(" + b")" + b"\x85" * 3_000_000 + b"Ku.", "more than texts"),
    "lists as deep as a well": (b"\x80\x04" + b"]" * 30_000 + b"a" * 29_999 + b".", "nested without end"),
    "a list in itself": (b"\x80\x04]\x94h\x00a.", "nested without end"),
    "one list twice in one twice in one": (b"\x80\x04" + DOUBLED + b".", "nested without end"),
    "a memo of gigabytes": (b"\x80\x04]r\xff\xff\xff\x7f.", "more than texts"),
    "bytes": (b"\x80\x04](C\x01ae.", "more than texts"),
    "an older form": (pickle.dumps([{}], 2), "more than texts"),
    "a text longer than all": (b"\x80\x04](X\xff\xff\xff\xffae.", "more than texts"),
    "a list as a key": (b"\x80\x04}(]K\x01u.", "damaged"),
    "nothing": (b"", "more than texts"),
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_pickle_of_anything_but_a_tree_of_plain_data_is_refused(kind: str) -> None:
    stored, says = LISTS[kind]
    with pytest.raises(ValueError, match=says):
        unpickled(base64.b64encode(stored).decode())


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
)


@given(plain, st.sampled_from((4, 5)))
def test_whatever_json_may_hold_is_read_out_of_a_pickle(data: object, protocol: int) -> None:
    assert unpickled(base64.b64encode(pickle.dumps([data, "x" * 70_000], protocol)).decode()) == [data, "x" * 70_000]


@given(st.binary(max_size=80) | st.binary(max_size=20).map(lambda tail: b"\x80\x04]" + tail))
def test_no_bytes_instead_of_an_answer_raise_anything_but_what_the_reader_expects(stored: bytes) -> None:
    with suppress(ValueError, TypeError, KeyError, IndexError):
        messages(base64.b64encode(stored).decode())


def test_chunks_and_their_times_must_match() -> None:
    with pytest.raises(ValueError, match="2 chunks have 1 times"):
        answer([{}, {}], [1.0])


@given(
    st.lists(
        st.recursive(
            st.none() | st.text(max_size=3) | st.integers(),
            lambda x: (
                st.lists(x)
                | st.dictionaries(
                    st.sampled_from(["choices", "delta", "content", "usage", "finish_reason", "prompt_tokens"]), x
                )
            ),
            max_leaves=8,
        )
    )
)
def test_chunks_of_any_shape_are_read_without_a_fault(parts: list[object]) -> None:
    found = answer(parts, [])
    assert found.first_text_at is None
    assert 0 <= found.text_chunks <= len(parts)


def test_the_last_usage_counts() -> None:
    parts = [
        {"usage": {"prompt_tokens": 1, "completion_tokens": 1}},
        {"usage": None},
        {"usage": {"completion_tokens": 2}},
    ]
    found = answer(parts, [])
    assert (found.input_tokens, found.output_tokens) == (1, 2)
    assert answer([{"usage": {"prompt_tokens": 1, "completion_tokens": 10**320}}], []).output_tokens is None


@pytest.mark.parametrize("reason", ["", "null", " NULL ", "None", None])
def test_a_reason_that_says_nothing_is_none(reason: str | None) -> None:
    assert answer([{"choices": [{"delta": {"content": "x"}, "finish_reason": reason}]}], []).finish_reason is None
