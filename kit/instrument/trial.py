"""`trial`: the transport against a reference server of its own, at one point after the other; each leaves what it sent and saw."""

import json
import os
import signal
import socket
from pathlib import Path

from kit.instrument import exchange as exchanges
from kit.instrument.decoding import decode
from kit.instrument.endpoint import endpoint
from kit.instrument.reference import Server
from kit.instrument.schedule import Schedule, draw
from kit.instrument.transport import Transport

RECORD = "sent.jsonl"
SAID = "sender.json"
_PROMPT = "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 4


def run(points: str, home: Path) -> int:
    """The points as JSON, each with `name`, `clients`, `requests`, `tokens`, `ttft_s`, `itl_s`."""
    for point in json.loads(points):
        folder = home / str(point["name"])
        folder.mkdir()
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        times = Schedule(ttft=draw(f"{point['ttft_s']:.6f}"), itl=draw(f"{point['itl_s']:.6f}"))
        if not (child := os.fork()):
            _serve(Server(times, "reference", listener, folder / RECORD))
            return 0
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        try:
            _send(folder, address, int(point["clients"]), int(point["requests"]), int(point["tokens"]))
        finally:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)
    return 0


def _serve(server: Server) -> None:
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.serve()


def _send(folder: Path, address: str, clients: int, requests: int, tokens: int) -> None:
    to = endpoint(f"http://{address}/v1/chat/completions")
    transport = Transport(to, headers={}, connect_timeout_s=10, read_timeout_s=30)
    transport.open(min(clients, requests))
    asked = {"model": "reference", "stream": True, "max_tokens": tokens}
    body = json.dumps({**asked, "messages": [{"role": "user", "content": _PROMPT}]}).encode()
    with open(folder / exchanges.RAW, "wb") as spool:
        transport.run([transport.prepared(body)] * requests, clients, lambda found: exchanges.write(spool, found, b""))
    transport.close()
    decode(folder, b"")
    (folder / SAID).write_text(json.dumps(transport.load.summary()) + "\n", "utf-8")
    exchanges.pack(folder, lambda _: None)
