"""What a reference server is told to do, and the one file in which kit's instruments travel."""

import ast
import io
import math
import statistics
import sys
import zipfile
from pathlib import Path

import pytest

from kit import packed
from kit.errors import UsageError
from kit.instrument import frames, lateness, schedule, times


@pytest.mark.parametrize(
    ("text", "mean", "deviation"),
    [
        ("100ms", 0.1, 0.0),
        ("0.25", 0.25, 0.0),
        ("fixed:2s", 2.0, 0.0),
        ("normal:100ms,10ms", 0.1, 0.01),
        ("uniform:50ms,150ms", 0.1, 0.1 / math.sqrt(12)),
        ("exponential:100ms", 0.1, 0.1),
        ("lognormal:100ms,0.5", 0.1 * math.exp(0.125), 0.1 * math.exp(0.125) * math.sqrt(math.exp(0.25) - 1)),
    ],
)
def test_times_are_drawn_as_their_distribution_says(text: str, mean: float, deviation: float) -> None:
    plan = schedule.Schedule(ttft=schedule.draw(text), itl=schedule.draw("10ms"), seed=3)
    drawn = [plan.ttft(plan.source(number)) for number in range(1, 4001)]
    assert statistics.fmean(drawn) == pytest.approx(mean, rel=0.08)
    assert statistics.pstdev(drawn) == pytest.approx(deviation, rel=0.15, abs=1e-12)
    assert drawn == [plan.ttft(plan.source(number)) for number in range(1, 4001)], "the same seed, the same times"


@pytest.mark.parametrize("text", ["", "fast", "10 minutes", "normal:1s", "uniform:2s,1s", "exponential:0", "gamma:1,2"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(times.ScheduleError, match=r"is not a time|is none of"):
        schedule.draw(text)


def test_faults_meet_the_requests_that_they_name() -> None:
    plan = schedule.Schedule(
        ttft=schedule.draw("1s"),
        itl=schedule.draw("1s"),
        faults=tuple(map(schedule.fault, ("http-500@2", "reset@4-5:7", "close@9-10"))),
    )
    found = {number: plan.fault_of(number) for number in range(12)}
    assert {number: fault.kind for number, fault in found.items() if fault is not None} == {
        2: "http-500",
        4: "reset",
        5: "reset",
        9: "close",
        10: "close",
    }
    assert found[4] is not None
    assert found[4].token == 7
    every = schedule.fault("silent@*")
    assert (every.first, every.last) == (1, math.inf)
    with pytest.raises(times.ScheduleError, match="there are http-400"):
        schedule.fault("explode@1")


def test_a_pause_lengthens_the_one_gap_after_its_token() -> None:
    plan = schedule.Schedule(
        ttft=schedule.draw("1s"), itl=schedule.draw("10ms"), tokens_per_chunk=3, pauses=(schedule.pause("2s@10"),)
    )
    source = plan.source(1)
    assert [round(plan.gap_s(source, sent, 3), 6) for sent in (1, 4, 7, 10, 13)] == [0.03, 0.03, 0.03, 2.03, 0.03]
    assert [round(plan.gap_s(source, sent, 3), 6) for sent in (2, 5, 8, 11, 14)] == [0.03, 0.03, 0.03, 2.03, 0.03]


def test_what_is_sent_is_a_stream_of_chunks_as_the_protocol_has_them() -> None:
    chat = frames.Frames("m", chat=True)
    sent = chat.role() + chat.text(2) + chat.tail(5, 2, usage=True)
    events = []
    while sent != frames.END:
        size, _, rest = sent.partition(b"\r\n")
        events.append(rest[: int(size, 16)].decode())
        assert rest[int(size, 16) :][:2] == b"\r\n"
        sent = rest[int(size, 16) + 2 :]
    assert all(event.startswith("data: ") and event.endswith("\n\n") for event in events)
    assert [event[6:-2] for event in events][-1] == "[DONE]"
    assert '"completion_tokens": 2' in events[-2]
    assert '"content": " a a"' in events[1]


def test_a_server_says_when_it_did_not_keep_its_times() -> None:
    found = lateness.Lateness()
    assert found.summary()["within"] is None
    for _ in range(1000):
        found.add(20_000)
    assert "within the bound of 0.5 ms" in found.sentence()
    for _ in range(11):
        found.add(700_000)
    assert "BEYOND the bound of 0.5 ms" in found.sentence()


def test_the_instruments_need_nothing_of_kit_but_what_is_packed_with_them() -> None:
    there = {*sys.stdlib_module_names, "aiohttp", "evalscope", "transformers"}
    for path in sorted((Path(packed.__file__).parent / "instrument").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [str(node.module)]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.startswith(("kit.instrument", "kit.spellings")) or name.partition(".")[0] in there, (
                    f"{path.name}: {name}"
                )


def test_the_packed_file_is_pinned(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(packed.content())) as archive:
        assert "kit/instrument/reference.py" in archive.namelist()
    packed.content.cache_clear()
    assert packed.wanted(("python", packed.FILE, "reference")) == packed.digest()
    assert packed.wanted(("evalscope", "perf")) is None
    packed.place(tmp_path / "new", packed.digest())
    assert (tmp_path / "new" / packed.FILE).read_bytes() == packed.content()
    with pytest.raises(UsageError, match="other instruments"):
        packed.place(tmp_path, "sha256:0")


def test_a_model_may_have_times_of_its_own() -> None:
    usual = schedule.Schedule(ttft=schedule.draw("9s"), itl=schedule.draw("9s"), pauses=((5, 1.0),))
    assert schedule.served("reference", usual) == ("reference", usual)
    name, own = schedule.served("rehearsal-2k-512-c4=normal:1.5s,0s/30ms", usual)
    source = own.source(1)
    assert (name, own.ttft(source)) == ("rehearsal-2k-512-c4", 1.5)
    assert own.gap_s(source, 4, 3) == pytest.approx(0.09)
    assert own.pauses == usual.pauses
    with pytest.raises(times.ScheduleError):
        schedule.served("other=1.5s", usual)
