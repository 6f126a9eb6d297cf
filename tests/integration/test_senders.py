"""One load that several processes send, and one at a rate: as many clients as asked, by one clock."""

import gzip
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from kit.instrument import exchange
from kit.model import Sample
from kit.signing import rereading
from kit.store import RunDir
from tests.integration.driver import Kit, await_true
from tests.stub_server import Behaviour, serving


def trial(python: Path, instruments: Path, home: Path, **point: object) -> "subprocess.Popen[bytes]":
    home.mkdir()
    asked = {"name": "p", "clients": 5, "requests": 12, "tokens": 6, "ttft_s": 0.05, "itl_s": 0.005}
    asked |= {"processes": None, "rate": None, "seed": 0, **point}
    return subprocess.Popen([str(python), str(instruments), "trial", json.dumps([asked])], cwd=home)


def test_what_several_processes_send_becomes_one_load(python: Path, instruments: Path, tmp_path: Path) -> None:
    assert trial(python, instruments, tmp_path / "home", processes=3).wait(60) == 0
    home = tmp_path / "home" / "p"
    with gzip.open(home / exchange.FILE) as packed_file:
        found = [one for one, _ in exchange.read(packed_file)]
    assert sorted(one.index for one in found) == list(range(12))
    assert all(one.status == 200 and one.error is None and b"[DONE]" in one.body for one in found)
    said = json.loads((home / "sender.json").read_bytes())
    assert (said["processes"], said["opened_late"], said["sent_again"]) == (3, 0, 0)
    assert said["pauses_ns"] == sorted(said["pauses_ns"])
    assert all(end - begin <= said["longest_pause_s"] * 1e9 + 2e7 for begin, end in said["pauses_ns"])
    first, *_ = sorted(one.end_ns or 0 for one in found)
    # As many as there are clients, and the next only when an answer is whole.
    assert sum((one.sent_ns or 0) < first for one in found) == 5
    assert sorted(path.name for path in home.iterdir()) == [exchange.FILE, "sender.json", "sent.jsonl"]


def test_a_rate_is_tried_by_its_clock(python: Path, instruments: Path, tmp_path: Path) -> None:
    rate = {"per_second": 40.0, "arrivals": "constant", "burst": 3}
    assert trial(python, instruments, tmp_path / "home", rate=rate, ttft_s=1.0, clients=400).wait(60) == 0
    with gzip.open(tmp_path / "home" / "p" / exchange.FILE) as packed_file:
        found = [one for one, _ in exchange.read(packed_file)]
    due = sorted(one.scheduled_ns for one in found)
    assert [(at - due[0]) / 1e9 for at in due] == pytest.approx([number // 3 * 3 / 40 for number in range(12)])
    assert max(one.sent_ns or 0 for one in found) < min(one.end_ns or 0 for one in found), "nobody waited for an answer"


def test_of_clients_that_do_not_part_evenly_each_sends_as_much(python: Path, instruments: Path, tmp_path: Path) -> None:
    asked = {"processes": 2, "clients": 3, "requests": 6, "ttft_s": 0.5}
    assert trial(python, instruments, tmp_path / "home", **asked).wait(60) == 0
    with gzip.open(tmp_path / "home" / "p" / exchange.FILE) as packed_file:
        found = [one for one, _ in exchange.read(packed_file)]
    last = max(one.sent_ns or 0 for one in found)
    # A client that alone had as many requests as two would send its last when all others are over.
    assert sum((one.end_ns or 0) < last for one in found) <= 3


def test_a_sending_process_that_dies_ends_the_load(python: Path, instruments: Path, tmp_path: Path) -> None:
    running = trial(python, instruments, tmp_path / "home", processes=2, ttft_s=20.0)
    folder = tmp_path / "home" / "p" / "sender-1" / exchange.RAW
    await_true(folder.exists, "the sending process has begun")
    [child] = [
        int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _working_in(path) == folder.parent
    ]
    os.kill(child, signal.SIGKILL)
    assert running.wait(30) != 0
    assert not list(folder.parent.parent.glob("sender-*"))


def _working_in(process: Path) -> Path | None:
    try:
        return (process / "cwd").readlink()
    except OSError:
        return None


def test_a_profile_with_a_rate_is_run_whole(kit: Kit, tokenizer: Path) -> None:
    cases = "[{input: 64, output: 4, rate: {per_second: 40, arrivals: constant, burst: 3}, requests: 9}]"
    with serving(Behaviour(together=9)) as stub:
        settings = (f"server.url={stub.url}", f"load.tokenizer={tokenizer}", f"load.cases={cases}", "server.model=good")
        words = [word for setting in (*settings, "load.processes=2") for word in ("--set", setting)]
        done = kit.run("run", "external", *words)
    assert done.code == 0, done.err
    [path] = kit.the_run.glob("cases/64-4-r40-constant-x3/round-1/samples.jsonl")
    samples = [Sample.model_validate_json(line) for line in path.read_text("utf-8").splitlines()]
    due = sorted(one.scheduled_s for one in samples if one.scheduled_s is not None)
    assert [one - due[0] for one in due] == pytest.approx([number // 3 * 3 / 40 for number in range(9)])
    assert all(one.succeeded and one.sent_s >= one.scheduled_s for one in samples if one.sent_s and one.scheduled_s)
    assert "40/s constant x3" in (kit.the_run / "report" / "report.md").read_text("utf-8")
    assert rereading.run(RunDir(kit.the_run)).problems == ()
