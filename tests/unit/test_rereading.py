"""Whether what was signed is true: the figures follow from the requests, and these from the load generator's own files."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kit import renderers, stats
from kit.loadgens import GENERATORS, evalscope
from kit.loadgens.reading import Reading
from kit.model import Order, RoundPlan, RoundResult
from kit.model.report import Report
from kit.signing import attesting, rereading
from kit.store import RunDir
from tests.fakes import BEGIN
from tests.unit import evalscope_files
from tests.unit.people import CRITERIA, People, fails, falsify, people, run
from tests.unit.written import Written, failing

__all__ = ["people", "run"]


# --- is it true --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.1, 1.000001])
def test_a_signed_wrong_number_is_found(
    run: RunDir, people: People, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """Signed by a kit that does not look: the signatures are genuine, the files are those that were signed."""
    falsify(run, factor)
    with monkeypatch.context() as patched:
        patched.setattr(rereading, "run", lambda _: rereading.Reread((), 6, 0))
        people.sign(run, "tester")
    text = fails(lambda: people.verify(run, people.text("tester")))
    assert "not true" in text
    assert "cases/128-512-c1/round-1/result.json: output_throughput is" in text


@pytest.mark.parametrize("name", ["md", "docx", "html", "csv", "xlsx"])
def test_a_signed_report_with_another_number_is_found(
    run: RunDir, people: People, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    render = renderers.render

    def better(kind: str, built: object, *_: object) -> bytes:
        assert isinstance(built, Report)
        if kind != name:
            return render(kind, built)
        rows = tuple(row.model_copy(update={"output_throughput": 99.0}) for row in built.rows)
        rounds = tuple(row.model_copy(update={"output_throughput": 99.0}) for row in built.rounds)
        return render(kind, built.model_copy(update={"rows": rows, "rounds": rounds}))

    with monkeypatch.context() as patched:
        patched.setattr(renderers, "render", better)
        people.sign(run, "tester")
    text = fails(lambda: people.verify(run, people.text("tester")))
    assert f"report/{renderers.file_name(name)}: 128-512-c1" in text
    assert "output_throughput is 99" in text


def test_a_signed_wrong_verdict_is_found(tmp_path: Path, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Written(tmp_path, *CRITERIA, change=failing).run
    true = attesting.result
    with monkeypatch.context() as patched:
        patched.setattr(attesting, "result", lambda *a: true(*a).model_copy(update={"result": "PASSED"}))
        people.sign(made, "tester")
    assert "PASSED was signed, the files give FAILED" in fails(lambda: people.verify(made, people.text("tester")))


def test_small_figures_of_unlike_size_are_read_back_as_they_were_written(tmp_path: Path, people: People) -> None:
    """0.0094 beside 0.011: what is small has two digits, so one column holds steps of different sizes."""

    def change(entry: RoundPlan, _: int) -> dict[str, object]:
        tpot = 0.0094 if entry.case.concurrency == 1 else 0.01113632966
        return {"ttft_s": 0.01, "latency_s": 0.01 + 511 * tpot}

    run = Written(tmp_path, change=change).run
    people.sign(run, "tester")
    assert people.verify(run, people.text("tester")).unread == ()


# --- the load generator's own files ------------------------------------------------------------------------------


@pytest.fixture(params=["1.0.1", "1.14.1"])
def measured(request: pytest.FixtureRequest, tmp_path: Path) -> RunDir:
    """A run whose rounds hold what evalscope wrote, read by kit."""
    version = str(request.param)
    made = Written(tmp_path, *CRITERIA, f"load.version={version}")
    for entry in made.plan.rounds:
        home = made.run.round_directory(entry)
        shutil.rmtree(home)
        given, asked = entry.case.input.tokens, entry.case.output.tokens
        sent = [
            evalscope_files.Request(sent=0.1 * number, usage=(given, asked), counted=(given, asked))
            for number in range(entry.case.requests)
        ]
        evalscope_files.write(version, home / "raw", home / "stdout.log", sent)
        reading = GENERATORS["evalscope"].read(home / "raw", home / "stdout.log", entry.order)
        figures = stats.figures(entry.case, reading.samples)
        result = RoundResult(
            case=entry.case,
            round=entry.round,
            started=BEGIN,
            duration_s=2.0,
            command="evalscope",
            figures=figures,
            native=reading.native,
        )
        made.run.write_round(entry, result, reading.samples)
    return made.run


def test_figures_are_worked_out_again_from_the_raw_output(measured: RunDir, people: People) -> None:
    people.sign(measured, "tester")
    again = people.verify(measured, people.text("tester")).reread
    assert again is not None
    assert (again.problems, again.rounds, again.from_raw) == ((), 6, 6)


@pytest.mark.parametrize("factor", [0.5, 0.99999])
def test_signed_requests_that_the_raw_output_does_not_hold_are_found(
    measured: RunDir, people: People, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """Faster requests, with the very figures that follow from them: only the load generator's own files tell."""
    entry = measured.plan().rounds[0]
    samples = [
        one.model_copy(update={"latency_s": one.latency_s * factor})
        for one in measured.samples(entry)
        if one.latency_s is not None
    ]
    home = measured.round_directory(entry)
    result = RoundResult.model_validate_json((home / "result.json").read_bytes())
    for name in ("command.txt", "samples.jsonl", "result.json"):
        (home / name).unlink()
    figures = stats.figures(entry.case, samples)
    measured.write_round(entry, result.model_copy(update={"figures": figures}), samples)
    assert "raw/ gives" in fails(lambda: people.sign(measured, "tester"))
    with monkeypatch.context() as patched:
        patched.setattr(rereading, "run", lambda _: rereading.Reread((), 6, 6))
        people.sign(measured, "tester")
    text = fails(lambda: people.verify(measured, people.text("tester")))
    assert "cases/128-512-c1/round-1/samples.jsonl: line 1: latency_s is" in text


def test_what_an_earlier_kit_did_not_take_from_the_raw_output_is_no_difference(
    measured: RunDir, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = evalscope.read

    def more(raw: Path, log: Path, order: Order) -> Reading:
        found = read(raw, log, order)
        return replace(found, samples=tuple(one.model_copy(update={"server_prefill_s": 0.5}) for one in found.samples))

    monkeypatch.setattr(evalscope, "read", more)
    people.sign(measured, "tester")
    entry = measured.plan().rounds[0]
    samples = [one.model_copy(update={"server_prefill_s": 0.4}) for one in measured.samples(entry)]
    result = RoundResult.model_validate_json((measured.round_directory(entry) / "result.json").read_bytes())
    for name in ("command.txt", "samples.jsonl", "result.json"):
        (measured.round_directory(entry) / name).unlink()
    measured.write_round(entry, result, samples)
    assert "server_prefill_s is 0.4, raw/ gives 0.5" in fails(lambda: people.sign(measured, "reviewer"))


def test_a_run_of_a_kit_that_did_not_count_the_texts_of_evalscope_is_as_true_as_it_was(measured: RunDir) -> None:
    entry = measured.plan().rounds[0]
    samples = [one.model_copy(update={"texts": None, "last_text_s": None}) for one in measured.samples(entry)]
    result = RoundResult.model_validate_json((measured.round_directory(entry) / "result.json").read_bytes())
    for name in ("command.txt", "samples.jsonl", "result.json"):
        (measured.round_directory(entry) / name).unlink()
    measured.write_round(entry, result, samples)
    assert rereading.run(measured).problems == ()


def test_raw_output_without_its_database_is_found(measured: RunDir, people: People) -> None:
    next(measured.path.rglob("benchmark_data.db")).unlink()
    assert "benchmark_data.db" in fails(lambda: people.sign(measured, "tester"))
