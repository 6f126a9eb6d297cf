"""What a server says of its own times: read from its metrics or its answers, and held against what the client saw."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import renderers, servertimes, stats
from kit.engines import ENGINES, sglang, vllm_ascend
from kit.loadgens import timings
from kit.loadgens.timings import Said
from kit.model import Case, Doubt, Histogram, Length, NativeSummary, RoundPlan, RoundResult, Sample, ServerTimes
from kit.model.calibration import Calibration, Share
from kit.renderers import applied
from kit.texts import doubt
from tests.fakes import BEGIN
from tests.unit.conftest import CheckGolden
from tests.unit.written import Written

VLLM = """\
# HELP vllm:time_to_first_token_seconds Histogram of time to first token in seconds.
# TYPE vllm:time_to_first_token_seconds histogram
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.5",model_name="m"} 1.0
vllm:time_to_first_token_seconds_count{engine="0",model_name="m"} 4.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="m"} 2.0
vllm:time_to_first_token_seconds_created{engine="0",model_name="m"} 1.7638e+09
vllm:request_queue_time_seconds_count{engine="0",model_name="m"} 4.0
vllm:request_queue_time_seconds_sum{engine="0",model_name="m"} 0.4
vllm:request_prefill_time_seconds_count{engine="0",model_name="m"} 4.0
vllm:request_prefill_time_seconds_sum{engine="0",model_name="m"} 1.6
vllm:request_time_per_output_token_seconds_count{engine="0",model_name="m"} 4.0
vllm:request_time_per_output_token_seconds_sum{engine="0",model_name="m"} 0.2
vllm:inter_token_latency_seconds_count{engine="0",model_name="m"} 12.0
vllm:inter_token_latency_seconds_sum{engine="0",model_name="m"} 0.6
vllm:e2e_request_latency_seconds_count{engine="0",model_name="m"} 4.0
vllm:e2e_request_latency_seconds_sum{engine="0",model_name="m"} 2.6
process_cpu_seconds_total 12.5
"""
SGLANG = """\
# TYPE sglang:time_to_first_token_seconds histogram
sglang:time_to_first_token_seconds_sum{model_name="a}\\"b"} 2.0
sglang:time_to_first_token_seconds_bucket{le="0.1",model_name="a}\\"b"} 0.0
sglang:time_to_first_token_seconds_count{model_name="a}\\"b"} 4.0
sglang:queue_time_seconds_sum{dp_rank="0",tp_rank="0"} 0.3
sglang:queue_time_seconds_count{dp_rank="0",tp_rank="0"} 3.0
sglang:queue_time_seconds_sum{dp_rank="1",tp_rank="0"} 0.1
sglang:queue_time_seconds_count{dp_rank="1",tp_rank="0"} 1.0
sglang:inter_token_latency_seconds_sum{model_name="a}\\"b"} 0.6
sglang:inter_token_latency_seconds_count{model_name="a}\\"b"} 12.0
sglang:e2e_request_latency_seconds_sum{model_name="a}\\"b"} 2.6
sglang:e2e_request_latency_seconds_count{model_name="a}\\"b"} 4.0
"""


def request(index: int, ttft: float = 0.5, tpot: float = 0.05, tokens: int = 4, **more: object) -> Sample:
    values = {"index": index, "succeeded": True, "sent_s": 0.0, "ttft_s": ttft, "latency_s": ttft + tpot * (tokens - 1)}
    return Sample.model_validate({**values, "output_tokens": tokens, **more})


def result(server: ServerTimes | None, *samples: Sample) -> RoundResult:
    case = Case(input=Length.model_validate(10), output=Length.model_validate(4), concurrency=4, requests=len(samples))
    return RoundResult(
        case=case,
        round=1,
        started=BEGIN,
        duration_s=4.0,
        command="load",
        figures=stats.figures(case, samples),
        native=NativeSummary(),
        server=server,
    )


FOUR = tuple(request(index) for index in range(4))


@pytest.mark.parametrize(("engine", "text"), [("vllm-ascend", VLLM), ("sglang", SGLANG), ("ftransformers", SGLANG)])
def test_the_metrics_of_an_engine_split_the_queue_from_prefill(engine: str, text: str) -> None:
    spelled = ENGINES[engine].HISTOGRAMS
    found = servertimes.of_metrics(servertimes.gained({}, servertimes.parse(text, spelled.names)), spelled, FOUR)
    assert found is not None
    assert (found.source, found.requests) == ("metrics", 4)
    times = (found.ttft_s, found.queue_s, found.tpot_s, found.latency_s)
    assert times == pytest.approx((0.5, 0.1, 0.05, 0.65))
    assert found.prefill_s == (pytest.approx(0.4) if engine == "vllm-ascend" else None)


def test_gaps_are_time_whatever_they_are_counted_by() -> None:
    """An older vLLM has no time per token of a request, and with several tokens at once fewer gaps than tokens."""
    text = "\n".join(line for line in VLLM.splitlines() if "request_time_per" not in line)
    text = text.replace("inter_token_latency", "time_per_output_token").replace("12.0", "5.0")
    read = servertimes.parse(text, vllm_ascend.HISTOGRAMS.names)
    found = servertimes.of_metrics(servertimes.gained({}, read), vllm_ascend.HISTOGRAMS, FOUR)
    assert found is not None
    assert found.tpot_s == pytest.approx(0.05)
    other = servertimes.of_metrics(servertimes.gained({}, read), vllm_ascend.HISTOGRAMS, FOUR[:3])
    assert other is not None
    assert other.tpot_s is None


def test_only_what_was_gained_is_of_the_round() -> None:
    before = {"a": Histogram(name="a", count=3, total_s=1.0), "b": Histogram(name="b", count=3, total_s=1.0)}
    after = {
        "a": Histogram(name="a", count=5, total_s=2.0),
        "b": Histogram(name="b", count=3, total_s=1.0),
        "c": Histogram(name="c", count=1, total_s=0.0),
    }
    gained = {one.name: (one.count, one.total_s) for one in servertimes.gained(before, after)}
    assert gained == {"a": (2, 1.0), "c": (1, 0.0)}
    # Its server was started again: what it has now is not of this round alone.
    assert servertimes.gained(after, before) == ()


LABELS = st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), st.text(max_size=8), max_size=3)


def labelled(labels: dict[str, str]) -> str:
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}" if labels else ""


@given(
    st.lists(st.tuples(st.sampled_from("ab"), LABELS, st.integers(0, 10**6), st.floats(0, 1e6)), max_size=6),
    st.sampled_from(["", " 1763990000000"]),
)
def test_a_histogram_is_the_sum_over_its_labels(told: list[tuple[str, dict[str, str], int, float]], stamp: str) -> None:
    lines = ["# TYPE x:a histogram", 'x:a_bucket{le="1"} 7', "other_sum 1"]
    for name, labels, count, total in told:
        lines += [
            f"x:{name}_count{labelled(labels)} {float(count)}{stamp}",
            f"x:{name}_sum{labelled(labels)} {total!r}",
        ]
    found = servertimes.parse("\n".join(lines), {"x:a", "x:b"})
    for name in "ab":
        own = [(count, total) for other, _, count, total in told if other == name]
        assert (f"x:{name}" in found) == bool(own)
        if own:
            assert found[f"x:{name}"].count == sum(count for count, _ in own)
            assert found[f"x:{name}"].total_s == pytest.approx(sum(total for _, total in own))


@given(st.text(st.sampled_from('ab_sumcont{}"\\,=. \n#1e9-+NaIf'), max_size=200))
def test_whatever_a_server_says_no_odd_number_comes_of_it(text: str) -> None:
    for read in servertimes.parse(text, {"a", "b", "a_b"}).values():
        assert 0 <= read.count < 1e17
        assert 0 <= read.total_s < 1e17


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "1e999", "x", "", "9e15"])
def test_no_number_is_taken_for_one(value: str) -> None:
    assert servertimes.parse(f"a_sum 1\na_count {value}\n", {"a"}) == {}


VALUES = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.integers(), st.floats(), st.lists(st.integers(), max_size=2)
)
OBJECTS = st.dictionaries(
    st.sampled_from(["prompt_ms", "predicted_ms", "queue_time_ms", "time_to_first_token_ms", "generation_time_ms"]),
    VALUES,
)


@given(st.dictionaries(st.sampled_from(["usage", "timings", "metrics", "choices"]), st.one_of(VALUES, OBJECTS)))
def test_odd_words_of_an_answer_are_no_times(chunk: dict[str, object]) -> None:
    said = timings.taken(chunk, Said())
    assert all(value is None or 0 <= value < 1e9 for value in (said.queue_s, said.prefill_s, said.decode_s))


def test_each_server_is_read_in_its_own_words() -> None:
    llamacpp = timings.taken({"timings": {"prompt_ms": 400.0, "predicted_ms": 150, "predicted_n": 4}}, Said())
    assert llamacpp == Said(prefill_s=0.4, decode_s=0.15)
    metrics = {
        "time_to_first_token_ms": 400.0,
        "generation_time_ms": 150.0,
        "queue_time_ms": 100.0,
        "mean_itl_ms": None,
    }
    assert timings.taken({"metrics": metrics}, Said()) == Said(queue_s=0.1, prefill_s=0.4, decode_s=0.15)
    assert timings.taken({"choices": []}, llamacpp) is llamacpp
    assert timings.taken({"metrics": None}, llamacpp) == llamacpp


def test_answers_say_what_their_requests_say() -> None:
    told = [request(0, server_queue_s=0.1, server_prefill_s=0.4, server_decode_s=0.15) for _ in range(2)]
    found = servertimes.of_answers(told)
    assert found is not None
    assert (found.source, found.requests, found.queue_s, found.prefill_s) == ("answers", 2, 0.1, 0.4)
    assert (found.ttft_s, found.tpot_s, found.latency_s) == pytest.approx((0.5, 0.05, 0.65))
    # llama.cpp tells no queue: what came before prefill is not known of the server.
    alone = servertimes.of_answers([one.model_copy(update={"server_queue_s": None}) for one in told])
    assert alone is not None
    assert (alone.ttft_s, alone.latency_s, alone.prefill_s) == (None, None, 0.4)
    assert servertimes.of_answers([*told, request(2)]) is None
    assert servertimes.of_answers([]) is None


# --- beside the client's -------------------------------------------------------------------------------------------


def kinds(server: ServerTimes, *samples: Sample, probes: int = 0, **errors: float) -> list[str]:
    return [found.kind for found in servertimes.doubts([result(server, *samples)], errors, probes=probes)]


def said(requests: int = 4, ttft: float = 0.5, tpot: float = 0.05, latency: float | None = None) -> ServerTimes:
    return ServerTimes(source="metrics", requests=requests, ttft_s=ttft, tpot_s=tpot, latency_s=latency)


def test_what_the_instruments_error_explains_is_no_doubt() -> None:
    assert kinds(said(), *FOUR) == []
    assert kinds(said(ttft=0.49), *FOUR) == ["server-ttft"]
    assert kinds(said(ttft=0.51), *FOUR) == ["server-ttft"]
    assert kinds(said(ttft=0.49), *FOUR, ttft=0.02) == []
    assert kinds(said(ttft=0.49), *FOUR, tpot=0.02) == ["server-ttft"]
    # Of four tokens the one that ends prefill may be a third of decoding.
    assert kinds(said(tpot=0.035), *FOUR) == []
    long = tuple(request(index, tokens=400) for index in range(4))
    assert kinds(said(tpot=0.0485), *long) == ["server-tpot"]
    assert kinds(said(latency=0.63), *FOUR) == ["server-latency"]


def test_a_doubt_names_both_figures_and_the_error() -> None:
    [found] = servertimes.doubts([result(said(ttft=0.4), *FOUR)], {"ttft": 0.01}, probes=0)
    assert dict(found.values) == {"own": "0.5", "server": "0.4", "difference": "+25.0%", "error": "+1.00%"}
    assert "0.4 s" in doubt("en", found)
    assert "+1.00%" in doubt("zh-CN", found)


def test_other_requests_than_the_clients_are_told_and_not_compared() -> None:
    assert kinds(said(requests=6, ttft=0.1), *FOUR) == ["server-requests"]
    assert kinds(said(requests=3, ttft=0.1), *FOUR) == ["server-requests"]
    # evalscope itself tries the server before it begins: that is known, and yet no figure of the four requests.
    assert kinds(said(requests=5, ttft=0.1), *FOUR, probes=1) == []
    failed = Sample(index=3, succeeded=False, error="reset")
    assert kinds(said(requests=4, ttft=0.1), *FOUR[:3], failed) == []
    assert kinds(said(requests=3, ttft=0.1), *FOUR[:3], failed) == ["server-ttft"]


# --- in the report -------------------------------------------------------------------------------------------------

CALIBRATION = Calibration.model_validate(
    {
        "at": "2026-11-24T12:00:00Z",
        "transport": "precise",
        "budget_s": 9.0,
        "took_s": 5.0,
        "points": [
            {
                "concurrency": clients,
                "requests": clients,
                "tokens": 128,
                "asked_ttft_s": 1.0,
                "asked_itl_s": 0.05,
                "trials": [
                    {"ttft_s": ttft_s, "true_ttft_s": 1.0, "tpot_s": 0.05001, "true_tpot_s": 0.05, "latency_s": 7.4,
                     "true_latency_s": 7.39, "throughput": 17.25, "true_throughput": 17.27, "late_p99_s": 0.0001}
                    for ttft_s in ((1.002, 1.004, 1.001) if clients == 1 else (1.002,))
                ],
            }
            for clients in (1, 2)
        ],
    }
)  # fmt: skip


def told(entry: RoundPlan, samples: list[Sample]) -> ServerTimes:
    """A server whose front end takes 40 ms before it knows of a request; with two clients one of them waits."""
    tpots = [value for value in map(stats.tpot_s, samples) if value is not None]
    return ServerTimes(
        source="metrics",
        requests=sum(one.succeeded for one in samples),
        ttft_s=2.34,
        queue_s=0.02 if entry.case.concurrency == 1 else 1.11,
        prefill_s=2.31 if entry.case.concurrency == 1 else 1.22,
        tpot_s=sum(tpots) / len(tpots) * 0.9995,
        histograms=(Histogram(name="vllm:time_to_first_token_seconds", count=2, total_s=4.68),),
    )


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_report_of_a_run_that_tried_its_instrument_is_what_it_was(
    tmp_path: Path, language: Literal["zh-CN", "en"], golden: CheckGolden
) -> None:
    written = Written(tmp_path, server=told)
    written.run.write_calibration(CALIBRATION)
    # The digest of the profile is in other golden files, and changes with every field that profiles may have.
    content = renderers.render("md", written.report(language)).replace(written.plan.profile_sha256.encode(), b"PROFILE")
    golden(f"report-trusted-{language}.md", content)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (Share(median=0.00011, least=0.0001, most=0.00013), "+0.01%"),
        (Share(median=-0.00002, least=-0.00004, most=0.0), "-0.002% (-0.004% … 0%)"),
    ],
)
def test_the_error_of_the_instrument_reads_zero_only_where_it_is(tmp_path: Path, share: Share, text: str) -> None:
    built = Written(tmp_path).report("en")
    first = built.details[0]
    load = first.load.model_copy(update={"instrument": (("ttft", share),)})
    changed = built.model_copy(update={"details": (first.model_copy(update={"load": load}),)})
    assert applied.error(changed).rows[0][3] == text


def test_a_case_that_was_not_tried_has_no_error_and_a_reason(tmp_path: Path) -> None:
    written = Written(tmp_path)
    written.run.write_calibration(CALIBRATION.model_copy(update={"points": CALIBRATION.points[:1]}))
    found = applied.error(written.report("en"))
    assert [row[3] for row in found.rows] == ["+0.08% (+0.04% … +0.17%)", "—", "+0.08% (+0.04% … +0.17%)"]
    assert "too short to try it" in found.notes[-1]
    written.run.path.joinpath("calibration.json").unlink()
    assert applied.error(written.report("en")).rows == ()


def test_a_report_says_why_the_servers_times_are_not_known(tmp_path: Path) -> None:
    reason = Doubt(kind="server-needs", values=(("flag", sglang.HISTOGRAMS.needs or ""),))
    built = Written(tmp_path, server=lambda *_: ServerTimes(source="nothing", reason=reason)).report("en")
    assert applied.trust(built).rows == ()
    assert applied.load(built).notes[-1] == (
        "The server's own times are not known: its answers tell none, and the engine was started without --enable-metrics."
    )
    assert built.details[0].server is None
