"""Requests that are not all alike: what a profile may say of them, what is asked of the server, and what a report tells."""

import io
import json
import random
import statistics
from array import array
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import clocks, estimate, flow, renderers, stats
from kit.errors import ProfileError
from kit.instrument import arrivals, asking, prompts
from kit.instrument.arrivals import Clock, Ramp
from kit.instrument.asking import Asking
from kit.instrument.conversations import NOT_SENT, Conversations
from kit.instrument.exchange import Exchange
from kit.instrument.prompts import PromptError
from kit.legacy import tables
from kit.loadgens import exchanges
from kit.model import Case, Doubt, Length, NativeSummary, Plan, RoundPlan, Sample
from kit.model.acceptance import Where
from kit.model.rates import clients_of, load_of, load_told
from kit.model.shapes import Lengths, Prompts, Shape, Turns, Variation, shaped
from kit.report import building, reading
from kit.signing import rereading
from tests.unit import planning
from tests.unit.written import Written

DIGEST = "1a2b3c4d" + "0" * 56
LENGTHS = st.integers(1, 99).map(lambda tokens: Length.model_validate(tokens))
VARIED = st.builds(
    Variation, distribution=st.sampled_from(("uniform", "lognormal")), percent=st.sampled_from((0.5, 12.5, 50, 100))
)
SHAPES = st.builds(
    Shape,
    lengths=st.none()
    | st.builds(Lengths, input=VARIED, output=VARIED | st.none())
    | st.builds(Lengths, output=VARIED, input=st.none()),
    prefix=st.none() | LENGTHS,
    turns=st.none() | st.builds(Turns, number=st.integers(2, 100), input=st.none() | LENGTHS),
    prompts=st.none() | st.just(Prompts(path="chat")),
    ramp=st.none() | st.sampled_from((0.001, 1.5, 30.0, 3600.0)),
).filter(lambda shape: shape != Shape())


def cases(written: str, *settings: str) -> tuple[Case, ...]:
    return tuple({entry.case.id: entry.case for entry in planned(written, *settings).rounds}.values())


def shape(written: str) -> Shape:
    found = cases(f"concurrency: 8, {written}")[0].shape
    assert found is not None
    return found


def case(found: Shape | None, requests: int = 4, concurrency: int = 2) -> Case:
    return Case(
        input=Length.model_validate(100),
        output=Length.model_validate(10),
        concurrency=concurrency,
        requests=requests,
        shape=found,
    )


# --- the profile -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "id_", "load", "requests"),
    [
        ("concurrency: 8, lengths: 50%", "2k-512-c8-u50", "8 (±50%)", 8),
        ("concurrency: 8, lengths: {output: lognormal 80%}", "2k-512-c8-outl80", "8 (out σ80%)", 8),
        ("concurrency: 8, prefix: 1k", "2k-512-c8-p1k", "8 (prefix 1k)", 8),
        ("concurrency: 8, turns: 4", "2k-512-c8-t4", "8 (4 turns)", 32),
        (
            "concurrency: 8, turns: {number: 3, input: 256}, requests: 30",
            "2k-512-c8-t3x256",
            "8 (3 turns of 256)",
            30,
        ),
        ("concurrency: 8, ramp: 90s", "2k-512-c8-ramp90", "8 (ramp 90s)", 8),
        ("rate: 4, requests: 9, ramp: 2m", "2k-512-r4-ramp120", "4/s (ramp 120s)", 9),
        ("concurrency: 8, prompts: data/chat 1.jsonl", "2k-512-c8-file", "8 (file chat 1)", 8),
        (
            f"concurrency: 8, prompts: {{path: chat.jsonl, sha256: {DIGEST}}}",
            "2k-512-c8-file1a2b3c4d",
            "8 (file chat@1a2b3c4d)",
            8,
        ),
        (
            "concurrency: 8, lengths: {input: 20%, output: lognormal 80%}, prefix: 1k, turns: 2, ramp: 5s",
            "2k-512-c8-inu20-outl80-p1k-t2-ramp5",
            "8 (in ±20% · out σ80% · prefix 1k · 2 turns · ramp 5s)",
            16,
        ),
    ],
)
def test_a_shape_is_part_of_a_case_and_of_its_names(written: str, id_: str, load: str, requests: int) -> None:
    [found] = cases(written)
    assert (found.id, found.load, found.requests) == (id_, load, requests)


def test_cases_of_different_shapes_are_different_cases() -> None:
    plain = "concurrency: 8}, {input: 2k, output: 512, "
    found = cases(f"{plain}concurrency: 8, prefix: 1k}}, {{input: 2k, output: 512, concurrency: 8, prefix: 500")
    assert [one.key[2] for one in found] == [8, "8 (prefix 1k)", "8 (prefix 500)"]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("concurrency: 8, lengths: half", "write 50%, uniform 50%, or lognormal 80%"),
        ("concurrency: 8, lengths: 120%", "uniform 120%: 100% at most"),
        ("concurrency: 8, lengths: lognormal 101%", "100% at most"),
        ("concurrency: 8, lengths: {}", "say how input, output, or both vary"),
        ("concurrency: 8, prefix: 2k", "2k of 2k tokens leave none that differ"),
        ("concurrency: 8, turns: 1", "greater than or equal to 2"),
        ("concurrency: 8, turns: 4, requests: 30", "30 are no whole conversations of 4 turns"),
        ("rate: 4, requests: 8, turns: 4", "at a rate there are none"),
        ("concurrency: 8, prompts: a.jsonl, prefix: 1k, turns: 2", "prefix, turns: what prompts from a file are like"),
        ("concurrency: 8, prompts: ..", "is not the path of a file"),
        ("find: {concurrency: 64, limits: [ttft <= 2 s]}, ramp: 5s", "a search compares loads at their height"),
        ("concurrency: 8, ramp: 0s", "at least 1 ms"),
        ("concurrency: 8, prefx: 1k", "did you mean 'prefix'?"),
    ],
)
def test_what_is_no_shape_is_told(written: str, said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        cases(written)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("lengths: {output: 50%}", "lengths other than uniform ones of the input"),
        ("lengths: {input: lognormal 50%}", "lengths other than uniform ones of the input"),
        ("turns: 2", "no turns"),
        ("prompts: a.jsonl", "no prompts from a file"),
        ("ramp: 5s", "no ramp"),
    ],
)
def test_what_evalscope_itself_has_not_is_told_before_the_run(written: str, said: str) -> None:
    with pytest.raises(ProfileError) as refused:
        cases(f"concurrency: 8, {written}", "load.transport=evalscope")
    assert said in str(refused.value)
    assert "use load.transport: precise" in str(refused.value)


def test_what_evalscope_itself_has_it_is_told() -> None:
    [entry, *_] = planned("concurrency: 8, lengths: {input: 50%}, prefix: 1k", "load.transport=evalscope").rounds
    words = [option(entry, name) for name in ("--min-prompt-length", "--max-prompt-length", "--prefix-length")]
    assert words == ["500", "1500", "1000"]
    assert option(entry, "--dataset") == "random"


# --- labels ------------------------------------------------------------------------------------------------------


@given(SHAPES, st.integers(1, 10_000))
def test_a_label_tells_the_whole_shape(found: Shape, clients: int) -> None:
    assert shaped(found.label) == found
    load = load_of(clients, None, found)
    assert load_told(str(load)) == {"concurrency": clients, "rate": None, "shape": found}
    assert clients_of(load) == clients


@pytest.mark.parametrize(
    "text", ["8 ()", "8 (4 turn)", "8 (±200%)", "fast (4 turns)", "0", "8 (ramp 1e9s)", "8 (±5%", ""]
)
def test_what_is_no_label_tells_nothing(text: str) -> None:
    assert load_told(text) is None


def test_a_limit_for_some_clients_is_for_every_shape_of_theirs() -> None:
    where = Where.model_validate({"concurrency": [8]})
    assert where.fits((2000, 512, 8))
    assert where.fits((2000, 512, "8 (4 turns)"))
    assert not where.fits((2000, 512, "4 (4 turns)"))
    assert not where.fits((2000, 512, "8/s"))


def test_a_table_of_results_reads_the_shapes_it_was_written_with(tmp_path: Path) -> None:
    written = Written(
        tmp_path,
        "load.transport=precise",
        "load.cases=[{input: 2k, output: 512, concurrency: 8, turns: 2, lengths: 50%}]",
    )
    content = renderers.render("csv", building.build(reading.read(written.run), None))
    rows = tables.read(content, "results.csv").rows
    assert {row.key for row in rows} == {written.plan.cases[0].key}


# --- what is sent ------------------------------------------------------------------------------------------------


def planned(written: str, *settings: str) -> Plan:
    return planning.planned(f"load.cases=[{{input: 2k, output: 512, {written}}}]", "load.transport=precise", *settings)


def option(entry: RoundPlan, name: str) -> str | None:
    argv = entry.program.argv
    return argv[argv.index(name) + 1] if name in argv else None


def test_the_command_tells_the_sender_and_evalscope_what_each_needs() -> None:
    written = "concurrency: 8, lengths: {input: 20%, output: lognormal 80%}, prefix: 1k, turns: {number: 3, input: 256}, ramp: 5s"
    [first, second, *_] = planned(written).rounds
    clock, rest = arrivals.told(first.program.argv[3:])
    assert clock == Ramp(5.0)
    asked, words = asking.told(rest)
    assert asked == Asking(2000, 512, 42, 1000, "uniform 20%", "lognormal 80%", 3, 256)
    assert asking.told(second.program.argv)[0] == Asking(2000, 512, 43, 1000, "uniform 20%", "lognormal 80%", 3, 256)
    assert not {"--ask", "--turns", "--shared", "--ramp"} & set(words)
    assert option(first, "--dataset") == "kit-prompts"


def test_a_case_without_a_shape_is_sent_as_ever() -> None:
    entry = planned("concurrency: 8").rounds[0]
    assert asking.told(entry.program.argv)[0] is None
    assert option(entry, "--dataset") == "random"


@pytest.mark.parametrize("varied", ["uniform 50%", "lognormal 80%", "uniform 100%", "lognormal 100%"])
def test_lengths_vary_around_the_mean_of_the_case(varied: str) -> None:
    source = random.Random(7)
    lengths = [asking.drawn(source, 1000, varied) for _ in range(20_000)]
    width = float(varied.split()[1].removesuffix("%")) / 100
    deviation = width * 1000 if varied.startswith("lognormal") else width * 1000 / 3**0.5
    assert statistics.fmean(lengths) == pytest.approx(1000, rel=0.03)
    assert statistics.stdev(lengths) == pytest.approx(deviation, rel=0.05)
    assert min(lengths) >= 1
    if varied.startswith("uniform"):
        assert 1000 * (1 - width) <= min(lengths) + 1
        assert max(lengths) <= 1000 * (1 + width)


def test_no_length_is_drawn_that_is_many_times_the_mean() -> None:
    source = random.Random(7)
    assert max(asking.drawn(source, 10, "lognormal 100%") for _ in range(20_000)) == asking.LONGEST * 10


@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 5))
def test_the_same_seed_asks_for_the_same(seed: int, count: int, turns: int) -> None:
    found = Asking(1000, 100, seed, 200, "uniform 50%", "lognormal 50%", turns, 30)
    wanted = list(found.requests(count))
    assert wanted == list(found.requests(count + 9))[:count], "more requests change none before them"
    assert [one.turn for one in wanted] == [number % turns + 1 for number in range(count)]
    assert all(600 <= (one.input or 0) <= 1400 for one in wanted if one.turn == 1), "the prefix is in none left out"
    assert all(15 <= (one.input or 0) <= 45 for one in wanted if one.turn > 1)
    other = Asking(1000, 100, seed, 200, "uniform 50%", None, turns, 30)
    assert [one.input for one in other.requests(count)] == [one.input for one in wanted]


def test_prompts_of_a_file_are_sent_in_an_order_of_the_round(tmp_path: Path) -> None:
    path = tmp_path / prompts.FILE
    lines = [json.dumps({"prompt": f"p{number}"}) for number in range(8)]
    path.write_text("\n".join([*lines, "", '{"messages": [{"role": "system", "content": "s"}], "output_tokens": 7}']))
    first, second = (list(Asking(100, 50, seed, file=path).requests(20)) for seed in (1, 2))
    told = [one.prompt.messages[0]["content"] for one in first if one.prompt is not None]
    assert sorted(told[:9]) == [*(f"p{number}" for number in range(8)), "s"]
    assert told[9:18] == told[:9], "where there are too few, all of them again"
    assert first != second
    assert {(one.input, one.output) for one in first} == {(None, 50), (None, 7)}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "expected"),
        ("{", "line 2: "),
        ('{"prompt": "a", "messages": []}', "give either prompt or messages"),
        ('{"text": "a"}', "unknown field 'text'"),
        ('{"prompt": ""}', "prompt: expected text"),
        ('{"messages": [{"role": "user"}]}', "each has role and content"),
        ('{"prompt": "a", "output_tokens": 0}', "output_tokens: 0 is no number"),
        ('{"prompt": "a", "output_tokens": true}', "output_tokens: True is no number"),
        ('{"prompt": "\\ud800"}', "half a character"),
        ("[" * 100_000, "line 2: "),
    ],
)
def test_a_line_that_is_no_prompt_is_told(line: str, said: str) -> None:
    with pytest.raises(PromptError, match="line 2: ") as refused:
        list(prompts.read(io.StringIO('{"prompt": "good"}\n' + line)))
    assert said in str(refused.value)


# --- a load that rises -------------------------------------------------------------------------------------------


def test_clients_begin_one_after_the_other() -> None:
    found = Ramp(9.0).times(100, 4)
    assert (found.at_s, found.clients) == ((0.0, 3.0, 6.0, 9.0), True)
    assert Ramp(9.0).times(100, 1).at_s == (0.0,)


@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_a_rate_rises_evenly_and_then_stays(per_second: float, ramp_s: float) -> None:
    times = Clock(per_second, "constant", ramp_s=ramp_s).times(200, 1).at_s
    assert times[0] == 0
    assert list(times) == sorted(times)
    risen = [at for at in times if at > ramp_s]
    gaps = [after - before for before, after in pairwise(risen)]
    assert gaps == pytest.approx([1 / per_second] * len(gaps), rel=1e-6)
    # While it rises, t seconds see rate x t² / (2 x ramp) requests.
    for number, at in enumerate(times):
        if at <= ramp_s:
            assert number == pytest.approx(per_second * at**2 / (2 * ramp_s), rel=1e-6, abs=1e-6)


def test_what_is_sent_while_a_load_rises_is_told_apart() -> None:
    rising = shape("ramp: 2s")
    samples = [
        Sample(index=number, succeeded=True, sent_s=float(number), latency_s=0.5, ttft_s=0.1 + number)
        for number in range(4)
    ]
    found = flow.of(case(rising), samples)
    assert found is not None
    assert (found.burst_ttfts_s, found.steady_ttfts_s) == ((0.1, 1.1), (2.1, 3.1))
    [doubt] = flow.doubts(case(shape("ramp: 30s")), samples)
    assert (doubt.kind, dict(doubt.values)) == ("ramp-unfinished", {"ramp": "30"})


def test_the_rate_that_was_reached_is_that_of_the_height() -> None:
    [rated] = cases("rate: {per_second: 4, arrivals: constant}, requests: 60, ramp: 5s")
    times = Clock(4, "constant", ramp_s=5.0).times(60, 1).at_s
    assert clocks.reached(rated, times) == pytest.approx(4)
    assert clocks.reached(rated, times[:5]) is None, "it never rose"


def test_a_ramp_takes_its_time() -> None:
    slow = planned("concurrency: 8, ramp: 20s").rounds
    quick = planned("concurrency: 8").rounds
    known = (estimate.known(quick[0].case, 20.0, 2.0),)
    more = (estimate.seconds(slow, known) or 0) - (estimate.seconds(quick, known) or 0)
    assert more == pytest.approx(10 * len(quick))


# --- conversations -----------------------------------------------------------------------------------------------


def over(number: int, request: bytes, *events: object, status: int = 200, error: str | None = None) -> Exchange:
    """An exchange as the transport has it: the answer with its HTTP, in two reads."""
    body = "".join(f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events).encode()
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    pieces = [head + body[:30], body[30:]]
    sizes = array("I", map(len, pieces))
    found = Exchange(number, request, 5, 6, 7, 8, status, "text/event-stream", "", error, array("q", [7, 8]), sizes)
    found.pieces = pieces
    return found


def said(finish: str | None = None, **delta: str) -> dict[str, object]:
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


END = said("length")


def asked(text: str) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 4, "messages": [{"role": "user", "content": text}]}).encode()


def http(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\n\r\n" + body


def plain(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def sent_by(found: Exchange | None) -> list[tuple[str, str]]:
    assert found is not None
    body = json.loads(found.request.partition(b"\r\n\r\n")[2])
    return [(one["role"], one["content"]) for one in body["messages"]]


def test_what_follows_holds_all_that_was_said_before() -> None:
    talk = Conversations(http, plain)
    talk.add(0, 1, asked("b"))
    talk.add(1, 2, asked("c"))
    first = over(0, http(asked("a")), said(content="你"), said(reasoning_content="hm"), said(content="好"), END)
    second = talk.follow(first)
    assert sent_by(second) == [("user", "a"), ("assistant", "你好"), ("user", "b")]
    assert second is not None
    assert (second.index, second.scheduled_ns, second.error) == (1, 8, None)
    thought = (said(reasoning_content="only"), said(reasoning_content=" thought", reasoning=" thought"), END)
    third = talk.follow(over(1, second.request, *thought))
    assert sent_by(third)[2:] == [("user", "b"), ("assistant", "only thought"), ("user", "c")]
    assert talk.follow(over(2, b"")) is None, "its end"
    assert len(first.pieces) == 2, "what came is as it came"


@pytest.mark.parametrize(
    "broken",
    [
        over(0, http(asked("a")), said(content="x"), END, status=500),
        over(0, http(asked("a")), said(content="x"), END, error="reset"),
        over(0, http(asked("a"))),
        over(0, http(asked("a")), said(role="assistant"), END),
        over(0, http(asked("a")), said(content="x"), said("abort")),
        over(0, http(asked("a")), said(content="x"), {"error": {"message": "out of memory"}}, END),
        over(0, http(asked("a")), said(content="x")),
        over(0, http(asked("a")), said("null", content="x")),
    ],
    ids=["status", "reset", "nothing", "no text", "given up", "error amid it", "not finished", "a null in quotes"],
)
def test_a_conversation_whose_answer_failed_does_not_go_on(broken: Exchange) -> None:
    """As the request counts as failed, by the same rule."""
    body = plain(broken.body)
    kept = replace(broken, pieces=[body], sizes=array("I", [len(body)]), times_ns=array("q", [7]))
    assert not exchanges.sample(0, kept, {}, 0).succeeded
    talk = Conversations(http, plain)
    talk.add(0, 1, asked("b"))
    talk.add(1, 2, asked("c"))
    second = talk.follow(broken)
    assert second is not None
    assert (second.index, second.error, second.sent_ns) == (1, NOT_SENT, None)
    third = talk.follow(second)
    assert third is not None
    assert third.error == NOT_SENT


# --- what is read and told ---------------------------------------------------------------------------------------


def test_each_request_is_held_against_what_it_asked_for() -> None:
    varied = shape("lengths: 50%")
    good = [
        Sample(index=0, succeeded=True, input_asked=80, input_tokens=80, output_asked=9, output_tokens=9),
        Sample(index=1, succeeded=True, input_asked=120, input_tokens=125, output_asked=11, output_tokens=4),
        Sample(index=2, succeeded=True, input_asked=130, input_tokens=131, output_asked=12, output_tokens=12),
    ]
    found = {one.kind: dict(one.values) for one in doubts(case(varied), good)}
    assert found["input-tokens"] == {"count": "2", "of": "3", "asked": "120–130", "measured": "125–131"}
    assert found["output-tokens"] == {"count": "1", "of": "3", "asked": "11", "measured": "4"}


def test_where_nobody_could_know_what_would_be_asked_nothing_is_held_against_it() -> None:
    later = [Sample(index=0, succeeded=True, turn=2, input_tokens=999, output_asked=10, output_tokens=10)]
    assert not {"input-tokens", "output-tokens"} & {one.kind for one in doubts(case(shape("turns: 2")), later)}
    own = [Sample(index=0, succeeded=True, input_tokens=999, output_tokens=10)]
    assert not {"input-tokens"} & {one.kind for one in doubts(case(shape("lengths: {input: 50%}")), own)}
    assert {"input-tokens"} <= {one.kind for one in doubts(case(shape("ramp: 1s")), own)}


def test_lengths_that_are_not_those_of_the_tables_are_told() -> None:
    of = case(shape("prompts: chat.jsonl"))
    good = [
        Sample(index=number, succeeded=True, input_tokens=60 + 20 * number, output_asked=10, output_tokens=10)
        for number in range(3)
    ]
    [found] = [one for one in doubts(of, good) if one.kind.endswith("-mean")]
    assert (found.kind, dict(found.values)) == ("input-mean", {"asked": "100", "measured": "80"})
    assert not [one for one in doubts(of, good[2:]) if one.kind.endswith("-mean")]
    turns = case(shape("lengths: {output: 50%}, turns: 2"))
    assert [one.kind for one in doubts(turns, good) if one.kind.endswith("-mean")] == []


def doubts(of: Case, samples: list[Sample]) -> list[Doubt]:
    return list(stats.doubts(of, samples, stats.figures(of, samples), NativeSummary()))


def turn(entry: RoundPlan, index: int) -> dict[str, object]:
    """Two conversations of two turns; of the second the later one failed."""
    later = index % 2
    told = {"turn": later + 1, "input_tokens": entry.case.input.tokens + 600 * later, "cached_tokens": 1900 * later}
    return told | (
        {"succeeded": False, "error": "HTTP 500: no", "latency_s": 1.0, "ttft_s": None} if index == 3 else {}
    )


@pytest.mark.parametrize("format_", ["md", "html", "docx"])
def test_a_report_tells_conversations_turn_by_turn(format_: str, tmp_path: Path) -> None:
    written = Written(
        tmp_path,
        "load.transport=precise",
        "load.cases=[{input: 2k, output: 512, concurrency: 2, turns: 2}]",
        change=turn,
    )
    report = building.build(reading.read(written.run), "en")
    rows = [row for detail in report.details for row in detail.turns]
    rounds = len(written.plan.rounds)
    assert [(row.turn, row.requests, row.succeeded) for row in rows] == [
        (1, 2 * rounds, 2 * rounds),
        (2, 2 * rounds, rounds),
    ]
    assert [(row.input_tokens, row.cached_tokens) for row in rows] == [(2000, 0), (2600, 1900)]
    if format_ == "md":
        text = renderers.render("md", report).decode()
        assert "Conversations, turn by turn" in text
        assert "2 (2 turns)" in text
    assert renderers.render(format_, report)
    assert rereading.run(written.run) is not None


def test_a_report_without_conversations_has_no_such_table(tmp_path: Path) -> None:
    report = building.build(reading.read(Written(tmp_path).run), "en")
    assert "turn by turn" not in renderers.render("md", report).decode()
    assert "In brackets" not in renderers.render("md", report).decode()
