"""One process's part of a load: what it is told over a wire, it sends; what came lies in its working directory when it is over."""

import json
import os
from pathlib import Path

from kit.instrument import arrivals
from kit.instrument import exchange as exchanges
from kit.instrument.arrivals import Clock, Ramp
from kit.instrument.conversations import Conversations
from kit.instrument.decoding import decode, plain
from kit.instrument.endpoint import ConnectError, endpoint
from kit.instrument.exchange import Exchange
from kit.instrument.load import PULSE
from kit.instrument.transport import Transport
from kit.instrument.wire import Wire
from kit.spellings import Spellings

VARIABLE = "KIT_API_KEY"
SAID = "sender.json"


def key() -> str:
    """The API key, which no command line holds."""
    if path := os.environ.get(f"{VARIABLE}_FILE"):
        return Path(path).read_text("utf-8").strip()
    return os.environ.get(VARIABLE, "")


def send(wire: Wire, head: dict[str, object], clock: Clock | Ramp | None = None) -> None:
    """Open the connections that `head` asks for, take the requests, and send them once the other end says how many at once.

    They are sent by the clock where there is one, or at the times that the other end says. Each has its number, and where it goes on with a
    conversation the number of the one before it.
    """
    secret = key()
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
    requests: dict[int, bytes] = {}
    conversations = Conversations(transport.prepared, lambda answer: plain(answer, transport.parser()))
    while True:
        head, body = wire.hear()
        if "at_once" in head:
            break
        number = int(str(head["number"]))
        if "after" in head:
            conversations.add(int(str(head["after"])), number, body)
        else:
            requests[number] = transport.prepared(body)
    secrets = Spellings([secret])
    with open(exchanges.RAW, "wb") as spool, open(PULSE, "wb", buffering=0) as pulse:
        transport.load.pulse = pulse

        def take(exchange: Exchange) -> None:
            exchanges.write(spool, exchange, secrets)
            exchange.request, exchange.pieces = b"", []

        at_once = int(str(head["at_once"]))
        times = clock.times(len(requests), at_once) if clock is not None else arrivals.of(head)
        transport.run(requests, at_once, take, times, begin_ns=arrivals.begin_ns(head), follow=conversations.follow)
        transport.close()
    os.unlink(PULSE)
    decode(Path.cwd(), secrets)
    Path(SAID).write_text(json.dumps(transport.load.summary()) + "\n", "utf-8")
    wire.tell({"over": True})
