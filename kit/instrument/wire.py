"""What the sender and the load generator tell each other: a line of JSON, and the bytes that it announces."""

import json
import socket
from collections.abc import Mapping


class Wire:
    """One end of a pair of sockets."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._source = sock.makefile("rb")

    def tell(self, what: Mapping[str, object], data: bytes = b"") -> None:
        """Send a message, and wait until it is taken."""
        self.sock.sendall(json.dumps({**what, "bytes": len(data)}).encode() + b"\n" + data)

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
