"""Signing a run: what is signed of it, and the signatures of several roles over the very same bytes."""

import base64
import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from securesystemslib import dsse, exceptions
from securesystemslib.signer import HSMSigner

from kit import __version__, bounded, durable
from kit.errors import Problem, UsageError, VerificationError
from kit.model import Inventory, Plan
from kit.model.attestation import (
    ATTESTATION,
    PAYLOAD_TYPE,
    REPORT,
    Annotations,
    Attestation,
    Digest,
    Resource,
    Role,
    Signature,
    SignOff,
    SignOffEnvelope,
    SignOffStatement,
    Statement,
    TestResult,
)
from kit.model.verdict import Verdict
from kit.signing.keys import Private
from kit.signing.stamping import Stamp

_RESULTS = {"met": "PASSED", "waived": "WARNED", "none": "WARNED", "not-met": "FAILED", "uncertain": "FAILED"}

Files = Mapping[str, str]
"""The SHA-256 of files, by their names below the run directory."""


# --- what is signed ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """The files below a run directory but for the attestation: the run's own, and the copies of its report."""

    own: Files
    copies: Files

    def without(self, names: Collection[str]) -> "Found":
        """All but some."""
        own, copies = ({n: sha256 for n, sha256 in part.items() if n not in names} for part in (self.own, self.copies))
        return Found(own, copies)


def files(run: Path) -> Found:
    """Every file with its digest. Raises `VerificationError` for what is no plain file: it could be another tomorrow."""
    own: dict[str, str] = {}
    copies: dict[str, str] = {}
    problems: list[Problem] = []
    for folder, directories, names in os.walk(run):
        for name in sorted((*directories, *names)):
            path = Path(folder, name)
            where = path.relative_to(run).as_posix()
            if path.is_symlink():
                problems.append(Problem(where, "is a link"))
            elif not where.isprintable():
                problems.append(Problem(ascii(where), "has a name that cannot be shown"))
            elif path.is_dir() or where == ATTESTATION:
                continue
            elif not path.is_file():
                problems.append(Problem(where, "is no plain file"))
            else:
                target = copies if where.startswith(f"{REPORT}/") else own
                target[where] = digest(path)
    if problems:
        raise VerificationError(f"{run} holds what cannot be signed", problems=sorted(problems, key=str))
    return Found(own, copies)


def unfinished(names: Iterable[str], beside: Collection[str], *, others: bool = False) -> tuple[str, ...]:
    """Which files have the name that kit gives to a file while it writes one of those `beside`; `others`: or any other file,
    where the name tells it for certain."""
    found: list[str] = []
    for name in names:
        folder, _, last = name.rpartition("/")
        wanted = durable.unfinished(last)
        if wanted is None:
            continue
        if (f"{folder}/{wanted}" if folder else wanted) in beside or (others and durable.has_owner(last)):
            found.append(name)
    return tuple(found)


def digest(path: Path) -> str:
    try:
        with bounded.opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def statement(own: Files, plan: Plan, inventory: Inventory, verdict: Verdict) -> Statement:
    """What every role signs of a run: its files, and what came of it."""
    return Statement(subject=_subjects(own), predicate=result(plan, inventory, verdict))


def result(plan: Plan, inventory: Inventory, verdict: Verdict) -> TestResult:
    """The run as a test: its cases are what passed or failed, by the criteria; without criteria a case only has a warning."""
    by_case: dict[str, set[str]] = {case.id: set() for case in plan.cases}
    for entry in verdict.judged:
        by_case.setdefault(entry.case, set()).add(entry.outcome)
    failed = [case for case, found in by_case.items() if found & {"not-met", "uncertain"}]
    passed = [case for case, found in by_case.items() if found == {"met"}]
    configuration = [
        Resource(name="profile", digest=_digest(plan.profile_sha256), annotations=Annotations(version=plan.profile)),
        *(Resource(name=one.title, digest=_digest(one.digest)) for one in plan.environments),
        Resource(name="machine", digest=_digest(inventory.fingerprint)),
        Resource(name="kit", annotations=Annotations(version=plan.kit_version)),
    ]
    return TestResult.model_validate(
        {
            "result": _RESULTS[verdict.outcome],
            "configuration": configuration,
            "passed_tests": passed,
            "warned_tests": [case for case in by_case if case not in (*failed, *passed)],
            "failed_tests": failed,
        }
    )


def _digest(text: str) -> Digest:
    return Digest(sha256=text.removeprefix("sha256:"))


def _subjects(found: Files) -> tuple[Resource, ...]:
    return tuple(Resource(name=name, digest=Digest(sha256=found_)) for name, found_ in sorted(found.items()))


# --- signing -----------------------------------------------------------------------------------------------------


def announced(
    private: Private, role: Role, name: str, at: datetime, before: Attestation | None, *, stamped: bool = False
) -> SignOff:
    """What a person says of themselves when signing. Raises `UsageError` where the key has signed already."""
    public = private.public
    if before is not None and any(one.keyid == public.fingerprint for one in before.signatures):
        earlier = next(one for one in before.signed() if one.key == public.fingerprint)
        msg = f"this key has signed already, as {earlier.role} ({earlier.name})"
        raise UsageError(msg, hint="every role signs with a key of its own")
    return SignOff(
        role=role,
        name=name,
        at=at,
        clock="rfc3161" if stamped else "own",
        key=public.fingerprint,
        public=public.line,
        after=tuple(one.sha256 for one in before.sign_offs) if before is not None else (),
        kit_version=__version__,
    )


def signed(
    payload: bytes,
    before: Attestation | None,
    private: Private,
    sign_off: SignOff,
    copies: Files,
    stamp: Stamp | None = None,
) -> Attestation:
    """The attestation with one more signature over the payload, and the sign-off that names the copies of the report."""
    run = Resource(name="statement", digest=Digest(sha256=sha256(payload)))
    about = SignOffStatement(subject=(run, *_subjects(copies)), predicate=sign_off).stored()
    signature = _signature(about, private)
    stamped = base64.b64encode(stamp(base64.b64decode(signature.sig))).decode() if stamp is not None else None
    return Attestation(
        payload=base64.b64encode(payload).decode(),
        signatures=(*(before.signatures if before is not None else ()), _signature(payload, private)),
        sign_offs=(
            *(before.sign_offs if before is not None else ()),
            SignOffEnvelope(payload=base64.b64encode(about).decode(), signatures=(signature,), time_stamp=stamped),
        ),
    )


def _signature(payload: bytes, private: Private) -> Signature:
    try:
        made = dsse.Envelope(payload, PAYLOAD_TYPE, {}).sign(private.signer)
    except (exceptions.Error, ValueError, OSError) as error:
        raise UsageError(f"the key could not sign: {error}") from error
    except RuntimeError as error:
        # What a token refuses, such as a wrong PIN, has no name that kit could import; often it has no text either.
        # A module that cannot be loaded is a plain one.
        if type(error).__module__.partition(".")[0] != "pkcs11" and not isinstance(private.signer, HSMSigner):
            raise
        why = f"{type(error).__name__} {error}".strip()
        raise UsageError(
            f"the token did not sign: {why}", hint="check its PIN, and that PYKCS11LIB is its module"
        ) from error
    return Signature(keyid=made.keyid, sig=base64.b64encode(bytes.fromhex(made.signature)).decode())
