"""evalscope: the commands it is given, and what is read out of its files."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit import packed, stats
from kit.loadgens import GENERATORS, ReadingError, evalscope
from kit.loadgens.chunks import messages
from kit.model import NativeSummary, Order, Sample, Secret
from tests.unit.conftest import CheckGolden
from tests.unit.evalscope_files import Request, order, pickled
from tests.unit.evalscope_rounds import VERSIONS, again, change, one, read, rows, version

__all__ = ["version"]


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
    assert sample.last_text_s == pytest.approx(0.4)
    assert sample.model_dump(exclude={"latency_s", "ttft_s", "last_text_s", "gaps_s"}) == {
        "index": 0,
        "succeeded": True,
        "error": None,
        "status": None,
        "scheduled_s": None,
        "sent_s": 0.0,
        "first_byte_s": None,
        "role_s": None,
        "texts": 3,
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
        names = ("sent_s", "latency_s", "ttft_s", "last_text_s", "gaps_s")
        near = {name: pytest.approx(getattr(other, name)) for name in names}
        assert one_sample.model_dump(exclude=set(near)) == other.model_dump(exclude=set(near))
        assert {name: getattr(one_sample, name) for name in near} == near


def test_what_its_chunks_tell_is_told_as_with_the_other_transport(version: str, tmp_path: Path) -> None:
    """16 tokens in 5 chunks, and 200 ms from the last of them to the end."""
    asked = order(version, 1, made=16)
    found = read(version, tmp_path, Request(text_at=(0.2, 0.25, 0.3, 0.35, 0.4), ended=0.6, usage=(10, 16)))
    told = stats.doubts(asked.case, found.samples, stats.figures(asked.case, found.samples), found.native)
    values = {one.kind: dict(one.values) for one in told}
    assert values["tokens-per-chunk"] == {"tokens": "3.20"}
    assert values["answer-tail"] == {"tail": "0.2", "share": "50.0%"}


def test_where_gaps_are_not_those_between_texts_the_last_text_is_not_known(tmp_path: Path) -> None:
    """1.14.1 also counts what calls a tool."""
    read("1.14.1", tmp_path, Request())
    change(tmp_path, "UPDATE result SET inter_token_latencies = '[0.1, 0.1, 0.1]'")
    [sample] = again("1.14.1", tmp_path, 1).samples
    assert (sample.texts, sample.last_text_s) == (3, None)


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
