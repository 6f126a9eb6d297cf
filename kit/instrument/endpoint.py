"""Where requests go: address, TLS, proxy; and a socket to there, open and tried."""

import base64
import socket
import urllib.request
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from kit.instrument import tls

AGENT = "modelscope_bench"
"""What evalscope calls itself: the same server must see the same requests."""
_PIECE = 65536
_LOCAL = ("127.0.0.1", "localhost", "::1")


class ConnectError(Exception):
    """There is no connection, and why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An HTTP endpoint; `proxy` is where a connection goes instead, `target` what a request line names."""

    host: str
    port: int
    secure: bool
    path: str
    proxy: tuple[str, int, str] | None
    """Host, port and the credentials' header line."""

    @property
    def authority(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.secure else 80) else f"{name}:{self.port}"

    def target(self, path: str) -> str:
        return f"http://{self.authority}{path}" if self.proxy is not None and not self.secure else path

    def head(self, method: str, path: str, headers: dict[str, str]) -> str:
        """Request line and headers, up to the empty line's end."""
        lines = [f"{method} {self.target(path)} HTTP/1.1", f"Host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if self.proxy is not None and self.proxy[2] and not self.secure:
            lines.append(self.proxy[2])
        return "\r\n".join((*lines, "", ""))


def endpoint(url: str) -> Endpoint:
    """The endpoint of a URL, through the proxy that the environment names; never for this machine itself."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    secure = parts.scheme == "https"
    return Endpoint(host, parts.port or (443 if secure else 80), secure, path, _proxy(parts.scheme, host))


def _proxy(scheme: str, host: str) -> tuple[str, int, str] | None:
    if host in _LOCAL or urllib.request.proxy_bypass(host):
        return None
    named = urllib.request.getproxies().get(scheme)
    if not named:
        return None
    parts = urlsplit(named if "//" in named else f"http://{named}")
    if parts.scheme != "http" or not parts.hostname:
        raise ConnectError(f"a proxy of the kind {parts.scheme!r} is not known; set NO_PROXY for {host}")
    credentials = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}"
    return parts.hostname, parts.port or 80, credentials


def connect(to: Endpoint, timeout_s: float) -> socket.socket:
    """A connected socket, the handshake of TLS done. Raises `ConnectError`."""
    address = (to.proxy[0], to.proxy[1]) if to.proxy is not None else (to.host, to.port)
    try:
        sock = socket.create_connection(address, timeout_s)
    except OSError as error:
        raise ConnectError(f"cannot connect to {address[0]}:{address[1]}: {error.strerror or error}") from error
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if to.secure:
            if to.proxy is not None:
                _tunnel(sock, to)
            sock = tls.trust().wrap_socket(sock, server_hostname=to.host)
    except OSError as error:
        sock.close()
        raise ConnectError(f"no secure connection to {to.host}:{to.port}: {error}") from error
    except ConnectError:
        sock.close()
        raise
    return sock


def _tunnel(sock: socket.socket, to: Endpoint) -> None:
    name = f"[{to.host}]" if ":" in to.host else to.host
    credentials = f"{to.proxy[2]}\r\n" if to.proxy is not None and to.proxy[2] else ""
    sock.sendall(f"CONNECT {name}:{to.port} HTTP/1.1\r\nHost: {name}:{to.port}\r\n{credentials}\r\n".encode())
    said = b""
    while b"\r\n\r\n" not in said and len(said) < _PIECE and (more := sock.recv(_PIECE)):
        said += more
    words = said.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or words[1] != b"200":
        raise ConnectError(f"the proxy refused: {said[:80].decode('latin-1').strip()}")
