"""The proxy that the environment names for a host, as whoever sends the load finds it."""

import os
import urllib.request
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from kit.ports import EndpointError

_LOCAL = ("127.0.0.1", "localhost", "::1")
_KINDS = {"http": 80, "https": 443}
_HINT = "write it as http://HOST:PORT, and in a password %2F for / and %40 for @; or name {} in NO_PROXY"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where a connection goes instead, and as whom. `url` holds no password."""

    url: str
    auth: tuple[str, str] | None


def proxy(scheme: str, host: str) -> Proxy | None:
    """The proxy for a host; None for this machine, and where none is named. Raises `EndpointError` where it cannot be used."""
    if host in _LOCAL or urllib.request.proxy_bypass(host):
        return None
    named = urllib.request.getproxies()
    kind = next((kind for kind in (scheme, "all") if named.get(kind)), None)
    if kind is None:
        return None
    try:
        return _read(named[kind])
    except ValueError as error:
        variables = " and ".join(name for name in os.environ if name.lower() == f"{kind}_proxy")
        # What it holds is not told: where a password is not written as a URL needs it, a part of it looks like host and port.
        why = error.args[0] if isinstance(error, _UnusableError) else "it is no address"
        raise EndpointError(f"the proxy of {variables} cannot be used: {why}", _HINT.format(host)) from None


class _UnusableError(ValueError):
    """Why a proxy cannot be used, without what it holds."""


def _read(named: str) -> Proxy:
    found = urlsplit(named if "//" in named else f"http://{named}")
    if found.scheme not in _KINDS:
        raise _UnusableError(f"kit speaks to none of the kind {found.scheme!r}")
    if not found.hostname:
        raise _UnusableError("it names no host")
    auth = (unquote(found.username), unquote(found.password or "")) if found.username is not None else None
    host = f"[{found.hostname}]" if ":" in found.hostname else found.hostname
    return Proxy(f"{found.scheme}://{host}:{found.port or _KINDS[found.scheme]}", auth)
