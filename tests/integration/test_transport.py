"""kit's transport over TLS, through proxies, and with a key: each as one small program in the load generator's environment."""

import datetime
import gzip
import ipaddress
import json
import os
import random
import select
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kit import packed
from kit.endpoint import HttpEndpoint
from kit.instrument import exchange, stamps
from kit.model import Sample, Target
from kit.ports import EndpointError
from kit.resources import folder
from kit.runtimes.process import ProcessRuntime
from kit.signing import rereading
from kit.store import RunDir
from tests.integration.driver import Kit
from tests.stub_server import Behaviour, Stub, serving

KEY = "sk-canary-7f3a+9c/41=d2"
HOST = "model.test"
DRIVER = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from kit.instrument.arrivals import Times
from kit.instrument.endpoint import ConnectError, endpoint
from kit.instrument.transport import Transport
out = []
try:
    transport = Transport(endpoint(sys.argv[2] + "/v1/chat/completions"), headers={"Authorization": "Bearer " + os.environ["KEY"]},
                          connect_timeout_s=5, read_timeout_s=10)
    transport.open(2)
    body = {"model": "good", "stream": True, "max_tokens": 4, "messages": [{"role": "user", "content": "a prompt that is no probe"}]}
    times = json.loads(sys.argv[3])
    request = transport.prepared(json.dumps(body).encode())
    transport.run(dict.fromkeys(range(len(times) if times else 4), request), 2, out.append, Times(tuple(times)) if times else None)
    transport.close()
except ConnectError as error:
    print(json.dumps({"refused": str(error)}))
else:
    print(json.dumps({"status": [found.status for found in out], "error": [found.error for found in out],
                      "whole": [b"data: [DONE]\\n\\n" in found.body for found in out], "late": transport.load.opened,
                      "ns": [(found.scheduled_ns, found.sent_ns, found.end_ns) for found in out]}))
"""


@pytest.fixture(scope="module")
def python(cache: Path) -> Path:
    runtime = ProcessRuntime(folder("images"), cache)
    return runtime.environments.path(runtime.pin("evalscope", "1.0.1")) / "bin" / "python"


@pytest.fixture
def instruments(tmp_path: Path) -> Path:
    packed.place(tmp_path / "there", packed.digest())
    return tmp_path / "there" / packed.FILE


def sent(python: Path, instruments: Path, url: str, *times: float, **variables: str) -> dict[str, Any]:
    """What the transport says of four requests, two at once, to that address; or of one at each of these times."""
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    argv = [str(python), "-c", DRIVER, str(instruments), url, json.dumps(times or None)]
    done = subprocess.run(
        argv, env={**clean, "KEY": KEY, **variables}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def good(found: dict[str, Any]) -> bool:
    return {name: value for name, value in found.items() if name != "ns"} == {
        "status": [200] * 4,
        "error": [None] * 4,
        "whole": [True] * 4,
        "late": 0,
    }


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        if isinstance(server, Stub):
            server.log.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate that signs itself, for the host's name and this machine, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(key.private_bytes(*plain) + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Stub]:
    """A server that speaks TLS and wants a key."""
    stub = Stub(Behaviour(key=KEY))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    stub.socket = context.wrap_socket(stub.socket, server_side=True, do_handshake_on_connect=False)
    with running(stub):
        yield stub


class Proxy(ThreadingHTTPServer):
    """A proxy that leads every name to one port of this machine, and remembers what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, to: int) -> None:
        super().__init__(("127.0.0.1", 0), _Proxying)
        self.to = to
        self.asked: list[tuple[str, str, str | None]] = []


class _Proxying(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args

    def do_CONNECT(self) -> None:
        self._note()
        self.send_response(200)
        self.end_headers()
        with socket.create_connection(("127.0.0.1", self.server.to)) as there:
            back = threading.Thread(target=_pour, args=(there, self.connection), daemon=True)
            back.start()
            _pour(self.connection, there)
            back.join()
        self.close_connection = True

    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _note(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers["Proxy-Authorization"]))

    def _forward(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        path = "/" + self.path.split("/", 3)[3]
        kept = [f"{name}: {value}" for name, value in self.headers.items() if name != "Proxy-Authorization"]
        head = "\r\n".join((f"{self.command} {path} HTTP/1.1", *kept, "Connection: close", "", ""))
        with socket.create_connection(("127.0.0.1", self.server.to)) as there:
            there.sendall(head.encode() + body)
            said = b""
            while b"\r\n" not in said and (more := there.recv(65536)):
                said += more
            # It says that it closes, so that nobody sends another request over this connection.
            self.connection.sendall(said.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            _pour(there, self.connection)
        self.close_connection = True


def _pour(source: socket.socket, to: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_tls_with_a_key_and_never_through_a_proxy_on_this_machine(
    python: Path, instruments: Path, secure: Stub, certificate: Path
) -> None:
    url = f"https://127.0.0.1:{secure.server_address[1]}"
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")
    assert good(sent(python, instruments, url, SSL_CERT_FILE=str(certificate), **nowhere))
    assert {request.authorization for request in secure.log.requests} == {f"Bearer {KEY}"}
    refused = sent(python, instruments, url, SSL_CERT_FILE="/dev/null")
    assert refused["refused"].startswith("no secure connection to 127.0.0.1:")
    assert "CERTIFICATE_VERIFY_FAILED" in refused["refused"]


def test_kits_own_questions_trust_the_same_certificates(
    secure: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target(url=f"https://127.0.0.1:{secure.server_address[1]}", model="m")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert "data" in HttpEndpoint().get(target, "/v1/models", most_bytes=1000)
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    with pytest.raises(EndpointError, match="no certificates can be read for https"):
        HttpEndpoint().get(target, "/v1/models", most_bytes=1000)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(EndpointError, match="CERTIFICATE_VERIFY_FAILED"):
        HttpEndpoint().get(target, "/v1/models", most_bytes=1000)


def test_tls_through_a_tunnel_of_a_proxy(python: Path, instruments: Path, secure: Stub, certificate: Path) -> None:
    proxy = Proxy(int(secure.server_address[1]))
    with running(proxy) as port:
        environment = {"https_proxy": f"http://someone:s%40cret@127.0.0.1:{port}", "SSL_CERT_FILE": str(certificate)}
        assert good(sent(python, instruments, f"https://{HOST}", **environment))
    assert set(proxy.asked) == {("CONNECT", f"{HOST}:443", "Basic c29tZW9uZTpzQGNyZXQ=")}


def test_plain_requests_through_a_proxy_name_the_whole_address(python: Path, instruments: Path) -> None:
    stub = Stub(Behaviour(key=KEY))
    proxy = Proxy(int(stub.server_address[1]))
    with running(stub), running(proxy) as port:
        found = sent(python, instruments, f"http://{HOST}:8000", http_proxy=f"http://127.0.0.1:{port}")
    assert (found["status"], found["error"], found["whole"]) == ([200] * 4, [None] * 4, [True] * 4)
    posted = [asked for asked in proxy.asked if asked[0] == "POST"]
    assert posted == [("POST", f"http://{HOST}:8000/v1/chat/completions", None)] * 4


def test_a_proxy_that_is_not_there_is_told(python: Path, instruments: Path) -> None:
    found = sent(python, instruments, f"https://{HOST}", https_proxy="http://127.0.0.1:9")
    assert found["refused"].startswith("cannot connect to 127.0.0.1:9")


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
            until(lambda: bool(select.select([near], [], [], 0)[0]))
            assert not stamps.over(near)
            assert near.recv(9) == b"x"
            far.close()
            until(lambda: stamps.over(near))


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
    until(folder.exists)
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


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_at_a_rate_nobody_waits_for_an_answer(python: Path, instruments: Path) -> None:
    """The server answers nobody before all six are there, over two connections opened beforehand and four more."""
    stub = Stub(Behaviour(together=6))
    times = [number / 20 for number in range(5)] + [0.2]
    with running(stub):
        found = sent(python, instruments, stub.url, *times)
    assert (found["status"], found["error"], found["late"]) == ([200] * 6, [None] * 6, 4)
    due, at, ended = zip(*sorted(found["ns"]), strict=True)
    assert [one - due[0] for one in due] == [round(time * 1e9) for time in times]
    assert all(one >= planned for planned, one in zip(due, at, strict=True))
    assert max(at) < min(ended)


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
