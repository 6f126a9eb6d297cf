"""Real evalscope, both versions, against a server that misbehaves: what reaches the result, and what never may."""

import base64
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kit.loadgens.chunks import unpickled
from kit.model import RoundResult, RunStatus, Sample
from tests.integration.driver import Done, Kit
from tests.stub_server import Behaviour, Request, Stub, serving

INPUT, OUTPUT = 64, 8
CANARY = "sk-canary-7f3a+9c/41=d2"
FAULTS = {
    "1.0.1": "http-500@2,cut@3,empty@4,no-text@5,ends-early@6,short@7,filtered@8,no-usage@9,other-input@10,stalls@11,http-429@12",
    "1.14.1": "http-500@2,cut@3,empty@4,no-text@5,ends-early@6,short@7,filtered@8,no-usage@9,other-input@10,stalls@11,"
    "http-429@12,html@13,json@14,error-chunk@15",
}


@dataclass(frozen=True)
class Outcome:
    """A finished run against a stub, and what the stub saw."""

    done: Done
    path: Path
    requests: list[Request]
    home: Path

    @property
    def result(self) -> RoundResult:
        (path,) = self.path.glob("cases/*/*/result.json")
        return RoundResult.model_validate_json(path.read_bytes())

    @property
    def samples(self) -> list[Sample]:
        (path,) = self.path.glob("cases/*/*/samples.jsonl")
        return [Sample.model_validate_json(line) for line in path.read_text("utf-8").splitlines()]

    @property
    def status(self) -> RunStatus:
        return RunStatus.model_validate_json((self.path / "run.json").read_bytes())

    @property
    def doubts(self) -> dict[str, dict[str, str]]:
        return {found.kind: dict(found.values) for found in self.result.doubts}


def arguments(stub: Stub, version: str, tokenizer: Path, model: str, *, requests: int, clients: int) -> list[str]:
    case = f"{{input: {INPUT}, output: {OUTPUT}, concurrency: [{clients}]}}"
    settings = (
        "load.transport=evalscope",
        f"server.url={stub.url}",
        f"server.model={model}",
        f"load.version={version}",
        f"load.tokenizer={tokenizer}",
        f"load.requests_per_client={requests // clients}",
        f"load.cases=[{case}]",
        "load.read_timeout=3s",
    )
    return ["run", "external", *(word for setting in settings for word in ("--set", setting))]


VERSIONS = [pytest.param(version, marks=pytest.mark.xdist_group(f"evalscope-{version}")) for version in FAULTS]


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def play(
    home: Path,
    cache: Path,
    tokenizer: Path,
    version: str,
    model: str,
    *extra: str,
    requests: int,
    clients: int = 1,
    behaviour: Behaviour | None = None,
    env: dict[str, str | None] | None = None,
) -> Outcome:
    kit = Kit(home, cache)
    with serving(behaviour or Behaviour(input_tokens=INPUT)) as stub:
        words = arguments(stub, version, tokenizer, model, requests=requests, clients=clients)
        done = kit.run(*words, *extra, env=env)
        seen = list(stub.log.requests)
    return Outcome(done, kit.the_run if kit.runs else home, seen, home)


# --- a server with every fault -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(version: str, cache: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One round in which most requests meet a fault of their own."""
    home = tmp_path_factory.mktemp("mixed")
    return play(home, cache, tokenizer, version, FAULTS[version], requests=16, clients=2)


def test_a_run_with_failed_requests_is_complete_and_counts_them(mixed: Outcome, version: str) -> None:
    assert mixed.done.code == 0, mixed.done.err
    found = mixed.result.figures
    failed = {"1.0.1": 7, "1.14.1": 10}[version]
    assert (found.requests, found.succeeded) == (16, 16 - failed)
    assert sum(failure.requests for failure in found.failures) == failed
    assert f"{failed} FAILED" in mixed.done.err


def test_every_failed_request_says_why(mixed: Outcome, version: str) -> None:
    reasons = {failure.reason: failure.requests for failure in mixed.result.figures.failures}
    wanted = {
        'HTTP 500: {"error": {"message": "the stub says 500"': 1,
        'HTTP 429: {"error": {"message": "the stub says 429"': 1,
        "the stream ended before the answer was finished": 1,
        "Response payload is not completed" if version == "1.0.1" else "ClientPayloadError: ": 1,
        "Timeout on reading data from socket" if version == "1.0.1" else "SocketTimeoutError: Timeout on reading": 1,
    }
    if version == "1.0.1":
        wanted |= {"the answer was empty": 1, "the stream held no text": 1}
    else:
        # An empty stream, one without text, and a whole answer where a stream was asked for.
        wanted |= {"the stream held no text": 3}
        wanted |= {"not a completion: <!DOCTYPE html>": 1, '{"error": {"message": "the engine ran out of memory"': 1}
    for start, count in wanted.items():
        assert [number for reason, number in reasons.items() if reason.startswith(start)] == [count], (start, reasons)
    assert len(reasons) == len(wanted)


def test_reasons_are_text_without_control_characters(mixed: Outcome) -> None:
    assert all(failure.reason.isprintable() for failure in mixed.result.figures.failures)


def test_each_reason_stands_with_the_request_that_met_it(mixed: Outcome) -> None:
    """The one that timed out took longest of all; an error at once, and a stream cut half-way, left what they had sent."""
    failed = {sample.error: sample for sample in mixed.samples if sample.error is not None}
    by_latency = sorted(failed.values(), key=lambda sample: sample.latency_s or 0.0)
    assert "Timeout on reading" in str(by_latency[-1].error)
    for reason, sample in failed.items():
        if "Response payload" in reason:
            continue  # a reset may take what was sent before it along
        half = reason.startswith(("the stream ended before", "SocketTimeout", "Timeout")) or "out of memory" in reason
        assert len(sample.gaps_s) == (OUTPUT // 2 - 1 if half else 0), reason


def test_failed_requests_are_in_no_figure(mixed: Outcome) -> None:
    found = mixed.result.figures
    for spread in (found.latency_s, found.ttft_s, found.input_tokens, found.output_tokens):
        assert spread is not None
        assert spread.count == found.succeeded


def test_short_answers_are_a_doubt(mixed: Outcome) -> None:
    doubt = mixed.doubts["output-tokens"]
    assert doubt["asked"] == str(OUTPUT)
    assert doubt["measured"].startswith(str(OUTPUT // 2))


def test_other_input_lengths_are_a_doubt(mixed: Outcome) -> None:
    doubt = mixed.doubts["input-tokens"]
    assert doubt["asked"] == str(INPUT)
    assert doubt["measured"].endswith(str(INPUT + 3))


def test_answers_without_usage_are_a_doubt(mixed: Outcome) -> None:
    doubt = mixed.doubts["no-usage"]
    assert (doubt["count"], doubt["of"]) == ("1", str(mixed.result.figures.succeeded))
    assert [sample.tokens_from for sample in mixed.samples if sample.succeeded].count("tokenizer") == 1


def test_other_finish_reasons_are_a_doubt(mixed: Outcome) -> None:
    assert mixed.doubts["finish"]["reasons"] == "1 x content_filter, 1 x stop"


def test_the_report_tells_of_failures_and_doubts(mixed: Outcome) -> None:
    text = (mixed.path / "report" / "report.md").read_text("utf-8")
    for doubt in ("HTTP 500", "HTTP 429", "usage", "content_filter"):
        assert doubt in text


# --- a server where nothing works --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failing(version: str, cache: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    home = tmp_path_factory.mktemp("failing")
    return play(home, cache, tokenizer, version, "http-500@1-4", requests=4, clients=2)


def test_a_round_where_every_request_failed_makes_the_run_incomplete(failing: Outcome) -> None:
    assert failing.done.code == 4
    assert failing.status.status == "incomplete"
    assert "no request succeeded" in failing.done.err
    assert "HTTP 500: " in failing.done.err


def test_no_figure_is_made_up_where_nothing_was_measured(failing: Outcome) -> None:
    found = failing.result.figures
    assert (found.requests, found.succeeded) == (4, 0)
    measured = (found.latency_s, found.ttft_s, found.tpot_s, found.output_throughput, found.tps, found.output_tokens)
    assert set(measured) == {None}
    report = (failing.path / "report" / "report.md").read_text("utf-8")
    (row,) = (line for line in report.splitlines() if line.startswith("| http-500@1-4 |"))
    assert row.count("—") == 6


# --- a key ---------------------------------------------------------------------------------------------------------


@contextmanager
def watched_command_lines(secret: str) -> Iterator[list[str]]:
    """Look at every command line of this machine for a text, as any user can."""
    found: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                if secret.encode() in line:
                    found.append(line.decode(errors="replace"))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def places_of(secret: str, path: Path) -> list[str]:
    """Every file below a directory that holds a secret: as it is, as base64, or inside what evalscope stores in its database."""
    spellings = {secret.encode(), base64.b64encode(secret.encode()).rstrip(b"=")}
    found = [str(file) for file in path.rglob("*") if file.is_file() and any(s in file.read_bytes() for s in spellings)]
    for file in path.rglob("*.db"):
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            for row in connection.execute("SELECT * FROM result"):
                found += [f"{file}: {value[:40]}" for value in map(_decoded, row) if secret in value]
    return found


def _decoded(value: object) -> str:
    try:
        return str(unpickled(str(value)))
    except ValueError:
        return str(value)


@pytest.fixture(scope="module")
def keyed(version: str, cache: Path, tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """A good server that wants a key, which the profile takes from a variable."""
    behaviour = Behaviour(key=CANARY, input_tokens=INPUT, first_text_s=0.2, gap_s=0.01)
    extra = ("--set", "server.api_key={env: STUB_KEY}", "--json")
    home = tmp_path_factory.mktemp("keyed")
    with watched_command_lines(CANARY) as seen:
        outcome = play(
            home, cache, tokenizer, version, "good", *extra, requests=3, behaviour=behaviour, env={"STUB_KEY": CANARY}
        )
        assert seen == []
        yield outcome


def test_the_key_of_a_variable_opens_the_endpoint(keyed: Outcome) -> None:
    assert keyed.done.code == 0, keyed.done.err
    assert keyed.result.figures.succeeded == 3
    assert {request.authorization for request in keyed.requests} == {f"Bearer {CANARY}"}


def test_the_key_stands_in_no_file_and_no_output(keyed: Outcome) -> None:
    assert places_of(CANARY, keyed.home) == []
    assert CANARY not in keyed.done.out + keyed.done.err


def test_the_command_in_the_run_names_the_variable_instead_of_the_key(keyed: Outcome) -> None:
    (path,) = keyed.path.glob("cases/*/*/command.txt")
    assert 'KIT_API_KEY="$STUB_KEY"' in path.read_text("utf-8")


def test_token_counts_are_what_the_server_sent(keyed: Outcome) -> None:
    for sample in keyed.samples:
        assert (sample.input_tokens, sample.output_tokens, sample.tokens_from) == (INPUT, OUTPUT, "usage")
        assert sample.finish_reason == "length"
        assert len(sample.gaps_s) == OUTPUT - 1
    measured = [request for request in keyed.requests if request.number is not None]
    assert [request.texts for request in measured] == [OUTPUT] * 3
    assert all(request.ignore_eos for request in measured)


def test_times_contain_what_the_server_did(keyed: Outcome) -> None:
    """A client sends before the server receives, and receives after the server sends: no shorter time can be true."""
    measured = [request for request in keyed.requests if request.number is not None]
    for sample, request in zip(keyed.samples, measured, strict=True):
        assert sample.ttft_s is not None
        assert sample.latency_s is not None
        assert request.first_text_at is not None
        # The role came 0.2 s before the first text: a clock stopped by it would show less.
        assert sample.ttft_s >= request.first_text_at - request.received_at
        assert request.ended_at is not None
        assert sample.latency_s >= sample.ttft_s + sum(sample.gaps_s) - 1e-6
        assert sum(sample.gaps_s) > 0
    found = keyed.result.figures
    assert found.window_s is not None
    assert found.window_s <= keyed.result.duration_s


def test_throughput_is_all_tokens_over_the_window(keyed: Outcome) -> None:
    found = keyed.result.figures
    assert found.window_s is not None
    assert found.output_throughput == pytest.approx(3 * OUTPUT / found.window_s)


def test_the_server_saw_as_many_requests_as_the_result_has(keyed: Outcome) -> None:
    assert len([request for request in keyed.requests if request.number is not None]) == keyed.result.figures.requests


def test_a_server_that_quotes_the_key_does_not_bring_it_into_the_run(
    version: str, cache: Path, tokenizer: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    secret = tmp_path / "secret" / "key"
    secret.write_text(f"{CANARY}\n")
    home = tmp_path / "home"
    home.mkdir()
    behaviour = Behaviour(key=CANARY, input_tokens=INPUT)
    extra = ("--set", f"server.api_key={{file: {secret}}}")
    outcome = play(home, cache, tokenizer, version, "echo-key@2", *extra, requests=3, behaviour=behaviour)
    assert outcome.done.code == 0, outcome.done.err
    (failure,) = outcome.result.figures.failures
    assert "cannot forward your header Bearer ***" in failure.reason
    assert places_of(CANARY, home) == []
    assert CANARY not in outcome.done.out + outcome.done.err


# --- without a version: both refuse alike --------------------------------------------------------------------------


@pytest.mark.xdist_group("evalscope-1.0.1")
def test_one_error_inside_a_stream_ends_evalscope_1_0_1_with_a_reason(
    cache: Path, tokenizer: Path, tmp_path: Path
) -> None:
    outcome = play(tmp_path, cache, tokenizer, "1.0.1", "error-chunk@2", requests=3)
    assert outcome.done.code == 4
    assert "it cannot read an answer of the server" in outcome.done.err
    assert not list(outcome.path.glob("cases/*/*/result.json"))


def test_a_wrong_key_is_refused_before_a_run_exists(kit: Kit, tokenizer: Path) -> None:
    with serving(Behaviour(key="sk-another-key")) as stub:
        words = arguments(stub, "1.0.1", tokenizer, "good", requests=1, clients=1)
        done = kit.run(*words, "--set", "server.api_key={env: STUB_KEY}", env={"STUB_KEY": CANARY})
    assert done.code == 3
    assert "answered HTTP 401: " in done.err
    assert "Incorrect API key provided: Bearer ***" in done.err
    assert "server.api_key" in done.err
    assert CANARY not in done.out + done.err
    assert kit.runs == []


def test_the_plan_names_where_the_key_is_read_and_not_the_key(kit: Kit, tokenizer: Path) -> None:
    with serving() as stub:
        words = arguments(stub, "1.14.1", tokenizer, "good", requests=1, clients=1)
        done = kit.run(*words, "--set", "server.api_key={env: STUB_KEY}", "--plan", env={"STUB_KEY": CANARY})
        assert stub.log.requests == []
    assert done.code == 0
    assert CANARY not in done.out + done.err
    plan: dict[str, Any] = json.loads(done.out)
    assert plan["target"]["api_key"]["env"] == "STUB_KEY"


def test_a_key_that_is_not_set_is_told_before_anything_starts(kit: Kit, tokenizer: Path) -> None:
    with serving() as stub:
        words = arguments(stub, "1.0.1", tokenizer, "good", requests=1, clients=1)
        done = kit.run(*words, "--set", "server.api_key={env: STUB_KEY}", env={"STUB_KEY": None})
        assert stub.log.requests == []
    assert done.code == 3
    assert "STUB_KEY is not set" in done.err
