"""The process that sends: it starts the load generator, takes its requests, runs the load, and hands back what came.

The load generator makes the prompts and keeps the books in a process of its own, and is told of the answers when the last one
is over: none of its work lies between an answer and the next request, or between a byte's arrival and its stamp.
"""

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from kit.instrument import arrivals
from kit.instrument.arrivals import Clock, Ramp
from kit.instrument.wire import Wire


def run(words: list[str]) -> int:
    """Run the load generator with these words, and send for it; `--processes N` before them says with how many.

    Words that tell of a clock are for the sender alone: what the load generator decides then is only what is sent. Returns how it
    ended.
    """
    asked = None
    if words[:1] == ["--processes"]:
        asked, words = int(words[1]), words[2:]
    clock, words = arrivals.told(words)
    ours, theirs = socket.socketpair()
    argv = [sys.executable, sys.argv[0], "books", str(theirs.fileno()), *words]
    with subprocess.Popen(argv, pass_fds=(theirs.fileno(),)) as books:
        theirs.close()
        wire = Wire(ours)
        try:
            # Where the load generator ends early, it says itself why.
            with suppress(EOFError, ConnectionError):
                _send_for(wire, asked, clock)
        finally:
            wire.close()
        code = books.wait()
    return code if code >= 0 else 128 - code


def _send_for(wire: Wire, asked: int | None, clock: Clock | Ramp | None) -> None:
    # Here, since it takes a while, in which the load generator starts too.
    from kit.instrument import sharing
    from kit.instrument.sending import send

    head, _ = wire.hear()
    clients = int(str(head["connections"]))
    processes = sharing.number(asked, clients)
    if processes == 1:
        send(wire, head, clock)
        return
    shared = sharing.Shared(processes, Path.cwd(), wire)
    try:
        said = shared.open(head, clients)
        wire.tell(said)
        if "refused" in said:
            return
        while "at_once" not in (received := wire.hear())[0]:
            shared.add(*received)
        shared.run(received[0], clock)
        wire.tell({"over": True})
    finally:
        shared.close()
