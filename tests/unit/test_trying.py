"""The instrument's own error inside a run: what is tried in the time there is, what is kept, and what a reader is told."""

import json
from array import array
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import calibration, trials
from kit.instrument import exchange as kept
from kit.loadgens import exchanges
from kit.model import Case, Doubt, Figures, Length, NativeSummary, Plan, RoundResult, Sample, Spread
from kit.model.calibration import Calibration, Point, Share, Trial
from kit.model.rates import Rate
from kit.report import details
from kit.running import trying
from kit.spellings import NONE
from kit.texts import doubt
from tests.fakes import Play, Stage, ends, forever
from tests.unit.evalscope_files import Request
from tests.unit.world import World, sends

MS = 1_000_000


def spread(mean: float) -> Spread:
    return Spread(count=4, mean=mean, p50=mean, p90=mean, p99=mean, maximum=mean)


def result(concurrency: int, ttft_s: float, tpot_s: float, *, output: int = 512, waves: int = 1) -> RoundResult:
    return RoundResult.model_validate(
        {
            "case": Case(
                input=Length.model_validate(128),
                output=Length.model_validate(output),
                concurrency=concurrency,
                requests=concurrency * waves,
            ),
            "round": 1,
            "started": "2026-11-24T12:00:00Z",
            "duration_s": 10.0,
            "command": "load",
            "figures": Figures(
                requests=4, succeeded=4, ttft_s=spread(ttft_s), tpot_s=spread(tpot_s), latency_s=spread(1.0)
            ),
            "native": NativeSummary(),
        }
    )


def trial(ttft_s: float) -> Trial:
    return Trial(
        ttft_s=ttft_s, true_ttft_s=0.1, tpot_s=0.0101, true_tpot_s=0.01, latency_s=1.005, true_latency_s=1.0,
        throughput=99.0, true_throughput=100.0, late_p99_s=0.0001,
    )  # fmt: skip


def calibrated(*ttfts_s: float, concurrency: int = 4, rate: Rate | None = None) -> Calibration:
    point = Point(
        concurrency=concurrency, rate=rate, requests=8, tokens=16, asked_ttft_s=0.1, asked_itl_s=0.01, trials=tuple(map(trial, ttfts_s))
    )  # fmt: skip
    return Calibration.model_validate(
        {"at": "2026-11-24T12:00:00Z", "transport": "precise", "budget_s": 9.0, "took_s": 5.0, "points": (point,)}
    )


def within(results: list[RoundResult], budget_s: float) -> tuple[Point, ...]:
    return trials.within(trials.measured(results), budget_s)


def test_every_concurrency_is_tried_at_its_quickest_case_and_within_the_time() -> None:
    results = [
        result(1, 9.0, 0.05),
        result(1, 0.2, 0.02),
        result(4, 0.3, 0.03, output=20, waves=3),
        result(16, 0.5, 0.1),
    ]
    found = within(results, 60.0)
    assert [(point.concurrency, point.requests) for point in found] == [(16, 16), (4, 8), (1, 1)]
    assert [(point.asked_ttft_s, point.asked_itl_s) for point in found] == [(0.5, 0.1), (0.3, 0.03), (0.2, 0.02)]
    assert [point.tokens for point in found] == [128, 20, 128]
    assert within([result(1, 9.0, 0.05)], 60.0)[0].asked_ttft_s == trials.LONGEST_TTFT_S


def test_a_server_that_sends_all_its_tokens_at_once_is_tried_whole_or_not_at_all() -> None:
    assert [point.tokens for point in within([result(4, 0.2, 0.0)], 60.0)] == [128]
    [point] = within([result(4, 0.2, 0.0)], 0.5)
    assert point.reason is not None


@pytest.mark.parametrize("budget_s", [0.5, 2.0, 3.0, 5.0, 8.0, 20.0, 60.0])
def test_what_is_tried_takes_no_longer_than_there_is(budget_s: float) -> None:
    results = [result(clients, 0.4, 0.05, waves=2) for clients in (1, 2, 4, 8)]
    found = within(results, budget_s)
    fitting = [point for point in found if point.reason is None]
    lasts = sum(point.requests / point.concurrency * (0.4 + point.tokens * 0.05) for point in fitting)
    assert lasts * trials.rounds(fitting, budget_s) <= budget_s
    # The greatest error is that of the most clients: they are the last to be left out.
    assert [point.concurrency for point in fitting] == [8, 4, 2, 1][: len(fitting)]
    assert {point.reason.kind for point in found if point.reason} <= {"untried-room"}


def test_the_error_of_a_case_is_held_against_its_own_figure() -> None:
    done = result(4, 0.5, 0.05)
    figures = done.figures
    found = calibration.shares(calibrated(0.101, 0.102, 0.130), done.case, figures)
    medians = {metric: share.median for metric, share in found.items()}
    assert medians == pytest.approx({"ttft": 0.004, "tpot": 0.002, "latency": 0.005, "throughput": -0.01})
    assert (found["ttft"].least, found["ttft"].most) == pytest.approx((0.002, 0.06))
    assert found["ttft"].worst == found["ttft"].most
    assert calibration.shares(calibrated(0.101), result(8, 0.5, 0.05).case, figures) == {}
    assert calibration.shares(None, done.case, figures) == {}


@given(st.floats(0.001, 1), st.floats(1e-5, 0.1))
def test_what_fits_to_the_last_bit_is_tried(ttft_s: float, tpot_s: float) -> None:
    one = result(4, ttft_s, tpot_s, output=8)
    [point] = within([one], 1.2 + trials.length_s(trials.measured([one])[0], 8))
    assert (point.reason, point.tokens) == (None, 8)


def test_answers_of_one_token_are_tried_too_where_no_others_are() -> None:
    single = result(2, 0.3, 0.0, output=1)
    single = single.model_copy(update={"figures": single.figures.model_copy(update={"tpot_s": None})})
    [point] = within([single], 60.0)
    assert (point.tokens, point.asked_ttft_s) == (1, 0.3)
    assert [point.tokens for point in within([single, result(2, 0.5, 0.05)], 60.0)] == [128]


def test_a_rate_is_tried_at_its_rate_for_as_long_as_there_is_time() -> None:
    done = result(30, 0.4, 0.05)
    case = done.case.model_copy(update={"rate": Rate(per_second=3), "requests": 200})
    [point] = trials.measured([done.model_copy(update={"case": case})])
    assert (point.rate, point.requests, point.waves) == (case.rate, 6, 1), "of two seconds"
    assert trials.length_s(point, 10) == pytest.approx(0.2 + 6 / 3 + 0.4 + 10 * 0.05)
    assert trials.within([point], 3.0)[0].reason is not None
    few = case.model_copy(update={"requests": 5})
    assert trials.measured([done.model_copy(update={"case": few})])[0].requests == 5
    tried = calibrated(0.101, concurrency=30, rate=case.rate)
    assert calibration.shares(tried, case, done.figures) != {}
    assert calibration.shares(tried, done.case, done.figures) == {}, "as many clients are no rate"
    assert calibration.shares(calibrated(0.101, concurrency=30), case, done.figures) == {}


def test_an_error_above_one_percent_is_a_doubt() -> None:
    shares = {"ttft": 0.0101, "tpot": -0.0101, "latency": 0.0099, "throughput": 0.01}
    told = list(calibration.doubts({name: Share(median=at, least=-1, most=1) for name, at in shares.items()}))
    assert [found.kind for found in told] == ["instrument-ttft", "instrument-tpot"]
    assert "+1.0%" in doubt("en", told[0])
    assert "-1.0%" in doubt("zh-CN", told[1])


def sender_said(folder: Path, **said: object) -> Path:
    (folder / exchanges.SENDER).write_text(json.dumps(said))
    return folder


def told(folder: Path, *samples: Sample, rated: bool = False, **said: object) -> list[str]:
    found = exchanges.doubts(sender_said(folder, **said) if said else folder, samples, 5.0, rated=rated)
    return [doubt("en", one) for one in found]


def test_a_sender_that_was_always_at_work_or_waiting_is_told(tmp_path: Path) -> None:
    assert told(tmp_path) == []
    assert told(tmp_path, wall_s=10.0, cpu_s=6.0, waited_s=2.0) == []
    assert told(tmp_path, wall_s=10.0, cpu_s=8.0, waited_s=None) == []
    for used, waited in ((6.0, 3.5), (9.5, None)):
        [found] = told(tmp_path, wall_s=10.0, cpu_s=used, waited_s=waited)
        assert "95%" in found
    assert told(tmp_path, wall_s=0.0) == []


def waited(*waits_s: float) -> list[Sample]:
    return [
        Sample(index=index, succeeded=True, scheduled_s=1.0, sent_s=1.0 + wait, ttft_s=0.2, latency_s=1.0)
        for index, wait in enumerate(waits_s)
    ]


def test_requests_that_were_sent_twice_or_waited_for_a_connection_are_told(tmp_path: Path) -> None:
    [found] = told(tmp_path, *waited(0.0, 0.0), sent_again=1, opened_late=1)
    assert found.startswith("1 of 2 requests were sent once more")
    [found] = told(tmp_path, *waited(0.0, 0.4), sent_again=0, opened_late=3)
    assert "3 connections had to be opened while the clock ran: 0.2 s on average, 0.4 s at most" in found
    assert told(tmp_path, *waited(0.0, 0.002), sent_again=0, opened_late=3) == [], "too little to matter"
    assert told(tmp_path, *waited(0.0, 0.4), sent_again=0, opened_late=0) == [], "a conversation is put together"
    assert told(tmp_path, *waited(0.0, 0.4), rated=True, sent_again=0, opened_late=3) == [], "it is in the times"
    assert told(tmp_path, *waited(0.0), sent_again="many", opened_late=[]) == []


def precise(plan: Plan) -> Plan:
    rounds = tuple(
        entry.model_copy(update={"order": entry.order.model_copy(update={"transport": "precise"})})
        for entry in plan.rounds
    )
    return plan.model_copy(update={"rounds": rounds})


def written(folder: Path, point: Mapping[str, object]) -> None:
    """What the transport and the reference server leave of a point: everything came a millisecond after it was sent."""
    folder.mkdir()
    chunk = b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}\n\n'
    last = b'data: {"choices": [{"delta": {}, "finish_reason": "length"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\n\n'
    lines = []
    with open(folder / kept.OPEN, "wb") as spool:
        for index in range(int(str(point["requests"]))):
            begin = 1000 * MS * (index + 1)
            left = [begin + 100 * MS, begin + 110 * MS]
            found = kept.Exchange(index, b"", begin, begin, left[0], left[1] + MS, 200, "text/event-stream")
            found.times_ns, found.sizes = (
                array("q", [at + MS for at in left]),
                array("I", [len(chunk), len(chunk + last)]),
            )
            found.pieces = [chunk, chunk + last]
            kept.write(spool, found, NONE)
            told = {"number": index + 1, "received_ns": begin, "sent_ns": left, "due_ns": left, "ended": "done"}
            lines.append(json.dumps({**told, "tokens_sent": 2}))
    kept.pack(folder)
    (folder / "sent.jsonl").write_text("\n".join(lines))
    sender_said(folder, wall_s=2.0, cpu_s=0.5, waited_s=0.0)


def tries(stage: Stage) -> Generator[None, None, int]:
    yield
    for point in json.loads(stage.program.argv[-1]):
        written(stage.directory / point["name"], point)
    return 0


def after(folder: Path, play: Play, ran_s: float = 600.0) -> tuple[World, Calibration]:
    """A run that is whole, and its calibration."""
    world = World(folder)
    world.execute()
    world.runtime.plays_in_turn("calibration", play)
    trying.calibrate(precise(world.plan), world.doors, world.run, ran_s)
    found = world.run.calibration()
    assert found is not None
    assert world.runtime.running == []
    return world, found


def test_a_run_keeps_the_error_of_every_concurrency_and_its_report_shows_it(tmp_path: Path) -> None:
    world, found = after(tmp_path, tries)
    assert found.reason is None
    assert [point.concurrency for point in found.points] == [2, 1]
    one = found.points[1].trials[0]
    assert (one.ttft_s, one.true_ttft_s, one.tpot_s, one.demand) == pytest.approx((0.101, 0.1, 0.01, 0.25))
    assert list((world.run.path / "calibration").iterdir()) == []
    shown = [details.instrument(found, case, world.run.results(world.plan)) for case in world.plan.cases]
    assert [set(errors) for errors in shown] == [{"ttft", "tpot", "latency", "throughput"}] * 2


@pytest.mark.parametrize(
    ("play", "ran_s", "why"),
    [
        (ends(3, "no room"), 600.0, "the trial ended with exit code 3: no room"),
        (ends(0), 600.0, "the trial failed: "),
        (forever("trying"), 600.0, "the trial did not come to its end"),
        (tries, 10.0, "too short for any trial"),
    ],
    ids=["fails", "leaves-nothing", "hangs", "no-time"],
)
def test_what_could_not_be_tried_is_a_reason_and_no_failure(tmp_path: Path, play: Play, ran_s: float, why: str) -> None:
    _, found = after(tmp_path, play, ran_s)
    assert found.reason is not None
    assert why in doubt("en", found.reason)
    assert not any(point.trials for point in found.points)


def test_where_no_answer_has_a_second_token_nothing_is_tried(tmp_path: Path) -> None:
    world = World(tmp_path)
    one = Request(text_at=(0.1,), ended=0.2, usage=(10, 1))
    world.runtime.plays_in_turn("load", *[sends(*[one] * clients) for clients in (1, 1, 2, 2)])
    world.execute()
    found = trying.calibrate(precise(world.plan), world.doors, world.run, 600.0)
    assert found.reason is not None
    assert doubt("en", found.reason) == "no case has both TTFT and TPOT"


def test_the_plain_client_is_not_tried_in_a_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.execute()
    found = trying.calibrate(world.plan, world.doors, world.run, 600.0)
    assert found.reason is not None
    assert found.reason.kind == "untried-transport"


@pytest.mark.parametrize("url", ["https://host:8443", "http://host:8000"])
def test_an_endpoint_with_tls_is_tried_over_tls(tmp_path: Path, url: str) -> None:
    world = World(tmp_path)
    world.execute()
    target = world.plan.target.model_copy(update={"url": url})
    handed: dict[str, str] = {}

    def seen(stage: Stage) -> Generator[None, None, int]:
        handed.update({name: stage.secrets[name] for name in stage.program.secrets})
        return (yield from tries(stage))

    world.runtime.plays_in_turn("calibration", seen)
    plan = precise(world.plan).model_copy(update={"target": target})
    assert trying.calibrate(plan, world.doors, world.run, 600.0).reason is None
    assert list(handed) == (["KIT_TRIAL_CERTIFICATE"] if url.startswith("https") else [])
    assert all(pem.startswith("-----BEGIN PRIVATE KEY-----") for pem in handed.values())
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in world.run.path.rglob("*") if path.is_file())


def test_runs_of_before_say_why_nothing_was_tried_over_tls() -> None:
    assert "the trial speaks plain HTTP" in doubt("en", Doubt(kind="untried-tls"))
