"""kit's transport over TLS, through proxies, with a key, at a rate: small programs in the load generator's environment."""

import datetime
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kit.endpoint import HttpEndpoint
from kit.model import Target
from kit.ports import EndpointError
from tests.stub_server import Behaviour, Stub

KEY = "sk-canary-7f3a+9c/41=d2"
HOST = "model.test"
DRIVER = """
import json, os, sys, time
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
    transport.run(dict.fromkeys(range(len(times) if times else 4), request), 2, out.append, Times(tuple(times)) if times else None,
                  follow=(lambda over: time.sleep(0.05)) if "BUSY" in os.environ else None)
    transport._gathering.learn([0, 10**6, 10**7])
    transport.close()
except ConnectError as error:
    print(json.dumps({"refused": str(error)}))
else:
    print(json.dumps({"status": [found.status for found in out], "error": [found.error for found in out],
                      "whole": [b"data: [DONE]\\n\\n" in found.body for found in out], "late": transport.load.opened,
                      "gathered": transport._gathering.wait_s(10**12), "load": transport.load.summary(),
                      "ns": [(found.scheduled_ns, found.sent_ns, found.end_ns) for found in out]}))
"""


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
    return {name: value for name, value in found.items() if name not in ("ns", "gathered", "load")} == {
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


def test_where_the_time_of_a_read_is_the_stamp_that_is_told_and_nothing_is_gathered(
    python: Path, instruments: Path, secure: Stub, certificate: Path
) -> None:
    url = f"https://127.0.0.1:{secure.server_address[1]}"
    found = sent(python, instruments, url, SSL_CERT_FILE=str(certificate))
    assert (found["load"]["stamped"], found["gathered"]) == (False, 0)
    plain = Stub(Behaviour(key=KEY))
    with running(plain):
        found = sent(python, instruments, plain.url)
    assert found["load"]["stamped"]
    assert found["gathered"] > 0


def test_a_sender_that_looked_away_tells_when(python: Path, instruments: Path) -> None:
    stub = Stub(Behaviour(key=KEY))
    with running(stub):
        found = sent(python, instruments, stub.url, BUSY="1")
    assert good(found)
    pauses = found["load"]["pauses_ns"]
    assert found["load"]["longest_pause_s"] > 0.05
    assert max(end - begin for begin, end in pauses) > 50_000_000


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
