"""The reference server as a program: it keeps its schedule as far as this machine lets it, records what it did, and says so."""

import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from kit.errors import HostError
from kit.host import LocalHost
from kit.signing import rereading
from kit.store import RunDir
from kit.workflows import calibrating
from tests.integration.driver import KIT, Kit, await_true, free_port, variables

PROMPT = "a prompt that is no probe"


def ask(port: int, **more: object) -> httpx.Response:
    body = {
        "model": "reference",
        "stream": True,
        "max_tokens": 5,
        "messages": [{"role": "user", "content": PROMPT}],
        **more,
    }
    return httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=30, trust_env=False)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_what_was_ordered_is_what_leaves_and_what_is_recorded(kit: Kit, tmp_path: Path) -> None:
    port, record = free_port(), tmp_path / "sent.jsonl"
    words = ("--ttft", "50ms", "--itl", "5ms", "--pause", "100ms@2", "--fault", "http-429@2", "--fault", "reset@3:2")
    more = ("--fault", "close@4:1", "--record", str(record))
    argv = [str(KIT), "reference-server", "--port", str(port), *words, *more]
    with subprocess.Popen(argv, env=variables(kit.cache), stdout=subprocess.PIPE, text=True) as running:
        try:
            await_true(lambda: listens(port), "the reference server")
            good = ask(port)
            assert [line[:6] for line in good.text.splitlines() if line].count("data: ") == 9
            assert '"completion_tokens": 5' in good.text
            assert ask(port).status_code == 429
            with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
                ask(port)
            assert "[DONE]" not in ask(port).text
        finally:
            running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=60)
    assert "chunks left late by p50" in said
    lines: list[dict[str, Any]] = [json.loads(line) for line in record.read_text("utf-8").splitlines()]
    assert [line["ended"] for line in lines] == ["done", "http-429", "reset", "close"]
    first = lines[0]
    assert len(first["sent_ns"]) == 5
    assert all(left >= due for due, left in zip(first["due_ns"], first["sent_ns"], strict=True))
    due = [(moment - first["received_ns"]) / 1e6 for moment in first["due_ns"]]
    assert due == pytest.approx([50, 55, 160, 165, 170])


@pytest.mark.parametrize("version", ["1.0.1", "1.14.1"])
def test_every_fault_is_a_counted_failure_with_its_reason(version: str, kit: Kit, tokenizer: Path) -> None:
    """The transport against the reference server, one request after the other, both as a profile has them."""
    port = free_port()
    faults = ("http-429@2", "http-500@3", "redirect@4", "not-a-stream@5", "empty@6", "reset@7:3", "close@8:3", "error@9:3",
              "garbage@10:3", "stall@11:3", "silent@12")  # fmt: skip
    args = [["--host", "{host}"], ["--port", "{port}"], ["--model", "reference"], ["--ttft", "20ms"], ["--itl", "2ms"]]
    args += [["--role", "early"], ["--input-tokens", "64"], *(["--fault", fault] for fault in faults)]
    profile = {
        "schema": 1,
        "name": "faults",
        "server": {"engine": "reference", "image": "evalscope/1.0.1", "port": port, "args": args},
        "load": {
            "version": version,
            "tokenizer": str(tokenizer),
            "read_timeout": "2s",
            "cases": [{"input": 64, "output": 8, "concurrency": [1], "requests": [14]}],
        },
    }
    (kit.home / "faults.yaml").write_text(json.dumps(profile), "utf-8")
    done = kit.run("run", "faults.yaml", "--force")
    assert done.code == 0, done.err
    home = kit.the_run
    [path] = home.glob("cases/*/round-1/samples.jsonl")
    samples = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    reasons = [sample["error"] for sample in samples]
    assert [reason is None for reason in reasons] == [number in (1, 13, 14) for number in range(1, 15)]
    starts = ("HTTP 429: ", "HTTP 500: ", "HTTP 307: a redirect to ", "not a stream but text/html: <!DOCTYPE", "the stream held no",
              "the server reset", "the stream ended before", '{"error": {"message": "the engine ran out', "not a completion: <html>",
              "nothing came for 2 s", "nothing came for 2 s")  # fmt: skip
    assert [str(reason)[: len(start)] for reason, start in zip(reasons[1:12], starts, strict=True)] == list(starts)
    good = samples[0]
    assert (good["input_tokens"], good["output_tokens"], good["texts"], good["tokens_from"]) == (64, 8, 8, "usage")
    assert good["role_s"] < 0.02 <= good["ttft_s"] < good["last_text_s"] <= good["latency_s"]
    assert "由 kit 传输层发送并计时" in (home / "report" / "report.md").read_text("utf-8")
    assert rereading.run(RunDir(home)).problems == ()


SITE = """
schema: 1
name: site
report: {project: 项目, language: zh-CN}
machine: {architecture: aarch64, accelerator: {kind: ascend, model: 910B4, count: 2}}
server:
  engine: ftransformers
  image: ftransformers
  port: 8001
  args: [[--model-path, /home/model/x], [--host, "{host}"], [--port, "{port}"], [--served-model-name, x]]
load:
  tokenizer: /home/model/x
  cases: [{input: 128, output: 16, concurrency: [2]}, {input: 128, output: 16, concurrency: [2], turns: 2}]
acceptance: {tolerance: {ttft: +900%}, baseline: site.csv}
"""
COLUMNS = (
    "input,output,concurrency,avg_latency_s,output_throughput_tok_s,avg_ttft_s,avg_tpot_s,avg_tps,per_stream_tok_s"
)


def test_a_profile_of_a_machine_that_is_not_here_can_be_rehearsed(kit: Kit) -> None:
    """The whole road without the machine, the engine and the weights; and nobody can take it for a test.

    Each case keeps its own row, though both are as many tokens and clients.
    """
    rows = "128,16,2,8,4,2,0.4,2.5,2\n128,16,2 (2 turns),16,9,4,0.8,1.25,1"
    (kit.home / "site.csv").write_text(f"{COLUMNS}\n{rows}\n", "utf-8")
    (kit.home / "site.yaml").write_text(SITE, "utf-8")
    done = kit.run("rehearse", "site.yaml", "--speed", "10")
    assert done.code == 0, done.err
    assert "the output throughput that follows misses the baseline's: 128-16-c2-t2 (-77.8%)" in done.err
    mark = "Rehearsal with stand-ins"
    assert mark in done.out
    home = kit.the_run
    assert home.name.endswith("-site-rehearsal")
    assert "演练：使用替代程序" in (home / "report" / "report.md").read_text("utf-8").splitlines()[0]
    header, *lines = (home / "report" / "results.csv").read_text("utf-8-sig").splitlines()
    assert header.endswith(",Draft")
    assert all("演练" in line for line in lines)
    for case, requests, ttft, latency in (("128-16-c2", 2, 0.2, 0.8), ("128-16-c2-t2", 4, 0.4, 1.6)):
        path = home / "cases" / case / "round-1" / "samples.jsonl"
        samples = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        assert len(samples) == requests
        assert all(sample["input_tokens"] == 128 for sample in samples if sample.get("turn") in (None, 1))
        # No token leaves early, however busy the machine.
        assert all(sample["ttft_s"] >= ttft * 0.99 for sample in samples)
        assert all(sample["latency_s"] >= latency * 0.95 for sample in samples)
    assert kit.run("key", "new", "-o", "key", "--no-passphrase").code == 0
    refused = kit.run("sign", str(home), "--role", "tester", "--key", "key", "--name", "x")
    assert refused.code == 2
    assert "演练" in refused.err or mark in refused.err
    assert "no baseline" in kit.run("rehearse", "smoke").err


def test_nothing_is_tried_while_something_is_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_LOCK", "kit-test-calibration")
    tries = calibrating.calibrate("smoke", (), 1, lambda _: None)
    with LocalHost().hold() as busy:
        assert busy is None
        with pytest.raises(HostError, match=r"another run of kit: pid .*each would measure the other"):
            next(tries)
