"""`trial`: the transport against a reference server of its own, at one point after the other; each leaves what it sent and saw."""

import json
import os
import signal
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

from kit.instrument import exchange as exchanges
from kit.instrument import sharing, tls
from kit.instrument.arrivals import Clock
from kit.instrument.endpoint import ConnectError
from kit.instrument.reference import Server
from kit.instrument.schedule import Schedule, draw
from kit.instrument.sharing import Shared

RECORD = "sent.jsonl"
_PROMPT = "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 4


CERTIFICATE = "KIT_TRIAL_CERTIFICATE"
"""Holds, if TLS is to be tried, key and certificate of the server, as PEM; or with `_FILE` behind it the name of a file with them."""
_TRUSTED = "trusted.pem"


def run(points: str, home: Path) -> int:
    """The points as JSON, each with `name`, `clients`, `requests`, `tokens`, `ttft_s`, `itl_s`, the `processes` that send, and the
    `rate` by which they do with its `seed`, if it is no closed loop."""
    secure = _secured(home)
    for point in json.loads(points):
        folder = home / str(point["name"])
        folder.mkdir()
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        times = Schedule(ttft=draw(f"{point['ttft_s']:.6f}"), itl=draw(f"{point['itl_s']:.6f}"))
        if not (child := os.fork()):
            _serve(Server({"reference": times}, listener, folder / RECORD, secure))
            return 0
        address = f"{'https' if secure is not None else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        try:
            _send(folder, address, point)
        finally:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
    return 0


def _secured(home: Path) -> ssl.SSLContext | None:
    """What the server speaks TLS by, which the senders from here on trust, and nobody else."""
    held = (
        Path(found).read_text("utf-8")
        if (found := os.environ.get(f"{CERTIFICATE}_FILE"))
        else os.environ.get(CERTIFICATE)
    )
    if not held:
        return None
    trusted = home / _TRUSTED
    trusted.write_text(held[held.index("-----BEGIN CERTIFICATE") :], "utf-8")
    os.environ["SSL_CERT_FILE"] = str(trusted)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(held)
        file.flush()
        return tls.shown(Path(file.name))


def _serve(server: Server) -> None:
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.serve()


def _send(folder: Path, address: str, point: dict[str, Any]) -> None:
    clients, requests = int(point["clients"]), int(point["requests"])
    asked = {"model": "reference", "stream": True, "max_tokens": int(point["tokens"])}
    body = json.dumps({**asked, "messages": [{"role": "user", "content": _PROMPT}]}).encode()
    to = {"url": f"{address}/v1/chat/completions", "connect_timeout_s": 10, "read_timeout_s": 30}
    shared = Shared(sharing.number(point["processes"], clients), folder)
    try:
        if "refused" in (said := shared.open(to, min(clients, requests))):
            raise ConnectError(said["refused"])
        for position in range(requests):
            shared.add({"number": position}, body)
        shared.run({"at_once": clients}, Clock(**rate, seed=point["seed"]) if (rate := point["rate"]) else None)
    finally:
        shared.close()
    exchanges.pack(folder)
