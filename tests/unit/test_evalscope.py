"""evalscope: the commands it is given, and what is read out of its files."""

import base64
import pickle
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import packed
from kit.loadgens import GENERATORS, Reading, ReadingError, evalscope
from kit.loadgens.chunks import answer, messages, unpickled
from kit.model import NativeSummary, Order, Sample, Secret
from tests.unit.conftest import CheckGolden
from tests.unit.evalscope_files import STARTED, Request, order, pickled, table, write

VERSIONS = ("1.0.1", "1.14.1")


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(version: str, folder: Path, *requests: Request, asked: int | None = None) -> Reading:
    """Write the files of a round and read them."""
    write(version, folder / "raw", folder / "stdout.log", requests)
    return again(version, folder, asked or len(requests))


def again(version: str, folder: Path, asked: int) -> Reading:
    return evalscope.read(folder / "raw", folder / "stdout.log", order(version, asked))


def one(version: str, folder: Path, request: Request) -> Sample:
    [sample] = read(version, folder, request).samples
    return sample


def database(folder: Path) -> Path:
    [found] = (folder / "raw").rglob("benchmark_data.db")
    return found


def rows(folder: Path, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(database(folder))) as connection:
        return connection.execute(statement).fetchall()


def change(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(database(folder))) as connection, connection:
        connection.execute(statement, values)


# --- commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["", "-keyed", "-precise"], ids=["plain", "keyed", "precise"])
def test_the_command_is_what_it_was(version: str, kind: str, golden: CheckGolden) -> None:
    asked = order(version, 8, given="2k", made=512)
    if kind == "-precise":
        asked = asked.model_copy(update={"transport": "precise"})
    if kind == "-keyed":
        target = asked.target.model_copy(update={"api_key": Secret(env="MY_KEY")})
        asked = asked.model_copy(update={"target": target})
    words = evalscope.argv(asked)
    golden(f"evalscope-{version}{kind}.argv", ("\n".join(words) + "\n").encode())


def test_the_sender_is_told_how_many_processes_there_shall_be(version: str) -> None:
    asked = order(version, 8).model_copy(update={"transport": "precise", "processes": 4})
    words = evalscope.argv(asked)
    assert words[: words.index("--url")] == (*packed.COMMAND, "evalscope", "--processes", "4")


def test_neither_the_key_nor_where_it_comes_from_stands_in_the_command(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret-1234")
    asked = order(version, 1)
    keyed = asked.model_copy(update={"target": asked.target.model_copy(update={"api_key": Secret(env="MY_KEY")})})
    words = " ".join((*evalscope.argv(keyed), *(word for pair in evalscope.env(keyed) for word in pair)))
    assert "sk-very-secret-1234" not in words
    assert "MY_KEY" not in words
    assert "--api-key" not in words
    assert "--headers" not in words


def test_every_word_of_the_command_follows_from_the_order(version: str) -> None:
    def words(asked: Order) -> dict[str, str]:
        argv = evalscope.argv(asked)
        return {argv[index]: argv[index + 1] for index in range(2, len(argv) - 1) if argv[index].startswith("--")}

    found = words(order(version, 12, concurrency=3, given="10k", made="3k"))
    assert (found["--parallel"], found["--number"]) == ("3", "12")
    assert found["--min-prompt-length"] == found["--max-prompt-length"] == "10000"
    assert found["--min-tokens"] == found["--max-tokens"] == "3000"
    assert words(order(version, 1).model_copy(update={"seed": 7}))["--seed"] == "7"


def test_the_command_never_asks_the_network_for_a_tokenizer(version: str) -> None:
    assert ("HF_HUB_OFFLINE", "1") in evalscope.env(order(version, 1))


def test_known_versions_are_taken() -> None:
    assert [evalscope.refuse(version) for version in VERSIONS] == [None, None]
    assert GENERATORS["evalscope"] is not None


# --- samples -----------------------------------------------------------------------------------------------------


def test_a_whole_answer_is_read(version: str, tmp_path: Path) -> None:
    sample = one(version, tmp_path, Request())
    assert sample.latency_s == pytest.approx(0.5)
    assert sample.ttft_s == pytest.approx(0.2)
    assert sample.gaps_s == pytest.approx((0.1, 0.1))
    assert sample.model_dump(exclude={"latency_s", "ttft_s", "gaps_s"}) == {
        "index": 0,
        "succeeded": True,
        "error": None,
        "status": None,
        "scheduled_s": None,
        "sent_s": 0.0,
        "first_byte_s": None,
        "role_s": None,
        "last_text_s": None,
        "texts": None,
        "input_tokens": 10,
        "output_tokens": 3,
        "input_asked": None,
        "output_asked": None,
        "turn": None,
        "tokens_from": "usage",
        "finish_reason": "length",
        "cached_tokens": None,
        "server_queue_s": None,
        "server_prefill_s": None,
        "server_decode_s": None,
    }


def test_a_chunk_that_only_names_the_role_is_not_the_first_token(version: str, tmp_path: Path) -> None:
    sample = one(version, tmp_path, Request(role_at=0.01, text_at=(0.3, 0.4)))
    assert sample.ttft_s == pytest.approx(0.3)


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning"])
def test_thinking_counts_as_text(version: str, field: str, tmp_path: Path) -> None:
    sample = one(version, tmp_path, Request(field=field))
    assert sample.succeeded
    assert sample.ttft_s == pytest.approx(0.2)
    assert len(sample.gaps_s) == 2


def test_tokens_that_only_evalscope_counted_are_told_as_such(version: str, tmp_path: Path) -> None:
    sample = one(version, tmp_path, Request(usage=None))
    assert (sample.input_tokens, sample.output_tokens, sample.tokens_from) == (8, 2, "tokenizer")


def test_requests_are_numbered_and_timed_from_the_first_that_was_sent(version: str, tmp_path: Path) -> None:
    later = Request(sent=1.0, role_at=1.1, text_at=(1.2, 1.3, 1.4), ended=1.5)
    slow = Request(text_at=(0.2, 0.3, 4.0), ended=4.0)
    found = read(version, tmp_path, later, slow).samples
    assert [(sample.index, sample.sent_s) for sample in found] == [(0, 0.0), (1, 1.0)]
    assert [sample.latency_s for sample in found] == [pytest.approx(4.0), pytest.approx(0.5)]


def test_a_failed_request_says_why(version: str, tmp_path: Path) -> None:
    failed = Request(sent=0.2, role_at=None, text_at=(), finish=None, failure=("500", '{"error": "no room"}'))
    found = read(version, tmp_path, Request(), failed).samples
    assert [sample.succeeded for sample in found] == [True, False]
    assert found[1].error == 'HTTP 500: {"error": "no room"}'
    assert (found[1].ttft_s, found[1].output_tokens, found[1].tokens_from) == (None, None, None)
    assert found[1].latency_s == pytest.approx(0.3)


def test_each_failed_request_gets_its_own_reason(version: str, tmp_path: Path) -> None:
    """The rows stand in the order in which requests were sent, the log in that in which they ended."""
    slow = Request(sent=0.0, role_at=None, text_at=(), ended=9.0, finish=None, failure=("503", "slow"))
    fast = Request(sent=1.0, role_at=None, text_at=(), ended=2.0, finish=None, failure=("500", "fast"))
    found = read(version, tmp_path, fast, slow).samples
    assert [sample.error for sample in found] == ["HTTP 503: slow", "HTTP 500: fast"]


def test_a_failure_without_an_answer_keeps_what_was_said(version: str, tmp_path: Path) -> None:
    cut = Request(
        text_at=(0.2,), finish=None, failure=("None", "aiohttp.client_exceptions.ServerDisconnectedError: gone")
    )
    sample = one(version, tmp_path, cut)
    assert sample.error == "ServerDisconnectedError: gone"
    assert sample.ttft_s is None or sample.ttft_s == pytest.approx(0.2)
    assert not sample.succeeded


def test_a_failure_nobody_explains_is_still_a_failure(version: str, tmp_path: Path) -> None:
    failed = Request(sent=0.2, role_at=None, text_at=(), finish=None, failure=("500", "x"), logged=False)
    found = read(version, tmp_path, Request(), failed).samples
    assert not found[1].succeeded
    assert found[1].error


def test_control_characters_of_a_servers_answer_are_not_kept(version: str, tmp_path: Path) -> None:
    failed = Request(role_at=None, text_at=(), finish=None, failure=("500", "\x1b[31mred\x1b[0m \x07 bell"))
    assert one(version, tmp_path, failed).error == "HTTP 500: red bell"


def test_a_stream_that_was_cut_is_no_success(version: str, tmp_path: Path) -> None:
    sample = one(version, tmp_path, Request(finish=None))
    assert not sample.succeeded
    assert sample.error == "the stream ended before the answer was finished"


def test_an_error_amid_the_stream_is_no_success(version: str, tmp_path: Path) -> None:
    """evalscope 1.0.1 counts what comes with it."""
    read(version, tmp_path, Request(usage=None))
    [(stored,)] = rows(tmp_path, "SELECT response_messages FROM result")
    told = messages(stored)
    told[0] = {"error": {"message": "memory"}}
    change(tmp_path, "UPDATE result SET response_messages = ?", pickled(told))
    [sample] = again(version, tmp_path, 1).samples
    assert not sample.succeeded
    assert sample.error == '{"error": {"message": "memory"}}'


def test_a_stream_without_text_is_no_success(version: str, tmp_path: Path) -> None:
    sample = one(version, tmp_path, Request(text_at=()))
    assert not sample.succeeded
    assert sample.error == "the stream held no text"
    assert sample.ttft_s is None


def test_an_answer_that_stopped_early_is_a_success_that_says_so(version: str, tmp_path: Path) -> None:
    sample = one(version, tmp_path, Request(finish="stop", usage=(10, 2)))
    assert (sample.succeeded, sample.finish_reason, sample.output_tokens) == (True, "stop", 2)


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(0.001, 5), st.integers(1, 6), st.booleans()), min_size=1, max_size=6)
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_versions_read_the_same_requests_alike(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[float, float, int, bool]]
) -> None:
    requests = []
    for number, (sent, step, texts, fails) in enumerate(drawn):
        sent += number * 1e-3  # two requests of one instant could not be told apart
        times = tuple(sent + step * (index + 1) for index in range(texts))
        failure = ("500", f"number {number}") if fails else None
        text_at = () if fails else times
        requests.append(
            Request(sent, None, text_at, times[-1], None if fails else "length", usage=(10, 3), failure=failure)
        )
    folder = tmp_path_factory.mktemp("rounds")
    old, new = (read(version, folder / version, *requests).samples for version in VERSIONS)
    for one_sample, other in zip(old, new, strict=True):
        near = {name: pytest.approx(getattr(other, name)) for name in ("sent_s", "latency_s", "ttft_s", "gaps_s")}
        assert one_sample.model_dump(exclude=set(near)) == other.model_dump(exclude=set(near))
        assert {name: getattr(one_sample, name) for name in near} == near


# --- the summary -------------------------------------------------------------------------------------------------


def test_the_summary_is_read_in_seconds(version: str, tmp_path: Path) -> None:
    native = read(version, tmp_path, Request(), Request(sent=0.1)).native
    assert native.latency_s == pytest.approx(0.45)
    assert native.ttft_s == pytest.approx(0.15)
    assert native.tpot_s == pytest.approx(0.15)
    assert native.output_throughput == pytest.approx(12)
    assert (native.requests, native.succeeded) == (2, 2)


def test_a_summary_of_nothing_is_none_and_not_zero(version: str, tmp_path: Path) -> None:
    failed = Request(role_at=None, text_at=(), finish=None, failure=("500", "x"))
    native = read(version, tmp_path, failed).native
    measured = native.model_dump(exclude={"requests", "succeeded", "step_s"})
    assert set(measured.values()) == {None}
    assert native.succeeded == 0


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", "null", b"\xff".decode("latin-1"), '{"Average latency (s)": "x", "Avg Latency (s)": "x"}'],
)
def test_a_damaged_summary_is_a_reading_error_or_says_nothing(version: str, content: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    [path] = (tmp_path / "raw").rglob("benchmark_summary.json")
    path.write_text(content, "latin-1")
    try:
        native = again(version, tmp_path, 1).native
    except ReadingError:
        return
    assert native.model_copy(update={"step_s": 0.0}) == NativeSummary()


def test_a_summary_with_half_a_request_is_a_reading_error(version: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    [path] = (tmp_path / "raw").rglob("benchmark_summary.json")
    path.write_text('{"Total requests": 1.5, "Total Requests": 1.5}')
    with pytest.raises(ReadingError):
        again(version, tmp_path, 1)


# --- files that are not whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["benchmark_data.db", "benchmark_summary.json"])
def test_a_missing_file_is_named(version: str, name: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    [path] = (tmp_path / "raw").rglob(name)
    path.unlink()
    with pytest.raises(ReadingError, match=f"left 0 files {name}"):
        again(version, tmp_path, 1)


@pytest.mark.parametrize("name", ["benchmark_data.db", "benchmark_summary.json"])
def test_two_results_in_one_folder_are_not_chosen_between(version: str, name: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    [path] = (tmp_path / "raw").rglob(name)
    other = tmp_path / "raw" / "20261123_210509" / "result" / name
    other.parent.mkdir(parents=True)
    other.write_bytes(path.read_bytes())
    with pytest.raises(ReadingError, match=f"left 2 files {name}"):
        again(version, tmp_path, 1)


@pytest.mark.parametrize("asked", [1, 3])
def test_rows_that_are_missing_or_too_many_are_told(version: str, asked: int, tmp_path: Path) -> None:
    with pytest.raises(ReadingError, match=f"holds {'2 of' if asked > 2 else 'more than'} {asked} requests"):
        read(version, tmp_path, Request(), Request(sent=0.1), asked=asked)


def test_a_database_without_rows_is_told(version: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    change(tmp_path, "DELETE FROM result")
    with pytest.raises(ReadingError, match="holds 0 of 1 requests"):
        again(version, tmp_path, 1)


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE result RENAME TO kept", f"CREATE VIEW result AS {ENDLESS} SELECT kept.* FROM kept, n"],
        ["ALTER TABLE result ADD COLUMN more AS (hex(zeroblob(100000000)))"],
        ["ALTER TABLE result RENAME TO kept", "CREATE VIRTUAL TABLE result USING fts5(start_time)"],
    ],
    ids=["a view", "a computed column", "a virtual table"],
)
def test_results_that_are_no_plain_table_are_refused(version: str, statements: list[str], tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    for statement in statements:
        change(tmp_path, statement)
    with pytest.raises(ReadingError, match="is damaged: its results are no plain table"):
        again(version, tmp_path, 1)


def test_a_database_whose_pages_lead_to_each_other_is_left(version: str, tmp_path: Path) -> None:
    """Each inner page of a table leads to the next at every place: a small file holds more rows than can ever be read."""
    read(version, tmp_path, Request())
    with closing(sqlite3.connect(database(tmp_path), isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 512")
        connection.execute("VACUUM")
        for _ in range(11):
            connection.execute("INSERT INTO result SELECT * FROM result")
    content = bytearray(database(tmp_path).read_bytes())
    inner = [at for at in range(512, len(content), 512) if content[at] == 5]
    for page, following in pairwise(inner):
        cells = int.from_bytes(content[page + 3 : page + 5])
        places = [8, *(int.from_bytes(content[page + at : page + at + 2]) for at in range(12, 12 + 2 * cells, 2))]
        for place in places:
            content[page + place : page + place + 4] = (following // 512 + 1).to_bytes(4)
    database(tmp_path).write_bytes(content)
    with pytest.raises(ReadingError, match="interrupted"):
        again(version, tmp_path, 1)


def test_garbage_instead_of_a_database_is_told(version: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    database(tmp_path).write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)
    with pytest.raises(ReadingError, match=r"benchmark_data\.db"):
        again(version, tmp_path, 1)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_half_a_database_is_told(version: str, part: float, tmp_path: Path) -> None:
    read(version, tmp_path, *(Request(sent=number / 100) for number in range(40)))
    whole = database(tmp_path).read_bytes()
    database(tmp_path).write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ReadingError):
        again(version, tmp_path, 40)


@pytest.mark.parametrize("column", ["start_time", "success", "response_messages", "completed_time"])
def test_a_table_without_a_column_is_told(version: str, column: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    change(tmp_path, f"ALTER TABLE result RENAME COLUMN {column} TO other")
    with pytest.raises(ReadingError):
        again(version, tmp_path, 1)


@pytest.mark.parametrize("value", ["", "x", None, "[1]", "{}", b"\xff\x00", -1, 1e400])
@pytest.mark.parametrize("column", ["start_time", "response_messages", "completed_time", "prompt_tokens"])
def test_a_strange_value_is_a_reading_error_or_an_honest_sample(
    version: str, column: str, value: object, tmp_path: Path
) -> None:
    read(version, tmp_path, Request())
    change(tmp_path, f"UPDATE result SET {column} = ?", value)
    with suppress(ReadingError):
        [sample] = again(version, tmp_path, 1).samples
        assert sample.latency_s is None or sample.latency_s != 0
        assert sample.output_tokens != 0


class Payload:
    """A pickle that acts when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_would_act_is_refused_and_does_not(version: str, protocol: int, tmp_path: Path) -> None:
    witness = tmp_path / "acted"
    stored = base64.b64encode(pickle.dumps([Payload(witness)], protocol)).decode()
    read(version, tmp_path, Request())
    change(tmp_path, "UPDATE result SET response_messages = ?", stored)
    with pytest.raises(ReadingError, match="holds more than texts, numbers, lists and dicts"):
        again(version, tmp_path, 1)
    assert not witness.exists()


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


def test_a_table_of_another_program_is_told(version: str, tmp_path: Path) -> None:
    read(version, tmp_path, Request())
    database(tmp_path).unlink()
    table(tmp_path / "raw" / "benchmark_data.db", [{"start_time": STARTED, "answer": pickled([])}])
    with pytest.raises(ReadingError, match="does not hold what evalscope"):
        again(version, tmp_path, 1)


def test_a_log_that_is_gone_leaves_no_guess_about_reasons(tmp_path: Path) -> None:
    failed = replace(Request(), role_at=None, text_at=(), finish=None, failure=("500", "x"))
    write("1.0.1", tmp_path / "raw", tmp_path / "stdout.log", [failed])
    (tmp_path / "stdout.log").unlink()
    with pytest.raises(ReadingError, match=r"stdout\.log cannot be read"):
        again("1.0.1", tmp_path, 1)


# --- the reason of a load generator that gave up -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), None),
        (("all is well",), None),
        (("x", "ValueError: no such thing", "bye"), "ValueError: no such thing"),
        (("usage: evalscope", "evalscope perf: error: unrecognized arguments: --x"), "unrecognized arguments: --x"),
        (("Exception in async function 'send_requests': no route",), "no route"),
        (
            ("Exception in async function 'statistic_benchmark_metric': 'choices'", "KeyError: 'choices'"),
            "it cannot read an answer of the server ('choices')",
        ),
    ],
)
def test_the_line_that_tells_why_it_ended_is_found(lines: tuple[str, ...], said: str | None) -> None:
    found = evalscope.blame(lines)
    assert found == said or (said is not None and found is not None and said in found)


def test_halves_of_characters_cost_a_request_and_can_be_written(version: str, tmp_path: Path) -> None:
    """JSON may hold lone surrogates; files cannot."""
    broken = Request(finish=None, text_at=(), failure=("200", "said \ud800"), logged=version != "1.0.1")
    for sample in read(version, tmp_path, broken, Request(finish="\ud800", ended=0.7)).samples:
        assert Sample.model_validate_json(sample.model_dump_json()) == sample
