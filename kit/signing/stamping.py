"""Time stamps by a third party (RFC 3161): asked for when somebody signs, checked without network when it is verified."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.x509 import Certificate, load_der_x509_certificate, load_pem_x509_certificates
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from kit.errors import HostError
from kit.ports import EndpointError

LARGEST_BYTES = 64_000
QUERY = "application/timestamp-query"
_HINT = "try again, or sign without --timestamp: the time is then that of your own clock, and marked so"

Post = Callable[[str, bytes, str, int], bytes]
"""Sends content of a type to a URL; the answer, of so many bytes at most. Raises `EndpointError`."""

Stamp = Callable[[bytes], bytes]
"""Has somebody state when a signature existed: gives the answer of the server as it came."""


@dataclass(frozen=True, slots=True)
class Proven:
    """When a signature existed at the latest, and who states it."""

    at: datetime
    by: str


def by(url: str, post: Post) -> Stamp:
    """Time stamps from the server at a URL. Raises `HostError` where it gives none that is one."""

    def stamp(signature: bytes) -> bytes:
        request = TimestampRequestBuilder().data(signature).hash_algorithm(HashAlgorithm.SHA256).build()
        try:
            answer = post(url, request.as_bytes(), QUERY, LARGEST_BYTES)
        except EndpointError as error:
            raise HostError(f"no time stamp: {error.what}", hint=_HINT) from error
        try:
            response = decode_timestamp_response(answer)
            granted = PKIStatus(response.status) == PKIStatus.GRANTED
            given = response.tst_info if granted else None
        except ValueError as error:
            raise HostError(f"no time stamp: what {url} answered is none: {error}", hint=_HINT) from error
        if given is None:
            why = "; ".join(response.status_string) or f"status {response.status}"
            raise HostError(f"no time stamp: {url} refused to give one: {why}", hint=_HINT)
        if given.nonce != request.nonce or given.message_imprint.message != hashlib.sha256(signature).digest():
            raise HostError(f"no time stamp: what {url} answered is one of something else", hint=_HINT)
        return answer

    return stamp


def roots(pem: str) -> Sequence[Certificate]:
    """The certificates in a text. Raises `ValueError` where it holds none."""
    return load_pem_x509_certificates(pem.encode())


def proven(stamp: bytes, signature: bytes, trusted: Sequence[Certificate]) -> Proven:
    """What a time stamp over a signature proves, its certificates valid at that time. Raises `ValueError` where it proves nothing."""
    if len(stamp) > LARGEST_BYTES:
        raise ValueError("it is too large")
    response = decode_timestamp_response(stamp)
    try:
        VerifierBuilder(roots=list(trusted)).build().verify_message(response, signature)
    except VerificationError as error:
        raise ValueError(str(error).partition(": ErrorStack")[0]) from error
    return Proven(response.tst_info.gen_time, _signer(response))


def _signer(response: TimeStampResponse) -> str:
    """The name of whoever signed it, by its certificate."""
    (signer,) = response.signed_data.signer_infos
    found = (load_der_x509_certificate(content) for content in response.signed_data.certificates)
    return next(
        one.subject.rfc4514_string()
        for one in found
        if (one.issuer, one.serial_number) == (signer.issuer, signer.serial_number)
    )
