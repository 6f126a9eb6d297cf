"""What `kit bundle` does, end to end: gathering what repeating a run takes, and writing it into one file."""

import errno
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit import __version__, beside, durable, library, plan, runtimes, store
from kit import profile as profiles
from kit.bundles import names, writing
from kit.errors import HostError, KitError, Problem, UsageError
from kit.model import Plan, Profile
from kit.model.bundle import KINDS, Manifest
from kit.ports import Progress
from kit.redaction import Redactor, read_secret
from kit.running import prompting
from kit.runtimes import fetching, notes
from kit.store import RunDir
from kit.workflows.packing import environments, models
from kit.workflows.packing.gathered import Gathered, Wanted

__all__ = ["Bundled", "Wanted", "make"]


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was written, and what was not to be had for it."""

    path: Path
    sha256: str
    size_bytes: int
    manifest: Manifest
    notes: tuple[str, ...]


def make(reference: str, runs: Path, out: Path, wanted: Wanted, progress: Progress) -> Bundled:
    """Bundle a run, or what a run of a profile would take. Raises `UsageError` where something has changed since the run, or
    there is a file of that name already."""
    if os.path.lexists(out):
        raise UsageError(f"{out} exists already", hint="give another name with -o, or remove it first")
    run = _run(reference, runs)
    try:
        with notes.scratch_in(out.parent, "bundle") as scratch:
            found = Gathered(scratch, wanted, progress)
            about, profile = _of_run(found, run) if run is not None else _of_profile(found, reference)
            models.tokenizer(found, profile)
            order = {kind: number for number, kind in enumerate(KINDS)}
            members = tuple(sorted(found.members, key=lambda member: (order[member.kind], member.name)))
            if clashes := list(names.clashes(member.name for member in members)):
                raise UsageError(f"{reference} cannot be bundled", problems=clashes)
            manifest = about.model_copy(update={"members": members, "weights": tuple(models.named(found, profile))})
            progress(f"writing {out.name}: {len(members)} files, {sum(one.size for one in members) / 1e6:.0f} MB")
            sha256 = writing.write(out, manifest, found.sources)
    except OSError as error:
        kind = "no space is left" if error.errno == errno.ENOSPC else error.strerror
        raise HostError(f"{error.filename or out} cannot be read or written: {kind}") from error
    return Bundled(out, sha256, out.stat().st_size, manifest, tuple(found.notes))


def _run(reference: str, runs: Path) -> RunDir | None:
    """The run that is meant, or None where it is a profile."""
    path = Path(reference)
    if os.path.isfile(path / "plan.json"):
        return RunDir.open(path)
    if path.suffix in (".yaml", ".yml") or (reference in library.names() and "/" not in reference):
        return None
    return store.find(reference, runs)


# --- what a run, or a profile, takes -----------------------------------------------------------------------------


def _of_run(found: Gathered, run: RunDir) -> tuple[Manifest, Profile]:
    if found.wanted.settings:
        raise UsageError("a run is bundled as it was: --set changes profiles only")
    made = run.plan()
    status = run.status()
    if status.status == "running":
        raise UsageError(f"{run.name} is still running", hint="bundle it when it is over")
    text = run.text("profile.yaml") + "\n"
    if f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" != made.profile_sha256:
        raise UsageError(f"{run.path / 'profile.yaml'} is not the profile that this run was made of")
    profile = profiles.parse(text, str(run.path / "profile.yaml")).profile
    found.add("profile", "", run.path / "profile.yaml")
    if (run.path / store.BASELINE).is_file():
        found.add("baseline", "", run.path / store.BASELINE)
    there = sorted(path for path in run.path.rglob("*") if not path.is_dir() or path.is_symlink())
    files = [path for path in there if not durable.has_owner(path.name)]
    # Once: as large as they may be, they are not put into the run's own files as well.
    prompts = {told.sha256: run.prompts(told.sha256) for _, told in beside.named(profile) if told.sha256}
    if problems := list(prompting.changed(run, profile.load.expanded())):
        raise UsageError(f"{run.name} does not hold the prompts that it was made with", problems=problems)
    for sha256, path in prompts.items():
        found.add("prompts", f"{sha256}.jsonl", path)
    for path in (path for path in files if path not in prompts.values()):
        found.add("run", path.relative_to(run.path).as_posix(), path)
    _require_no_secret(made, files)
    runtime = found.wanted.runtime or made.runtime
    platform = environments.platforms(found, made.platform, runtime)
    environments.environments(found, runtime, platform, made.environments)
    about = Manifest(
        kit_version=__version__,
        profile=made.profile,
        profile_sha256=made.profile_sha256,
        run=run.name,
        python=_python(found),
        left_out=found.wanted.without,
        members=(),
    )
    return about, profile


def _of_profile(found: Gathered, reference: str) -> tuple[Manifest, Profile]:
    loaded = profiles.load(reference, found.wanted.settings)
    profile = loaded.profile
    found.write("profile", "", profiles.resolved(profile))
    if loaded.baseline is not None:
        found.write("baseline", "", loaded.baseline)
    for sha256, content in loaded.prompts.items():
        found.write("prompts", f"{sha256}.jsonl", content)
    runtime = found.wanted.runtime or "process"
    platforms = environments.platforms(found, None, runtime)
    door = runtimes.make(runtime, platforms[0] if found.wanted.platforms and runtime == "docker" else None)
    pinned = [one for one in plan.environments(profile, door.pin) if one is not None]
    environments.environments(found, runtime, platforms, pinned)
    about = Manifest(
        kit_version=__version__,
        profile=profile.name,
        profile_sha256=loaded.sha256,
        python=_python(found),
        left_out=found.wanted.without,
        members=(),
    )
    return about, profile


def _python(found: Gathered) -> str | None:
    return fetching.own_python() if any(one.kind == "wheel" for one in found.members) else None


def _require_no_secret(made: Plan, files: Sequence[Path]) -> None:
    """Raise where the key of the endpoint stands in a file, although kit strikes it out of all that it writes."""
    if made.target.api_key is None:
        return
    try:
        redactor = Redactor([read_secret(made.target.api_key)])
    except KitError:
        return  # not known here: what it was cannot be looked for
    if problems := [Problem(str(path), "holds the API key") for path in files if redactor.finds(path)]:
        raise UsageError("a bundle holds no secret", problems=problems, hint="make the run again, or mend those files")
