"""The reference server as a program: it keeps its schedule as far as this machine lets it, records what it did, and says so."""

import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

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
