"""Checking signatures: who signed what, whether they may, and whether what lies there is what was signed."""

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError
from securesystemslib import dsse, exceptions
from securesystemslib.signer import Signature as Made

from kit import bounded
from kit.errors import KitError, Problem, UsageError, VerificationError
from kit.model.attestation import (
    PAYLOAD_TYPE,
    ROLES,
    Attestation,
    Digest,
    Resource,
    Role,
    Signature,
    SignOff,
    SignOffStatement,
    Statement,
    TestResult,
)
from kit.signing import keys, stamping, trust
from kit.signing.attesting import Files
from kit.signing.keys import Public
from kit.signing.stamping import Proven
from kit.signing.trust import Trust

LARGEST_BYTES = 64_000_000
_ALTERED = "compare with a copy of the run, or ask those who signed it"


def read(path: Path) -> Attestation | None:
    """The attestation of a run, not checked; None where it has none. Raises `VerificationError` where it is damaged."""
    try:
        content = bounded.read(path, LARGEST_BYTES)
    except FileNotFoundError:
        return None
    except bounded.UnfitError as error:
        raise VerificationError(f"{path} is no attestation: {error.strerror}", hint=_ALTERED) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    try:
        found = Attestation.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise VerificationError(f"{path} is damaged: {where}: {first['msg']}", hint=_ALTERED) from error
    # One spelling only: what no signature covers, such as a blank between two fields, cannot carry anything.
    if found.stored() != content:
        raise VerificationError(f"{path} was altered: it is not written as kit writes it", hint=_ALTERED)
    return found


@dataclass(frozen=True, slots=True)
class Genuine:
    """What genuine signatures say: the statement about the run, and each sign-off with the copies that it names.

    `times` are what time stamps prove: None for a sign-off that has none, or where nobody said whose count.
    """

    statement: Statement
    sign_offs: tuple[SignOff, ...]
    copies: tuple[Files, ...]
    times: tuple[Proven | None, ...] = ()


def genuine(found: Attestation, known: Mapping[str, Public]) -> Genuine:
    """What is signed, after every signature was checked with one of the keys; nothing signed is read before.

    Raises `VerificationError` with every signature that is not by one of these keys over these very bytes.
    """
    if problems := list(_wrong_signatures(found, known)):
        raise VerificationError("the signatures are not genuine", problems=problems, hint=_ALTERED)
    try:
        about = [SignOffStatement.model_validate_json(one.content) for one in found.sign_offs]
        run = Statement.model_validate_json(found.content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        msg = f"what was signed is not what kit signs: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise VerificationError(msg) from error
    if problems := list(_contradictions(found, about)):
        raise VerificationError("the sign-offs do not belong together", problems=problems, hint=_ALTERED)
    return Genuine(run, tuple(one.predicate for one in about), tuple(_named(one.subject[1:]) for one in about))


def _wrong_signatures(found: Attestation, known: Mapping[str, Public]) -> Iterator[Problem]:
    if not found.signatures:
        yield Problem("", "nobody has signed")
    if len(found.signatures) != len(found.sign_offs):
        yield Problem("", f"{len(found.signatures)} signatures, but {len(found.sign_offs)} sign-offs")
        return
    if len({one.keyid for one in found.signatures}) < len(found.signatures):
        yield Problem("", "one key has signed twice")
    for number, (one, about) in enumerate(zip(found.signatures, found.sign_offs, strict=True), start=1):
        where = f"signature {number}"
        if (public := known.get(one.keyid)) is None:
            yield Problem(where, f"nobody who is trusted has the key {one.keyid}")
            continue
        if not _verifies(found.content, one, public):
            yield Problem(where, f"is not by the key {one.keyid} over this statement")
        if [entry.keyid for entry in about.signatures] != [one.keyid]:
            yield Problem(where, "its sign-off is signed by another key")
        elif not _verifies(about.content, about.signatures[0], public):
            yield Problem(where, f"its sign-off is not signed by the key {one.keyid}")


def _verifies(payload: bytes, signature: Signature, public: Public) -> bool:
    made = Made(signature.keyid, base64.b64decode(signature.sig).hex())
    try:
        dsse.Envelope(payload, PAYLOAD_TYPE, {signature.keyid: made}).verify([public.key], 1)
    except exceptions.VerificationError:
        return False
    return True


def _contradictions(found: Attestation, about: Sequence[SignOffStatement]) -> Iterator[Problem]:
    earlier: tuple[str, ...] = ()
    for number, (signature, envelope, one) in enumerate(
        zip(found.signatures, found.sign_offs, about, strict=True), start=1
    ):
        where = f"sign-off {number}"
        if one.subject[0].digest != Digest(sha256=found.sha256):
            yield Problem(where, "is of another run")
        if one.predicate.key != signature.keyid:
            yield Problem(where, f"names the key {one.predicate.key}, but {signature.keyid} signed it")
        if one.predicate.after != earlier:
            yield Problem(where, "an earlier signature that it names was removed, or one was added before it")
        if (one.predicate.clock == "own") != (envelope.time_stamp is None):
            yield Problem(
                where, "its time stamp was removed" if envelope.time_stamp is None else "a time stamp was added"
            )
        earlier = (*earlier, envelope.sha256)


def _named(subjects: Iterable[Resource]) -> dict[str, str]:
    return {one.name: one.digest.sha256 for one in subjects if one.digest is not None}


def trusted(found: Attestation, with_: Trust, now: datetime) -> Genuine:
    """What is signed by those whom the trust file names for it. Raises `VerificationError`."""
    if with_.expired(now):
        raise VerificationError(f"the trust file is of no use since {with_.expires}", hint="ask for the present one")
    said = genuine(found, trust.known(with_))
    problems: list[Problem] = []
    times = tuple(_times(found, with_, problems))
    counted: dict[Role, int] = dict.fromkeys(ROLES, 0)
    for number, one in enumerate(said.sign_offs, start=1):
        if wrong := _wrong_role(one, times[number - 1], with_):
            problems.append(Problem(f"sign-off {number}", wrong))
        else:
            counted[one.role] += 1
    for role in ROLES:
        wanted = with_.roles.of(role)
        if wanted is not None and counted[role] < wanted.threshold:
            problems.append(Problem(role, f"{counted[role]} of {wanted.threshold} signatures that it takes"))
    if problems:
        raise VerificationError("the signatures are not those that it takes", problems=problems)
    return replace(said, times=times)


def _times(found: Attestation, with_: Trust, problems: list[Problem]) -> Iterator[Proven | None]:
    """What the time stamp of each sign-off proves, where the trust file says whose count."""
    roots = [root for pem in with_.timestamp_roots for root in stamping.roots(pem)]
    for number, envelope in enumerate(found.sign_offs, start=1):
        if envelope.time_stamp is None or not roots:
            yield None
            continue
        signature = base64.b64decode(envelope.signatures[0].sig)
        try:
            yield stamping.proven(base64.b64decode(envelope.time_stamp), signature, roots)
        except ValueError as error:
            problems.append(Problem(f"sign-off {number}", f"its time stamp proves nothing: {error}"))
            yield None


def _wrong_role(one: SignOff, proven: Proven | None, with_: Trust) -> str | None:
    entry = trust.entry(with_, one.role, one.key)
    if entry is None:
        return f"{one.key} ({one.name}) may not sign as {one.role}"
    if entry.name is not None and entry.name != one.name:
        return f"is by {one.name}, but the key {one.key} is that of {entry.name}"
    at = proven.at if proven is not None else one.at
    if entry.expires is not None and at.astimezone().date() >= entry.expires:
        return f"the key {one.key} ({one.name}) had expired on {entry.expires}"
    return None


def own_keys(found: Attestation) -> dict[str, Public]:
    """The keys that the sign-offs name themselves: they tell whether something was altered, not who signed."""
    try:
        made = [keys.parse(one.public) for one in found.signed()]
    except (ValidationError, KitError) as error:
        raise VerificationError(f"the sign-offs are damaged: {error}", hint=_ALTERED) from error
    return {one.fingerprint: one for one in made}


def changes(signed_: Files, present: Files) -> list[Problem]:
    """Every file that is missing, was added, or is another one than was signed."""
    problems = [Problem(name, "is missing") for name in signed_ if name not in present]
    problems += [Problem(name, "was added") for name in present if name not in signed_]
    problems += [Problem(n, "was modified") for n, sha256 in signed_.items() if present.get(n, sha256) != sha256]
    return sorted(problems, key=lambda problem: problem.where)


def other_result(said: TestResult, again: TestResult) -> list[Problem]:
    """What the statement says of the run and its files do not."""
    return [
        Problem(f"statement: {name}", f"{_short(getattr(said, name))} was signed, the files give {_short(value)}")
        for name, value in again
        if getattr(said, name) != value
    ]


def _short(value: object) -> str:
    if isinstance(value, tuple):
        return (
            ", ".join(
                one.stored().decode().replace("\n", "") if isinstance(one, Resource) else str(one) for one in value
            )
            or "nothing"
        )
    return str(value)


def signed_files(said: Genuine) -> Files:
    """The digests of the run's own files, as they were signed."""
    return _named(said.statement.subject)
