"""What `kit reproduce` repeats: a bundle, a run, a profile with its baseline, or an old report by itself."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kit import beside, bounded, store
from kit import profile as profiles
from kit.bundles import reading
from kit.comparing import repeating
from kit.errors import KitError, UsageError, VerificationError
from kit.legacy import baseline, tables
from kit.model import Inventory, Plan
from kit.ports import Progress
from kit.profile import Loaded
from kit.running import prompting
from kit.runtimes import notes
from kit.signing import attesting
from kit.store import RunDir
from kit.workflows import judging, opening, sealing
from kit.workflows.opening import Opened


@dataclass(frozen=True, slots=True)
class Original:
    """What is repeated: a bundle, a run directory, or a profile with the results that it names as its baseline.

    `run` is None where only figures are known.
    """

    name: str
    loaded: Loaded
    run: RunDir | None
    opened: Opened | None = None
    sha256: str | None = None
    signed_by: tuple[str, ...] = ()

    @property
    def plan(self) -> Plan | None:
        return self.run.plan() if self.run is not None else None

    @property
    def inventory(self) -> Inventory | None:
        return self.run.inventory() if self.run is not None else None

    def figures(self) -> dict[repeating.Key, repeating.Rounds]:
        """What was measured then. Raises `UsageError` where nothing is known."""
        if self.run is not None:
            results = self.run.results(self.run.plan())
            return repeating.of_results([(result.case, result.figures) for result in results])
        if self.loaded.baseline is None:
            msg = f"{self.name} has no results to compare with: it is a profile without a baseline"
            raise UsageError(msg, hint="kit run runs it")
        profile = self.loaded.profile
        rows = tables.read(self.loaded.baseline, str(profile.acceptance.baseline)).rows
        if baseline.is_rehearsal(rows) and not profile.report.rehearsal:
            msg = f"{profile.acceptance.baseline} is of a rehearsal: its figures say nothing that could be repeated"
            raise UsageError(msg, hint="kit run runs the profile")
        return repeating.of_rows(rows)


@contextmanager
def found(
    reference: str, runs: Path, progress: Progress, now: datetime, *, trust: Path | None, unsigned: bool
) -> Iterator[Original]:
    """The original, verified where somebody vouches for it. What was unpacked for it is gone afterwards.

    Raises `VerificationError` where it is not genuine, `UsageError` where it cannot be repeated.
    """
    path = Path(reference)
    if reading.is_bundle(path):
        with opening.opened(path, trust, now, progress, unsigned=unsigned) as opened:
            name = opened.looked.bundle.manifest.run or opened.looked.bundle.manifest.profile
            signers = opened.verified.sign_offs if opened.verified is not None else ()
            signed_by = tuple(f"{one.name} ({one.role})" for one in signers)
            yield Original(name, opened.looked.loaded, opened.run, opened, attesting.digest(path), signed_by)
        return
    if path.suffix in (".yaml", ".yml"):
        loaded = profiles.load(reference)
        yield Original(loaded.profile.name, loaded, None, sha256=loaded.sha256.removeprefix("sha256:"))
        return
    home = next((one for one in (path, *path.absolute().parents) if (one / "plan.json").is_file()), None)
    if home is None and path.is_file():
        yield _report(path, progress, now, trust)
        return
    yield _run(RunDir(home) if home is not None else store.find(reference, runs), reference, now, trust)


def _run(run: RunDir, reference: str, now: datetime, trust: Path | None) -> Original:
    signed_by: tuple[str, ...] = ()
    if trust is not None:
        said = sealing.trusted(run.path, reference, trust, now)
        verified = sealing.whole(run, said)
        signed_by = tuple(f"{one.name} ({one.role})" for one in verified.sign_offs)
    text = run.text("profile.yaml") + "\n"
    if f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" != run.plan().profile_sha256:
        raise VerificationError(f"{run.path / 'profile.yaml'} is not the profile that this run was made of")
    loaded = profiles.alone(text, str(run.path / "profile.yaml"))
    if problems := list(prompting.changed(run, loaded.profile.load.expanded())):
        raise VerificationError(f"{run.name} does not hold the prompts that it was made with", problems=problems)
    digests = dict.fromkeys(told.sha256 for _, told in beside.named(loaded.profile) if told.sha256)
    prompts = {sha256: bounded.read(run.prompts(sha256), beside.MOST_BYTES) for sha256 in digests}
    held = replace(loaded, baseline=run.baseline(), prompts=prompts)
    return Original(run.name, held, run, signed_by=signed_by)


def _report(path: Path, progress: Progress, now: datetime, trust: Path | None) -> Original:
    """A report by itself, as `kit import` reads it; with a trust file it must be one that was signed."""
    signed_by: tuple[str, ...] = ()
    if trust is not None:
        verified = sealing.verify(str(path), path.parent, trust, now)
        signed_by = tuple(f"{one.name} ({one.role})" for one in verified.sign_offs)
    with notes.scratch("import") as name:
        taken = judging.take(path, Path(name))
        try:
            loaded = profiles.load(str(taken.profile))
        except KitError as error:
            raise _unsaid(path, taken) from error
    # Whatever answers at the endpoint here is not what was measured then.
    if loaded.profile.server.engine == "endpoint":
        raise _unsaid(path, taken)
    for problem in taken.problems:
        progress(f"look at {problem}")
    return Original(path.name, loaded, None, sha256=attesting.digest(path), signed_by=signed_by)


def _unsaid(path: Path, taken: judging.Taken) -> UsageError:
    name = taken.profile.name
    msg = f"{path} does not say all that repeating it takes, or not so that kit understands it"
    hint = f"kit import {path} -o imported, complete imported/{name}, then kit reproduce imported/{name}"
    return UsageError(msg, problems=taken.problems, hint=hint)
