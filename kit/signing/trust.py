"""The trust file: which keys may sign as what, how many of them it takes, and until when."""

from datetime import date, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from kit import bounded, documents
from kit.errors import KitError, Problem, UsageError
from kit.model import Record
from kit.model.attestation import Role
from kit.signing import keys, stamping
from kit.signing.keys import Public

LARGEST_BYTES = 1_000_000


class TrustedKey(Record):
    """`name` is who holds it. What it signs on the day `expires` or later does not count."""

    public: str
    name: str | None = None
    expires: date | None = None


class TrustedRole(Record):
    threshold: int = Field(default=1, ge=1)
    keys: tuple[TrustedKey, ...] = Field(min_length=1)


class Roles(Record):
    tester: TrustedRole | None = None
    reviewer: TrustedRole | None = None
    approver: TrustedRole | None = None

    def of(self, role: Role) -> TrustedRole | None:
        return {"tester": self.tester, "reviewer": self.reviewer, "approver": self.approver}[role]


class Trust(Record):
    """From the day `expires` on the file itself is not to be used any more.

    `timestamp_roots`: certificates in PEM of those whose time stamps count.
    """

    schema_: Literal[1] = Field(alias="schema")
    expires: date | None = None
    roles: Roles
    timestamp_roots: tuple[str, ...] = ()

    def expired(self, now: datetime) -> bool:
        return self.expires is not None and now.astimezone().date() >= self.expires


def read(path: Path) -> Trust:
    """The trust file at `path`. Raises `UsageError` with all that is wrong in it."""
    try:
        text = bounded.read(path, LARGEST_BYTES).decode("utf-8")
    except OSError as error:
        raise UsageError(f"the trust file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the trust file {path} is no text: byte {error.start} is no UTF-8") from error
    try:
        found = Trust.model_validate(documents.read(text, str(path), {}))
    except ValidationError as error:
        problems = [Problem(".".join(map(str, one["loc"])), one["msg"]) for one in error.errors(include_url=False)]
        raise UsageError(f"{path} is not a valid trust file", problems=problems) from error
    if problems := _problems(found):
        raise UsageError(f"{path} is not a valid trust file", problems=problems)
    return found


def _problems(trust: Trust) -> list[Problem]:
    problems: list[Problem] = []
    for position, pem in enumerate(trust.timestamp_roots):
        try:
            stamping.roots(pem)
        except ValueError as error:
            hint = "the whole block from -----BEGIN CERTIFICATE----- on, below a |"
            problems.append(Problem(f"timestamp_roots.{position}", f"is no certificate in PEM: {error}", hint))
    named = [(name, role) for name, role in trust.roles if isinstance(role, TrustedRole)]
    if not named:
        problems.append(Problem("roles", "nobody is trusted", "name at least one role with its keys"))
    for name, role in named:
        known: set[str] = set()
        for position, key in enumerate(role.keys):
            where = f"roles.{name}.keys.{position}"
            try:
                known.add(keys.parse(key.public, "it").fingerprint)
            except KitError as error:
                problems.append(Problem(f"{where}.public", error.message, error.hint))
        if role.threshold > len(known):
            problems.append(Problem(f"roles.{name}", f"threshold {role.threshold}, but {len(known)} different keys"))
    return problems


def known(trust: Trust) -> dict[str, Public]:
    """Every key of the file by its fingerprint."""
    found = [keys.parse(key.public) for _, role in trust.roles if isinstance(role, TrustedRole) for key in role.keys]
    return {key.fingerprint: key for key in found}


def entry(trust: Trust, role: Role, fingerprint: str) -> TrustedKey | None:
    """The key in a role, or None where it has not that role."""
    found = trust.roles.of(role)
    return (
        next((key for key in found.keys if keys.parse(key.public).fingerprint == fingerprint), None) if found else None
    )
