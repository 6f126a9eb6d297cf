"""What the sender and the load generator tell each other: a line of JSON, and the bytes that it announces."""

import json
import socket
from collections.abc import Iterator, Mapping


class Wire:
    """One end of a pair of sockets."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._source = sock.makefile("rb")
        self._rest = b""
        self._unsent = b""

    def tell(self, what: Mapping[str, object], data: bytes = b"") -> None:
        """Send a message, and wait until it is taken."""
        self.sock.sendall(self._unsent + _line({**what, "bytes": len(data)}) + data)
        self._unsent = b""

    def hear(self) -> tuple[dict[str, object], bytes]:
        """The next message. Raises `EOFError` where the other end is closed."""
        line = self._source.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        head = json.loads(line)
        data = self._source.read(head["bytes"])
        if len(data) != head["bytes"]:
            raise EOFError
        return head, data

    def close(self) -> None:
        self._source.close()
        self.sock.close()

    # For messages without data, where nobody may wait.

    def drop(self, what: Mapping[str, object]) -> None:
        """Send a message as far as there is room; the rest goes with the next one."""
        self._unsent += _line({**what, "bytes": 0})
        try:
            taken = self.sock.send(self._unsent, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        self._unsent = self._unsent[taken:]

    def heard(self) -> Iterator[dict[str, object]]:
        """The messages that have come. Raises `EOFError` where the other end is closed."""
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from map(json.loads, lines)


def _line(what: Mapping[str, object]) -> bytes:
    return json.dumps(what).encode() + b"\n"
