"""What is signed of a run, and who signed it: in-toto statements in DSSE envelopes, as `attestation.json` holds them."""

import base64
import binascii
import hashlib
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kit.model.record import Record, Utc

ATTESTATION = "attestation.json"
REPORT = "report"
"""The folder of the copies for people: they are made anew with each signature, which names them."""

PAYLOAD_TYPE = "application/vnd.in-toto+json"

Role = Literal["tester", "reviewer", "approver"]
ROLES: tuple[Role, ...] = ("tester", "reviewer", "approver")


def _base64(text: str) -> str:
    """One spelling for the same bytes: what is not covered by a signature cannot differ either."""
    try:
        same = base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except (binascii.Error, ValueError):
        same = False
    if not same:
        raise ValueError("not base64 as kit writes it")
    return text


Base64 = Annotated[str, AfterValidator(_base64)]


class _Camel(Record):
    """A record whose JSON has the names of the in-toto and DSSE specifications."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    def stored(self) -> bytes:
        """The record as it is stored: UTF-8 JSON with a final newline."""
        return (self.model_dump_json(indent=2, by_alias=True, exclude_none=True) + "\n").encode()


class Digest(_Camel):
    sha256: str


class Annotations(_Camel):
    version: str


class Resource(_Camel):
    """A ResourceDescriptor: a file or an environment by its digest, a program by its version."""

    name: str
    digest: Digest | None = None
    annotations: Annotations | None = None


class TestResult(_Camel):
    """The predicate `test-result` of in-toto: tests are the run's cases."""

    result: Literal["PASSED", "WARNED", "FAILED"]
    configuration: tuple[Resource, ...]
    passed_tests: tuple[str, ...] = ()
    warned_tests: tuple[str, ...] = ()
    failed_tests: tuple[str, ...] = ()


class Statement(_Camel):
    """An in-toto Statement v1 about a run: every role signs the very same one."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field("https://in-toto.io/Statement/v1", alias="_type")
    subject: tuple[Resource, ...]
    predicate_type: Literal["https://in-toto.io/attestation/test-result/v0.1"] = (
        "https://in-toto.io/attestation/test-result/v0.1"
    )
    predicate: TestResult


class SignOff(_Camel):
    """Who signed, as what, and when. `at` is by the clock of the signer's own machine.

    `clock`: `rfc3161` where a time stamp of somebody else lies beside it, made of this sign-off's signature.

    `key` is the fingerprint, as `ssh-keygen -l` prints it. `after` are the SHA-256 of the sign-offs that were there before.
    """

    role: Role
    name: str = Field(min_length=1, max_length=200)
    at: Utc
    clock: Literal["own", "rfc3161"] = "own"
    key: str
    public: str
    after: tuple[str, ...] = ()
    kit_version: str


class SignOffStatement(_Camel):
    """What one person signs beside the run's statement. Subjects: that statement, then the copies of the report."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field("https://in-toto.io/Statement/v1", alias="_type")
    subject: tuple[Resource, ...] = Field(min_length=1)
    predicate_type: Literal["urn:kit:attestation:sign-off:v1"] = "urn:kit:attestation:sign-off:v1"
    predicate: SignOff


class Signature(_Camel):
    keyid: str
    sig: Base64


class Envelope(_Camel):
    """A DSSE envelope."""

    payload: Base64
    payload_type: Literal["application/vnd.in-toto+json"] = "application/vnd.in-toto+json"
    signatures: tuple[Signature, ...]

    @property
    def content(self) -> bytes:
        return base64.b64decode(self.payload)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class SignOffEnvelope(Envelope):
    """The envelope of a sign-off; `time_stamp` is what the server of time stamps answered about its signature."""

    time_stamp: Base64 | None = None


class Attestation(Envelope):
    """The envelope of the run's statement, signed by every role; beside it what each of them said of themselves.

    Other programs read it as the DSSE envelope that it is.
    """

    sign_offs: tuple[SignOffEnvelope, ...]

    def signed(self) -> tuple[SignOff, ...]:
        """The sign-offs as they say, whether or not they are genuine. Raises `ValidationError`."""
        return tuple(SignOffStatement.model_validate_json(one.content).predicate for one in self.sign_offs)
