"""What `kit sign` and `kit verify` do, end to end."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kit import bounded, durable, renderers, store
from kit.errors import IncompleteError, Problem, UsageError, VerificationError
from kit.model.attestation import ATTESTATION, REPORT, Attestation, Role, SignOff, TestResult
from kit.model.report import Report, Signed
from kit.report import building as reports
from kit.running import prompting
from kit.signing import attesting, rereading, signatures, trust
from kit.signing.keys import Private
from kit.signing.rereading import Reread
from kit.signing.signatures import Genuine
from kit.signing.stamping import Proven, Stamp
from kit.store import RunDir
from kit.workflows import repeated, writing

_WRITTEN = {ATTESTATION, *(f"{REPORT}/{renderers.file_name(name)}" for name in renderers.STANDARD)}
"""What is written when somebody signs."""
_MOVE = "kit report writes elsewhere with --to"


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found to be genuine: the run's name, who signed, how many files, and how the figures were checked.

    `times` is what time stamps prove of when they signed, for each of them.
    `outcome` is that of the signed statement; `copy` is set where a single copy of the report was checked: its name.
    `unfinished` are files that a kit which was killed left beside signed ones, and that nobody has signed.
    """

    name: str
    outcome: str
    sign_offs: tuple[SignOff, ...]
    files: int
    reread: Reread | None = None
    unread: tuple[str, ...] = ()
    copy: str | None = None
    times: tuple[Proven | None, ...] = ()
    unfinished: tuple[str, ...] = ()


# --- signing -----------------------------------------------------------------------------------------------------


def sign(
    run: RunDir, private: Private, role: Role, name: str, at: datetime, stamp: Stamp | None = None
) -> tuple[SignOff, tuple[Path, ...]]:
    """Sign a whole and unaltered run, and write the copies of its report that show who signed.

    With `stamp` somebody else states when; where they do not, nothing is signed.
    """
    before = signatures.read(run.path / ATTESTATION)
    repeated.keep(run)
    read = reports.read(run)
    built = reports.build(read, "en")
    _require_whole(read, built)
    with suppress(OSError):  # what stays is named below
        durable.clear(run.path)
    found = attesting.files(run.path)
    _require_finished(run, before, found)
    again = rereading.run(run)
    if again.problems:
        msg = f"{run.name} cannot be signed: its figures are not those of its requests"
        raise VerificationError(msg, problems=again.problems)
    if problems := list(prompting.changed(run, read.plan.cases)):
        raise VerificationError(
            f"{run.name} cannot be signed: its prompts are not those that were sent", problems=problems
        )
    fresh = attesting.statement(found.own, read.plan, read.inventory, built.verdict)
    if before is not None:
        _require_unaltered(run, before, found, fresh.predicate)
    payload = before.content if before is not None else fresh.stored()
    sign_off = attesting.announced(private, role, name, at, before, stamped=stamp is not None)
    earlier = before.signed() if before is not None else ()
    shown = Signed(statement_sha256=attesting.sha256(payload), sign_offs=(*earlier, sign_off))
    copies = _copies(reports.build(replace(read, signed=shown)))
    if extra := sorted(set(found.copies) - set(copies)):
        problems = [Problem(each, "would be in no signature") for each in extra]
        raise UsageError(f"{run.path / REPORT} holds other files: move them away first", problems=problems, hint=_MOVE)
    digests = {where: attesting.sha256(content) for where, content in copies.items()}
    made = attesting.signed(payload, before, private, sign_off, digests, stamp)
    return sign_off, _write(run, copies, made)


def _require_whole(read: reports.Run, built: Report) -> None:
    status = read.status
    if status.status != "complete" or status.rounds_done < status.rounds_planned:
        msg = f"{read.name} is {status.status} ({status.rounds_done} of {status.rounds_planned} rounds)"
        raise IncompleteError(f"{msg}: only a whole run can be signed", hint=f"kit run --resume {read.name}")
    if built.draft is not None:
        failed = [Problem(check.name, check.found) for one in read.preflights if one.forced for check in one.failed]
        hint = "mend what kit doctor names, and run again" if failed else ""
        raise UsageError(f"{read.name} cannot be signed: {built.draft}", problems=failed, hint=hint)


def _require_finished(run: RunDir, before: Attestation | None, found: attesting.Found) -> None:
    """Refuse to sign what a kit writes now, or left unfinished on another machine."""
    there = {*found.own, *found.copies}
    earlier = _signed(before) if before is not None else frozenset()
    if left := [name for name in attesting.unfinished(there, there | _WRITTEN, others=True) if name not in earlier]:
        problems = [Problem(name, "is not finished") for name in left]
        hint = "sign when no kit writes there; where none does, remove them"
        raise UsageError(f"{run.name} holds files that a kit is writing, or was", problems=problems, hint=hint)


def _signed(before: Attestation) -> frozenset[str]:
    return frozenset(signatures.signed_files(signatures.genuine(before, signatures.own_keys(before))))


def _require_unaltered(run: RunDir, before: Attestation, found: attesting.Found, again: TestResult) -> None:
    """What the earlier ones signed is what lies there. Whether they are whom they say is for `kit verify`."""
    said = signatures.genuine(before, signatures.own_keys(before))
    # Copies that are missing are written anew: removing report/ is the way on after a signing that was cut short.
    left = {name: digest for name, digest in said.copies[-1].items() if name in found.copies}
    problems = [
        *signatures.changes(signatures.signed_files(said), found.own),
        *signatures.other_result(said.statement.predicate, again),
    ]
    hint = "" if problems else f"where a signing was cut short: remove {run.path / REPORT}, and sign again"
    if problems := [*problems, *signatures.changes(left, found.copies)]:
        who = ", ".join(f"{one.name} ({one.role})" for one in said.sign_offs)
        raise VerificationError(f"{run.name} was altered since it was signed by {who}", problems=problems, hint=hint)


def _copies(built: Report) -> dict[str, bytes]:
    names = renderers.STANDARD
    return {f"{REPORT}/{renderers.file_name(name)}": renderers.render(name, built) for name in names}


def _write(run: RunDir, copies: dict[str, bytes], made: Attestation) -> tuple[Path, ...]:
    # The attestation last: it names the copies.
    written = {**copies, ATTESTATION: made.stored()}
    return writing.files([(run.path / where, content) for where, content in written.items()])


def signers(run: RunDir) -> tuple[SignOff, ...]:
    """Who says to have signed before."""
    before = signatures.read(run.path / ATTESTATION)
    if before is None:
        return ()
    return signatures.genuine(before, signatures.own_keys(before)).sign_offs


# --- verifying ---------------------------------------------------------------------------------------------------


def verify(reference: str, runs: Path, trust_file: Path | None, now: datetime) -> Verified:
    """Check a signed run, or one copy of its report beside its attestation. Raises `VerificationError` with all findings."""
    path = Path(reference)
    single = path if path.is_file() and path.name != ATTESTATION else None
    home = _home(path) if path.is_file() else store.find(reference, runs).path
    if home is None:
        raise _unsigned(reference, "beside it")
    said = trusted(home, reference, trust_file, now, "beside it" if single else "in it")
    return _single(single, said) if single is not None else whole(RunDir(home), said)


def trusted(home: Path, reference: str, trust_file: Path | None, now: datetime, where: str = "in it") -> Genuine:
    """What those signed who may, by the attestation in a folder; nothing else is read. Raises `VerificationError`."""
    if (found := signatures.read(home / ATTESTATION)) is None:
        raise _unsigned(reference, where)
    if trust_file is None:
        msg = f"nothing says whose signatures count for {reference}"
        raise VerificationError(msg, hint="give the trust file with --trust; docs/signing.md shows one")
    return signatures.trusted(found, trust.read(trust_file), now)


def _unsigned(reference: str, where: str) -> VerificationError:
    return VerificationError(
        f"{reference} is not signed: there is no {ATTESTATION} {where}", hint="kit sign signs a run"
    )


def _home(path: Path) -> Path | None:
    """The folder with the attestation that belongs to a file: its own, or that of the run in which it lies."""
    return next((folder for folder in path.absolute().parents if (folder / ATTESTATION).is_file()), None)


def _single(path: Path, said: Genuine) -> Verified:
    """A file by its content: it may have been renamed, and it may show fewer signatures than there are now."""
    sha256 = attesting.digest(path)
    for number in range(len(said.copies), 0, -1):
        for name, digest in said.copies[number - 1].items():
            if digest == sha256:
                return _verified(path.name, said, len(said.sign_offs[:number]), copy=name)
    for name, digest in signatures.signed_files(said).items():
        if digest == sha256:
            return _verified(path.name, said, len(said.sign_offs), copy=name)
    msg = f"{path} is no file that was signed: it was altered, or belongs to another run"
    raise VerificationError(msg, hint="compare with a copy of the run, or ask those who signed it")


def _verified(name: str, said: Genuine, signers: int, copy: str) -> Verified:
    return Verified(name, said.statement.predicate.result, said.sign_offs[:signers], 1, copy=copy, times=said.times)


def whole(run: RunDir, said: Genuine) -> Verified:
    """Check that a run is what was signed, and that it is true. Raises `VerificationError` with all findings."""
    found = attesting.files(run.path)
    own, copies = signatures.signed_files(said), said.copies[-1]
    # Beside a signed file only, and told: under such a name nothing is kept from who looks.
    known = {*own, *copies}
    left = [name for name in attesting.unfinished((*found.own, *found.copies), known | _WRITTEN) if name not in known]
    found = found.without(left)
    if problems := [*signatures.changes(own, found.own), *signatures.changes(copies, found.copies)]:
        msg = f"{run.name} is not what was signed"
        raise VerificationError(
            msg, problems=problems, hint="compare with a copy of the run, or ask those who signed it"
        )
    # From here on every byte is one that was signed: now whether what was signed is true.
    read = reports.read(run)
    built = reports.build(read)
    again = rereading.run(run)
    problems = [
        *again.problems,
        *prompting.changed(run, read.plan.cases),
        *signatures.other_result(said.statement.predicate, attesting.result(read.plan, read.inventory, built.verdict)),
    ]
    unread: list[str] = []
    for name in copies:
        other = rereading.copy(name, bounded.read(run.path / name, store.MOST_BYTES), built)
        unread += [name] if other is None else []
        problems += other or []
    if problems:
        msg = f"{run.name} is what was signed, but not true: its figures are not those of its requests"
        raise VerificationError(msg, problems=problems)
    count = len(found.own) + len(found.copies)
    result = said.statement.predicate.result
    return Verified(
        run.name, result, said.sign_offs, count, again, tuple(unread), times=said.times, unfinished=tuple(left)
    )
