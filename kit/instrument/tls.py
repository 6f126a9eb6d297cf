"""Both sides of TLS: which servers are trusted, and what the reference server shows."""

import ssl
from functools import cache
from pathlib import Path


@cache
def trust() -> ssl.SSLContext:
    """By the certificates of the machine, or those that `SSL_CERT_FILE` names. Made once: to read them takes longer than to connect."""
    return ssl.create_default_context()


def shown(certificate: Path) -> ssl.SSLContext:
    """By a certificate and its key, as PEM in one file. Raises `OSError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
