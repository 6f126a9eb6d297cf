"""Keys: made, read from files, or named by a URI where they never leave a token or a key service."""

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
    load_ssh_private_key,
    load_ssh_public_key,
)
from securesystemslib import exceptions
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Signer, SSlibKey

from kit import bounded
from kit.errors import HostError, UsageError

Ask = Callable[[str], str]
"""Told what a secret is for; gives the secret."""

LARGEST_BYTES = 100_000
_KINDS = "kit signs with ed25519 and ECDSA (P-256, P-384, P-521) keys"


@dataclass(frozen=True, slots=True)
class Public:
    """A public key: what verifies, its line as OpenSSH writes it, and its fingerprint as `ssh-keygen -l` prints it."""

    key: SSlibKey
    line: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Private:
    """What signs, and the public key that verifies it."""

    signer: Signer
    public: Public


def make(path: Path, kind: Literal["ed25519", "ecdsa"], passphrase: str | None) -> Public:
    """Write a new private key to `path`, for its owner alone, and its public key beside it as `<path>.pub`."""
    made = CryptoSigner.generate_ed25519() if kind == "ed25519" else CryptoSigner.generate_ecdsa()
    private = load_pem_private_key(made.private_bytes, None)
    hidden = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden)
    public = parse(made.public_key.keyval["public"] if kind == "ecdsa" else _line(private.public_key()))
    beside = path.with_name(f"{path.name}.pub")
    if beside.exists():
        raise UsageError(f"{beside} exists already", hint="give another name with -o")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, mode, written in ((path, 0o600, content), (beside, 0o644, f"{public.line}\n".encode())):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(written)
    except FileExistsError as error:
        raise UsageError(f"{error.filename} exists already", hint="give another name with -o") from error
    except OSError as error:
        raise HostError(f"{error.filename or path} cannot be written: {error.strerror}") from error
    return public


def parse(text: str, where: str = "the public key") -> Public:
    """A public key: a line as OpenSSH writes it, or PEM."""
    content = text.strip().encode()
    try:
        found = load_pem_public_key(content) if content.startswith(b"-----BEGIN") else load_ssh_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = f"{where} cannot be read: {error}"
        raise UsageError(msg, hint="give the line of a .pub file, or PEM") from error
    if not isinstance(found, Ed25519PublicKey | EllipticCurvePublicKey):
        raise UsageError(f"{where} is of another kind", hint=_KINDS)
    line = _line(found)
    fingerprint = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    name = f"SHA256:{base64.b64encode(fingerprint).decode().rstrip('=')}"
    try:
        return Public(SSlibKey.from_crypto(found, keyid=name), line, name)
    except ValueError as error:
        raise UsageError(f"{where}: {error}", hint=_KINDS) from error


def load(reference: str, ask: Ask, public: Path | None = None) -> Private:
    """A private key from a file, or from a token or key service by its URI; the latter needs its public key."""
    scheme, colon, _ = reference.partition(":")
    if colon and not Path(reference).exists():
        return _by_uri(reference, scheme, ask, public)
    path = Path(reference)
    content = _content(path)
    try:
        found = _opened(content, None)
    except TypeError:  # it is encrypted
        found = _decrypted(path, content, ask(f"passphrase of {path}"))
    except (ValueError, UnsupportedAlgorithm) as error:
        hint = "a private key as kit key new or ssh-keygen -t ed25519 writes it"
        raise UsageError(f"{path} is no private key that kit can read: {error}", hint=hint) from error
    if not isinstance(found, Ed25519PrivateKey | EllipticCurvePrivateKey):
        raise UsageError(f"{path} is a key of another kind", hint=_KINDS)
    opened = parse(_line(found.public_key()), str(path))
    return Private(CryptoSigner(found, opened.key), opened)


def _opened(content: bytes, passphrase: bytes | None) -> object:
    ssh = b"BEGIN OPENSSH PRIVATE KEY" in content
    return load_ssh_private_key(content, passphrase) if ssh else load_pem_private_key(content, passphrase)


def _decrypted(path: Path, content: bytes, passphrase: str) -> object:
    try:
        return _opened(content, passphrase.encode())
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: the passphrase does not open it") from error
    except UnsupportedAlgorithm as error:
        raise UsageError(f"{path} cannot be opened: {error}") from error


def _by_uri(reference: str, scheme: str, ask: Ask, public: Path | None) -> Private:
    # Files by URI are left out: a file is named by its path.
    if scheme == CryptoSigner.SCHEME or scheme not in SIGNER_FOR_URI_SCHEME:
        known = ", ".join(sorted(set(SIGNER_FOR_URI_SCHEME) - {CryptoSigner.SCHEME}))
        msg = f"{reference} is neither a file nor the URI of a key"
        raise UsageError(msg, hint=f"a path, or a URI that begins with one of: {known}")
    if public is None:
        raise UsageError(f"{reference} needs its public key", hint="give its file with --public")
    known_as = parse(_content(public).decode(errors="replace"), str(public))
    try:
        signer = Signer.from_priv_key_uri(reference, known_as.key, ask)
    except exceptions.UnsupportedLibraryError as error:
        raise UsageError(f"{scheme} keys need a library that is not here: {error}") from error
    except (ValueError, OSError, exceptions.Error) as error:
        raise UsageError(f"{reference} cannot be used: {error}") from error
    return Private(signer, known_as)


def _content(path: Path) -> bytes:
    try:
        return bounded.read(path, LARGEST_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="kit key new makes a key") from error


def _line(key: object) -> str:
    if not isinstance(key, Ed25519PublicKey | EllipticCurvePublicKey):
        raise UsageError("the key is of another kind", hint=_KINDS)
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
