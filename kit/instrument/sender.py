"""The process that sends: it starts the load generator, takes its requests, runs the load, and hands back what came.

The load generator makes the prompts and keeps the books in a process of its own, and is told of the answers when the last one
is over: none of its work lies between an answer and the next request, or between a byte's arrival and its stamp.
"""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from kit.instrument import exchange as exchanges
from kit.instrument.decoding import decode
from kit.instrument.endpoint import ConnectError, endpoint
from kit.instrument.exchange import Exchange
from kit.instrument.transport import Transport
from kit.instrument.wire import Wire

VARIABLE = "KIT_API_KEY"
SAID = "sender.json"


def key() -> str:
    """The API key, which no command line holds."""
    if path := os.environ.get(f"{VARIABLE}_FILE"):
        return Path(path).read_text("utf-8").strip()
    return os.environ.get(VARIABLE, "")


def run(words: list[str]) -> int:
    """Run the load generator with these words, and send for it; returns how it ended."""
    ours, theirs = socket.socketpair()
    argv = [sys.executable, sys.argv[0], "books", str(theirs.fileno()), *words]
    with subprocess.Popen(argv, pass_fds=(theirs.fileno(),)) as books:
        theirs.close()
        wire = Wire(ours)
        try:
            # Where the load generator ends early, it says itself why.
            with suppress(EOFError, ConnectionError):
                _send_for(wire)
        finally:
            wire.close()
        code = books.wait()
    return code if code >= 0 else 128 - code


def _send_for(wire: Wire) -> None:
    secret = key()
    head, _ = wire.hear()
    try:
        transport = Transport(
            endpoint(str(head["url"])),
            headers={"Authorization": f"Bearer {secret}"} if secret else {},
            connect_timeout_s=float(str(head["connect_timeout_s"])),
            read_timeout_s=float(str(head["read_timeout_s"])),
        )
        transport.open(int(str(head["connections"])))
    except ConnectError as error:
        wire.tell({"refused": str(error)})
        return
    wire.tell({"opened": head["connections"]})
    requests: list[bytes] = []
    while True:
        head, body = wire.hear()
        if "at_once" in head:
            break
        requests.append(transport.prepared(body))
    with open(exchanges.RAW, "wb") as spool:

        def take(exchange: Exchange) -> None:
            exchanges.write(spool, exchange, secret.encode())
            exchange.request, exchange.pieces = b"", []

        transport.run(requests, int(str(head["at_once"])), take)
        transport.close()
    decode(Path.cwd(), secret.encode())
    Path(SAID).write_text(json.dumps(transport.load.summary()) + "\n", "utf-8")
    wire.tell({"over": len(requests)})
