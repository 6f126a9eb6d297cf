"""What kit's transport makes of answers, however they are cut, dropped, packed or without an end."""

import gzip
import json
import random
import select
import socket
import subprocess
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kit.instrument import stamps
from tests.integration.driver import await_true

DECODER = """
import hashlib, io, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from kit.instrument import exchange as exchanges
from kit.instrument.decoding import decode
from kit.instrument.endpoint import endpoint
from kit.instrument.transport import Transport
from kit.instrument import carrying
from kit.spellings import NONE
carrying.LARGEST = 1024 * 1024
carrying.CROSSED_NS = int(sys.argv[5])
home, requests = Path(sys.argv[3]), json.loads(sys.argv[4])
transport = Transport(endpoint(sys.argv[2] + "/v1/chat/completions"), headers={}, connect_timeout_s=5, read_timeout_s=float(sys.argv[6]))
transport.open(3)
transport.load.pulse = io.BytesIO()
with open(home / exchanges.RAW, "wb") as spool:
    asked = {index: transport.prepared(str(number).encode()) for index, number in enumerate(requests)}
    transport.run(asked, 3, lambda found: exchanges.write(spool, found, NONE))
transport.close()
decode(home, NONE)
out = {}
with open(home / exchanges.OPEN, "rb") as spool:
    for found, _ in exchanges.read(spool):
        times = list(found.times_ns)
        ordered = times == sorted(times) and found.sent_ns <= (found.first_byte_ns or 0) and times[-1:] <= [found.end_ns]
        out[found.index] = [found.status, found.error, found.body.decode("utf-8", "replace"), sum(found.sizes), len(times), ordered]
print(json.dumps({"answers": out, "beats": len(transport.load.pulse.getvalue()), **transport.load.summary()}))
"""


class Cut(threading.Thread):
    """A server that sends the answer that a request asks for in the pieces that are given, each on its own."""

    def __init__(
        self,
        answers: list[list[bytes]],
        *,
        closes: Collection[int] = (),
        drops: Collection[int] = (),
        drops_after_s: float = 0.0,
    ) -> None:
        super().__init__(daemon=True)
        self.answers, self.closes, self.drops = answers, closes, set(drops)
        self.drops_after_s = drops_after_s
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        # A client that leaves while something is on its way is no concern of a server's.
        with sock, sock.makefile("rb") as source, suppress(ConnectionError):
            while head := source.readline():
                length = 0
                while (line := source.readline()) not in (b"\r\n", b""):
                    length = int(line.split(b":")[1]) if line.lower().startswith(b"content-length") else length
                if head.startswith(b"GET"):
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    continue
                number = int(source.read(length))
                if number in self.drops:
                    self.drops.remove(number)
                    time.sleep(self.drops_after_s)
                    return
                for piece in self.answers[number]:
                    sock.sendall(piece)
                    time.sleep(0.0005)
                if number in self.closes:
                    return

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()


def framed(body: bytes, source: random.Random, kind: str) -> bytes:
    """An answer of that kind with this body, as HTTP."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" if source.random() < 0.3 else b""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    if kind == "length":
        return early + head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    if kind == "close":
        return early + head + b"Connection: close\r\n\r\n" + body
    chunks, rest = [], body
    while rest:
        size = source.randint(1, 60)
        chunks.append(b"%x\r\n%s\r\n" % (len(rest[:size]), rest[:size]))
        rest = rest[size:]
    trailer = b"X-Took: 1\r\n" if source.random() < 0.3 else b""
    return early + head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n" + trailer + b"\r\n"


def cut(data: bytes, source: random.Random) -> list[bytes]:
    ends = sorted({source.randrange(1, len(data)) for _ in range(source.randint(0, 40))} | {len(data)})
    return [data[begin:end] for begin, end in pairwise([0, *ends])]


def decoded(
    python: Path,
    instruments: Path,
    server: Cut,
    requests: list[int],
    home: Path,
    *,
    crossed_s: float = 0.05,
    read_timeout_s: float = 20,
) -> dict[str, Any]:
    home.mkdir()
    server.start()
    try:
        argv = [
            str(python),
            "-c",
            DECODER,
            str(instruments),
            server.url,
            str(home),
            json.dumps(requests),
            str(int(crossed_s * 1e9)),
            str(read_timeout_s),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    finally:
        server.close()
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_answers_are_the_same_however_http_and_the_network_cut_them(
    python: Path, instruments: Path, tmp_path: Path
) -> None:
    source = random.Random(7)
    bodies, answers, closes = [], [], []
    for number in range(90):
        kind = ("chunked", "chunked", "length", "close")[number % 4]
        end = source.choice(("\n", "\r\n"))
        words = [source.choice(("word", "长城", "e\u0301")) for _ in range(9)]
        lines = [f'data: {{"n": {number}, "text": "{word}"}}{end}{end}' for word in words]
        bodies.append("".join((*lines, f"data: [DONE]{end}{end}")))
        answers.append(cut(framed(bodies[-1].encode(), source, kind), source))
        if kind == "close":
            closes.append(number)
    found = decoded(python, instruments, Cut(answers, closes=closes), list(range(90)), tmp_path / "home")
    for number, body in enumerate(bodies):
        status, error, said, size, reads, ordered = found["answers"][str(number)]
        assert (status, error, said, ordered) == (200, None, body, True), number
        assert size == len(body.encode())
        assert 1 <= reads <= len(answers[number])


def test_a_request_that_crosses_the_close_of_its_connection_is_sent_once_more(
    python: Path, instruments: Path, tmp_path: Path
) -> None:
    answer = framed(b"data: [DONE]\n\n", random.Random(0), "length")
    server = Cut([[answer]] * 6, drops=[2, 5])
    found = decoded(python, instruments, server, [0, 1, 2, 3, 4, 5], tmp_path / "home", crossed_s=5)
    assert [one[:2] for one in found["answers"].values()] == [[200, None]] * 6
    assert (found["sent_again"], found["opened_late"]) == (2, 2)


def test_a_request_that_the_server_took_and_dropped_has_failed(python: Path, instruments: Path, tmp_path: Path) -> None:
    answer = framed(b"data: [DONE]\n\n", random.Random(0), "length")
    server = Cut([[answer]] * 4, drops=[1], drops_after_s=0.4)
    found = decoded(python, instruments, server, [0, 1, 2, 3], tmp_path / "home")
    dropped = "the server closed the connection before the answer was whole"
    assert [found["answers"][str(number)][1] for number in range(4)] == [None, dropped, None, None]
    assert found["sent_again"] == 0


def test_whether_the_other_side_has_closed_is_seen_without_taking_what_it_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with near:
            assert stamps.way_ns(near) > 0
            assert not stamps.over(near)
            far.sendall(b"x")
            await_true(lambda: select.select([near], [], [], 0)[0], "what was sent is there")
            assert not stamps.over(near)
            assert near.recv(9) == b"x"
            far.close()
            await_true(lambda: stamps.over(near), "the close is seen")


@pytest.mark.parametrize(
    ("piece", "why"),
    [(b": ping\n\n", "nothing came for 0.5 s"), (b"data: {}\n\n", "the answer did not end within 3 s")],
    ids=["comments", "events"],
)
def test_a_server_that_sends_for_ever_is_given_up(
    piece: bytes, why: str, python: Path, instruments: Path, tmp_path: Path
) -> None:
    head, _, _ = framed(b"", random.Random(0), "close").partition(b"\r\n\r\n")
    server = Cut([[head + b"\r\n\r\n", *[piece] * 100_000]])
    found = decoded(python, instruments, server, [0], tmp_path / "home", read_timeout_s=0.5)
    assert found["answers"]["0"][1] == why


@pytest.mark.parametrize("kind", ["chunked", "length", "close"])
def test_a_packed_answer_is_a_failed_request_and_is_not_unpacked(
    kind: str, python: Path, instruments: Path, tmp_path: Path
) -> None:
    """It may hold a thousand times what came; the next request is as good as any."""
    bomb = framed(gzip.compress(bytes(32 << 20)), random.Random(0), kind)
    bomb = bomb.replace(b"\r\nContent-Type", b"\r\nContent-Encoding: gzip\r\nContent-Type", 1)
    plain = framed(b"data: [DONE]\n\n", random.Random(0), "length")
    named = plain.replace(b"\r\nContent-Type", b"\r\nContent-Encoding: identity\r\nContent-Type", 1)
    found = decoded(python, instruments, Cut([[bomb], [plain], [named]]), [0, 1, 2], tmp_path / "home")
    status, error, _, size, _, _ = found["answers"]["0"]
    assert (status, error) == (200, "HTTP 200 in the encoding 'gzip', which was not asked for")
    assert size <= len(bomb)
    assert [found["answers"][number][:3] for number in ("1", "2")] == [[200, None, "data: [DONE]\n\n"]] * 2


@pytest.mark.parametrize(
    ("piece", "heard"), [(b": ping\n\n", False), (b"data: {}\n\n", True)], ids=["comments", "events"]
)
def test_events_are_told_of_while_they_come_and_comments_are_not(
    piece: bytes, heard: bool, python: Path, instruments: Path, tmp_path: Path
) -> None:
    """Who waits for a round sees by that whether the server does more than to keep its connections open."""
    head, _, _ = framed(b"", random.Random(0), "close").partition(b"\r\n\r\n")
    answer = [head + b"\r\n\r\n", *[piece] * 4000]
    found = decoded(python, instruments, Cut([answer], closes=[0]), [0], tmp_path / "home")
    assert found["answers"]["0"][:2] == [200, None]
    assert (found["beats"] > 0) == heard


BOOKS = """
import sys
from array import array
sys.path.insert(0, sys.argv[1])
from kit.instrument import evalscope_api, load
from kit.instrument.exchange import Exchange
body = b"data: {}\\n\\n" * (2 * evalscope_api._MANY + 1)
found = Exchange(0, b"", 0, times_ns=array("q", [0]), sizes=array("I", [len(body)]), pieces=[body])
print(sum(1 for _ in evalscope_api._events(found)), (evalscope_api._HERE / load.PULSE).stat().st_size)
"""


def test_the_load_generator_tells_that_it_reads(python: Path, instruments: Path, tmp_path: Path) -> None:
    """An answer of millions of events takes longer than a server may be silent."""
    done = subprocess.run(
        [str(python), "-c", BOOKS, str(instruments)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "200001 3\n", done.stderr


@pytest.mark.parametrize("kind", ["chunked", "close"])
def test_an_answer_that_never_ends_is_given_up(kind: str, python: Path, instruments: Path, tmp_path: Path) -> None:
    whole = framed(b"data: x\n\n" * 400_000, random.Random(0), "close")
    if kind == "chunked":
        head, _, body = whole.partition(b"\r\n\r\n")
        head = head.replace(b"Connection: close", b"Transfer-Encoding: chunked")
        whole = head + b"\r\n\r\n" + b"".join(b"9\r\n%s\r\n" % body[at : at + 9] for at in range(0, len(body), 9))
    found = decoded(python, instruments, Cut([[whole]]), [0], tmp_path / "home")
    assert found["answers"]["0"][1] == "the answer did not end within 1 MiB"
