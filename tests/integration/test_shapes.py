"""Requests that are not all alike, sent by real evalscope, both versions: what the server gets, and what is kept of it."""

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from kit.instrument.conversations import NOT_SENT
from kit.model import Sample
from kit.signing import rereading
from kit.store import RunDir
from tests.integration.driver import Kit
from tests.stub_server import Behaviour, Request, serving

CASES = (
    "input: 200, output: 8, concurrency: 4, requests: 12, lengths: 50%, prefix: 100",
    "input: 64, output: 4, concurrency: 2, turns: {number: 3, input: 32}, requests: 12, prefix: 32",
    "input: 64, output: 4, concurrency: 4, ramp: 450ms",
    "input: 64, output: 4, concurrency: 2, requests: 3, prompts: HERE/chat.jsonl",
)
PROMPTS = (
    {"prompt": "写一首关于长江三峡的诗，不少于二十个字，不多于四十个字。"},
    {
        "messages": [{"role": "system", "content": "be brief and kind"}, {"role": "user", "content": "who are you?"}],
        "output_tokens": 6,
    },
)


pytestmark = pytest.mark.xdist_group("shapes")


@dataclass(frozen=True)
class Sent:
    """What a server saw of a run, and where that lies."""

    got: list[Request]
    path: Path

    def samples(self, case: str) -> list[Sample]:
        lines = (self.path / "cases" / case / "round-1" / "samples.jsonl").read_text("utf-8").splitlines()
        return [Sample.model_validate_json(line) for line in lines]


def sent(kit: Kit, tokenizer: Path, version: str, cases: tuple[str, ...], model: str = "good") -> Sent:
    (kit.home / "chat.jsonl").write_text("\n".join(map(json.dumps, PROMPTS)) + "\n", "utf-8")
    with serving(Behaviour(first_text_s=0.6)) as stub:
        given = (
            f"server.url={stub.url}",
            f"server.model={model}",
            f"load.tokenizer={tokenizer}",
            f"load.version={version}",
            f"load.cases=[{', '.join(f'{{{case}}}' for case in cases).replace('HERE', str(kit.home))}]",
            "load.processes=2",
        )
        done = kit.run("run", "external", *(word for setting in given for word in ("--set", setting)))
    assert done.code == 0, done.err
    assert rereading.run(RunDir(kit.the_run)).problems == ()
    return Sent(stub.log.measured, kit.the_run)


@pytest.fixture(scope="module", params=["1.0.1", "1.14.1"])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cache: Path, tokenizer: Path
) -> Sent:
    """A run of all the cases."""
    return sent(Kit(tmp_path_factory.mktemp("shapes"), cache), tokenizer, request.param, CASES)


def test_lengths_vary_and_prompts_begin_alike(whole: Sent) -> None:
    samples, got = whole.samples("200-8-c4-u50-p100"), whole.got[:12]
    lengths = {one.input_asked or 0 for one in samples}
    assert len(lengths) > 6
    assert all(150 <= one <= 250 for one in lengths), "half of 100 tokens around 200"
    assert sorted(one.max_tokens for one in got) == sorted(one.output_asked or 0 for one in samples)
    assert len({one.max_tokens for one in got}) > 3
    assert all(one.output_tokens == one.output_asked for one in samples)
    # A token has four characters or so.
    least, most = min(one.prompt for one in got), max(one.prompt for one in got)
    assert 200 < next(at for at, (one, other) in enumerate(zip(least, most, strict=False)) if one != other) < 1000
    characters = [len(one.prompt) for one in got]
    assert min(characters) < 0.8 * max(characters)


def test_conversations_hold_the_answers_of_the_server(whole: Sent) -> None:
    samples, got = whole.samples("64-4-c2-p32-t3x32"), whole.got[12:24]
    talks: dict[str, list[Request]] = {}
    for one in got:
        talks.setdefault(one.messages[0]["content"], []).append(one)
    assert len(talks) == 4
    for turns in talks.values():
        roles = [[message["role"] for message in one.messages] for one in turns]
        assert roles == [["user", *["assistant", "user"] * before] for before in range(3)]
        assert all(later.messages[: len(one.messages)] == one.messages for one, later in pairwise(turns))
        assert turns[2].messages[1]["content"], "what the server said"
        assert all((one.first_text_at or 0) < later.received_at for one, later in pairwise(turns))
    assert sorted(one.turn or 0 for one in samples) == [1] * 4 + [2] * 4 + [3] * 4
    assert [one.input_asked for one in sorted(samples, key=lambda one: one.turn or 0)] == [64] * 4 + [None] * 8
    assert "| 2 (prefix 32 · 3 turns of 32) |" in (whole.path / "report" / "report.md").read_text("utf-8")


def test_clients_begin_within_the_ramp(whole: Sent) -> None:
    due = sorted(one.scheduled_s or 0.0 for one in whole.samples("64-4-c4-ramp0.45"))
    assert [at - due[0] for at in due] == pytest.approx([0.0, 0.15, 0.3, 0.45])


def test_prompts_of_a_file_come_as_they_stand_there(whole: Sent) -> None:
    [folder] = (whole.path / "cases").glob("64-4-c2-file*")
    samples, got = whole.samples(folder.name), whole.got[28:]
    asked = [[{"role": "user", "content": one["prompt"]}] if "prompt" in one else one["messages"] for one in PROMPTS]
    assert len(got) == 3
    assert all(one.messages in asked for one in got)
    assert {one.max_tokens for one in got} == {4, 6}
    assert sorted(one.output_asked or 0 for one in samples) == sorted(one.max_tokens for one in got)
    assert not list(whole.path.glob("cases/*/*/raw/prompts.jsonl"))
    assert len(list((whole.path / "prompts").iterdir())) == 1


def test_a_conversation_that_breaks_is_counted_to_its_end(kit: Kit, tokenizer: Path) -> None:
    found = sent(
        kit, tokenizer, "1.14.1", ("input: 64, output: 4, concurrency: 1, turns: 3, requests: 9",), "http-500@2"
    )
    samples = found.samples("64-4-c1-t3")
    told = sorted((one.turn or 0, one.error) for one in samples if one.error)
    assert len(found.got) == 8, "the third turn of the first conversation is never sent"
    assert [turn for turn, _ in told] == [2, 3]
    assert told[0][1].startswith("HTTP 500")
    assert told[1][1] == NOT_SENT
    assert sum(one.succeeded for one in samples) == 7
